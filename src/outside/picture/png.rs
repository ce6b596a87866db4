//! PNG.

use std::io::{BufRead, Cursor, Seek};

use image::codecs::png::PngDecoder;
use image::{AnimationDecoder, ImageDecoder};

use super::{Header, InvalidPicture, PictureError, Work};

pub(super) fn header(file: &mut (impl BufRead + Seek)) -> Result<Header, PictureError> {
    let decoder = PngDecoder::new(file).map_err(InvalidPicture::damaged)?;
    let (width, height) = decoder.dimensions();
    Ok(Header { width, height, memory: 8 * u64::from(width) * u64::from(height) })
}

/// Whether it is animated.
pub(super) fn check(bytes: &[u8], work: &mut Work) -> Result<bool, InvalidPicture> {
    super::endings::find_end(ledger::ids::Format::Png, bytes)
        .ok_or_else(|| InvalidPicture::damaged("no end"))?;
    let decoder = PngDecoder::new(Cursor::new(bytes)).map_err(InvalidPicture::damaged)?;
    if decoder.is_apng().map_err(InvalidPicture::damaged)? {
        for frame in decoder.apng().map_err(InvalidPicture::damaged)?.into_frames() {
            let frame = frame.map_err(InvalidPicture::damaged)?;
            work.spend(u64::from(frame.buffer().width()) * u64::from(frame.buffer().height()))?;
        }
        return Ok(true);
    }
    let room = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    decoder.read_image(&mut vec![0; room]).map_err(InvalidPicture::damaged)?;
    Ok(false)
}
