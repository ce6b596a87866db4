//! The bits of lossless WebP, the lowest of a byte first (RFC 9649, section 3.3).

/// Reads bits; behind the end all are zero.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte to load; may lie behind the end.
    at: usize,
    buffer: u64,
    /// Bits loaded and not taken.
    held: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, held: 0 }
    }

    /// How many bytes there are.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether more bits were taken than there are.
    pub(super) fn is_over(&self) -> bool {
        8 * self.at > 8 * self.bytes.len() + self.held as usize
    }

    /// Makes sure that 56 bits are held.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if let Some((eight, _)) = self.bytes.get(self.at..).and_then(<[u8]>::split_first_chunk::<8>) {
            // The part of a byte that still fits is loaded, too, and once more with the rest of it: the same bits.
            self.buffer |= u64::from_le_bytes(*eight) << self.held;
            self.at += (63 - self.held as usize) / 8;
            self.held |= 56;
        } else {
            self.fill_last();
        }
    }

    #[cold]
    fn fill_last(&mut self) {
        while self.held < 56 {
            self.buffer |= u64::from(self.bytes.get(self.at).copied().unwrap_or(0)) << self.held;
            self.at += 1;
            self.held += 8;
        }
    }

    /// The held bits. Those above them are zero, or the ones that will be held next.
    #[inline(always)]
    pub(super) fn peek(&self) -> u64 {
        self.buffer
    }

    /// How many bits are held.
    #[inline(always)]
    pub(super) fn held(&self) -> u32 {
        self.held
    }

    /// Skips bits that are held.
    #[inline(always)]
    pub(super) fn skip(&mut self, bits: u32) {
        self.buffer >>= bits;
        self.held -= bits;
    }

    /// A number of so many bits, which are held.
    #[inline(always)]
    pub(super) fn held_number(&mut self, bits: u32) -> usize {
        let number = self.buffer & ((1 << bits) - 1);
        self.skip(bits);
        number as usize
    }

    /// A number of so many bits, up to 56.
    pub(super) fn number(&mut self, bits: u32) -> usize {
        self.fill();
        self.held_number(bits)
    }

    pub(super) fn flag(&mut self) -> bool {
        self.number(1) == 1
    }
}
