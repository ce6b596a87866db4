//! Uploads as bytes on the wire, the way particular clients send them.

use super::*;

const BOUNDARY: &str = "----formdata-7f3a";

fn part(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(), body, b"\r\n"]
        .concat()
}

fn text_part(name: &str, value: &str) -> Vec<u8> {
    part(&format!("name=\"{name}\""), value.as_bytes())
}

fn file_part(filename: &str, media_type: &str, bytes: &[u8]) -> Vec<u8> {
    part(&format!("name=\"file\"; filename=\"{filename}\"\r\nContent-Type: {media_type}"), bytes)
}

fn whole(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat()
}

async fn send(stand: &Stand, body: reqwest::Body) -> (u16, Value) {
    let call = stand.call(Method::POST, "/api/v1/files/upload");
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    answer(call.header("content-type", kind).body(body).send().await.unwrap()).await
}

#[tokio::test]
async fn takes_the_parts_in_any_order() {
    let stand = Stand::new().await;
    // A line that looks like a boundary, and bytes that are no text, must come through.
    let bytes = [&jpeg(50, 40)[..], b"\r\n--", &BOUNDARY.as_bytes()[..8], b"\r\n\x00\xff"].concat();
    let python = [
        text_part("fileName", "python.jpg"),
        text_part("folder", "/p/"),
        text_part("overwriteFile", "false"),
        text_part("tags", "łódź,b"),
        text_part("useUniqueFileName", "false"),
        file_part("upload", "application/octet-stream", &bytes),
    ];
    let node = [
        file_part("python.jpg", "application/octet-stream", &bytes),
        text_part("fileName", "node.jpg"),
        text_part("folder", "/p/"),
        text_part("useUniqueFileName", "false"),
        text_part("overwriteFile", "false"),
        text_part("tags", "łódź,b"),
    ];
    let mut middle = node.clone();
    middle[1] = text_part("fileName", "middle.jpg");
    middle.rotate_left(3);
    for (form, name) in [(&python, "python.jpg"), (&node, "node.jpg"), (&middle, "middle.jpg")] {
        let (status, file) = send(&stand, whole(form).into()).await;
        assert_eq!((status, &file["filePath"]), (200, &json!(format!("/p/{name}"))), "{file}");
        assert_eq!(send(&stand, whole(form).into()).await, (400, refusal(CONFLICT)));
    }
    for file in stand.running.files() {
        assert_eq!((file.content, file.tags), (blake3(&bytes), vec!["łódź".to_owned(), "b".to_owned()]));
    }
}

#[tokio::test]
async fn takes_chunked_bodies_without_a_length() {
    let stand = Stand::new().await;
    let bytes = png(300, 200);
    let form = whole(&[
        text_part("fileName", "chunked.png"),
        text_part("useUniqueFileName", "false"),
        file_part("upload", "application/octet-stream", &bytes),
    ]);
    let pieces: Vec<Vec<u8>> = form.chunks(37).map(<[u8]>::to_vec).collect();
    let stream = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let (status, file) = send(&stand, reqwest::Body::wrap_stream(stream)).await;
    assert_eq!((status, &file["size"]), (200, &json!(bytes.len())));
    assert_eq!(stand.running.files()[0].content, blake3(&bytes));
}

#[tokio::test]
async fn a_file_part_without_a_name_is_text() {
    let stand = Stand::new().await;
    let send_text = async |text: &str| {
        let form = [
            text_part("fileName", "t.bin"),
            text_part("useUniqueFileName", "false"),
            text_part("file", text),
        ];
        send(&stand, whole(&form).into()).await
    };
    for text in ["aGVsbG8gcHVi", "data:image/png;base64,aGVsbG8gcHVi", "aGVsb\nG8gcHVi="] {
        assert_eq!(send_text(text).await.0, 200, "{text}");
        assert_eq!(stand.running.files()[0].content, blake3(b"hello pub"), "{text}");
    }
    assert_eq!(
        send_text("./pics/a.jpg").await.1["size"],
        7,
        "a local path is taken for base64, as it really is"
    );
    let before = stand.running.files();
    let (status, answer) = send_text("https://example.com/a.jpg").await;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(send_text("").await, (400, refusal("Your request is missing file parameter.")));
    assert_eq!(stand.running.files(), before);
}

#[tokio::test]
async fn a_form_that_breaks_off_stores_nothing() {
    let stand = Stand::new().await;
    let form = whole(&[text_part("fileName", "x.jpg"), file_part("upload", "image/jpeg", &jpeg(40, 40))]);
    let (status, _) = send(&stand, form[..form.len() - 40].to_vec().into()).await;
    assert_eq!(status, 400);
    assert!(stand.running.files().is_empty());
}
