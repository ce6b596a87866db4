//! LZW as in GIF (GIF89a, appendix F). A code stands for a sequence of pixels, of which the table keeps only the length: a
//! new code's sequence is the one before and a pixel more.

use crate::outside::picture::InvalidPicture;

/// Codes have 12 bits at most.
const CODES: usize = 1 << 12;

/// Counts the pixels of frames, one after the other.
pub(super) struct Codes {
    /// How many pixels each code stands for.
    lengths: [u16; CODES],
    /// The code that empties the table. The one behind it ends the data; those below it stand for one pixel each.
    clear: usize,
    /// The code that comes into the table next.
    next: usize,
    /// How many bits a code has.
    width: u32,
    /// How many pixels the code before stood for; 0 where the table was just emptied.
    before: u16,
    /// Bits that are loaded and not used, the next one lowest, and how many they are.
    bits: u32,
    held: u32,
    /// Pixels of the frame, and how many of them are still to come.
    all: u64,
    left: u64,
}

impl Codes {
    pub(super) fn new() -> Self {
        Self {
            lengths: [0; CODES],
            clear: 0,
            next: 0,
            width: 0,
            before: 0,
            bits: 0,
            held: 0,
            all: 0,
            left: 0,
        }
    }

    /// Begins a frame of so many pixels, whose colours have so many bits. Browsers show 1 to 8.
    pub(super) fn begin(&mut self, bits: u8, pixels: u64) -> Result<(), InvalidPicture> {
        if !(1..=8).contains(&bits) {
            return Err(InvalidPicture::damaged(format!("a frame has colours of {bits} bits")));
        }
        self.clear = 1 << bits;
        self.lengths[..self.clear].fill(1);
        self.empty();
        (self.bits, self.held) = (0, 0);
        (self.all, self.left) = (pixels, pixels);
        Ok(())
    }

    fn empty(&mut self) {
        self.next = self.clear + 2;
        self.width = self.clear.ilog2() + 1;
        self.before = 0;
    }

    /// Reads more of the data. What follows the last pixel is ignored.
    pub(super) fn take(&mut self, block: &[u8]) -> Result<(), InvalidPicture> {
        for &byte in block {
            self.bits |= u32::from(byte) << self.held;
            self.held += 8;
            while self.held >= self.width && self.left > 0 {
                let code = (self.bits & ((1 << self.width) - 1)) as usize;
                self.bits >>= self.width;
                self.held -= self.width;
                self.count(code)?;
            }
            if self.left == 0 {
                break;
            }
        }
        Ok(())
    }

    fn count(&mut self, code: usize) -> Result<(), InvalidPicture> {
        if code == self.clear {
            self.empty();
            return Ok(());
        }
        if code == self.clear + 1 {
            return self.end();
        }
        let is_new = code == self.next && self.before > 0;
        if code >= self.next && !is_new {
            return Err(InvalidPicture::damaged("a frame has a code that is not defined"));
        }
        if self.before > 0 && self.next < CODES {
            self.lengths[self.next] = self.before + 1;
            self.next += 1;
        }
        if self.next == 1 << self.width && self.next < CODES {
            self.width += 1;
        }
        self.before = self.lengths[code];
        self.left = self.left.saturating_sub(self.before.into());
        Ok(())
    }

    /// Whether the frame has all its pixels.
    pub(super) fn is_full(&self) -> bool {
        self.left == 0
    }

    /// Ends a frame: it has to be full.
    pub(super) fn end(&self) -> Result<(), InvalidPicture> {
        if self.left > 0 {
            let what = format!("a frame has {} of {} pixels", self.all - self.left, self.all);
            return Err(InvalidPicture::damaged(what));
        }
        Ok(())
    }
}
