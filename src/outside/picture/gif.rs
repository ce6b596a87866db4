//! GIF (GIF89a and GIF87a). The blocks are walked by hand, extensions are passed over. Of each frame the codes are
//! counted and not unpacked ([`codes`]): they have to yield every pixel of the frame's rectangle.
//!
//! The rest is as Chromium does: the trailer may be missing, a rectangle may reach beyond the screen, and what stands
//! behind a frame's last pixel, or behind the trailer, does not matter. Exceptions:
//! - A byte that no block begins with ends a picture for browsers. It may, but not where another frame is announced
//!   behind it: then an animation has lost its end. Zeros are passed over, and the frames behind them looked at, too.
//! - A file that ends within a block, or where a frame is announced, is truncated. Chromium shows the frames before it.

mod codes;
#[cfg(test)]
mod tests;

use std::io::{BufRead, Cursor, ErrorKind, Seek};

use self::codes::Codes;
use super::{Header, InvalidPicture, PictureError};

/// What blocks begin with (GIF89a, appendix A), and the label of the extension that stands before a frame.
const EXTENSION: u8 = 0x21;
const DESCRIPTOR: u8 = 0x2c;
const TRAILER: u8 = 0x3b;
const CONTROL: u8 = 0xf9;

/// The first frame tells the sides along with the screen: browsers widen the screen to hold it.
pub(super) fn header(file: &mut (impl BufRead + Seek)) -> Result<Header, PictureError> {
    let (mut blocks, [width, height]) = Blocks::open(file)?;
    let Next::Frame(frame) = blocks.next()? else {
        return Err(InvalidPicture::damaged("it has no frame").into());
    };
    let side = |side: u16, from: u16, length: u16| u32::from(side).max(u32::from(from) + u32::from(length));
    Ok(Header {
        width: side(width, frame.x, frame.width),
        height: side(height, frame.y, frame.height),
        memory: size_of::<Codes>() as u64,
    })
}

/// Whether it is animated.
pub(super) fn check(bytes: &[u8]) -> Result<bool, InvalidPicture> {
    walk(bytes).map_err(|error| match error {
        PictureError::Invalid(why) => why,
        PictureError::Disk(error) => InvalidPicture::damaged(error),
    })
}

fn walk(bytes: &[u8]) -> Result<bool, PictureError> {
    let (mut blocks, _) = Blocks::open(Cursor::new(bytes))?;
    let mut codes = Codes::new();
    let (mut is_drawn, mut rest) = (false, bytes);
    let end = loop {
        match blocks.next()? {
            Next::Frame(frame) => {
                is_drawn |= frame.pixels() > 0;
                let tail = blocks.fill(&frame, &mut codes)?;
                rest = usize::try_from(tail).ok().and_then(|tail| bytes.get(tail..)).unwrap_or_default();
            }
            end => break end,
        }
    };
    if !is_drawn {
        return Err(InvalidPicture::damaged("it has no frame").into());
    }
    // The extension that announces a frame: its label, its length and its end.
    let announces = |bytes: &[u8]| matches!(bytes, [CONTROL, 4, _, _, _, _, 0]);
    if matches!(end, Next::Nothing) && rest.windows(7).any(announces) {
        return Err(InvalidPicture::damaged("truncated: a frame is announced that is not there").into());
    }
    Ok(blocks.shown > 1)
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
struct Blocks<R> {
    file: R,
    /// Frames that browsers show.
    shown: u64,
    /// Whether there was a stray zero, which ends the picture for browsers.
    is_stopped: bool,
}

impl<R: BufRead + Seek> Blocks<R> {
    /// Behind the header and the screen, whose sides come along.
    fn open(file: R) -> Result<(Self, [u16; 2]), PictureError> {
        let mut blocks = Self { file, shown: 0, is_stopped: false };
        let head: [u8; 13] = blocks.read()?;
        let [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', w0, w1, h0, h1, flags, _, _] = head else {
            return Err(InvalidPicture::damaged("its version is neither 87a nor 89a").into());
        };
        blocks.skip_table(flags)?;
        Ok((blocks, [[w0, w1], [h0, h1]].map(u16::from_le_bytes)))
    }

    fn next(&mut self) -> Result<Next, PictureError> {
        loop {
            let Some(&kind) = self.file.fill_buf()?.first() else { return Ok(Next::Nothing) };
            self.file.consume(1);
            match kind {
                EXTENSION if self.skip_extension()? => {}
                DESCRIPTOR => return Ok(Next::Frame(self.frame()?)),
                TRAILER => return Ok(Next::Trailer),
                // Writers that end a frame's data twice.
                0 if self.shown > 0 => self.is_stopped = true,
                _ => return Ok(Next::Nothing),
            }
        }
    }

    /// Whether it is all there. The one that announces a frame has just one length; browsers stop at another.
    fn skip_extension(&mut self) -> Result<bool, PictureError> {
        let [label] = self.read()?;
        if label == CONTROL {
            let [4, _, _, _, _, 0] = self.read()? else {
                return Err(InvalidPicture::damaged("what announces a frame is wrong").into());
            };
            return Ok(true);
        }
        loop {
            let Some(&length) = self.file.fill_buf()?.first() else { return Ok(false) };
            if length == 0 {
                self.file.consume(1);
                return Ok(true);
            }
            self.skip(1 + i64::from(length))?;
        }
    }

    fn frame(&mut self) -> Result<Frame, PictureError> {
        let [x0, x1, y0, y1, w0, w1, h0, h1, flags] = self.read()?;
        self.skip_table(flags)?;
        let [code_bits] = self.read()?;
        self.shown += u64::from(!self.is_stopped);
        let [x, y, width, height] = [[x0, x1], [y0, y1], [w0, w1], [h0, h1]].map(u16::from_le_bytes);
        Ok(Frame { x, y, width, height, code_bits })
    }

    /// Sees that the data fill the frame, and tells where the block with the last pixel ends.
    fn fill(&mut self, frame: &Frame, codes: &mut Codes) -> Result<u64, PictureError> {
        codes.begin(frame.code_bits, frame.pixels())?;
        let mut tail = self.file.stream_position()?;
        let mut room = [0; 255];
        loop {
            match self.read()? {
                [0] => break,
                [length] if codes.is_full() => self.skip(length.into())?,
                [length] => {
                    let block = &mut room[..length.into()];
                    self.read_into(block)?;
                    codes.take(block)?;
                    tail = self.file.stream_position()?;
                }
            }
        }
        codes.end()?;
        Ok(tail)
    }

    /// Colours do not matter: browsers show a frame without any, too.
    fn skip_table(&mut self, flags: u8) -> Result<(), PictureError> {
        if flags & 0x80 == 0 { Ok(()) } else { self.skip(6 << (flags & 7)) }
    }

    /// What is skipped behind the end is missed by the next reading.
    fn skip(&mut self, bytes: i64) -> Result<(), PictureError> {
        Ok(self.file.seek_relative(bytes)?)
    }

    fn read<const N: usize>(&mut self) -> Result<[u8; N], PictureError> {
        let mut bytes = [0; N];
        self.read_into(&mut bytes)?;
        Ok(bytes)
    }

    fn read_into(&mut self, room: &mut [u8]) -> Result<(), PictureError> {
        self.file.read_exact(room).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => InvalidPicture::damaged("truncated: it ends within a block").into(),
            _ => error.into(),
        })
    }
}
