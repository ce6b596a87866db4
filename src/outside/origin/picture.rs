//! Whether a downloaded file is a whole picture, and how large: its header first, because a header alone tells a
//! picture too large to be decoded, then every pixel of it.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{AnimationDecoder, Frames, ImageDecoder, Limits};
use ledger::ids::Format;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::endings::find_end;
use super::{gif, jpeg, webp};
use crate::limits::{ANIMATION_PIXELS_MAX, DECODER_BYTES_MAX, PIXELS_DECODING_MAX, PIXELS_MAX};

/// Why a file was not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// It is no whole picture.
    #[error("{0}")]
    Picture(String),
    /// This machine could not read it back.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

impl Unfit {
    pub(super) fn of(what: impl std::fmt::Display) -> Self {
        Self::Picture(format!("it does not decode: {what}"))
    }
}

/// Where pictures are decoded: all workers share a budget of pixels.
#[derive(Debug, Clone)]
pub(super) struct Darkroom {
    /// Thousands of pixels.
    budget: Arc<Semaphore>,
}

impl Darkroom {
    pub(super) fn new() -> Self {
        Self { budget: Arc::new(Semaphore::new(kilo(PIXELS_DECODING_MAX) as usize)) }
    }

    /// Sees that the file decodes whole, and gives its width and height as stored: an EXIF orientation is not
    /// applied.
    pub(super) async fn check(&self, path: &Path, format: Format) -> Result<(u32, u32), Unfit> {
        let path = path.to_owned();
        let head = {
            let path = path.clone();
            on_a_thread(move || {
                let file = File::open(path)?;
                let bytes = file.metadata()?.len();
                Ok((head(BufReader::new(file), format)?, bytes))
            })
            .await?
        };
        let read = move || {
            let mut bytes = Vec::new();
            File::open(path)?.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        self.decode(head.0, head.1, read, format).await
    }

    /// The same for a file that is held in memory.
    pub(super) async fn check_bytes(&self, bytes: Vec<u8>, format: Format) -> Result<(u32, u32), Unfit> {
        let size = head(Cursor::new(&bytes), format)?;
        let length = bytes.len() as u64;
        self.decode(size, length, move || Ok(bytes), format).await
    }

    async fn decode(
        &self,
        (width, height): (u32, u32),
        bytes: u64,
        read: impl FnOnce() -> Result<Vec<u8>, Unfit> + Send + 'static,
        format: Format,
    ) -> Result<(u32, u32), Unfit> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || pixels > PIXELS_MAX {
            return Err(Unfit::Picture(format!(
                "it has {width} × {height} pixels, more or fewer than allowed"
            )));
        }
        // The file itself is held in memory too, at three bytes a pixel. Whoever needs more than there is gets all
        // of it, and so runs alone.
        let cost = kilo(pixels.max(bytes / 3)).min(kilo(PIXELS_DECODING_MAX));
        let permit =
            Arc::clone(&self.budget).acquire_many_owned(cost).await.map_err(std::io::Error::other)?;
        on_a_thread(move || {
            // The permit goes along: a decoder runs to its end even when nobody waits for it any more.
            let _permit = permit;
            decode_whole(&read()?, format)
        })
        .await?;
        Ok((width, height))
    }
}

/// Thousands of pixels, at least one; numbers above a semaphore's range are the largest it takes.
fn kilo(pixels: u64) -> u32 {
    u32::try_from(pixels.div_ceil(1_000).max(1)).unwrap_or(u32::MAX)
}

/// Runs blocking work. A decoder that panics is a bug, and goes on as a panic.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Unfit> + Send + 'static,
) -> Result<T, Unfit> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Unfit::Disk(std::io::Error::other(error))),
    }
}

/// Width and height, where these first bytes of a file say them.
pub(crate) fn header(bytes: &[u8], format: Format) -> Option<(u32, u32)> {
    head(Cursor::new(bytes), format).ok()
}

/// Width and height.
fn head(file: impl BufRead + Seek, format: Format) -> Result<(u32, u32), Unfit> {
    Ok(match format {
        Format::Jpeg => jpeg::dimensions(file)?,
        Format::Png => PngDecoder::with_limits(file, limits()).map_err(Unfit::of)?.dimensions(),
        Format::Gif => GifDecoder::new(file).map_err(Unfit::of)?.dimensions(),
        Format::Webp => WebPDecoder::new(file).map_err(Unfit::of)?.dimensions(),
    })
}

fn decode_whole(bytes: &[u8], format: Format) -> Result<(), Unfit> {
    let end = find_end(format, bytes)
        .ok_or_else(|| Unfit::Picture("it is truncated: it stops before its end marker".to_owned()))?;
    match format {
        Format::Jpeg => jpeg::decode_whole(&bytes[..end]),
        Format::Png => {
            let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits()).map_err(Unfit::of)?;
            if decoder.is_apng().map_err(Unfit::of)? {
                return all_frames(decoder.apng().map_err(Unfit::of)?.into_frames());
            }
            one_frame(decoder)
        }
        Format::Gif => gif::decode_whole(bytes),
        Format::Webp => {
            let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(Unfit::of)?;
            decoder.set_limits(limits()).map_err(Unfit::of)?;
            let (width, height) = decoder.dimensions();
            if webp::largest_frame(bytes) > u64::from(width) * u64::from(height) {
                return Err(Unfit::of("a frame is larger than the picture"));
            }
            if decoder.has_animation() { all_frames(decoder.into_frames()) } else { one_frame(decoder) }
        }
    }
}

fn one_frame(decoder: impl ImageDecoder) -> Result<(), Unfit> {
    let bytes = decoder.total_bytes();
    let room = usize::try_from(bytes).ok().filter(|_| bytes <= DECODER_BYTES_MAX);
    let room = room.ok_or_else(|| Unfit::of("its pixels take too much memory"))?;
    decoder.read_image(&mut vec![0; room]).map_err(Unfit::of)
}

fn all_frames(frames: Frames<'_>) -> Result<(), Unfit> {
    let mut pixels = 0;
    for frame in frames {
        let frame = frame.map_err(Unfit::of)?;
        pixels += u64::from(frame.buffer().width()) * u64::from(frame.buffer().height());
        if pixels > ANIMATION_PIXELS_MAX {
            return Err(Unfit::Picture("its frames have more pixels together than allowed".to_owned()));
        }
    }
    if pixels == 0 { Err(Unfit::of("it has no frame")) } else { Ok(()) }
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    limits
}
