//! The bits of a scan, most significant first (T.81 F.2.2.5), without the zero that stands behind each FF.
//!
//! A window of 64 bits is filled by up to seven bytes at once where the next eight hold no FF, and else byte by byte.
//! Behind the segment's end zeros are supplied, so that no step has to check whether there are more bits;
//! [`Bits::overrun`] is whether one of them was used.

use std::ops::RangeInclusive;

/// The bits of one entropy-coded segment that are still to be read.
#[derive(Clone)]
pub(super) struct Bits<'a> {
    /// The segment, and what follows it in the file.
    bytes: &'a [u8],
    /// The next byte to load into the window; where the segment has ended, its marker's FF or the file's end.
    at: usize,
    window: u64,
    /// Bits of the window that count, from the top.
    count: u32,
    /// The last of these that are supplied zeros.
    supplied: u32,
    ended: bool,
}

impl<'a> Bits<'a> {
    /// From the first of these bytes on, up to a marker.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, window: 0, count: 0, supplied: 0, ended: false }
    }

    /// Makes sure that the window has more than 32 bits.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if self.count > 32 {
            return;
        }
        if let Some(next) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let next = u64::from_be_bytes(*next);
            const ONES: u64 = u64::MAX / 255;
            if (!next).wrapping_sub(ONES) & next & (ONES << 7) == 0 {
                // Bits of the byte that only begins to fit stay behind the count; the next refill puts the same there.
                self.window |= next >> self.count;
                let bytes = (63 - self.count) / 8;
                self.at += bytes as usize;
                self.count += 8 * bytes;
                return;
            }
        }
        self.refill_slowly();
    }

    #[cold]
    #[inline(never)]
    fn refill_slowly(&mut self) {
        while self.count <= 56 {
            match self.next_byte() {
                Some(byte) => self.window |= u64::from(byte) << (56 - self.count),
                None => self.supplied += 8,
            }
            self.count += 8;
        }
    }

    /// The next byte of data. As in libjpeg, any number of FFs with one zero behind them are one FF.
    fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at).filter(|_| !self.ended).or_else(|| {
            self.ended = true;
            None
        })?;
        if byte != 0xff {
            self.at += 1;
            return Some(byte);
        }
        let fill = self.bytes[self.at..].iter().take_while(|&&byte| byte == 0xff).count();
        if self.bytes.get(self.at + fill) == Some(&0) {
            self.at += fill + 1;
            return Some(0xff);
        }
        self.ended = true;
        None
    }

    /// The next bits, at most 32, without taking them.
    #[inline(always)]
    pub(super) fn peek(&self, bits: u32) -> usize {
        // Two shifts, since none may be by 64.
        (self.window >> 1 >> (63 - bits)) as usize
    }

    /// Skips bits that a refill has loaded.
    #[inline(always)]
    pub(super) fn drop(&mut self, bits: u32) {
        self.window <<= bits;
        self.count = self.count.wrapping_sub(bits);
    }

    /// The next bits, as loaded by a refill.
    #[inline(always)]
    pub(super) fn take(&mut self, bits: u32) -> u32 {
        let value = self.peek(bits) as u32;
        self.drop(bits);
        value
    }

    /// Skips up to 64 bits.
    #[inline(always)]
    pub(super) fn skip(&mut self, mut bits: u32) {
        while bits > self.count {
            self.window = 0;
            bits -= std::mem::take(&mut self.count);
            self.refill();
        }
        self.drop(bits);
    }

    /// Whether more bits were taken than the segment has.
    #[inline(always)]
    pub(super) fn overrun(&self) -> bool {
        self.count < self.supplied
    }

    /// Skips the next marker and all before it, if it is a restart marker with one of these numbers.
    pub(super) fn restart(&mut self, numbers: RangeInclusive<u8>) -> bool {
        let rest = self.rest();
        let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
        let found = fill > 0 && rest.get(fill).is_some_and(|code| numbers.contains(&code.wrapping_sub(0xd0)));
        if found {
            *self = Self::new(&rest[fill + 1..]);
        }
        found
    }

    /// Skips the rest of a byte whose first bits are read. Whether it is all ones, as padding is (F.1.2.3).
    pub(super) fn align(&mut self) -> bool {
        let bits = (self.count - self.supplied) % 8;
        self.take(bits) + 1 == 1 << bits
    }

    /// Whether nothing is left but such padding.
    pub(super) fn at_end(&mut self) -> bool {
        self.refill();
        self.ended && self.count - self.supplied < 8 && self.clone().align()
    }

    /// The next whole byte, up to the segment's end.
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.refill();
        (self.count >= self.supplied + 8).then(|| self.take(8) as u8)
    }

    /// What follows the segment, from the next marker on, once all bytes are read.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Whether there are 64 zero bytes or more somewhere before those at the end, once all are read.
    pub(super) fn has_zeros(&self) -> bool {
        let data = &self.bytes[..self.at - self.zeros_before_end()];
        data.chunks_exact(64).any(|bytes| bytes.iter().all(|&byte| byte == 0))
    }

    /// Zero bytes that stand right before the segment's end, once all are read. One that belongs to an FF is none.
    pub(super) fn zeros_before_end(&self) -> usize {
        let data = &self.bytes[..self.at];
        let zeros = data.iter().rev().take_while(|&&byte| byte == 0).count();
        let stuffed = data[..data.len() - zeros].last() == Some(&0xff);
        zeros - usize::from(stuffed && zeros > 0)
    }
}
