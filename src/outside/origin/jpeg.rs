//! JPEG, whose decoders are the most forgiving: what is missing they fill with grey and say nothing.

use std::io::BufRead;
use std::io::Seek;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::picture::Unfit;

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

/// Width and height from the header.
pub(super) fn dimensions(file: impl BufRead + Seek) -> Result<(u32, u32), Unfit> {
    let mut decoder = JpegDecoder::new_with_options(file, options());
    decoder.decode_headers().map_err(Unfit::of)?;
    let info = decoder.info().ok_or_else(|| Unfit::of("it has no header"))?;
    Ok((u32::from(info.width), u32::from(info.height)))
}

/// Sees that every pixel is there. `bytes` end with the end marker.
///
/// The decoder invents what a scan lacks when an end marker stands before its end, as in a truncated file that some
/// tool has closed again. So the picture is decoded a second time with other bytes put before the marker: a scan
/// that is complete is not touched by what follows it, an incomplete one shows them.
pub(super) fn decode_whole(bytes: &[u8]) -> Result<(), Unfit> {
    let pixels = hash_of_pixels(bytes)?;
    let (scans, marker) = bytes.split_at(bytes.len().saturating_sub(2));
    let filled = [scans, &FILLER, marker].concat();
    if hash_of_pixels(&filled).is_ok_and(|filled| filled == pixels) {
        Ok(())
    } else {
        Err(Unfit::Picture("it is truncated: its end marker comes before its last pixels".to_owned()))
    }
}

fn hash_of_pixels(bytes: &[u8]) -> Result<blake3::Hash, Unfit> {
    let pixels = JpegDecoder::new_with_options(ZCursor::new(bytes), options()).decode().map_err(Unfit::of)?;
    Ok(blake3::hash(&pixels))
}

/// Strict, and up to the largest side the format knows: how many pixels are too many is not decided there.
fn options() -> DecoderOptions {
    let side_max = usize::from(u16::MAX);
    DecoderOptions::new_safe().set_strict_mode(true).set_max_width(side_max).set_max_height(side_max)
}
