//! JPEG, whose decoders are the most forgiving: what is missing they fill with grey and say nothing.

use std::io::BufRead;
use std::io::Seek;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Header, InvalidPicture, PictureError, Work};

/// Bytes of a scan that mean something to no picture, without an FF, which would begin a marker.
const FILLER: [u8; 64] = {
    let mut filler = [0; 64];
    let mut at = 0;
    while at < filler.len() {
        // Odd multiples of an odd number differ from each other, and their bits are well mixed.
        filler[at] = (at as u8).wrapping_mul(0x9d) & 0x7f | 1;
        at += 1;
    }
    filler
};

pub(super) fn header(file: &mut (impl BufRead + Seek)) -> Result<Header, PictureError> {
    let mut decoder = JpegDecoder::new_with_options(file, options());
    decoder.decode_headers().map_err(InvalidPicture::damaged)?;
    let info = decoder.info().ok_or_else(|| InvalidPicture::damaged("it has no header"))?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    Ok(Header { width, height, memory: 6 * u64::from(width) * u64::from(height) })
}

/// Sees that every pixel is there. `bytes` end with the end marker.
///
/// The decoder invents what a scan lacks when an end marker stands before its end, as in a truncated file that some
/// tool has closed again. So the picture is decoded a second time with other bytes put before the marker: a scan
/// that is complete is not touched by what follows it, an incomplete one shows them.
pub(super) fn check(bytes: &[u8], _work: &mut Work) -> Result<(), InvalidPicture> {
    let end = super::endings::find_end(ledger::ids::Format::Jpeg, bytes)
        .ok_or_else(|| InvalidPicture::damaged("no end"))?;
    let bytes = &bytes[..end];
    let pixels = hash_of_pixels(bytes)?;
    let (scans, marker) = bytes.split_at(bytes.len().saturating_sub(2));
    let filled = [scans, &FILLER, marker].concat();
    if hash_of_pixels(&filled).is_ok_and(|filled| filled == pixels) {
        Ok(())
    } else {
        Err(InvalidPicture("it is truncated: its end marker comes before its last pixels".to_owned()))
    }
}

fn hash_of_pixels(bytes: &[u8]) -> Result<blake3::Hash, InvalidPicture> {
    let pixels = JpegDecoder::new_with_options(ZCursor::new(bytes), options())
        .decode()
        .map_err(InvalidPicture::damaged)?;
    Ok(blake3::hash(&pixels))
}

/// Strict, and up to the largest side the format knows: how many pixels are too many is not decided there.
fn options() -> DecoderOptions {
    let side_max = usize::from(u16::MAX);
    DecoderOptions::new_safe().set_strict_mode(true).set_max_width(side_max).set_max_height(side_max)
}
