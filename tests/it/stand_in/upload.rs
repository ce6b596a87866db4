use super::*;

#[tokio::test]
async fn answers_as_imagekit_does() {
    let stand = Stand::new().await;
    let bytes = jpeg(100, 50);
    let (status, file) = stand.upload("test-image.jpg", &bytes, &[EXACT, ("folder", "/a/b/")]).await;
    assert_eq!(status, 200);
    let id = text(&file["fileId"]);
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let endpoint = stand.running.url_endpoint();
    assert_eq!(
        file,
        json!({
            "fileId": id, "name": "test-image.jpg", "size": bytes.len(), "versionInfo": { "id": id, "name": "Version 1" },
            "filePath": "/a/b/test-image.jpg", "url": format!("{endpoint}/a/b/test-image.jpg"), "fileType": "image",
            "height": 50, "width": 100, "orientation": 1, "AITags": null,
            "thumbnailUrl": format!("{endpoint}/tr:n-ik_ml_thumbnail/a/b/test-image.jpg"),
        })
    );
    let stored = &stand.running.files()[0];
    assert_eq!((&*stored.path, &*stored.id, stored.bytes), ("/a/b/test-image.jpg", id, bytes.len() as u64));
    assert_eq!(stored.content, blake3(&bytes));
}

#[tokio::test]
async fn makes_names_unique_unless_told_not_to() {
    let stand = Stand::new().await;
    for _ in 0..3 {
        let (_, file) = stand.upload("a b_c.jpg", &jpeg(4, 4), &[]).await;
        let name = text(&file["name"]);
        let suffix = name.strip_prefix("a_b_c_").and_then(|rest| rest.strip_suffix(".jpg")).expect(name);
        assert!(
            suffix.len() == 9 && suffix.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        );
    }
    assert_eq!(stand.running.files().len(), 3);
}

#[tokio::test]
async fn v1_replaces_what_it_does_not_like_and_v2_keeps_it() {
    let stand = Stand::new().await;
    let (name, folder) = ("Größe 1+2 (é@世界)'.x.jpg", "/in hier/a.b");
    let fields = [EXACT, ("folder", folder)];
    let (_, v1) = stand.upload(name, &jpeg(4, 4), &fields).await;
    assert_eq!(v1["filePath"], "/in_hier/a_b/Größe_1_2__é_世界__.x.jpg");
    let (_, v2) = stand.upload_to("/api/v2/files/upload", form(name, &jpeg(4, 4), &fields)).await;
    assert_eq!(v2["filePath"], format!("{folder}/{name}"));
    for file in [v1, v2] {
        assert_eq!(stand.http.get(text(&file["url"])).send().await.unwrap().status(), 200, "{file}");
    }
    let deep = "/d".repeat(51);
    assert_eq!(stand.upload("a.jpg", &jpeg(4, 4), &[("folder", &deep)]).await.0, 400);
    assert_eq!(stand.upload("a.jpg", &jpeg(4, 4), &[("folder", &deep[2..])]).await.0, 200);
}

