//! The format of a file by its first bytes. Names and media types that servers send may be wrong.

use ledger::ids::Format;

/// The format, where it is one that Longshore moves; else words for what the bytes seem to be.
pub(crate) fn sniff(head: &[u8]) -> Result<Format, String> {
    if head.is_empty() {
        return Err("it is empty".to_owned());
    }
    let media_type = infer::get(head).map(|kind| kind.mime_type());
    Err(match media_type {
        Some("image/jpeg") => return Ok(Format::Jpeg),
        Some("image/png") => return Ok(Format::Png),
        Some("image/gif") => return Ok(Format::Gif),
        Some("image/webp") => return Ok(Format::Webp),
        Some("text/html") => "it is an HTML page".to_owned(),
        Some(other) => format!("it is {other}, not JPEG, PNG, GIF or WebP"),
        None if head.trim_ascii_start().starts_with(b"<") => "it is markup of some kind".to_owned(),
        None => "its format is unknown, and not JPEG, PNG, GIF or WebP".to_owned(),
    })
}

/// Whether this begins like a picture of any kind: a CDN may answer in a format of its own choosing.
pub(crate) fn is_picture(head: &[u8]) -> bool {
    infer::is_image(head)
}
