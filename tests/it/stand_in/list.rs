use super::*;

async fn filled() -> Stand {
    let stand = Stand::new().await;
    stand.stored("/", "root.jpg", &jpeg(10, 10)).await;
    stand.stored("/venues/a", "a1.jpg", &jpeg(20, 10)).await;
    stand.stored("/venues/a", "a2.png", &png(30, 20)).await;
    stand.stored("/venues/a/deep", "d.jpg", &jpeg(300, 200)).await;
    stand.stored("/venues/ab", "a1.jpg", &jpeg(40, 10)).await;
    stand.stored("/venues/b", "note.txt", b"a note").await;
    let fields = [EXACT, ("folder", "/venues/b"), ("tags", "red, summer sale")];
    assert_eq!(stand.upload("tagged.jpg", &jpeg(50, 10), &fields).await.0, 200);
    stand
}

#[tokio::test]
async fn lists_by_parameters() {
    let stand = filled().await;
    let all = ["root.jpg", "a1.jpg", "a2.png", "d.jpg", "a1.jpg", "note.txt", "tagged.jpg"];
    assert_eq!(stand.names(&[]).await, all, "by default files, the oldest first");
    let slash = answer(stand.call(Method::GET, "/v1/files/?limit=1").send().await.unwrap()).await;
    assert_eq!(slash.1.as_array().unwrap().len(), 1);
    for path in ["/venues/a", "venues/a/", "/venues/a/"] {
        assert_eq!(stand.names(&[("path", path)]).await, ["a1.jpg", "a2.png"], "that folder only");
    }
    assert_eq!(stand.names(&[("path", "/")]).await, ["root.jpg"]);
    assert_eq!(stand.names(&[("fileType", "non-image")]).await, ["note.txt"]);
    assert_eq!(stand.names(&[("type", "folder")]).await, ["venues", "a", "deep", "ab", "b"]);
    assert_eq!(stand.names(&[("type", "folder"), ("path", "/venues/a")]).await, ["deep"]);
    assert_eq!(stand.names(&[("type", "all"), ("path", "/venues/a")]).await.len(), 3);
    assert_eq!(stand.names(&[("sort", "DESC_WIDTH"), ("limit", "2")]).await, ["d.jpg", "tagged.jpg"]);
    assert_eq!(stand.names(&[("sort", "ASC_NAME"), ("skip", "5")]).await, ["root.jpg", "tagged.jpg"]);
    assert_eq!(stand.names(&[("sort", "ASC_SIZE"), ("limit", "1")]).await, ["note.txt"]);
    let mut paged = Vec::new();
    for skip in ["0", "3", "6", "9"] {
        paged.extend(stand.names(&[("limit", "3"), ("skip", skip)]).await);
    }
    assert_eq!(paged, all);
    stand.upload("root.jpg", &jpeg(11, 11), &[EXACT]).await;
    let (_, old) = stand.get("/v1/files?type=file-version").await;
    assert_eq!(
        (&old[0]["type"], &old[0]["width"], old.as_array().unwrap().len()),
        (&json!("file-version"), &json!(10), 1)
    );
    assert!(text(&old[0]["url"]).contains("ik-obj-version="));
}

#[tokio::test]
async fn says_what_is_wrong_with_parameters() {
    let stand = Stand::new().await;
    let ways = [
        ("limit=0", "Minimum value of limit parameter is 1. Value sent is 0."),
        ("limit=2000", "Maximum value of limit parameter is 1000. Value sent is 2000."),
        ("skip=-1", "The value of skip parameter should be greater than or equal to 0. Value sent is -1."),
        ("sort=ASC_TASTE", "Your request contains invalid value for sort parameters."),
    ];
    for (query, message) in ways {
        assert_eq!(stand.get(&format!("/v1/files?{query}")).await, (400, refusal(message)));
    }
    for query in
        ["name = ", "name \"x\"", "(name = \"x\"", "taste = \"x\"", "name = \"x", "name = \"x\" AND", "\"\\"]
    {
        let asked =
            stand.call(Method::GET, "/v1/files").query(&[("searchQuery", query)]).send().await.unwrap();
        assert_eq!(asked.status(), 400, "{query}");
    }
    let nested = format!("{}name = \"x\"", "(".repeat(10_000));
    let asked = stand.call(Method::GET, "/v1/files").query(&[("searchQuery", nested)]).send().await.unwrap();
    assert_eq!(asked.status(), 400, "and it does not overflow the stack");
}

