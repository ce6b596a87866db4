//! The container of WebP (RFC 9649, section 2), read as libwebp's demuxer reads it, which browsers use: flags are hints,
//! and unknown chunks are skipped, but the chunks have to fill the RIFF exactly. [`lossy`] and [`lossless`] check what a
//! frame holds.

mod bits;
mod bools;
mod codes;
mod lossless;
mod lossy;
mod tables;
#[cfg(test)]
mod tests;

use super::{Header, InvalidPicture, Work};
use crate::limits::WEBP_FRAME_STEPS;

/// "RIFF", its size, "WEBP".
const RIFF: usize = 12;
/// What a chunk begins with: its kind and size.
const CHUNK: usize = 8;
/// What an animation's frame begins with: its place, sides and time.
const PLACE: usize = 16;
/// The largest size that a chunk may say, without its header and padding.
const SIZE_MAX: usize = 0xffff_fff6;

/// Flags of the VP8X chunk.
const ANIMATION: u8 = 0x02;
const ALPHA: u8 = 0x10;
const KNOWN: u8 = 0x3e;

/// Sides and memory from the first chunk.
pub(super) fn header(bytes: &[u8]) -> Result<Header, InvalidPicture> {
    let truncated = || InvalidPicture::damaged("truncated: its header is not all there");
    let (kind, body) = bytes.split_at_checked(RIFF + CHUNK).ok_or_else(truncated)?;
    let (sides, lossy) = match &kind[RIFF..RIFF + 4] {
        b"VP8X" => (canvas(body), false),
        b"VP8L" => (lossless::sides(body), false),
        b"VP8 " => (lossy::sides(body), true),
        _ => return Err(InvalidPicture::damaged("it does not begin with a picture")),
    };
    let (width, height) = sides.ok_or_else(|| InvalidPicture::damaged("its header is cut or not allowed"))?;
    let memory =
        if lossy { lossy::memory(width) } else { lossless::memory(width, height, bytes.len() as u64) };
    Ok(Header { width, height, memory })
}

/// The sides that VP8X says.
fn canvas(body: &[u8]) -> Option<(u32, u32)> {
    let &[_, _, _, _, w0, w1, w2, h0, h1, h2] = body.first_chunk::<10>()?;
    let side = |a, b, c| 1 + u32::from_le_bytes([a, b, c, 0]);
    Some((side(w0, w1, w2), side(h0, h1, h2)))
}

/// Checks that every frame has all its pixels. Whether it is animated.
pub(super) fn check(bytes: &[u8], work: &mut Work) -> Result<bool, InvalidPicture> {
    let size = bytes.get(4..8).and_then(|size| size.first_chunk::<4>());
    let end = size.map_or(0, |size| u32::from_le_bytes(*size) as usize + CHUNK);
    let bytes = bytes.get(..end).filter(|bytes| bytes.len() >= RIFF).ok_or_else(|| {
        InvalidPicture::damaged(format!("truncated: it should have {end} bytes and has {}", bytes.len()))
    })?;
    let mut riff = Riff { bytes, at: RIFF };
    let first = riff.next()?;
    if first.kind == *b"VP8X" {
        return riff.check_extended(&first, work);
    }
    riff.at = RIFF;
    // Without a VP8X chunk there is no alpha.
    let frame = Frame { alpha: None, ..riff.frame()? };
    riff.check_frame(&frame, work)?;
    Ok(false)
}

/// The bytes of the RIFF, and where the next chunk begins.
struct Riff<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A chunk: where its data begins, where it ends, and where its padding ends.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    kind: [u8; 4],
    start: usize,
    end: usize,
    padded: usize,
}

/// The chunks of one frame.
#[derive(Debug, Default)]
struct Frame {
    alpha: Option<Chunk>,
    image: Option<(Chunk, (u32, u32))>,
}

