//! Whether bytes are a whole picture. There is one door, [`check`], and it judges as browsers do: every pixel that
//! the header announces has to be there, in each frame and scan; how tidy the rest of the file is does not matter.
//!
//! Nothing is drawn. A format's module walks over the compressed data and counts what it yields, so that a check costs
//! less than a decode, and needs little memory beyond the file. Every walk spends from `Work`, and so ends.

mod gif;
mod jpeg;
mod limiter;
mod png;
pub(crate) mod sniff;
mod webp;
mod work;

use ledger::ids::Format;

pub(crate) use self::limiter::{PictureError, PictureLimiter, Room};
use self::sniff::sniff;
use self::work::Work;
#[cfg(doc)]
use crate::limits::PICTURE_STATES_BYTES_MAX;
use crate::limits::PIXELS_MAX;

/// A whole picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// By its content.
    pub format: Format,
    /// Pixels across as stored: an EXIF orientation is not applied.
    pub width: u32,
    /// Pixels down as stored.
    pub height: u32,
    /// Whether browsers show more than one frame.
    pub animated: bool,
}

/// Why bytes are no whole picture, fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPicture(String);

impl InvalidPicture {
    /// Data that contradicts itself, or ends before the last pixel.
    fn damaged(what: impl std::fmt::Display) -> Self {
        Self(format!("it does not decode: {what}"))
    }
}

/// What a header says, before anything is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Pixels across.
    width: u32,
    /// Pixels down.
    height: u32,
    /// Bytes of memory that [`check`] takes at most beside the file's own: see [`PICTURE_STATES_BYTES_MAX`].
    memory: u64,
}

/// Sees that these bytes are a whole picture: each frame yields every pixel that it announces. Takes processor time:
/// callers that are asynchronous go through a `PictureLimiter`.
///
/// # Errors
/// Why it is none.
pub fn check(bytes: &[u8]) -> Result<Picture, InvalidPicture> {
    let (format, Header { width, height, .. }) = header(bytes)?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > PIXELS_MAX {
        return Err(InvalidPicture(format!(
            "it has {width} × {height} pixels, and 1 to {PIXELS_MAX} are taken"
        )));
    }
    let mut work = Work::new();
    let animated = match format {
        Format::Jpeg => jpeg::check(bytes, &mut work).map(|()| false),
        Format::Png => png::check(bytes, &mut work),
        Format::Gif => gif::check(bytes),
        Format::Webp => webp::check(bytes, &mut work),
    }?;
    Ok(Picture { format, width, height, animated })
}

/// Format, width and height in pixels, where these first bytes of a file say them.
pub(crate) fn shape_of(bytes: &[u8]) -> Option<(Format, u32, u32)> {
    header(bytes).ok().map(|(format, header)| (format, header.width, header.height))
}

/// Reads a file's header.
fn header(bytes: &[u8]) -> Result<(Format, Header), InvalidPicture> {
    let format = sniff(bytes).map_err(InvalidPicture)?;
    let header = match format {
        Format::Jpeg => jpeg::header(bytes),
        Format::Png => png::header(bytes),
        Format::Gif => gif::header(bytes),
        Format::Webp => webp::header(bytes),
    }?;
    Ok((format, header))
}
