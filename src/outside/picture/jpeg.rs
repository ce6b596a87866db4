//! JPEG, whose decoders are the most forgiving: what is missing they fill with grey and say nothing.
//!
//! So each scan is read as a decoder reads it, but only its Huffman codes: that tells how many blocks it holds, which
//! have to be as many as the picture has. Nothing is dequantised, transformed or coloured. The rest of the file matters
//! as far as browsers care: segments are passed over by their lengths, and what lies between or behind them as well.

mod bits;
mod frame;
mod huffman;
mod progressive;
mod scan;
mod sequential;
#[cfg(test)]
mod tests;

use std::io::{BufRead, Cursor, ErrorKind, Read, Seek, SeekFrom};

use self::frame::{Frame, Scan, Tables};
use super::{Header, InvalidPicture, PictureError, Work};
use crate::limits::JPEG_SCANS_MAX;

/// Tables and what else a check holds whatever the picture's size.
const MEMORY: u64 = 200_000;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DHT: u8 = 0xc4;
const DRI: u8 = 0xdd;

pub(super) fn header(file: &mut (impl BufRead + Seek)) -> Result<Header, PictureError> {
    loop {
        match marker(file)? {
            code if is_frame(code) => {
                let frame = Frame::parse(code, &body(file)?)?;
                let (width, height) = (frame.width, frame.height);
                return Ok(Header { width, height, memory: MEMORY + frame.memory() });
            }
            EOI | SOS => return Err(no_frame().into()),
            code => skip(file, code)?,
        }
    }
}

pub(super) fn check(bytes: &[u8], work: &mut Work) -> Result<(), InvalidPicture> {
    walk(bytes, work).map_err(|error| match error {
        PictureError::Invalid(why) => why,
        PictureError::Disk(error) => InvalidPicture::damaged(error),
    })
}

fn walk(bytes: &[u8], work: &mut Work) -> Result<(), PictureError> {
    let mut file = Cursor::new(bytes);
    let mut tables = Tables::default();
    let mut picture: Option<Frame> = None;
    let mut scans = 0;
    loop {
        match marker(&mut file)? {
            EOI => return Ok(picture.ok_or_else(no_frame)?.finished()?),
            DQT => tables.quantisation(&body(&mut file)?)?,
            DHT => tables.huffman(&body(&mut file)?)?,
            DRI => tables.restart(&body(&mut file)?)?,
            SOS => {
                scans += 1;
                if scans > JPEG_SCANS_MAX {
                    return Err(InvalidPicture(format!("it has more than {JPEG_SCANS_MAX} scans")).into());
                }
                let frame = picture.as_mut().ok_or_else(no_frame)?;
                let scan = Scan::parse(frame, &body(&mut file)?)?;
                work.spend(scan.units)?;
                if scans == 1 && !frame.progressive {
                    tables.complete();
                }
                let at = file.position() as usize;
                file.set_position(scan::check(bytes, at, (frame, &tables), (&scan, scans))? as u64);
            }
            code if is_frame(code) => {
                let mut frame = Frame::parse(code, &body(&mut file)?)?;
                if picture.is_some() {
                    return Err(InvalidPicture::damaged("it has two frame headers").into());
                }
                frame.remember();
                picture = Some(frame);
            }
            code => skip(&mut file, code)?,
        }
    }
}

fn no_frame() -> InvalidPicture {
    InvalidPicture::damaged("no frame header stands where it should")
}

/// SOF0 to SOF15, between which lie DHT, JPG and DAC.
fn is_frame(code: u8) -> bool {
    matches!(code, 0xc0..=0xcf) && !matches!(code, DHT | 0xc8 | 0xcc)
}

/// Passes over stray bytes and fill, and gives the next marker's code.
fn marker(file: &mut (impl BufRead + Seek)) -> Result<u8, PictureError> {
    loop {
        file.skip_until(0xff)?;
        let mut code = [0xff];
        while code == [0xff] {
            read(file, &mut code)?;
        }
        if code != [0] {
            return Ok(code[0]);
        }
    }
}

/// What a segment holds that matters.
fn body(file: &mut (impl BufRead + Seek)) -> Result<Vec<u8>, PictureError> {
    let length = length(file)?.checked_sub(2);
    let length = length.ok_or_else(|| InvalidPicture::damaged("a segment is shorter than its own length"))?;
    let mut body = vec![0; length];
    read(file, &mut body)?;
    Ok(body)
}

/// Passes over what follows a marker that does not matter here.
fn skip(file: &mut (impl BufRead + Seek), code: u8) -> Result<(), PictureError> {
    match code {
        // These stand alone: the first one begins the file, TEM and restart markers say nothing here.
        SOI if file.stream_position()? == 2 => Ok(()),
        0x01 | 0xd0..=0xd7 => Ok(()),
        // DAC, DNL, APPn, COM, and for the header the tables, too.
        0xcc | 0xdc | DHT | DQT | DRI | 0xe0..=0xef | 0xfe => {
            // Browsers take a length that does not even cover itself for 2.
            let length = length(file)?.saturating_sub(2);
            file.seek(SeekFrom::Current(length as i64))?;
            Ok(())
        }
        _ => Err(InvalidPicture::damaged(format!("an unknown marker FF{code:02X}")).into()),
    }
}

/// A segment's length, in which it is counted itself.
fn length(file: &mut impl Read) -> Result<usize, PictureError> {
    let mut length = [0; 2];
    read(file, &mut length)?;
    Ok(usize::from(u16::from_be_bytes(length)))
}

fn read(file: &mut impl Read, bytes: &mut [u8]) -> Result<(), PictureError> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => {
            InvalidPicture::damaged("it is truncated: its end marker is missing").into()
        }
        _ => PictureError::Disk(error),
    })
}
