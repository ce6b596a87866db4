//! WebP.

use std::io::{BufRead, Cursor, Seek};

use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, ImageDecoder};

use super::{Header, InvalidPicture, PictureError, Work};

pub(super) fn header(file: &mut (impl BufRead + Seek)) -> Result<Header, PictureError> {
    let (width, height) = WebPDecoder::new(file).map_err(InvalidPicture::damaged)?.dimensions();
    Ok(Header { width, height, memory: 8 * u64::from(width) * u64::from(height) })
}

/// Whether it is animated.
pub(super) fn check(bytes: &[u8], work: &mut Work) -> Result<bool, InvalidPicture> {
    super::endings::find_end(ledger::ids::Format::Webp, bytes)
        .ok_or_else(|| InvalidPicture::damaged("no end"))?;
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(InvalidPicture::damaged)?;
    if decoder.has_animation() {
        for frame in decoder.into_frames() {
            let frame = frame.map_err(InvalidPicture::damaged)?;
            work.spend(u64::from(frame.buffer().width()) * u64::from(frame.buffer().height()))?;
        }
        return Ok(true);
    }
    let room = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    decoder.read_image(&mut vec![0; room]).map_err(InvalidPicture::damaged)?;
    Ok(false)
}
