use super::*;

fn size(bytes: &[u8]) -> (u32, u32) {
    let picture = image::load_from_memory(bytes).unwrap();
    (picture.width(), picture.height())
}

/// Media type and bytes, which must agree.
async fn taken(response: Response) -> (String, Vec<u8>) {
    assert_eq!(response.status(), 200);
    let mime = response.headers()["content-type"].to_str().unwrap().to_owned();
    let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let bytes = response.bytes().await.unwrap().to_vec();
    assert_eq!(length, bytes.len());
    assert_eq!(image::guess_format(&bytes).unwrap().to_mime_type(), mime);
    (mime, bytes)
}

#[tokio::test]
async fn serves_and_says_what_is_missing() {
    let stand = Stand::new().await;
    let bytes = jpeg(64, 48);
    stand.stored("/v", "a.jpg", &bytes).await;
    let served = stand.fetch("/v/a.jpg?updatedAt=1700000000000&other=x", "*/*").await;
    assert!(served.headers()["cache-control"].to_str().unwrap().contains("max-age"));
    assert_eq!(taken(served).await, ("image/jpeg".to_owned(), bytes.clone()));
    let head = stand.http.head(format!("{}/v/a.jpg", stand.running.url_endpoint())).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], bytes.len().to_string().as_str());
    assert!(head.bytes().await.unwrap().is_empty());
    for path in ["/v/b.jpg", "/v", "/", "/v/a.jpg/", "/v//a.jpg", "/v/%2e%2e/v/b.jpg"] {
        let missing = stand.fetch(path, "*/*").await;
        assert_eq!(missing.status(), 404, "{path}");
        assert!(missing.headers()["ik-error"].to_str().unwrap().starts_with("ENOENT - "));
        assert_eq!(missing.text().await.unwrap(), "Not Found");
    }
    let foreign = stand.http.get(format!("{}/other/v/a.jpg", stand.running.api_url())).send().await.unwrap();
    assert_eq!(foreign.status(), 404);
    stand.upload("private.jpg", &bytes, &[EXACT, ("isPrivateFile", "true")]).await;
    assert_eq!(stand.fetch("/private.jpg", "*/*").await.status(), 401);
    stand.upload("draft.jpg", &bytes, &[EXACT, ("isPublished", "false")]).await;
    assert_eq!(stand.fetch("/draft.jpg", "*/*").await.status(), 404);
}

#[tokio::test]
async fn really_resizes() {
    let stand = Stand::new().await;
    stand.stored("/v", "a.jpg", &jpeg(200, 100)).await;
    stand.stored("/v", "p.png", &png(200, 100)).await;
    let ways = [
        ("/v/a.jpg?tr=w-50", (50, 25)),
        ("/tr:w-50/v/a.jpg", (50, 25)),
        ("/tr:w-50,h-50/v/a.jpg", (50, 50)),
        ("/v/a.jpg?tr=h-10", (20, 10)),
        ("/v/a.jpg?tr=w-0.5", (100, 50)),
        ("/v/a.jpg?tr=w-400,c-at_max", (200, 100)),
        ("/v/a.jpg?tr=w-400", (400, 200)),
        ("/v/a.jpg?tr=w-50,h-50,c-at_max", (50, 25)),
        ("/v/a.jpg?tr=w-100:h-10", (20, 10)),
        ("/v/a.jpg?tr=q-10", (200, 100)),
        ("/v/a.jpg?tr=unknown-1,w-50", (50, 25)),
    ];
    for (path, expected) in ways {
        let (mime, bytes) = taken(stand.fetch(path, "*/*").await).await;
        assert_eq!((mime.as_str(), size(&bytes)), ("image/jpeg", expected), "{path}");
    }
    let (mime, _) = taken(stand.fetch("/v/p.png?tr=w-50", "*/*").await).await;
    assert_eq!(mime, "image/png");
    assert_eq!(taken(stand.fetch("/v/p.png?tr=w-50,f-jpg", "image/webp").await).await.0, "image/jpeg");
    assert_eq!(taken(stand.fetch("/v/p.png?tr=f-webp", "*/*").await).await.0, "image/webp");
    for path in ["/v/a.jpg?tr=w-70000", "/v/a.jpg?tr=w-30000"] {
        let refused = stand.fetch(path, "*/*").await;
        assert_eq!(refused.status(), 400, "{path}");
        assert!(refused.headers()["ik-error"].to_str().unwrap().starts_with("ELIMIT - "));
    }
    assert_eq!(stand.fetch("/v/a.jpg?tr=w-none", "*/*").await.status(), 400);
}

#[tokio::test]
async fn the_original_stays_untouched() {
    let stand = Stand::new().await;
    let cut = jpeg(64, 64)[..900].to_vec();
    for (name, bytes) in
        [("a.jpg", jpeg(200, 100)), ("p.png", png(90, 90)), ("cut.jpg", cut), ("t.txt", b"text".to_vec())]
    {
        stand.stored("/o", name, &bytes).await;
        for path in [format!("/o/{name}?tr=orig-true"), format!("/tr:orig-true/o/{name}")] {
            let served = stand.fetch(&path, "image/webp,*/*").await;
            assert_eq!(served.status(), 200, "{path}");
            assert_eq!(served.bytes().await.unwrap(), bytes, "{path}");
        }
    }
    assert_eq!(stand.faults.counts()["delivery_original"], 8);
}

#[tokio::test]
async fn gives_webp_where_it_is_taken_and_smaller() {
    let stand = Stand::new().await;
    stand.stored("/w", "p.png", &png(320, 240)).await;
    stand.stored("/w", "j.jpg", &jpeg(320, 240)).await;
    for path in ["/w/p.png", "/w/j.jpg", "/w/p.png?tr=w-100", "/w/j.jpg?tr=w-100"] {
        let (usual, large) = taken(stand.fetch(path, "*/*").await).await;
        assert_ne!(usual, "image/webp", "only a client that names it gets it");
        let (mime, small) = taken(stand.fetch(path, "image/avif,image/webp,*/*;q=0.8").await).await;
        assert_eq!(size(&small), size(&large));
        if mime == "image/webp" {
            assert!(small.len() < large.len(), "{path}");
        } else {
            assert_eq!((mime, small), (usual, large), "{path}");
        }
    }
    let (mime, _) = taken(stand.fetch("/w/p.png", "image/webp").await).await;
    assert_eq!(mime, "image/webp", "this one gets smaller for sure");
    // Noise grows in any lossless format, so the small JPEG stays what it is.
    let mut state = 1_u32;
    let noise = image::RgbImage::from_fn(128, 128, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
    });
    stand.stored("/w", "noise.jpg", &encoded(&noise.into(), image::ImageFormat::Jpeg)).await;
    assert_eq!(taken(stand.fetch("/w/noise.jpg", "image/webp").await).await.0, "image/jpeg");
}
