//! A frame's pixels: a zlib stream whose bytes fill the rows of each pass (sections 7 and 10). They are inflated and
//! counted. Of each row only the first byte, its filter type, is checked.

use fdeflate::Decompressor;

use crate::limits::{PNG_INFLATE_BYTES, PNG_TABLE_STEPS};
use crate::outside::picture::{InvalidPicture, Work};

/// How far deflated data look back: the inflater copies from its own output.
const WINDOW: usize = 32 * 1024;
/// Adam7 (section 8.1): the first column and row of each pass, and the steps to the next.
const ADAM7: [[u32; 4]; 7] =
    [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

/// The sides of a frame, and how its pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bits per pixel.
    pub(super) bits: u8,
    pub(super) interlaced: bool,
}

impl Sides {
    pub(super) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// For each pass, how many bytes a row has, its filter type included, and how many rows there are.
    fn passes(self) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        let passes: &[_] = if self.interlaced { &ADAM7 } else { &[[0, 0, 1, 1]] };
        passes.iter().filter_map(move |&[x, y, across, down]| {
            let width = u64::from(self.width.saturating_sub(x).div_ceil(across));
            let height = u64::from(self.height.saturating_sub(y).div_ceil(down));
            (width > 0 && height > 0).then(|| (1 + (width * u64::from(self.bits)).div_ceil(8), height))
        })
    }
}

/// Inflates frames, one after the other, and counts.
pub(super) struct Pixels {
    inflater: Decompressor,
    buffer: Vec<u8>,
    /// Where the next bytes go in the buffer.
    at: usize,
    /// Passes that are still to come, the last first: the bytes of a row, and how many rows.
    passes: Vec<(u64, u64)>,
    /// Bytes that fill the frame, and how many there were.
    all: u64,
    made: u64,
    /// Bytes up to the next row.
    skip: u64,
}

impl Pixels {
    pub(super) fn new() -> Self {
        Self {
            inflater: Decompressor::new(),
            buffer: vec![0; PNG_INFLATE_BYTES],
            at: 0,
            passes: Vec::new(),
            all: 0,
            made: 0,
            skip: 0,
        }
    }

    /// Begins a frame.
    pub(super) fn begin(&mut self, sides: Sides) {
        self.inflater = Decompressor::new();
        self.passes = sides.passes().rev().collect();
        self.all = self.passes.iter().map(|(bytes, rows)| bytes * rows).sum();
        (self.at, self.made, self.skip) = (0, 0, 0);
    }

    /// Reads more of the stream. What follows its end is ignored.
    pub(super) fn take(&mut self, mut data: &[u8], work: &mut Work) -> Result<(), InvalidPicture> {
        while !self.inflater.is_done() {
            // In pieces, so that work is bounded before it is done.
            let piece = &data[..data.len().min(PNG_INFLATE_BYTES)];
            let moved = self.inflater.read(piece, &mut self.buffer, self.at, false);
            let (used, made) = moved
                .map_err(|error| InvalidPicture::damaged(format!("its pixels do not inflate: {error:?}")))?;
            if used == 0 && made == 0 {
                break;
            }
            data = &data[used..];
            let from = self.at;
            self.at += made;
            self.made += made as u64;
            self.look(from)?;
            if self.made > self.all {
                work.spend(made as u64)?;
            }
            // Only tables for codes that are not used take more bytes than they make.
            work.spend(used.saturating_sub(made) as u64 * PNG_TABLE_STEPS)?;
            if self.at > WINDOW {
                self.buffer.copy_within(self.at - WINDOW..self.at, 0);
                self.at = WINDOW;
            }
        }
        Ok(())
    }

    /// Checks the filter types among the new bytes of the buffer.
    fn look(&mut self, from: usize) -> Result<(), InvalidPicture> {
        let bytes = &self.buffer[from..self.at];
        let mut at = self.skip;
        while let Some(&filter) = usize::try_from(at).ok().and_then(|at| bytes.get(at)) {
            let Some((length, rows)) = self.passes.last_mut() else { return Ok(()) };
            if filter > 4 {
                return Err(InvalidPicture::damaged(format!("a row has the filter type {filter}")));
            }
            at += *length;
            *rows -= 1;
            if *rows == 0 {
                self.passes.pop();
            }
        }
        self.skip = at - bytes.len() as u64;
        Ok(())
    }

    /// Ends a frame: it has to have all its bytes. Whether the stream is complete, with the right checksum: its end may be
    /// missing, but not where it has more bytes than the frame.
    pub(super) fn end(&self) -> Result<bool, InvalidPicture> {
        let is_done = self.inflater.is_done();
        if self.made < self.all {
            let what = format!("its pixels have {} of {} bytes", self.made, self.all);
            return Err(InvalidPicture::damaged(what));
        }
        if self.made > self.all && !is_done {
            return Err(InvalidPicture::damaged("its data has more rows than the picture, and does not end"));
        }
        Ok(is_done)
    }
}
