//! Asking the origin's client for a size instead of a file.

use std::time::Duration;

use ledger::trouble::TroubleKind::{self, *};
use longshore::outside::Trouble;
use longshore::outside::origin::{HttpOrigin, Origin, OriginOptions};

use crate::support::raw_http::{Act, RawServer, head};

async fn size_on(server: &RawServer, url: &str) -> Result<Option<u64>, Trouble> {
    let options = OriginOptions { idle: Duration::from_millis(300), ..OriginOptions::new(server.base()) };
    HttpOrigin::new(options).unwrap().size(url).await
}

/// What an answer of this head alone says.
async fn size(status: u16, headers: &[(&str, &str)]) -> Result<Option<u64>, TroubleKind> {
    let script = vec![Act::Say(head(status, headers).into_bytes())];
    let server = RawServer::start(move |_| script.clone()).await;
    let said = size_on(&server, &server.url("/a.jpg")).await.map_err(|trouble| trouble.kind);
    assert_eq!(server.asked()[0].method, "HEAD");
    said
}

#[tokio::test]
async fn c3_a_size_is_what_the_length_says_or_unknown() {
    assert_eq!(size(200, &[("content-length", "12345")]).await, Ok(Some(12_345)));
    assert_eq!(size(200, &[]).await, Ok(None));
    assert_eq!(size(200, &[("content-length", "9"), ("content-encoding", "gzip")]).await, Ok(None));
    for refused in [405, 501] {
        assert_eq!(size(refused, &[("content-length", "7")]).await, Ok(None), "{refused}");
    }
    assert_eq!(size(200, &[("content-length", "25000001")]).await, Err(FileTooLarge));
    for (status, kind) in [(404, NotFound), (410, NotFound), (403, OriginDenied), (503, OriginError)] {
        assert_eq!(size(status, &[]).await, Err(kind), "{status}");
    }
}

#[tokio::test]
async fn s2_a_size_is_asked_of_the_origin_only_through_redirects_too() {
    let server = RawServer::start(|asked| match asked.target.as_str() {
        "/near" => vec![Act::Say(head(302, &[("location", "/there")]).into_bytes())],
        "/far" => {
            vec![Act::Say(head(302, &[("location", "http://169.254.169.254/x")]).into_bytes())]
        }
        _ => vec![Act::Say(head(200, &[("content-length", "5")]).into_bytes())],
    })
    .await;
    assert_eq!(size_on(&server, &server.url("/near")).await, Ok(Some(5)));
    for url in [server.url("/far"), "http://10.0.0.1/x".into(), "file:///etc/passwd".into(), "?".into()] {
        assert_eq!(size_on(&server, &url).await.unwrap_err().kind, ForbiddenUrl, "{url}");
    }
}