impl Riff<'_> {
    /// Reads a chunk's header and skips its data.
    fn next(&mut self) -> Result<Chunk, InvalidPicture> {
        let header = self.bytes.get(self.at..).and_then(<[u8]>::split_first_chunk::<CHUNK>);
        let (&[a, b, c, d, size @ ..], rest) =
            header.ok_or_else(|| InvalidPicture::damaged("its chunks do not fill it"))?;
        let size = u32::from_le_bytes(size) as usize;
        let start = self.at + CHUNK;
        if size > SIZE_MAX || size + size % 2 > rest.len() {
            let why = "truncated: a chunk reaches beyond the end of the file";
            return Err(InvalidPicture::damaged(why));
        }
        self.at = start + size + size % 2;
        Ok(Chunk { kind: [a, b, c, d], start, end: start + size, padded: self.at })
    }

    /// Finds the chunks of one frame, which stand next to each other, and skips them.
    fn frame(&mut self) -> Result<Frame, InvalidPicture> {
        let mut frame = Frame::default();
        loop {
            let begin = self.at;
            let chunk = self.next()?;
            let body = &self.bytes[chunk.start..chunk.padded];
            match &chunk.kind {
                b"VP8L" if frame.alpha.is_some() => {
                    return Err(InvalidPicture::damaged(
                        "a lossless frame has alpha of its own and an ALPH chunk",
                    ));
                }
                b"ALPH" if frame.alpha.is_none() => frame.alpha = Some(chunk),
                b"VP8 " | b"VP8L" if frame.image.is_none() => {
                    let sides =
                        if chunk.kind == *b"VP8L" { lossless::sides(body) } else { lossy::sides(body) };
                    let sides = sides
                        .ok_or_else(|| InvalidPicture::damaged("a frame's header is cut or not allowed"))?;
                    frame.image = Some((chunk, sides));
                }
                _ => {
                    self.at = begin;
                    return Ok(frame);
                }
            }
            if self.at == self.bytes.len() {
                return Ok(frame);
            }
        }
    }

    /// Checks a file that begins with VP8X. Whether it is animated.
    fn check_extended(&mut self, first: &Chunk, work: &mut Work) -> Result<bool, InvalidPicture> {
        let body = &self.bytes[first.start..first.end];
        let canvas = canvas(body).ok_or_else(|| InvalidPicture::damaged("its VP8X chunk is cut"))?;
        let flags = body[0];
        if flags & !KNOWN != 0 {
            return Err(InvalidPicture::damaged("its VP8X chunk has unknown flags"));
        }
        if body.len() != 10 && flags & (ANIMATION | ALPHA) == 0 {
            // Chromium reads such a picture with another parser first, which is stricter.
            return Err(InvalidPicture::damaged("its VP8X chunk has a size that is not allowed"));
        }
        let animation = flags & ANIMATION != 0;
        let (mut begun, mut frames) = (false, 0_u64);
        loop {
            let chunk = self.next()?;
            match &chunk.kind {
                b"VP8X" => return Err(InvalidPicture::damaged("it has two VP8X chunks")),
                b"VP8 " | b"VP8L" | b"ALPH" => {
                    if begun || animation || frames > 0 {
                        return Err(InvalidPicture::damaged("it has a picture where none may be"));
                    }
                    self.at = chunk.start - CHUNK;
                    let mut frame = self.frame()?;
                    if flags & ALPHA == 0 {
                        // Browsers ignore it then.
                        frame.alpha = None;
                    }
                    if frame.image.is_some_and(|(_, sides)| sides != canvas) {
                        return Err(InvalidPicture::damaged("its picture has other sides than it says"));
                    }
                    self.check_frame(&frame, work)?;
                    frames = 1;
                }
                b"ANIM" if chunk.padded - chunk.start < 6 => {
                    return Err(InvalidPicture::damaged("its ANIM chunk is cut"));
                }
                b"ANIM" => begun = true,
                b"ANMF" => {
                    let frame = self.animation_frame(&chunk, begun, canvas)?;
                    // A chunk with neither is no frame, and without the animation flag no frame counts.
                    if animation && (frame.alpha.is_some() || frame.image.is_some()) {
                        self.check_frame(&frame, work)?;
                        frames += 1;
                    }
                }
                _ => {}
            }
            if self.at == self.bytes.len() {
                break;
            }
        }
        if frames == 0 {
            return Err(InvalidPicture::damaged("it has no frame"));
        }
        Ok(frames > 1)
    }

    /// Finds a frame's chunks within ANMF. Others behind them are read as chunks of the file.
    fn animation_frame(
        &mut self,
        chunk: &Chunk,
        begun: bool,
        canvas: (u32, u32),
    ) -> Result<Frame, InvalidPicture> {
        let place = self.bytes.get(chunk.start..chunk.padded).and_then(<[u8]>::first_chunk::<PLACE>);
        let Some(&[x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, ..]) = place.filter(|_| begun) else {
            return Err(InvalidPicture::damaged("a frame is cut or comes before the ANIM chunk"));
        };
        self.at = chunk.start + PLACE;
        let frame = self.frame()?;
        if self.at > chunk.padded {
            return Err(InvalidPicture::damaged("a frame is larger than its ANMF chunk"));
        }
        let number = |a, b, c| u32::from_le_bytes([a, b, c, 0]);
        // A frame has the sides of its image. Those in ANMF only have to be possible.
        let area = u64::from(number(w0, w1, w2) + 1) * u64::from(number(h0, h1, h2) + 1);
        let (x, y) = (2 * number(x0, x1, x2), 2 * number(y0, y1, y2));
        let outside = |(width, height)| x + width > canvas.0 || y + height > canvas.1;
        if area >> 32 > 0 || frame.image.is_some_and(|(_, sides)| outside(sides)) {
            return Err(InvalidPicture::damaged("a frame reaches beyond the canvas"));
        }
        Ok(frame)
    }

    /// Checks that a frame has all its pixels.
    fn check_frame(&self, frame: &Frame, work: &mut Work) -> Result<(), InvalidPicture> {
        work.spend(WEBP_FRAME_STEPS)?;
        let Some((image, (width, height))) = frame.image else {
            return Err(InvalidPicture::damaged("a frame has no picture"));
        };
        // Browsers read padding as data, too.
        let body = &self.bytes[image.start..image.padded];
        if image.kind == *b"VP8L" {
            return lossless::check(body, work);
        }
        lossy::check(body, image.end - image.start, work)?;
        match frame.alpha {
            None => Ok(()),
            Some(alpha) if alpha.start > image.start => {
                Err(InvalidPicture::damaged("a frame's alpha comes behind its picture"))
            }
            Some(alpha) => check_alpha(&self.bytes[alpha.start..alpha.end], width, height, work),
        }
    }
}

/// Checks that an ALPH chunk has a value for each pixel (section 2.7.1.2).
fn check_alpha(bytes: &[u8], width: u32, height: u32, work: &mut Work) -> Result<(), InvalidPicture> {
    let Some((&how, values)) = bytes.split_first().filter(|(_, values)| !values.is_empty()) else {
        return Err(InvalidPicture::damaged("truncated: a frame's alpha is not there"));
    };
    match (how & 3, how >> 4) {
        (0, 0 | 1) if (values.len() as u64) < u64::from(width) * u64::from(height) => {
            Err(InvalidPicture::damaged("truncated: a frame's alpha is not all there"))
        }
        (0, 0 | 1) => Ok(()),
        (1, 0 | 1) => lossless::check_pixels(values, width, height, work),
        _ => Err(InvalidPicture::damaged("a frame's alpha is stored in an unknown way")),
    }
}
