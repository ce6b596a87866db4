//! PNG (the W3C's "Portable Network Graphics", third edition), and with it APNG. Chunks that do not matter to pixels, such
//! as text, profiles and EXIF, are skipped by their lengths and never inflated. Pixels are inflated into a small buffer
//! and counted ([`rows`]): they have to fill every row of every frame. Their checksums have to be right, since damaged
//! pixels may still be as many.
//!
//! The rest is as in Chromium, with these exceptions:
//! - A file that stops within a chunk is truncated. Chromium accepts that behind the pixels, but asks for one more chunk
//!   there, as this does; it need not be IEND.
//! - The pixels' own checksum (Adler-32) and that of `tRNS` have to be right; Chromium ignores them.
//! - More rows than announced are accepted if the stream is complete; Chromium stops at the last row.
//! - An animation has to have the frames that its `acTL` chunk announces; Chromium repeats those that there are.
//! - A picture before an animation that is not a frame of it has to be whole, too.
//! - `acTL` without any `fcTL` is a still picture, as in most browsers; Chromium shows nothing.

mod rows;
#[cfg(test)]
mod tests;

use self::rows::{Pixels, Sides};
use super::{Header, InvalidPicture, Work};
use crate::limits::{PNG_FRAME_STEPS, PNG_INFLATE_BYTES};

/// The signature, and the IHDR chunk with its length, name and checksum.
const HEAD: usize = 33;

/// Sides and memory from the IHDR chunk.
pub(super) fn header(bytes: &[u8]) -> Result<Header, InvalidPicture> {
    let Sides { width, height, .. } = Ihdr::read(bytes)?.sides;
    // The inflater's tables are smaller than its buffer.
    Ok(Header { width, height, memory: 2 * PNG_INFLATE_BYTES as u64 })
}

/// Checks that every frame has all its pixels. Whether it is animated.
pub(super) fn check(bytes: &[u8], work: &mut Work) -> Result<bool, InvalidPicture> {
    let Ihdr { sides, has_palette } = Ihdr::read(bytes)?;
    let mut file = File { bytes, at: HEAD, sequence: 0, pixels: Pixels::new(), work };
    let mut palette = false;
    let (mut announced, mut frames) = (None, 0);
    let first = loop {
        let chunk = file.next()?;
        match &chunk.kind {
            b"IDAT" => break chunk,
            b"PLTE" if !palette && chunk.is_sound() && (3..=768).contains(&chunk.body.len()) => {
                palette = true
            }
            b"acTL" => announced = announced.or_else(|| chunk.frames()),
            b"fcTL" if chunk.is_sound() => {
                if file.control(&chunk, sides)? != sides {
                    return Err(InvalidPicture::damaged("its first frame does not cover it"));
                }
                frames = 1;
            }
            b"bKGD" if has_palette && !palette && chunk.is_sound() && !chunk.body.is_empty() => {
                return Err(InvalidPicture::damaged("its background stands before its palette"));
            }
            b"fdAT" => return Err(InvalidPicture::damaged("an animation's data stand before the picture's")),
            // Without transparency, pixels show that were meant to be hidden.
            b"tRNS" if !chunk.is_sound() => {
                return Err(InvalidPicture::damaged("the checksum of its transparency is wrong"));
            }
            kind if chunk.is_critical() => {
                let what = format!("the chunk {} before the pixels is wrong", kind.escape_ascii());
                return Err(InvalidPicture::damaged(what));
            }
            _ => {}
        }
    };
    if has_palette && !palette {
        return Err(InvalidPicture::damaged("it has no palette"));
    }
    let mut chunk = file.fill(first, sides)?;
    // What follows a still picture, or an animation's last frame, is ignored.
    let announced = announced.unwrap_or(0);
    let mut is_controlled = frames == 1;
    let mut frame = None;
    while chunk.kind != *b"IEND" {
        match &chunk.kind {
            b"fcTL" if frames < announced => {
                is_controlled = true;
                frame = Some(file.control(&chunk, sides)?);
            }
            b"fdAT" if frames < announced => {
                let sides = frame
                    .take()
                    .ok_or_else(|| InvalidPicture::damaged("a frame has no control chunk (fcTL)"))?;
                frames += 1;
                chunk = file.fill(chunk, sides)?;
                continue;
            }
            _ if frames < announced && chunk.is_critical() => {
                return Err(InvalidPicture::damaged("an animation is interrupted"));
            }
            _ => {}
        }
        if file.at == bytes.len() {
            break;
        }
        chunk = file.next()?;
    }
    if is_controlled && frames < announced {
        return Err(InvalidPicture::damaged(format!("truncated: it has {frames} of {announced} frames")));
    }
    Ok(frames > 1)
}

/// What the IHDR chunk says.
struct Ihdr {
    sides: Sides,
    /// Whether pixels are indices into a palette.
    has_palette: bool,
}

