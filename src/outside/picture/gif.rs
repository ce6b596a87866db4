//! GIF (GIF89a and GIF87a). Extensions are skipped. The codes of each frame are not unpacked, but the pixels they stand for
//! are counted ([`codes`]): they have to fill the frame's rectangle.
//!
//! The rest is as in Chromium: the trailer may be missing, a rectangle may reach beyond the screen, and what follows a
//! frame's last pixel, or the trailer, is ignored. Exceptions:
//! - A byte that begins no block ends the picture, as in browsers; but where a frame is announced behind it, an animation
//!   has lost its end, and is refused. Zeros between blocks are skipped, and the frames behind them have to be whole, too.
//! - A file that ends within a block, or where a frame is announced, is truncated. Chromium shows the frames before that.

mod codes;
#[cfg(test)]
mod tests;

use self::codes::Codes;
use super::{Header, InvalidPicture};

/// What blocks begin with (GIF89a, appendix A), and the label of the extension that stands before a frame.
const EXTENSION: u8 = 0x21;
const DESCRIPTOR: u8 = 0x2c;
const TRAILER: u8 = 0x3b;
const CONTROL: u8 = 0xf9;

/// The sides are the screen's, which browsers widen to hold the first frame.
pub(super) fn header(bytes: &[u8]) -> Result<Header, InvalidPicture> {
    let (mut blocks, [width, height]) = Blocks::open(bytes)?;
    let Next::Frame(frame) = blocks.next()? else { return Err(no_frame()) };
    let side = |side: u16, from: u16, length: u16| u32::from(side).max(u32::from(from) + u32::from(length));
    Ok(Header {
        width: side(width, frame.x, frame.width),
        height: side(height, frame.y, frame.height),
        memory: size_of::<Codes>() as u64,
    })
}

/// Checks that every frame has all its pixels. Whether it is animated.
pub(super) fn check(bytes: &[u8]) -> Result<bool, InvalidPicture> {
    let (mut blocks, _) = Blocks::open(bytes)?;
    let mut codes = Codes::new();
    let (mut is_drawn, mut behind) = (false, bytes);
    let end = loop {
        match blocks.next()? {
            Next::Frame(frame) => {
                is_drawn |= frame.pixels() > 0;
                behind = blocks.fill(&frame, &mut codes)?;
            }
            end => break end,
        }
    };
    if !is_drawn {
        return Err(no_frame());
    }
    // The extension that announces a frame: its label, its length and its end.
    let announces = |bytes: &[u8]| matches!(bytes, [CONTROL, 4, _, _, _, _, 0]);
    if matches!(end, Next::Nothing) && behind.windows(7).any(announces) {
        return Err(InvalidPicture::damaged("truncated: a frame is announced that is not there"));
    }
    Ok(blocks.shown > 1)
}

fn no_frame() -> InvalidPicture {
    InvalidPicture::damaged("it has no frame")
}

/// What comes next, extensions aside.
enum Next {
    Frame(Frame),
    Trailer,
    /// The file's end, or a byte that no block begins with.
    Nothing,
}

/// An image descriptor (section 20), and the first code size behind it.
struct Frame {
    x: u16,
    y: u16,
    width: u16,
    height: u16,
    code_bits: u8,
}

impl Frame {
    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// A walk over the blocks.
struct Blocks<'a> {
    /// What is not read yet.
    rest: &'a [u8],
    /// Frames that browsers show.
    shown: u64,
    /// Whether a stray zero was read: browsers show no frame behind it.
    is_stopped: bool,
}

impl<'a> Blocks<'a> {
    /// Reads up to the first block. The numbers are the screen's sides.
    fn open(bytes: &'a [u8]) -> Result<(Self, [u16; 2]), InvalidPicture> {
        let mut blocks = Self { rest: bytes, shown: 0, is_stopped: false };
        let [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', w0, w1, h0, h1, flags, _, _] = blocks.read()? else {
            return Err(InvalidPicture::damaged("its version is neither 87a nor 89a"));
        };
        blocks.skip_table(flags);
        Ok((blocks, [[w0, w1], [h0, h1]].map(u16::from_le_bytes)))
    }

    fn next(&mut self) -> Result<Next, InvalidPicture> {
        loop {
            let Some(&kind) = self.rest.split_off_first() else { return Ok(Next::Nothing) };
            match kind {
                EXTENSION if self.skip_extension()? => {}
                DESCRIPTOR => return Ok(Next::Frame(self.frame()?)),
                TRAILER => return Ok(Next::Trailer),
                // Some writers end a frame's data twice.
                0 if self.shown > 0 => self.is_stopped = true,
                _ => return Ok(Next::Nothing),
            }
        }
    }

    /// Whether it is all there. The control extension of a frame has a fixed length; browsers stop at another.
    fn skip_extension(&mut self) -> Result<bool, InvalidPicture> {
        if self.read()? == [CONTROL] {
            let [4, _, _, _, _, 0] = self.read()? else {
                return Err(InvalidPicture::damaged("the control extension of a frame is wrong"));
            };
            return Ok(true);
        }
        while let Some(&length) = self.rest.split_off_first() {
            if length == 0 {
                return Ok(true);
            }
            self.skip(length.into());
        }
        Ok(false)
    }

    fn frame(&mut self) -> Result<Frame, InvalidPicture> {
        let [x0, x1, y0, y1, w0, w1, h0, h1, flags] = self.read()?;
        self.skip_table(flags);
        let [code_bits] = self.read()?;
        self.shown += u64::from(!self.is_stopped);
        let [x, y, width, height] = [[x0, x1], [y0, y1], [w0, w1], [h0, h1]].map(u16::from_le_bytes);
        Ok(Frame { x, y, width, height, code_bits })
    }

    /// Checks that the data fill the frame. Gives what follows the block with the last pixel.
    fn fill(&mut self, frame: &Frame, codes: &mut Codes) -> Result<&'a [u8], InvalidPicture> {
        codes.begin(frame.code_bits, frame.pixels())?;
        let mut behind = self.rest;
        loop {
            match self.read()? {
                [0] => break,
                [length] if codes.is_full() => self.skip(length.into()),
                [length] => {
                    codes.take(self.rest.split_off(..length.into()).ok_or_else(cut)?)?;
                    behind = self.rest;
                }
            }
        }
        codes.end()?;
        Ok(behind)
    }

    /// Colours do not matter: browsers show a frame without any, too.
    fn skip_table(&mut self, flags: u8) {
        if flags & 0x80 != 0 {
            self.skip(6 << (flags & 7));
        }
    }

    /// Where fewer bytes follow, the next reading finds none.
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn read<const N: usize>(&mut self) -> Result<[u8; N], InvalidPicture> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(cut)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

fn cut() -> InvalidPicture {
    InvalidPicture::damaged("truncated: it ends within a block")
}
