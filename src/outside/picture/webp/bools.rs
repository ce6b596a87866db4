//! The arithmetic decoder of VP8 (RFC 6386, section 7).

use crate::limits::WEBP_STRAY_BYTES_MAX;

/// Reads bits that were written with a probability each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bools<'a> {
    /// What was not loaded yet.
    bytes: &'a [u8],
    /// Loaded bits, from the top down.
    value: u64,
    /// 128 to 255 between two bits.
    range: u32,
    /// Bits in `value` beyond the eight that the next comparison needs.
    spare: i32,
    over: bool,
}

impl<'a> Bools<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, value: 0, range: 255, spare: -8, over: false }
    }

    /// Whether a bit was asked for that lies behind the last byte, as libwebp judges it: a comparison needs eight bits.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether more is left unread than padding. Some encoders leave two bytes that are not zero.
    pub(super) fn is_left_over(&self) -> bool {
        self.bytes.len() > WEBP_STRAY_BYTES_MAX && self.bytes.iter().any(|&byte| byte != 0)
    }

    /// A bit that is zero with a probability of `zero` in 256.
    #[inline(always)]
    pub(super) fn bit(&mut self, zero: u8) -> bool {
        if self.spare < 0 {
            self.load();
        }
        let split = 1 + (((self.range - 1) * u32::from(zero)) >> 8);
        let wide = u64::from(split) << 56;
        if self.value >= wide {
            self.value -= wide;
            self.narrow(self.range - split);
            true
        } else {
            self.narrow(split);
            false
        }
    }

    /// Continues with a part of the range, scaled up to eight bits.
    #[inline(always)]
    fn narrow(&mut self, range: u32) {
        // A range is never zero, which this shows to the compiler.
        let shift = (range | 1).leading_zeros() - 24;
        self.range = range << shift;
        self.value <<= shift;
        self.spare -= shift as i32;
    }

    /// Skips a bit that is as often zero as not. It has no branch, which the processor could not predict.
    #[inline(always)]
    pub(super) fn pass(&mut self) {
        if self.spare < 0 {
            self.load();
        }
        let split = self.range.div_ceil(2);
        let wide = u64::from(split) << 56;
        let one = u64::from(self.value >= wide).wrapping_neg();
        self.value = (self.value - (wide & one)) << 1;
        // Half of a range needs a shift by one, but of the very first: no frame begins with such a bit.
        self.range = (split - (self.range & 1 & one as u32)) << 1;
        self.spare -= 1;
    }

    /// A number of so many bits that are as often zero as not.
    pub(super) fn number(&mut self, bits: u32) -> u32 {
        (0..bits).fold(0, |number, _| number << 1 | u32::from(self.bit(128)))
    }

    /// Skips a flag and, where it is set, a number and its sign.
    pub(super) fn skip_optional(&mut self, bits: u32) {
        if self.bit(128) {
            self.number(bits + 1);
        }
    }

    #[inline(always)]
    fn load(&mut self) {
        let held = (self.spare + 8) as u32;
        if let Some((eight, _)) = self.bytes.split_first_chunk::<8>() {
            // The part of a byte that still fits is loaded, too, and once more with the rest of it: the same bits.
            self.value |= u64::from_be_bytes(*eight) >> held;
            let whole = (64 - held) / 8;
            self.bytes = &self.bytes[whole as usize..];
            self.spare += 8 * whole as i32;
        } else {
            self.load_last(held);
        }
    }

    #[cold]
    fn load_last(&mut self, held: u32) {
        if let Some((byte, rest)) = self.bytes.split_first() {
            self.value |= u64::from(*byte) << 56 >> held;
            self.bytes = rest;
        } else {
            self.over = true;
        }
        self.spare += 8;
    }
}
