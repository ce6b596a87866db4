use super::*;

const UNKNOWN: &str = "0123456789abcdef01234567";

async fn three() -> (Stand, Vec<String>) {
    let stand = Stand::new().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(text(&stand.stored("/f", &format!("{n}.jpg"), &jpeg(4 + n, 4)).await["fileId"]).to_owned());
    }
    (stand, ids)
}

#[tokio::test]
async fn details_and_deletion_know_ids() {
    let (stand, ids) = three().await;
    let missing = (404, refusal("The requested file does not exist."));
    let invalid = (400, refusal("Your request contains invalid fileId parameter."));
    assert_eq!(stand.get(&format!("/v1/files/{UNKNOWN}/details")).await, missing);
    assert_eq!(stand.get("/v1/files/nonsense/details").await, invalid);
    let delete = async |id: &str| {
        answer(stand.call(Method::DELETE, &format!("/v1/files/{id}")).send().await.unwrap()).await
    };
    assert_eq!(delete(UNKNOWN).await, missing);
    assert_eq!(delete("nonsense").await, invalid);
    assert_eq!(delete(&ids[0]).await, (204, Value::Null));
    assert_eq!(delete(&ids[0]).await, missing);
    assert_eq!(stand.fetch("/f/0.jpg", "*/*").await.status(), 404);
    assert_eq!(stand.running.files().len(), 2);
    assert_eq!(
        std::fs::read_dir(stand.options.dir.join("content")).unwrap().count(),
        2,
        "the bytes are gone too"
    );
}

#[tokio::test]
async fn bulk_delete_takes_all_or_nothing() {
    let (stand, ids) = three().await;
    let bulk = async |body: Value| stand.send(Method::POST, "/v1/files/batch/deleteByFileIds", body).await;
    assert_eq!(bulk(json!({})).await, (400, refusal("fileIds parameter is missing.")));
    assert_eq!(bulk(json!({ "fileIds": "x" })).await, (400, refusal("fileIds should be an Array.")));
    assert_eq!(bulk(json!({ "fileIds": [] })).await, (400, refusal("fileIds is empty.")));
    let many = vec![UNKNOWN; 101];
    assert_eq!(
        bulk(json!({ "fileIds": many })).await,
        (400, refusal("fileIds cannot have more than 100 items."))
    );
    let mut missing = refusal("The requested file(s) does not exist.");
    missing["missingFileIds"] = json!([UNKNOWN]);
    assert_eq!(bulk(json!({ "fileIds": [ids[0], UNKNOWN, ids[1]] })).await, (404, missing));
    assert_eq!(stand.running.files().len(), 3, "nothing was deleted");
    let done = (200, json!({ "successfullyDeletedFileIds": [ids[0], ids[2]] }));
    assert_eq!(bulk(json!({ "fileIds": [ids[0], ids[2]] })).await, done);
    // Bytes that cannot be removed make the deletion partial: here a folder lies in their place.
    let content = stand.options.dir.join("content").join(format!("{}.{}", ids[1], ids[1]));
    std::fs::remove_file(&content).unwrap();
    std::fs::create_dir_all(content.join("x")).unwrap();
    let (status, partly) = bulk(json!({ "fileIds": [ids[1]] })).await;
    assert_eq!((status, &partly["errors"][0]["fileId"]), (207, &json!(ids[1])), "{partly}");
}

#[tokio::test]
async fn update_sets_and_unsets() {
    let (stand, ids) = three().await;
    let path = format!("/v1/files/{}/details", ids[0]);
    let set = json!({ "tags": ["a", "b"], "customCoordinates": "1,2,3,4", "description": "d" });
    let (status, file) = stand.send(Method::PATCH, &path, set).await;
    assert_eq!((status, &file["tags"], &file["description"]), (200, &json!(["a", "b"]), &json!("d")));
    assert_eq!(stand.get(&path).await.1, file);
    let (_, file) = stand.send(Method::PATCH, &path, json!({ "customCoordinates": null })).await;
    assert_eq!(
        (&file["customCoordinates"], &file["tags"]),
        (&Value::Null, &json!(["a", "b"])),
        "tags were not sent"
    );
    assert_eq!(stand.send(Method::PATCH, &path, json!({ "tags": null })).await.1["tags"], Value::Null);
    for bad in
        [json!({ "tags": "a" }), json!({ "tags": ["%"] }), json!({ "customMetadata": { "x": 1 } }), json!([])]
    {
        assert_eq!(stand.send(Method::PATCH, &path, bad).await.0, 400);
    }
    stand.send(Method::PATCH, &path, json!({ "publish": { "isPublished": false } })).await;
    assert_eq!(stand.fetch("/f/0.jpg", "*/*").await.status(), 404);
    assert_eq!(stand.send(Method::PATCH, &format!("/v1/files/{UNKNOWN}/details"), json!({})).await.0, 404);
}

