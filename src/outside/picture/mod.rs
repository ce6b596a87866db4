//! Whether bytes are a whole picture: [`check`]. It judges as browsers do: every pixel that a header announces has to be
//! there, in each frame and scan. Errors elsewhere in a file matter only where browsers refuse the file for them.
//!
//! Nothing is drawn. A format's module reads the compressed data and counts the pixels that it yields. That takes less
//! time than decoding, and little memory beside the file. The time is bounded by `Work`; for GIF the file's length does.

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
    /// The format of its content, whatever its name says.
    pub format: Format,
    /// Pixels across as stored: an EXIF orientation is not applied.
    pub width: u32,
    /// Pixels down as stored.
    pub height: u32,
    /// Whether browsers show more than one frame.
    pub animated: bool,
}

/// Why bytes are not a whole picture, in words for users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPicture(String);

impl InvalidPicture {
    /// Data that contradicts itself, or ends before the last pixel.
    fn damaged(what: impl std::fmt::Display) -> Self {
        Self(format!("it does not decode: {what}"))
    }
}

/// What a file's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Pixels across.
    width: u32,
    /// Pixels down.
    height: u32,
    /// Bytes of memory that [`check`] takes at most beside the file's own: see [`PICTURE_STATES_BYTES_MAX`].
    memory: u64,
}

/// Checks that these bytes are a whole picture: each frame has every pixel that it announces. Takes processor time:
/// asynchronous callers use a `PictureLimiter`.
///
/// # Errors
/// Why they are not.
pub fn check(bytes: &[u8]) -> Result<Picture, InvalidPicture> {
    check_pixels(bytes, header(bytes)?)
}

/// [`check`] of bytes whose [`header`] is read already.
fn check_pixels(bytes: &[u8], (format, header): (Format, Header)) -> Result<Picture, InvalidPicture> {
    let Header { width, height, .. } = header;
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

/// Reads a file's header. A prefix of the file is enough if the header is in it.
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
