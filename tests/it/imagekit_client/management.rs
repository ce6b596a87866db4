//! Details, listings, tags and deletions.

use ledger::trouble::TroubleKind::*;
use longshore::outside::imagekit::{Cdn, Deleted, Listed};
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn details_are_a_file_or_its_absence() {
    let server = RawServer::start(|asked| match asked.target.as_str() {
        "/v1/files/6673f88237b244ef54d60180/details" => json(200, file_json("/a/b.jpg")),
        "/v1/files/another/details" => json(200, file_json("/a/b.jpg")),
        "/v1/files/odd%3Fid/details" => error(400, "Your request contains invalid fileId parameter."),
        "/v1/files/proxy/details" => answer(404, &[], b"<html>no such route</html>"),
        _ => error(404, "The requested file does not exist."),
    })
    .await;
    let client = client(&server);
    assert_eq!(client.details(&id(ID)).await, Ok(Some(cdn_file(&server, "/a/b.jpg"))));
    let odd = client.details(&id("another")).await.unwrap_err();
    assert!(odd.kind == ApiError && odd.message.contains(ID) && odd.message.contains("another"), "{odd}");
    assert_eq!(client.details(&id("unknown")).await, Ok(None));
    assert_eq!(client.details(&id("odd?id")).await.unwrap_err().kind, Rejected);
    assert_eq!(client.details(&id("proxy")).await.unwrap_err().kind, ApiError, "no word of ImageKit's");
    assert_eq!(client.details(&id("..")).await.unwrap_err().kind, Rejected);
    assert_eq!(server.asked().len(), 5);
    assert_eq!(client.delete(&id("proxy")).await, Ok(false), "that path is ImageKit's own 404");
}

#[tokio::test]
async fn s7_versions_are_all_that_there_are_or_none() {
    let server = RawServer::start(|asked| match asked.target.as_str() {
        "/v1/files/6673f88237b244ef54d60180/versions" => {
            json(200, json!([file_json("/a/b.jpg"), file_json("/a/b.jpg")]))
        }
        "/v1/files/other/versions" => json(200, json!([file_json("/a/b.jpg")])),
        "/v1/files/none/versions" => json(200, json!([])),
        "/v1/files/proxy/versions" => answer(404, &[], b"<html>no such route</html>"),
        _ => error(404, "The requested file does not exist."),
    })
    .await;
    let client = client(&server);
    assert_eq!(
        client.versions(&id("6673f88237b244ef54d60180")).await.unwrap(),
        [cdn_file(&server, "/a/b.jpg"), cdn_file(&server, "/a/b.jpg")]
    );
    assert_eq!(client.versions(&id("unknown")).await, Ok(vec![]));
    for odd in ["other", "none"] {
        assert_eq!(client.versions(&id(odd)).await.unwrap_err().kind, ApiError, "{odd}");
    }
    assert_eq!(client.versions(&id("proxy")).await.unwrap_err().kind, ApiError, "no word of ImageKit's");
}

