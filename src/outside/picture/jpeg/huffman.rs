//! Huffman codes (T.81 annexes C and F.2.2.3), and the standard's own tables (K.3).
//!
//! [`Table`] gives one symbol. [`Lookup`] gives several AC coefficients at once: only their positions are needed, so that
//! codes and magnitudes are skipped together.

use super::bits::Bits;

const SHORT: u32 = 9;

/// The codes of one table.
#[derive(Clone)]
pub(super) struct Table {
    /// By the next bits: the code's length × 256 + the symbol; 0 where the code is longer.
    short: [u16; 1 << SHORT],
    /// By length: the first value of 16 bits that begins with no code up to this length.
    limits: [u32; 17],
    /// By length: what a code and its symbol's index differ by.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// From how many codes there are of each length, and their symbols. `None` where they do not fit.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table =
            Self { short: [0; 1 << SHORT], limits: [0; 17], offsets: [0; 17], symbols: symbols.to_vec() };
        let (mut code, mut index) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            let end = code + u32::from(count);
            // No code may be all ones (C.2).
            if count > 0 && end >= 1 << length {
                return None;
            }
            table.offsets[length as usize] = index as i32 - code as i32;
            table.limits[length as usize] = end << (16 - length);
            for symbol in symbols.get(index..index + usize::from(count))? {
                if length <= SHORT {
                    let first = (code << (SHORT - length)) as usize;
                    table.short[first..first + (1 << (SHORT - length))]
                        .fill((length << 8) as u16 | u16::from(*symbol));
                }
                code += 1;
            }
            index += usize::from(count);
            code = end << 1;
        }
        (index == symbols.len()).then_some(table)
    }

    /// The next symbol, whose bits a refill has loaded. `None` where no code begins like this.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let short = self.short[bits.peek(SHORT)];
        let (length, symbol) =
            if short == 0 { self.long(bits.peek(16) as u32)? } else { (u32::from(short >> 8), short as u8) };
        bits.drop(length);
        Some(symbol)
    }

    /// The symbol whose code is all zeros.
    pub(super) fn zeros(&self) -> Option<u8> {
        self.symbols.first().copied()
    }

    pub(super) fn largest_symbol(&self) -> u8 {
        self.symbols.iter().copied().max().unwrap_or(0)
    }

    /// Length and symbol of the code that 16 bits begin with.
    #[inline(never)]
    fn long(&self, bits: u32) -> Option<(u32, u8)> {
        let length = (1..17).find(|&length| bits < self.limits[length as usize])?;
        let index = (bits >> (16 - length)) as i32 + self.offsets[length as usize];
        Some((length, *self.symbols.get(usize::try_from(index).ok()?)?))
    }
}

/// Bits that are looked up at once.
const LONG: u32 = 11;
/// Positions that one entry covers at most.
const REACH: u32 = 20;

/// For each value of the next [`LONG`] bits, the coefficients that end within them, by a [`Table`] of AC coefficients.
pub(super) struct Lookup(Box<[Step; 1 << LONG]>);

/// Some coefficients. From its lowest bit on: 4 bits for how many bits they take, one for the end of the block, 7 for
/// the positions needed, and 20 for which of these hold a coefficient that is not 0.
#[derive(Clone, Copy)]
pub(super) struct Step(u32);

impl Step {
    /// More positions than there are.
    const NONE: Self = Self(127 << 5);

    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        self.0 & 15
    }

    #[inline(always)]
    pub(super) fn ends_block(self) -> bool {
        self.0 & 16 != 0
    }

    /// An end of block needs a position, too: after the last one there is none.
    #[inline(always)]
    pub(super) fn positions(self) -> u32 {
        self.0 >> 5 & 127
    }

    #[inline(always)]
    pub(super) fn set(self) -> u64 {
        u64::from(self.0 >> 12)
    }
}

impl Lookup {
    pub(super) fn new(table: &Table) -> Self {
        let mut steps = Box::new([Step::NONE; 1 << LONG]);
        for (start, step) in (0u32..).zip(steps.iter_mut()) {
            let (mut taken, mut ends, mut positions, mut set) = (0, 0, 0, 0);
            while let Some((length, symbol)) = table.long((start << taken & ((1 << LONG) - 1)) << (16 - LONG))
            {
                let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
                let passed = run + 1;
                if taken + length + size > LONG || positions + passed > REACH {
                    break;
                }
                match (run, size) {
                    (0, 0) => ends = 1,
                    (15, 0) => {}
                    (_, 0) => break,
                    _ => set |= 1 << (positions + run),
                }
                taken += length + size;
                positions += passed;
                if ends == 1 {
                    break;
                }
            }
            if taken > 0 {
                *step = Step(set << 12 | positions << 5 | ends << 4 | taken);
            }
        }
        Self(steps)
    }

    #[inline(always)]
    pub(super) fn step(&self, bits: &Bits<'_>) -> Step {
        self.0[bits.peek(LONG)]
    }
}

/// The standard's tables (K.3 to K.6): DC and AC, each for brightness and colour. Frames of motion JPEG come without
/// tables and use these.
pub(super) fn standard(ac: bool, index: usize) -> Option<Table> {
    let (counts, symbols): (_, &[u8]) = match (ac, index) {
        (false, 0) => (&[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC_SYMBOLS),
        (false, 1) => (&[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC_SYMBOLS),
        (true, 0) => (&[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d], &AC_0_SYMBOLS),
        (true, 1) => (&[0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77], &AC_1_SYMBOLS),
        _ => return None,
    };
    Table::new(counts, symbols)
}

const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
#[rustfmt::skip]
const AC_0_SYMBOLS: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
    0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];
#[rustfmt::skip]
const AC_1_SYMBOLS: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
    0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
    0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
    0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
    0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];
