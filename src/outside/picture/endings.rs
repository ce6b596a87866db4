//! Whether a file reaches the end marker of its format. Decoders fill the missing part of a truncated picture with
//! grey and say nothing, so the structure is walked to its end. What lies behind the end is nobody's business:
//! browsers pass over it, cameras and phones put things there (depth maps, videos, padding), and the picture before
//! it is whole.

use ledger::ids::Format;

/// Where the picture's end marker ends; `None` when it has none.
pub(super) fn find_end(format: Format, bytes: &[u8]) -> Option<usize> {
    match format {
        Format::Jpeg => jpeg_end(bytes),
        Format::Png => png_end(bytes),
        Format::Gif => gif_end(bytes),
        Format::Webp => webp_end(bytes),
    }
}

/// Follows segments by their lengths, and scans by looking for the marker that ends them, up to EOI. An EOI inside
/// an embedded thumbnail lies within a segment and is passed over with it.
fn jpeg_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        // A marker is FF and a code; more FFs before it are fill.
        at += bytes.get(at..)?.iter().position(|&b| b == 0xff)?;
        at += bytes.get(at..)?.iter().position(|&b| b != 0xff)?;
        let marker = *bytes.get(at)?;
        at += 1;
        match marker {
            0xd9 => return Some(at),
            // Stuffed zeros, restarts and other markers that stand alone: inside a scan these are the picture.
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            // The entropy-coded bytes behind a scan's header are passed over by the search above.
            _ => at += usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])),
        }
    }
}

fn png_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 8;
    loop {
        let length = usize::try_from(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()?;
        let end = at.checked_add(12)?.checked_add(length)?;
        let kind = bytes.get(at + 4..at + 8)?;
        bytes.get(end - 1)?;
        if kind == b"IEND" {
            return Some(end);
        }
        at = end;
    }
}

fn gif_end(bytes: &[u8]) -> Option<usize> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*bytes.get(10)?);
    loop {
        match *bytes.get(at)? {
            0x3b => return Some(at + 1),
            0x21 => at = gif_blocks(bytes, at + 2)?,
            0x2c => at = gif_blocks(bytes, at + 11 + table(*bytes.get(at + 9)?))?,
            _ => return None,
        }
    }
}

/// Passes over blocks that each begin with their length, up to the empty one.
fn gif_blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length => at += 1 + usize::from(length),
        }
    }
}

/// A WebP has no end marker; its RIFF header says how long it is.
fn webp_end(bytes: &[u8]) -> Option<usize> {
    let length = usize::try_from(u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?)).ok()?;
    let end = length.checked_add(8)?;
    (bytes.len() >= end && length > 4).then_some(end)
}