#[tokio::test]
async fn a_file_is_found_by_its_exact_path() {
    let server = RawServer::start(|_| {
        json(200, json!([file_json("/elsewhere/n.jpg"), file_json("/a/N.jpg"), file_json("/a/n.jpg")]))
    })
    .await;
    let client = client(&server);
    let found = client.find(&"/a/n.jpg".parse().unwrap()).await.unwrap();
    assert_eq!(found, Some(cdn_file(&server, "/a/n.jpg")));
    assert_eq!(client.find(&"/b/n.jpg".parse().unwrap()).await, Ok(None));
    client.find(&"/c/a\" OR name : \"b\\.jpg".parse().unwrap()).await.unwrap();

    let asked = server.asked();
    assert!(asked[0].target.starts_with("/v1/files?"));
    assert_eq!(asked[0].param("path").unwrap(), "/a");
    assert_eq!(asked[0].param("searchQuery").unwrap(), r#"type = "file" AND name = "n.jpg""#);
    assert_eq!(
        asked[2].param("searchQuery").unwrap(),
        r#"type = "file" AND name = "a\" OR name : \"b\\.jpg""#
    );
}

#[tokio::test]
async fn c13_a_folder_is_listed_page_by_page() {
    let server = RawServer::start(|asked| match asked.param("skip").as_deref() {
        Some("0") => json(200, json!([file_json("/venues/a/1.jpg"), file_of("b2", "/venues/b/2.jpg")])),
        Some("2") => json(200, json!([])),
        _ => json(200, json!([{"type": "folder", "folderId": "f"}])),
    })
    .await;
    let client = client(&server);
    let page = client.list("/venues", 0, 1000).await.unwrap().files;
    let second = CdnFile { id: id("b2"), version: Some(id("b2")), ..cdn_file(&server, "/venues/b/2.jpg") };
    assert_eq!(page, [cdn_file(&server, "/venues/a/1.jpg"), second]);
    assert_eq!(client.list("/venues/", 2, 9_999).await, Ok(Listed::default()));
    let odd = client.list("/venues", 3, 5).await.unwrap();
    assert_eq!((odd.files.len(), odd.odd.len()), (0, 1), "nothing is passed over in silence");

    let asked = server.asked();
    assert_eq!(asked[0].param("searchQuery").unwrap(), r#"type = "file" AND path : "/venues/""#);
    assert_eq!(asked[1].param("searchQuery"), asked[0].param("searchQuery"));
    assert_eq!(
        (asked[0].param("sort").unwrap(), asked[1].param("limit").unwrap()),
        ("ASC_CREATED".into(), "1000".into())
    );
}

#[tokio::test]
async fn tags_are_replaced() {
    let server = RawServer::start(|asked| {
        let mut file = file_json("/a/b.jpg");
        if !asked.target.contains("forgetful") {
            file["tags"] = serde_json::from_slice::<Value>(&asked.body).unwrap()["tags"].take();
        }
        file["fileId"] = asked.target.split('/').nth(3).unwrap().into();
        json(200, file)
    })
    .await;
    let tags = ["x".to_owned(), "ledger-1".to_owned()];
    let tagged = CdnFile { tags: tags.to_vec(), ..cdn_file(&server, "/a/b.jpg") };
    assert_eq!(client(&server).set_tags(&id(ID), &tags).await, Ok(tagged));
    let odd = client(&server).set_tags(&id("forgetful"), &tags).await.unwrap_err();
    assert!(odd.kind == ApiError && odd.message.contains("without the tags"), "{odd}");
    let asked = &server.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("PATCH", format!("/v1/files/{ID}/details").as_str())
    );
    assert_eq!(asked.body, br#"{"tags":["x","ledger-1"]}"#);
}

#[tokio::test]
async fn s7_one_file_is_deleted_or_was_not_there() {
    let server = RawServer::start(|asked| match (asked.method.as_str(), asked.target.as_str()) {
        ("DELETE", "/v1/files/there") => answer(204, &[], b""),
        ("DELETE", "/v1/files/gone") => error(404, "The requested file does not exist."),
        _ => error(429, "slow down"),
    })
    .await;
    let client = client(&server);
    assert_eq!(client.delete(&id("there")).await, Ok(true));
    assert_eq!(client.delete(&id("gone")).await, Ok(false));
    assert_eq!(client.delete(&id("other")).await.unwrap_err().kind, RateLimited);
}

#[tokio::test]
async fn s7_missing_files_do_not_keep_the_others() {
    let server = RawServer::start(|asked| {
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        let ids: Vec<&str> =
            body["fileIds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        // One at a time, so that several rounds are needed.
        match ids.iter().find(|id| id.starts_with("gone")) {
            Some(gone) => json(
                404,
                json!({"message": "The requested file(s) does not exist.", "missingFileIds": [gone]}),
            ),
            None if ids.contains(&"stuck") => json(
                207,
                json!({
                    "successfullyDeletedFileIds": ids.iter().filter(|id| **id != "stuck").collect::<Vec<_>>(),
                    "errors": [{"fileId": "stuck", "error": "no"}],
                }),
            ),
            None => json(200, json!({"successfullyDeletedFileIds": ids})),
        }
    })
    .await;
    let client = client(&server);
    let ids = |texts: &[&str]| texts.iter().map(|text| id(text)).collect::<Vec<_>>();
    let expect =
        |deleted: &[&str], missing: &[&str]| Ok(Deleted { deleted: ids(deleted), missing: ids(missing) });
    assert_eq!(
        client.delete_many(&ids(&["a", "gone1", "b", "gone2"])).await,
        expect(&["a", "b"], &["gone1", "gone2"])
    );
    assert_eq!(client.delete_many(&ids(&["gone1"])).await, expect(&[], &["gone1"]));
    assert_eq!(client.delete_many(&ids(&["a", "stuck"])).await, expect(&["a"], &[]));
    let before = server.asked().len();
    assert_eq!(client.delete_many(&[]).await, expect(&[], &[]));
    assert_eq!(server.asked().len(), before);
    assert_eq!(server.asked()[0].target, "/v1/files/batch/deleteByFileIds");

    let strange =
        RawServer::start(|_| json(404, json!({"message": "?", "missingFileIds": ["unasked"]}))).await;
    assert_eq!(super::client(&strange).delete_many(&ids(&["a"])).await.unwrap_err().kind, ApiError);
}

#[tokio::test]
async fn d6_usage_is_asked_for_from_day_to_day() {
    let server = RawServer::start(|asked| match asked.param("startDate").as_deref() {
        Some("2026-11-01") => json(
            200,
            json!({"bandwidthBytes": 5_000_000_000_u64, "mediaLibraryStorageBytes": 7, "extensionUnitsCount": 1}),
        ),
        Some("2026-11-02") => json(200, json!({"bandwidthBytes": "much"})),
        _ => error(403, "Your account cannot be authenticated."),
    })
    .await;
    let client = client(&server);
    let day = |day| time::Date::from_calendar_date(2026, time::Month::November, day).unwrap();
    let usage = client.usage(day(1), day(22)).await.unwrap();
    assert_eq!((usage.bandwidth_bytes, usage.storage_bytes), (5_000_000_000, 7));
    let asked = &server.asked()[0];
    assert!(asked.target.starts_with("/v1/accounts/usage?"), "{}", asked.target);
    assert_eq!(asked.param("endDate").unwrap(), "2026-11-22");
    assert!(asked.header("authorization").is_some());
    assert_eq!(client.usage(day(2), day(2)).await.unwrap_err().kind, ApiError);
    assert_eq!(client.usage(day(3), day(3)).await.unwrap_err().kind, Unauthorized);
}