#[tokio::test]
async fn refuses_a_taken_name_or_makes_a_version() {
    let stand = Stand::new().await;
    let (first, second) = (jpeg(10, 10), png(20, 20));
    let tagged = [EXACT, ("tags", "old"), ("customCoordinates", "1,2,3,4"), ("description", "d")];
    let one = stand.upload("a.jpg", &first, &tagged).await.1;
    assert_eq!(stand.upload("a.jpg", &second, &[EXACT, CREATE_ONLY]).await, (400, refusal(CONFLICT)));
    assert_eq!(stand.running.files()[0].content, blake3(&first));

    let (_, two) = stand
        .upload("a.jpg", &second, &[EXACT, ("overwriteTags", "false"), ("responseFields", "tags")])
        .await;
    assert_eq!(two["fileId"], one["fileId"]);
    assert_eq!((&two["versionInfo"]["name"], &two["tags"]), (&json!("Version 2"), &json!(["old"])));
    assert_ne!(two["versionInfo"]["id"], two["fileId"]);
    let (_, three) =
        stand.upload("a.jpg", &second, &[EXACT, ("responseFields", "tags,customCoordinates")]).await;
    assert_eq!((&three["tags"], &three["customCoordinates"]), (&Value::Null, &Value::Null));
    let stored = &stand.running.files()[0];
    assert_eq!((stored.versions, &*stored.content), (3, &*blake3(&second)));
    for _ in 3..100 {
        assert_eq!(stand.upload("a.jpg", b"x", &[EXACT]).await.0, 200);
    }
    assert_eq!(stand.upload("a.jpg", b"x", &[EXACT]).await.0, 400, "a hundred versions are the most");
    assert_eq!(stand.running.files()[0].versions, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_one_of_many_simultaneous_creates() {
    let stand = Stand::new().await;
    for round in 0..10 {
        let name = format!("{round}.jpg");
        let bodies: Vec<Vec<u8>> = (0..8).map(|n| jpeg(16 + n, 16)).collect();
        let sent = bodies.iter().map(|bytes| stand.upload(&name, bytes, &[EXACT, CREATE_ONLY]));
        let answers = futures_util::future::join_all(sent).await;
        let won: Vec<usize> = (0..8).filter(|n| answers[*n].0 == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert!(answers.iter().filter(|one| one.0 != 200).all(|one| *one == (400, refusal(CONFLICT))));
        let stored = stand.running.files().into_iter().find(|file| file.path == format!("/{name}")).unwrap();
        assert_eq!((stored.versions, &stored.content), (1, &blake3(&bodies[won[0]])));
    }
}

#[tokio::test]
async fn honours_the_other_fields() {
    let stand = Stand::new().await;
    let all = "tags,customCoordinates,isPrivateFile,isPublished,customMetadata,embeddedMetadata,metadata";
    let undefined = stand.upload("a.jpg", &jpeg(9, 9), &[("customMetadata", r#"{"city":"Łódź"}"#)]).await;
    assert_eq!((undefined.0, text(&undefined.1["message"])), (400, "Invalid custom metadata."));
    let field = json!({ "name": "city", "label": "City", "schema": { "type": "Text" } });
    assert_eq!(stand.send(Method::POST, "/v1/customMetadataFields", field).await.0, 201);
    let fields = [
        EXACT,
        ("responseFields", all),
        ("tags", "a b, c"),
        ("customCoordinates", "1,2,3,4"),
        ("customMetadata", r#"{"city":"Łódź"}"#),
        ("isPrivateFile", "true"),
        ("isPublished", "true"),
        ("description", "of a pub"),
        ("webhookUrl", "https://example.com/hook"),
        ("extensions", r#"[{"name":"google-auto-tagging","maxTags":5,"minConfidence":80}]"#),
    ];
    let (status, file) = stand.upload("a.jpg", &jpeg(9, 8), &fields).await;
    assert_eq!(status, 200, "{file}");
    assert_eq!(file["tags"], json!(["a b", "c"]));
    assert_eq!((&file["customCoordinates"], &file["isPrivateFile"]), (&json!("1,2,3,4"), &json!(true)));
    assert_eq!((&file["customMetadata"]["city"], &file["isPublished"]), (&json!("Łódź"), &json!(true)));
    assert_eq!((&file["metadata"]["width"], &file["metadata"]["format"]), (&json!(9), &json!("jpg")));
    assert_eq!(file["extensionStatus"], json!({ "google-auto-tagging": "failed" }));
    let details = stand.get(&format!("/v1/files/{}/details", text(&file["fileId"]))).await.1;
    assert_eq!((&details["description"], &details["mime"]), (&json!("of a pub"), &json!("image/jpeg")));

    let (_, small) =
        stand.upload("s.jpg", &jpeg(80, 40), &[EXACT, ("transformation", r#"{"pre":"w-20"}"#)]).await;
    assert_eq!(
        (&small["width"], &small["height"]),
        (&json!(20), &json!(10)),
        "transformed before it is stored"
    );
    let bad_values = [
        ("transformation", r#"{"pre":"w-none"}"#),
        ("transformation", "no json"),
        ("useUniqueFileName", "yes"),
        ("customCoordinates", "1,2"),
        ("tags", "50%"),
        ("extensions", "{}"),
        ("token", "client-side"),
        ("folder", "/a/../b"),
    ];
    let before = stand.running.files();
    for bad in bad_values {
        let (status, answer) =
            stand.upload_to("/api/v2/files/upload", form("b.jpg", &jpeg(4, 4), &[bad])).await;
        assert_eq!(status, 400, "{bad:?}: {answer}");
    }
    let long = "x".repeat(501);
    assert_eq!(stand.upload("b.jpg", &jpeg(4, 4), &[("tags", &long)]).await.0, 400);
    assert_eq!(stand.running.files(), before);
}

#[tokio::test]
async fn runs_checks() {
    let stand = Stand::new().await;
    let failed = (400, refusal("Your request failed 'checks' validation."));
    let syntax = (400, refusal("Your request contains invalid syntax for the checks parameter."));
    let small = jpeg(30, 20);
    let ways = [
        (r#""file.size" < "1mb""#, None),
        (r#""file.size" < "100b""#, Some(&failed)),
        (r#""request.folder" : "marketing/" AND "mediaMetadata.width" = 30"#, None),
        (r#""request.folder" : "market""#, Some(&failed)),
        (r#""file.mime" IN ["image/png", "image/jpeg"]"#, None),
        (r#"NOT ("file.mime" = "image/jpeg" OR "file.size" > 0)"#, Some(&failed)),
        (r#""file.size" <"#, Some(&syntax)),
        (r#""file.taste" = "sweet""#, Some(&syntax)),
    ];
    for (check, refused) in ways {
        let sent = stand.upload("c.jpg", &small, &[("folder", "/marketing/summer"), ("checks", check)]).await;
        assert_eq!(refused.map_or(200, |refused| refused.0), sent.0, "{check}: {}", sent.1);
        assert!(refused.is_none_or(|refused| *refused == sent), "{check}: {}", sent.1);
    }
}

#[tokio::test]
async fn refuses_what_is_missing_too_large_or_beyond_the_plan() {
    let stand = Stand::with(|options| {
        options.upload_bytes_max = 5_000;
        options.storage_bytes_max = Some(12_000);
    })
    .await;
    let no_file = Form::new().text("fileName", "a.jpg");
    let missing = (400, refusal("Your request is missing file parameter."));
    assert_eq!(stand.upload_to("/api/v1/files/upload", no_file).await, missing);
    assert_eq!(stand.upload("a.jpg", b"", &[]).await, missing, "an empty file");
    let no_name = Form::new().part("file", Part::bytes(vec![1]).file_name("x"));
    let unnamed = (400, refusal("Your request is missing fileName parameter."));
    assert_eq!(stand.upload_to("/api/v1/files/upload", no_name).await, unnamed);
    let too_large = "Your request contains invalid file parameter. The file size exceeds limits.";
    assert_eq!(stand.upload("a.jpg", &[7; 5_001], &[]).await, (400, refusal(too_large)));
    assert_eq!(stand.upload("a.jpg", &vec![7; 4_000_000], &[]).await, (400, refusal(too_large)));
    assert!(stand.running.files().is_empty());
    assert_eq!(stand.upload("a.bin", &[7; 5_000], &[EXACT]).await.0, 200);
    assert_eq!(stand.upload("a.bin", &[7; 5_000], &[EXACT]).await.0, 200, "old versions count");
    assert_eq!(stand.upload("b.bin", &[7; 5_000], &[EXACT]).await, (400, refusal("Upload Limit Exceeded.")));
    assert_eq!(stand.upload("b.bin", &[7; 2_000], &[EXACT]).await.0, 200);
    let leftovers = std::fs::read_dir(stand.options.dir.join("incoming")).unwrap().count();
    assert_eq!(leftovers, 0, "refused bytes do not stay");
}

#[tokio::test]
async fn tells_images_from_other_files_by_their_bytes() {
    let stand = Stand::new().await;
    let pictures = [
        (jpeg(12, 7), "image/jpeg", false),
        (encoded(&picture(12, 7).to_rgba8().into(), image::ImageFormat::Png), "image/png", true),
        (encoded(&picture(12, 7), image::ImageFormat::WebP), "image/webp", false),
        (encoded(&picture(12, 7).to_rgba8().into(), image::ImageFormat::Gif), "image/gif", true),
    ];
    for (bytes, mime, alpha) in pictures {
        let (_, file) = stand.upload("misnamed.txt", &bytes, &[]).await;
        let (_, details) = stand.get(&format!("/v1/files/{}/details", text(&file["fileId"]))).await;
        assert_eq!((&details["mime"], &details["hasAlpha"]), (&json!(mime), &json!(alpha)));
        assert_eq!(
            (&file["width"], &file["height"], &file["fileType"]),
            (&json!(12), &json!(7), &json!("image"))
        );
    }
    for (name, bytes) in
        [("a.html", &b"<html>hello</html>"[..]), ("b.jpg", b"no picture at all"), ("c.pdf", b"%PDF-1.4")]
    {
        let (_, file) = stand.upload(name, bytes, &[]).await;
        assert_eq!((&file["fileType"], file.get("width")), (&json!("non-image"), None), "{name}");
    }
}