#[tokio::test]
async fn tags_many_at_once() {
    let (stand, ids) = three().await;
    let body = |tags: Value| json!({ "fileIds": ids, "tags": tags });
    let done = (200, json!({ "successfullyUpdatedFileIds": ids }));
    assert_eq!(stand.send(Method::POST, "/v1/files/addTags", body(json!(["a", "b"]))).await, done);
    assert_eq!(stand.send(Method::POST, "/v1/files/addTags", body(json!(["b", "c"]))).await, done);
    assert!(stand.running.files().iter().all(|file| file.tags == ["a", "b", "c"]));
    assert_eq!(stand.send(Method::POST, "/v1/files/removeTags", body(json!(["a", "c"]))).await, done);
    assert!(stand.running.files().iter().all(|file| file.tags == ["b"]));
    let too_many = json!({ "fileIds": vec![&ids[0]; 51], "tags": ["x"] });
    let refused = (400, refusal("A maximum of 50 files can be edited at a time."));
    assert_eq!(stand.send(Method::POST, "/v1/files/addTags", too_many).await, refused);
    let unknown = json!({ "fileIds": [ids[0], UNKNOWN], "tags": ["x"] });
    assert_eq!(stand.send(Method::POST, "/v1/files/addTags", unknown).await.0, 404);
    assert!(stand.running.files().iter().all(|file| file.tags == ["b"]));
}

#[tokio::test]
async fn keeps_versions() {
    let stand = Stand::new().await;
    let file = stand.stored("/", "v.jpg", &jpeg(10, 10)).await;
    stand.upload("v.jpg", &jpeg(20, 20), &[EXACT]).await;
    let path = format!("/v1/files/{}/versions", text(&file["fileId"]));
    let (_, versions) = stand.get(&path).await;
    assert_eq!((&versions[0]["width"], &versions[1]["width"]), (&json!(20), &json!(10)), "newest first");
    let (current, old) = (text(&versions[0]["versionInfo"]["id"]), text(&versions[1]["versionInfo"]["id"]));
    assert_eq!(stand.get(&format!("{path}/{old}")).await, (200, versions[1].clone()));
    let served = stand.fetch(&format!("/v.jpg?ik-obj-version={old}"), "*/*").await.bytes().await.unwrap();
    assert_eq!(served, jpeg(10, 10));
    let gone = stand.call(Method::DELETE, &format!("{path}/{current}")).send().await.unwrap();
    assert_eq!(answer(gone).await, (400, refusal("You cannot delete current version of a file.")));
    let (status, restored) =
        answer(stand.call(Method::PUT, &format!("{path}/{old}/restore")).send().await.unwrap()).await;
    assert_eq!((status, &restored["width"]), (200, &json!(10)));
    assert_eq!(stand.fetch("/v.jpg", "*/*").await.bytes().await.unwrap(), jpeg(10, 10));
    let gone = stand.call(Method::DELETE, &format!("{path}/{current}")).send().await.unwrap();
    assert_eq!(answer(gone).await.0, 204);
    assert_eq!(stand.running.files()[0].versions, 1);
}

#[tokio::test]
async fn purges() {
    let stand = Stand::new().await;
    let endpoint = stand.running.url_endpoint();
    let purge = async |url: &str| stand.send(Method::POST, "/v1/files/purge", json!({ "url": url })).await;
    for url in [
        format!("{endpoint}/a/b.jpg"),
        "https://ik.imagekit.io/sandbox/a.jpg".to_owned(),
        format!("{endpoint}/a/b/c*"),
    ] {
        let (status, request) = purge(&url).await;
        assert_eq!(status, 201, "{url}");
        let path = format!("/v1/files/purge/{}", text(&request["requestId"]));
        assert_eq!(stand.get(&path).await, (200, json!({ "status": "Pending" })));
        assert_eq!(stand.get(&path).await, (200, json!({ "status": "Completed" })));
    }
    for url in ["", "https://example.com/a.jpg", &format!("{endpoint}/*/b.jpg"), &format!("{endpoint}/a*")] {
        assert_eq!(purge(url).await, (400, refusal("The URL is not valid for cache purging.")), "{url}");
    }
    let unknown = stand.get(&format!("/v1/files/purge/{UNKNOWN}")).await;
    assert_eq!(unknown, (400, refusal("No request found for this requestId.")));
}

