//! The multipart form of an upload, in any order of its parts.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use axum::extract::Multipart;
use axum::extract::multipart::Field;
use tokio::io::AsyncWriteExt;

use super::answer::{Answer, Refusal};
use super::names;
use crate::limits;

/// What was sent.
#[derive(Debug)]
pub(super) struct Form {
    /// The bytes of the `file` part.
    pub(super) file: Incoming,
    fields: HashMap<String, String>,
}

/// Bytes on disk that belong to no file yet; removed unless they are kept.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Where they lie.
    pub(super) path: PathBuf,
    /// How many.
    pub(super) bytes: u64,
    /// Their BLAKE3 in hexadecimal.
    pub(super) content: String,
}

impl Incoming {
    /// Moves the bytes to their place for good.
    pub(super) fn keep(self, place: &Path) -> io::Result<()> {
        fs::rename(&self.path, place)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After `keep` there is nothing here any more; what cannot be removed goes at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

impl Form {
    /// Reads the whole form, the file to a new name in `dir`, however much was sent: an answer given before the end
    /// would reach many clients as a broken connection.
    ///
    /// # Errors
    /// A form that is not well-formed, without a file, with one above `bytes_max`, or with one given as a URL.
    pub(super) async fn read(mut parts: Multipart, dir: &Path, bytes_max: u64) -> Answer<Self> {
        let malformed = |_| Refusal::bad("Your request contains an invalid multipart body.");
        let mut fields = HashMap::new();
        let mut file = Err(Refusal::bad("Your request is missing file parameter."));
        while let Some(part) = parts.next_field().await.map_err(malformed)? {
            let name = part.name().unwrap_or_default().to_owned();
            if name == "file" && part.file_name().is_some() {
                file = receive(part, dir, bytes_max).await?;
            } else if name == "file" {
                // Base64 takes four characters for three bytes, and a data URI has something in front.
                let text = text(part, bytes_max / 3 * 4 + 1_000).await?;
                file = match text {
                    Some(text) => decode(&text, dir, bytes_max).await?,
                    None => Err(too_large()),
                };
            } else if let Some(text) = text(part, limits::SANDBOX_FIELD_BYTES_MAX).await? {
                fields.insert(name, text);
            } else {
                return Err(Refusal::bad(format!("Your request contains invalid {name} parameter.")));
            }
        }
        Ok(Self { file: file?, fields })
    }

    /// A field that was sent and is not empty.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A field of `true` or `false`.
    pub(super) fn truth(&self, name: &str, default: bool) -> Answer<bool> {
        match self.field(name) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(Refusal::bad(format!("Your request contains invalid {name} parameter."))),
        }
    }
}

fn too_large() -> Refusal {
    Refusal::bad("Your request contains invalid file parameter. The file size exceeds limits.")
}

fn broken(_: axum::extract::multipart::MultipartError) -> Refusal {
    Refusal::bad("Your request contains an invalid multipart body.")
}

/// A part as text; `None` when it is longer than `bytes_max` or no UTF-8. Read to its end either way.
async fn text(mut part: Field<'_>, bytes_max: u64) -> Answer<Option<String>> {
    let mut bytes = Vec::new();
    let mut fits = true;
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        fits &= (bytes.len() + chunk.len()) as u64 <= bytes_max;
        if fits {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(String::from_utf8(bytes).ok().filter(|_| fits))
}

/// Writes a binary part to disk. The inner error is said once the whole form is read.
async fn receive(mut part: Field<'_>, dir: &Path, bytes_max: u64) -> Answer<Answer<Incoming>> {
    let mut incoming = Incoming { path: dir.join(names::new_id()), bytes: 0, content: String::new() };
    let mut out = tokio::fs::File::create(&incoming.path).await?;
    let mut hasher = blake3::Hasher::new();
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        incoming.bytes += chunk.len() as u64;
        if incoming.bytes <= bytes_max {
            hasher.update(&chunk);
            out.write_all(&chunk).await?;
        }
    }
    out.flush().await?;
    incoming.content = hasher.finalize().to_hex().to_string();
    Ok(match incoming.bytes {
        // What the service makes of an empty file is not known; its own tool never sends one.
        0 => Err(Refusal::bad("Your request is missing file parameter.")),
        bytes if bytes > bytes_max => Err(too_large()),
        _ => Ok(incoming),
    })
}

/// Writes what a text part means to disk.
async fn decode(text: &str, dir: &Path, bytes_max: u64) -> Answer<Answer<Incoming>> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(Err(Refusal::bad("The sandbox has no outside: it does not fetch a file from a URL.")));
    }
    let encoded = match text.strip_prefix("data:").and_then(|uri| uri.split_once(',')) {
        Some((_, encoded)) => encoded,
        None => text,
    };
    let bytes = Bytes::from(base64(encoded));
    if bytes.is_empty() {
        return Ok(Err(Refusal::bad("Your request is missing file parameter.")));
    }
    if bytes.len() as u64 > bytes_max {
        return Ok(Err(too_large()));
    }
    let content = blake3::hash(&bytes).to_hex().to_string();
    let incoming = Incoming { path: dir.join(names::new_id()), bytes: bytes.len() as u64, content };
    tokio::fs::write(&incoming.path, &bytes).await?;
    Ok(Ok(incoming))
}

/// Base64 as the service reads it: whatever is not of the alphabet is passed over, so that any text yields something.
pub(super) fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let (mut decoded, mut held, mut bits) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0);
    for value in text.bytes().take_while(|byte| *byte != b'=').filter_map(digit) {
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            decoded.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    decoded
}