#[tokio::test]
async fn searches() {
    let stand = filled().await;
    let file = stand.running.files().into_iter().find(|file| file.path == "/root.jpg").unwrap();
    let by_id = format!("id = \"{}\"", file.id);
    let ways: [(&str, &[&str]); 24] = [
        (r#"name = "a1.jpg""#, &["a1.jpg", "a1.jpg"]),
        (r#"name = "A1.jpg""#, &[]),
        (r#"name : "a""#, &["a", "a1.jpg", "a2.png", "ab", "a1.jpg"]),
        (r#"type = "file" AND name : "a""#, &["a1.jpg", "a2.png", "a1.jpg"]),
        (r#"type = "file" AND path = "/venues/a/""#, &["a1.jpg", "a2.png"]),
        (r#"type = "file" AND path : "/venues/a/""#, &["a1.jpg", "a2.png", "d.jpg"]),
        (
            r#"type="file" AND path:"/venues""#,
            &["a1.jpg", "a2.png", "d.jpg", "a1.jpg", "note.txt", "tagged.jpg"],
        ),
        (r#"type = "image""#, &[]),
        (r#"tags IN ["red", "blue"]"#, &["tagged.jpg"]),
        (r#"tags IN ["summer"]"#, &[]),
        (r#"tags HAS "sale""#, &["tagged.jpg"]),
        (r#"type = "file" AND tags NOT EXISTS AND size < "1kb" AND format = "plain""#, &["note.txt"]),
        (r#"width >= 300"#, &["d.jpg"]),
        (r#"width > 30 AND width < 300 AND NOT name = "tagged.jpg""#, &["a1.jpg"]),
        (r#"height = 20 OR (width = 50 AND height = 10)"#, &["a2.png", "tagged.jpg"]),
        (r#"format = "png""#, &["a2.png"]),
        (r#"format NOT IN ["jpg","png"] AND type = "file""#, &["note.txt"]),
        (r#"name NOT = "root.jpg" AND path = "/" AND type = "file""#, &[]),
        (r#"type = "folder" AND path = "/venues""#, &["a", "ab", "b"]),
        (r#"createdAt > "1h" AND format = "png""#, &["a2.png"]),
        (r#"createdAt < "2020-01-01""#, &[]),
        (r#"createdAt > "2020-01-01T00:00:00.000Z" AND format = "png""#, &["a2.png"]),
        (r#"size > "0.01mb""#, &[]),
        (&by_id, &["root.jpg"]),
    ];
    for (query, expected) in ways {
        assert_eq!(stand.names(&[("searchQuery", query)]).await, *expected, "{query}");
    }
    let both =
        [("path", "/venues/ab"), ("limit", "1"), ("searchQuery", r#"type = "file" AND name = "a1.jpg""#)];
    assert_eq!(stand.names(&both).await, ["a1.jpg"]);
    let ignored = [("type", "folder"), ("searchQuery", r#"name = "a2.png""#)];
    assert_eq!(
        stand.names(&ignored).await,
        ["a2.png"],
        "with a query, the type parameter counts for nothing"
    );
}

#[tokio::test]
async fn may_lag_behind_while_details_never_do() {
    let stand = Stand::with(|options| options.list_lag = std::time::Duration::from_secs(3_600)).await;
    let file = stand.stored("/a", "a.jpg", &jpeg(5, 5)).await;
    let details = format!("/v1/files/{}/details", text(&file["fileId"]));
    assert!(stand.names(&[]).await.is_empty());
    assert!(stand.names(&[("searchQuery", r#"name = "a.jpg""#)]).await.is_empty());
    assert_eq!(stand.get(&details).await.0, 200);
    assert_eq!(stand.fetch("/a/a.jpg", "*/*").await.status(), 200);

    let stand = stand.reopened().await;
    assert_eq!(stand.names(&[]).await, ["a.jpg"], "what is there at the start is known");
    stand.send(Method::PATCH, &details, json!({ "tags": ["new"] })).await;
    assert_eq!(stand.get(&details).await.1["tags"], json!(["new"]));
    assert_eq!(stand.get("/v1/files?path=/a").await.1[0]["tags"], Value::Null);
    stand.call(Method::DELETE, &format!("/v1/files/{}", text(&file["fileId"]))).send().await.unwrap();
    assert_eq!(stand.get(&details).await.0, 404);
    assert_eq!(stand.names(&[]).await, ["a.jpg"], "a deleted file is still listed");
}

#[tokio::test]
async fn shows_files_as_details_do() {
    let stand = filled().await;
    let (_, found) = stand.get("/v1/files?path=/venues/b&fileType=image").await;
    let file = &found[0];
    let details = stand.get(&format!("/v1/files/{}/details", text(&file["fileId"]))).await;
    assert_eq!(details, (200, file.clone()));
    let url = format!("{}/venues/b/tagged.jpg?updatedAt=", stand.running.url_endpoint());
    assert!(text(&file["url"]).strip_prefix(&url).is_some_and(|ms| ms.parse::<i64>().is_ok()), "{file}");
    assert!(text(&file["thumbnail"]).contains("tr=n-ik_ml_thumbnail"));
    assert_eq!(stand.http.get(text(&file["thumbnail"])).send().await.unwrap().status(), 200);
    let created = text(&file["createdAt"]);
    assert!(created.len() == 24 && created.ends_with('Z') && created.as_bytes()[19] == b'.', "{created}");
    assert_eq!(
        (&file["type"], &file["isPublished"], &file["customMetadata"]),
        (&json!("file"), &json!(true), &json!({}))
    );
}
