//! JPEG. Its decoders fill missing data with grey and report no error.
//!
//! So the Huffman codes of each scan are read, as a decoder reads them, to count its blocks: there have to be as many as
//! the picture has. Nothing is dequantised, transformed or coloured. Other segments are skipped by their lengths. Stray
//! bytes between segments are ignored, as in browsers, and so is what follows the end marker.

mod bits;
mod frame;
mod huffman;
mod progressive;
mod scan;
mod sequential;
#[cfg(test)]
mod tests;

use self::frame::{Frame, Scan, Tables};
use super::{Header, InvalidPicture, Work};
use crate::limits::JPEG_SCANS_MAX;

/// Bytes of tables and other state that do not depend on the picture's size.
const MEMORY: u64 = 200_000;

const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DHT: u8 = 0xc4;
const DRI: u8 = 0xdd;

/// Sides and memory from the frame header; segments before it are skipped.
pub(super) fn header(bytes: &[u8]) -> Result<Header, InvalidPicture> {
    let mut rest = after_start(bytes);
    loop {
        match marker(&mut rest)? {
            code if is_frame(code) => {
                let frame = Frame::parse(code, body(&mut rest)?)?;
                let (width, height) = (frame.width, frame.height);
                return Ok(Header { width, height, memory: MEMORY + frame.memory() });
            }
            EOI | SOS => return Err(no_frame()),
            code => skip(&mut rest, code)?,
        }
    }
}

/// Checks that each scan has all its blocks, and that no scan is missing.
pub(super) fn check(bytes: &[u8], work: &mut Work) -> Result<(), InvalidPicture> {
    let mut rest = after_start(bytes);
    let mut tables = Tables::default();
    let mut picture: Option<Frame> = None;
    let mut scans = 0;
    loop {
        match marker(&mut rest)? {
            EOI => return picture.ok_or_else(no_frame)?.finished(),
            DQT => tables.quantisation(body(&mut rest)?)?,
            DHT => tables.huffman(body(&mut rest)?)?,
            DRI => tables.restart(body(&mut rest)?)?,
            SOS => {
                scans += 1;
                if scans > JPEG_SCANS_MAX {
                    return Err(InvalidPicture(format!("it has more than {JPEG_SCANS_MAX} scans")));
                }
                let frame = picture.as_mut().ok_or_else(no_frame)?;
                let scan = Scan::parse(frame, body(&mut rest)?)?;
                work.spend(scan.units)?;
                if scans == 1 && !frame.progressive {
                    tables.complete();
                }
                rest = scan::check(rest, (frame, &tables), (&scan, scans))?;
            }
            code if is_frame(code) => {
                let mut frame = Frame::parse(code, body(&mut rest)?)?;
                if picture.is_some() {
                    return Err(InvalidPicture::damaged("it has two frame headers"));
                }
                frame.remember();
                picture = Some(frame);
            }
            code => skip(&mut rest, code)?,
        }
    }
}

/// What follows SOI, which every JPEG begins with: the format was recognised by it.
fn after_start(bytes: &[u8]) -> &[u8] {
    bytes.get(2..).unwrap_or_default()
}

fn no_frame() -> InvalidPicture {
    InvalidPicture::damaged("it has no frame header before its scans")
}

/// SOF0 to SOF15, between which lie DHT, JPG and DAC.
fn is_frame(code: u8) -> bool {
    matches!(code, 0xc0..=0xcf) && !matches!(code, DHT | 0xc8 | 0xcc)
}

/// Takes the next marker and gives its code. Stray bytes and fill before it are skipped.
fn marker(rest: &mut &[u8]) -> Result<u8, InvalidPicture> {
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff);
    let at = rest.windows(2).position(is_marker).ok_or_else(truncated)?;
    let code = rest[at + 1];
    *rest = &rest[at + 2..];
    Ok(code)
}

/// Takes a segment's length and gives what it holds.
fn body<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], InvalidPicture> {
    let length = length(rest)?.checked_sub(2);
    let length = length.ok_or_else(|| InvalidPicture::damaged("a segment is shorter than its own length"))?;
    rest.split_off(..length).ok_or_else(truncated)
}

/// Skips the segment of a marker that is not needed.
fn skip(rest: &mut &[u8], code: u8) -> Result<(), InvalidPicture> {
    match code {
        // TEM and restart markers, which stand alone.
        0x01 | 0xd0..=0xd7 => Ok(()),
        // DAC, DNL, APPn, COM, and for the header the tables, too.
        0xcc | 0xdc | DHT | DQT | DRI | 0xe0..=0xef | 0xfe => {
            // A length covers itself, so that it is at least 2. Browsers take a smaller one for 2.
            let length = length(rest)?.saturating_sub(2);
            *rest = rest.get(length..).unwrap_or_default();
            Ok(())
        }
        _ => Err(InvalidPicture::damaged(format!("an unknown marker FF{code:02X}"))),
    }
}

/// A segment's length, in which it is counted itself.
fn length(rest: &mut &[u8]) -> Result<usize, InvalidPicture> {
    let (&length, behind) = rest.split_first_chunk().ok_or_else(truncated)?;
    *rest = behind;
    Ok(usize::from(u16::from_be_bytes(length)))
}

fn truncated() -> InvalidPicture {
    InvalidPicture::damaged("it is truncated: its end marker is missing")
}
