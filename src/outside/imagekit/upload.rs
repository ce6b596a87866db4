//! Storing a file: streamed from the spool, create-only, with time measured by progress.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, StatusCode};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use super::answers::Answer;
use super::client::ImageKit;
use super::{Stored, Upload, wire};
use crate::limits::UPLOAD_CHUNK_BYTES;
use crate::outside::Trouble;
use crate::outside::http;
use crate::outside::log::send;
use crate::outside::spool::{Spool, disk_trouble};

/// What messages call the other side.
const WHOM: &str = "ImageKit's upload";

impl ImageKit {
    /// The upload of [`super::Cdn::upload`].
    pub(super) async fn upload_from(&self, upload: &Upload, spool: &Spool) -> Result<Stored, Trouble> {
        let opened = spool.open_checked(&upload.hash, upload.bytes).await;
        let Some(file) = opened.map_err(|error| disk_trouble(&error))? else {
            return Ok(Stored::NotSpooled);
        };
        let (taken, pulse) = watch::channel(());
        let request = self.upload_request().multipart(form(upload, file, taken)?);
        let sending = pin!(send(request));
        // A time limit on the whole would cut off a slow line that is getting there.
        let response = tokio::select! {
            biased;
            sent = sending => sent.map_err(|error| http::trouble(error, WHOM))?,
            _ = stall(pulse, self.patience.idle) => return Err(http::stalled(self.patience.idle, WHOM)),
        };
        let answer = self.read(response).await?;
        match answer.status {
            StatusCode::OK => self.stored(&answer),
            _ if answer.is_conflict() => Ok(Stored::Conflict),
            _ => Err(answer.trouble()),
        }
    }

    fn stored(&self, answer: &Answer) -> Result<Stored, Trouble> {
        let named = |trouble: Trouble| match wire::id_alone(&answer.body) {
            Some(id) => trouble.with_file(id),
            None => trouble,
        };
        let file = wire::file(&answer.body, &self.url_endpoint);
        file.map(Stored::Now).map_err(|why| named(answer.odd(&why)))
    }
}

/// The fields first and the file last, its length known, so that the server can refuse before it has read
/// everything. Both flags are off: a second upload to the same path is then an answer instead of a second file.
/// The file is hashed once more on its way: what it holds may have changed since it was opened, and without its last piece
/// no request is whole, so that nothing is stored.
fn form(upload: &Upload, file: tokio::fs::File, taken: watch::Sender<()>) -> Result<Form, Trouble> {
    let (mut hasher, mut left, wanted) = (blake3::Hasher::new(), upload.bytes, upload.hash);
    let pieces = ReaderStream::with_capacity(file.take(upload.bytes), UPLOAD_CHUNK_BYTES);
    let bytes = pieces.and_then(move |piece| {
        // Nobody listens any more once the answer is there.
        let _ = taken.send(());
        hasher.update(&piece);
        left -= piece.len() as u64;
        let is_well = left > 0 || hasher.finalize().as_bytes() == &wanted.0;
        let changed = || io::Error::other("the spooled file has changed while it was sent");
        ready(is_well.then_some(piece).ok_or_else(changed))
    });
    let part = Part::stream_with_length(Body::wrap_stream(bytes), upload.bytes)
        .file_name(upload.path.name().to_owned())
        .mime_str(upload.format.media_type())
        .map_err(|error| http::trouble(error, WHOM))?;
    let mut form = Form::new()
        .text("fileName", upload.path.name().to_owned())
        .text("folder", upload.path.folder().to_owned())
        .text("useUniqueFileName", "false")
        .text("overwriteFile", "false")
        .text("responseFields", "tags,isPrivateFile,isPublished");
    if !upload.tags.is_empty() {
        form = form.text("tags", upload.tags.join(","));
    }
    Ok(form.part("file", part))
}

/// Comes back when no piece of the body has been taken for `idle`, or, once all are taken, when no answer has come
/// for as long.
async fn stall(mut pulse: watch::Receiver<()>, idle: Duration) {
    while let Ok(Ok(())) = timeout(idle, pulse.changed()).await {}
    if pulse.has_changed().is_err() {
        let _ = timeout(idle, std::future::pending::<Infallible>()).await;
    }
}