#[tokio::test]
async fn counts_usage() {
    let stand = Stand::new().await;
    let (one, two) = (jpeg(60, 60), jpeg(30, 30));
    stand.upload("u.jpg", &one, &[EXACT]).await;
    stand.upload("u.jpg", &two, &[EXACT]).await;
    stand.fetch("/u.jpg", "*/*").await.bytes().await.unwrap();
    stand.fetch("/u.jpg?tr=orig-true", "*/*").await.bytes().await.unwrap();
    stand.http.head(format!("{}/u.jpg", stand.running.url_endpoint())).send().await.unwrap();
    let today = text(&stand.get("/v1/files").await.1[0]["createdAt"])[..10].to_owned();
    let (status, usage) =
        stand.get(&format!("/v1/accounts/usage?startDate={today}&endDate=2999-01-01")).await;
    assert_eq!(status, 400, "ninety days are too many: {usage}");
    let (_, usage) = stand.get(&format!("/v1/accounts/usage?startDate={today}&endDate={today}")).await;
    assert_eq!(usage["mediaLibraryStorageBytes"], one.len() + two.len(), "all versions");
    assert_eq!(usage["bandwidthBytes"], 2 * two.len(), "HEAD sends nothing");
    let (_, earlier) = stand.get("/v1/accounts/usage?startDate=2020-01-01&endDate=2020-01-31").await;
    assert_eq!(earlier["bandwidthBytes"], 0);
    assert_eq!(stand.get("/v1/accounts/usage").await.0, 400);
}

#[tokio::test]
async fn moves_files_and_folders() {
    let (stand, ids) = three().await;
    let post = async |path: &str, body: Value| stand.send(Method::POST, path, body).await;
    let to = |name: &str, folder: &str| json!({ "sourceFilePath": name, "destinationPath": folder });
    assert_eq!(post("/v1/files/move", to("/f/0.jpg", "/g/h/")).await.0, 204);
    assert_eq!(post("/v1/files/copy", to("/f/1.jpg", "/g")).await.0, 204);
    let paths: Vec<String> = stand.running.files().into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["/f/1.jpg", "/f/2.jpg", "/g/1.jpg", "/g/h/0.jpg"]);
    assert_eq!(stand.get(&format!("/v1/files/{}/details", ids[0])).await.1["filePath"], "/g/h/0.jpg");
    assert_eq!(stand.fetch("/g/h/0.jpg", "*/*").await.bytes().await.unwrap(), jpeg(4, 4));
    assert_eq!(post("/v1/files/move", to("/f/1.jpg", "/g")).await.0, 204);
    let merged = stand.running.files().into_iter().find(|file| file.path == "/g/1.jpg").unwrap();
    assert_eq!(merged.versions, 2, "appended as a version");
    let (status, answer) = post("/v1/files/move", to("/f/none.jpg", "/g")).await;
    assert_eq!((status, &answer["reason"]), (404, &json!("SOURCE_FILE_MISSING")));
    assert_eq!(post("/v1/files/copy", to("/f/2.jpg", "/f")).await.1["reason"], "SAME_SOURCE_AND_DESTINATION");

    let rename = async |name: &str| {
        stand
            .send(Method::PUT, "/v1/files/rename", json!({ "filePath": "/f/2.jpg", "newFileName": name }))
            .await
    };
    assert_eq!(rename("2.jpg").await.1["reason"], "SAME_OLD_AND_NEW_NAME");
    stand.stored("/f", "taken.jpg", &jpeg(4, 4)).await;
    assert_eq!(rename("taken.jpg").await.0, 409);
    assert_eq!(rename("two.jpg").await, (200, json!({})));
    assert_eq!(rename("three.jpg").await.0, 404);

    let folder = json!({ "folderName": "new one", "parentFolderPath": "/p/q" });
    assert_eq!(post("/v1/folder", folder).await, (201, json!({})));
    assert_eq!(stand.names(&[("type", "folder"), ("path", "/p/q")]).await, ["new_one"]);
    assert_eq!(stand.send(Method::DELETE, "/v1/folder", json!({ "folderPath": "/g/" })).await.0, 204);
    assert_eq!(stand.send(Method::DELETE, "/v1/folder", json!({ "folderPath": "/g/" })).await.0, 404);
    let paths: Vec<String> = stand.running.files().into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["/f/taken.jpg", "/f/two.jpg"]);
}