impl Ihdr {
    /// Of a file's first bytes. Which depths go with which colour types: section 11.2.1.
    fn read(bytes: &[u8]) -> Result<Self, InvalidPicture> {
        let Some(&head) = bytes.first_chunk::<HEAD>() else {
            return Err(InvalidPicture::damaged("truncated: its header is not all there"));
        };
        let [fields @ .., c0, c1, c2, c3] = head;
        let is_sound = crc32fast::hash(&fields[12..]) == u32::from_be_bytes([c0, c1, c2, c3]);
        if !is_sound || !head.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR") {
            return Err(InvalidPicture::damaged("its header is wrong"));
        }
        let [depth, colour, compression, filter, interlace] = [24, 25, 26, 27, 28].map(|at| head[at]);
        let samples = match (colour, depth) {
            (0 | 3, 1 | 2 | 4 | 8) | (0, 16) => 1,
            (2, 8 | 16) => 3,
            (4, 8 | 16) => 2,
            (6, 8 | 16) => 4,
            _ => 0,
        };
        if samples == 0 || compression != 0 || filter != 0 || interlace > 1 {
            return Err(InvalidPicture::damaged("its header has values that PNG does not allow"));
        }
        let sides = Sides {
            width: word(&head[16..]),
            height: word(&head[20..]),
            bits: samples * depth,
            interlaced: interlace == 1,
        };
        Ok(Self { sides, has_palette: colour == 3 })
    }
}

/// A walk over the chunks.
struct File<'a> {
    bytes: &'a [u8],
    /// Where the next chunk begins.
    at: usize,
    /// The sequence number that the next chunk of an animation has to have.
    sequence: u32,
    pixels: Pixels,
    work: &'a mut Work,
}

impl<'a> File<'a> {
    fn next(&mut self) -> Result<Chunk<'a>, InvalidPicture> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let chunk = rest.split_first_chunk().and_then(|(&length, rest)| {
            let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
            let (covered, rest) = rest.split_at_checked(length.checked_add(4)?)?;
            let (&kind, body) = covered.split_first_chunk()?;
            Some(Chunk { kind, body, covered, sum: u32::from_be_bytes(*rest.first_chunk()?) })
        });
        let chunk = chunk.ok_or_else(|| {
            InvalidPicture::damaged(format!("truncated in the chunk that begins at byte {}", self.at))
        })?;
        self.at += chunk.body.len() + 12;
        Ok(chunk)
    }

    /// Reads an `fcTL` chunk (section 11.3.6.2): its frame has to lie within the canvas.
    fn control(&mut self, chunk: &Chunk<'_>, canvas: Sides) -> Result<Sides, InvalidPicture> {
        let fits = |from: u32, length: u32, all: u32| {
            length > 0 && from.checked_add(length).is_some_and(|to| to <= all)
        };
        if let Ok(body) = <[u8; 26]>::try_from(chunk.body)
            && let [sequence, width, height, x, y] = [0, 4, 8, 12, 16].map(|at| word(&body[at..]))
            && let [.., 0..=2, 0..=1] = body
            && chunk.is_sound()
            && sequence == self.sequence
            && fits(x, width, canvas.width)
            && fits(y, height, canvas.height)
        {
            self.sequence += 1;
            return Ok(Sides { width, height, ..canvas });
        }
        Err(InvalidPicture::damaged("the control chunk (fcTL) of a frame is wrong"))
    }

    /// Checks that this data chunk, and those right behind it, fill a frame. Gives the chunk that follows them.
    fn fill(&mut self, mut chunk: Chunk<'a>, sides: Sides) -> Result<Chunk<'a>, InvalidPicture> {
        self.work.spend(PNG_FRAME_STEPS + sides.pixels())?;
        self.pixels.begin(sides);
        let kind = chunk.kind;
        let mut is_sound = true;
        while chunk.kind == kind {
            is_sound &= chunk.is_sound();
            let data = if kind == *b"fdAT" { self.numbered(chunk.body)? } else { chunk.body };
            self.pixels.take(data, self.work)?;
            chunk = self.next()?;
        }
        let is_proved = self.pixels.end()?;
        if !is_sound && (kind == *b"IDAT" || !is_proved) {
            return Err(InvalidPicture::damaged("the checksum of its pixels is wrong"));
        }
        Ok(chunk)
    }

    /// The data of an `fdAT` chunk, behind its sequence number.
    fn numbered(&mut self, body: &'a [u8]) -> Result<&'a [u8], InvalidPicture> {
        let numbered =
            body.split_first_chunk().filter(|(number, _)| u32::from_be_bytes(**number) == self.sequence);
        let (_, data) =
            numbered.ok_or_else(|| InvalidPicture::damaged("an animation's data are out of order"))?;
        self.sequence += 1;
        Ok(data)
    }
}

/// A chunk (section 5.3).
struct Chunk<'a> {
    kind: [u8; 4],
    body: &'a [u8],
    /// Kind and body, which the checksum is of.
    covered: &'a [u8],
    sum: u32,
}

impl Chunk<'_> {
    fn is_sound(&self) -> bool {
        crc32fast::hash(self.covered) == self.sum
    }

    /// Whether a decoder that does not support it cannot show the picture (section 5.4).
    fn is_critical(&self) -> bool {
        self.kind[0] & 0x20 == 0
    }

    /// How many frames an `acTL` chunk announces; `None` where browsers ignore it.
    fn frames(&self) -> Option<u32> {
        let body = <[u8; 8]>::try_from(self.body).ok()?;
        let [frames, plays] = [0, 4].map(|at| word(&body[at..]));
        (self.is_sound() && frames > 0 && frames.max(plays) <= i32::MAX as u32).then_some(frames)
    }
}

/// The number that these bytes begin with.
fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
