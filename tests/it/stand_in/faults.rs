use std::time::Duration;

use longshore::sandbox::faults::Fault;

use super::*;

/// Whether the connection broke without any answer.
fn broke<T>(sent: Result<T, reqwest::Error>) -> bool {
    sent.is_err_and(|error| error.is_request() && error.status().is_none())
}

#[test]
fn come_when_they_are_ordered() {
    let faults = Faults::default();
    let is_delay = |fault: Option<Fault>| matches!(fault, Some(Fault::Delay(_)));
    let is_drop = |fault: Option<Fault>| matches!(fault, Some(Fault::DropBefore));
    faults.inject("upload", 1, 2, Fault::DropBefore);
    faults.inject("upload", 2, 1, Fault::Delay(Duration::ZERO));
    faults.inject("list", 0, 0, Fault::DropBefore);
    assert!(faults.next("list").is_none());
    assert!(faults.next("upload").is_none());
    assert!(is_drop(faults.next("upload")));
    assert!(is_drop(faults.next("upload")), "the older order goes first");
    assert!(is_delay(faults.next("upload")));
    assert!(faults.next("upload").is_none());
    assert_eq!(
        faults.counts().into_iter().collect::<Vec<_>>(),
        [("list".to_owned(), 1), ("upload".to_owned(), 5)]
    );
    faults.inject("upload", 0, 1, Fault::DropBefore);
    faults.clear();
    assert!(faults.counts().is_empty() && faults.next("upload").is_none());
}

#[tokio::test]
async fn drop_before_does_nothing_and_drop_after_does_everything() {
    let stand = Stand::new().await;
    let upload = |name: &str| {
        let form = form(name, &jpeg(400, 400), &[EXACT, CREATE_ONLY]);
        stand.call(Method::POST, "/api/v1/files/upload").multipart(form).send()
    };
    stand.faults.inject("upload", 1, 1, Fault::DropBefore);
    stand.faults.inject("upload", 2, 1, Fault::DropAfter);
    assert_eq!(upload("one.jpg").await.unwrap().status(), 200);
    assert!(broke(upload("two.jpg").await));
    assert_eq!(stand.running.files().len(), 1);
    assert!(broke(upload("two.jpg").await));
    assert_eq!(stand.running.files().len(), 2, "stored, though nobody was told");
    assert_eq!(answer(upload("two.jpg").await.unwrap()).await, (400, refusal(CONFLICT)));

    let id = stand.running.files()[0].id.clone();
    stand.faults.inject("delete", 0, 1, Fault::DropAfter);
    let delete = || stand.call(Method::DELETE, &format!("/v1/files/{id}")).send();
    assert!(broke(delete().await));
    assert_eq!(delete().await.unwrap().status(), 404);
}

#[tokio::test]
async fn answers_to_order_take_no_effect() {
    let stand = Stand::new().await;
    let headers = vec![
        ("X-RateLimit-Reset".to_owned(), "250".to_owned()),
        ("X-RateLimit-Limit".to_owned(), "5".to_owned()),
    ];
    for op in ["upload", "list", "delivery", "delivery_original", "usage"] {
        let fault =
            Fault::Answer { status: 429, headers: headers.clone(), body: "<html>busy</html>".to_owned() };
        stand.faults.inject(op, 0, 1, fault);
    }
    let large = form("a.jpg", &vec![1; 2_000_000], &[EXACT]);
    let limited = [
        stand.call(Method::POST, "/api/v1/files/upload").multipart(large).send().await.unwrap(),
        stand.call(Method::GET, "/v1/files/?limit=1").send().await.unwrap(),
        stand.fetch("/tr:w-5/a.jpg", "*/*").await,
        stand.fetch("/a.jpg?tr=orig-true", "*/*").await,
        stand.call(Method::GET, "/v1/accounts/usage").send().await.unwrap(),
    ];
    for response in limited {
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["x-ratelimit-reset"], "250");
        assert!(response.headers().contains_key("x-ik-requestId"));
        assert_eq!(response.text().await.unwrap(), "<html>busy</html>");
    }
    assert!(stand.running.files().is_empty());
    assert!(stand.faults.counts().values().all(|count| *count == 1));
}

#[tokio::test]
async fn a_cut_body_announces_its_whole_length() {
    let stand = Stand::new().await;
    let bytes = png(200, 200);
    stand.stored("/", "a.png", &bytes).await;
    stand.faults.inject("delivery_original", 0, 1, Fault::CutBody { after_bytes: 500 });
    let mut response = stand.fetch("/a.png?tr=orig-true", "*/*").await;
    assert_eq!(response.content_length(), Some(bytes.len() as u64));
    let mut received = Vec::new();
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken);
    assert_eq!(received, bytes[..500]);
    assert_eq!(stand.fetch("/a.png?tr=orig-true", "*/*").await.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn a_delayed_request_that_is_given_up_does_nothing() {
    let stand = Stand::new().await;
    stand.faults.inject("upload", 0, 1, Fault::Delay(Duration::from_secs(3_600)));
    let form = form("late.jpg", &jpeg(9, 9), &[EXACT]);
    let sent = stand.call(Method::POST, "/api/v1/files/upload").multipart(form);
    let late = sent.timeout(Duration::from_millis(300)).send().await;
    assert!(late.is_err_and(|error| error.is_timeout()));
    assert!(stand.running.files().is_empty());
    stand.stored("/", "late.jpg", &jpeg(9, 9)).await;
}
