//! Prefix codes of lossless WebP (RFC 9649, section 3.7.2), as tables from the next bits to a symbol.

use super::super::{InvalidPicture, Work};
use super::bits::Bits;
use crate::limits::{WEBP_TABLES_MAX, WEBP_TABLES_MIN};

/// Bits of the first lookup. Longer codes need a second one.
const FIRST: u32 = 8;
/// Code lengths have a prefix code of their own, whose lengths come in this order.
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// One prefix code: its part of the [`Tables`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Code {
    start: u32,
    /// Which of the next bits are the entry's place.
    mask: u32,
}

/// The tables of many codes behind each other: a picture may have 65,536 times five, most of a few symbols.
///
/// An entry is `symbol << 4 | length`. In a code's first table a length above [`FIRST`] stands for a second table, for the
/// rest of that length, which begins `symbol` entries behind the code's start.
#[derive(Debug)]
pub(super) struct Tables {
    entries: Vec<u16>,
    max: usize,
}

impl Tables {
    /// No tables yet, for a frame of so many bytes.
    pub(super) fn new(frame: usize) -> Self {
        Self { entries: Vec::new(), max: Self::entries_max(frame as u64) }
    }

    /// How many entries a frame of so many bytes may have.
    fn entries_max(frame: u64) -> usize {
        usize::try_from(frame / 2).unwrap_or(usize::MAX).saturating_add(WEBP_TABLES_MIN).min(WEBP_TABLES_MAX)
    }

    /// Bytes of memory that they take at most, while they are moved to grow.
    pub(super) fn memory(frame: u64) -> u64 {
        3 * size_of::<u16>() as u64 * Self::entries_max(frame) as u64
    }

    /// The only symbol of a code that has no other, and so takes no bits.
    pub(super) fn only(&self, code: Code) -> Option<usize> {
        (code.mask == 0).then(|| usize::from(self.entries[code.start as usize] >> 4))
    }

    /// The next symbol. At least 15 bits have to be held.
    #[inline(always)]
    pub(super) fn symbol(&self, code: Code, bits: &mut Bits<'_>) -> usize {
        let start = code.start as usize;
        let mut entry = self.entries[start + (bits.peek() as u32 & code.mask) as usize];
        let length = u32::from(entry & 15);
        if length > FIRST {
            bits.skip(FIRST);
            let rest = bits.peek() as usize & ((1 << (length - FIRST)) - 1);
            entry = self.entries[start + usize::from(entry >> 4) + rest];
        }
        bits.skip(u32::from(entry & 15));
        usize::from(entry >> 4)
    }

    /// Reads a code for an alphabet of so many symbols. One that is not `kept` is only checked.
    pub(super) fn read(
        &mut self,
        bits: &mut Bits<'_>,
        alphabet: usize,
        kept: bool,
        work: &mut Work,
    ) -> Result<Code, InvalidPicture> {
        work.spend(alphabet as u64 + (1 << FIRST))?;
        let mut lengths = [0; 256 + 24 + (1 << 11)];
        let lengths = &mut lengths[..alphabet];
        let simple = bits.flag();
        let right = if simple {
            read_symbols(bits, lengths);
            true
        } else {
            read_lengths(bits, lengths).is_some()
        };
        if bits.is_over() {
            return Err(InvalidPicture::damaged("truncated: it ends in a prefix code"));
        }
        let start = self.entries.len();
        let code = right.then(|| self.add(lengths)).flatten();
        let code = code.ok_or_else(|| InvalidPicture::damaged("a prefix code is wrong"))?;
        if !kept {
            self.entries.truncate(start);
        }
        if self.entries.len() > self.max {
            return Err(InvalidPicture::damaged("it has more prefix codes than allowed"));
        }
        Ok(code)
    }

    /// Adds the code whose symbols have these lengths. `None` unless it is complete: every bit string begins with one of its
    /// codes, or it has one symbol.
    fn add(&mut self, lengths: &[u8]) -> Option<Code> {
        let mut counts = [0_u32; 16];
        lengths.iter().for_each(|&length| counts[usize::from(length & 15)] += 1);
        counts[0] = 0;
        let start = self.entries.len();
        let code = |mask| Some(Code { start: u32::try_from(start).ok()?, mask });
        if counts.iter().sum::<u32>() == 1 {
            let symbol = lengths.iter().position(|&length| length > 0)?;
            self.entries.push((symbol as u16) << 4);
            return code(0);
        }
        let room = (1..16).map(|length| counts[length] << (15 - length)).sum::<u32>();
        if room != 1 << 15 {
            return None;
        }
        let mut next = [0_u32; 16];
        for length in 1..15 {
            next[length + 1] = (next[length] + counts[length]) << 1;
        }
        let longest = (1..16).rfind(|&length| counts[length] > 0)? as u32;
        let first = longest.min(FIRST);
        self.entries.resize(start + (1 << first), 0);
        let codes = lengths.iter().enumerate().filter(|(_, length)| **length > 0).map(|(symbol, &length)| {
            let code = &mut next[usize::from(length)];
            let turned = (*code << (32 - u32::from(length))).reverse_bits();
            *code += 1;
            (symbol as u16, u32::from(length), turned)
        });
        if longest <= FIRST {
            codes.for_each(|(symbol, length, turned)| {
                self.fill(start, first, turned, length, symbol << 4 | length as u16)
            });
            return code((1 << first) - 1);
        }
        let mut second = [0_u32; 1 << FIRST];
        let all: Vec<_> = codes.collect();
        for &(_, length, turned) in &all {
            let longest = &mut second[turned as usize & ((1 << FIRST) - 1)];
            *longest = length.max(*longest);
        }
        for (symbol, length, turned) in all {
            if length <= FIRST {
                self.fill(start, FIRST, turned, length, symbol << 4 | length as u16);
                continue;
            }
            let (low, high) = (turned as usize & ((1 << FIRST) - 1), turned >> FIRST);
            let width = second[low] - FIRST;
            if self.entries[start + low] == 0 {
                let behind = (self.entries.len() - start) as u16;
                self.entries[start + low] = behind << 4 | second[low] as u16;
                self.entries.resize(self.entries.len() + (1 << width), 0);
            }
            let at = start + usize::from(self.entries[start + low] >> 4);
            self.fill(at, width, high, length - FIRST, symbol << 4 | (length - FIRST) as u16);
        }
        code((1 << FIRST) - 1)
    }

    /// Writes an entry wherever a table of so many bits begins with a code.
    fn fill(&mut self, start: usize, width: u32, code: u32, length: u32, entry: u16) {
        for at in (code as usize..1 << width).step_by(1 << length) {
            self.entries[start + at] = entry;
        }
    }
}

/// A simple code: one symbol or two. One beyond the alphabet is no symbol, as libwebp sees it.
fn read_symbols(bits: &mut Bits<'_>, lengths: &mut [u8]) {
    let two = bits.flag();
    let width = if bits.flag() { 8 } else { 1 };
    let first = bits.number(width);
    let second = if two { bits.number(8) } else { first };
    for symbol in [first, second] {
        if let Some(length) = lengths.get_mut(symbol) {
            *length = 1;
        }
    }
}

/// A normal code: its lengths have a prefix code of their own. `None` where it is wrong.
fn read_lengths(bits: &mut Bits<'_>, lengths: &mut [u8]) -> Option<()> {
    let mut own = [0; 19];
    let count = 4 + bits.number(4);
    for &at in &ORDER[..count] {
        own[at] = bits.number(3) as u8;
    }
    let mut tables = Tables::new(0);
    let code = tables.add(&own)?;
    let mut tokens = lengths.len();
    if bits.flag() {
        let width = 2 + 2 * bits.number(3);
        tokens = 2 + bits.number(width as u32);
        if tokens > lengths.len() {
            return None;
        }
    }
    let (mut at, mut last) = (0, 8);
    for _ in 0..tokens {
        if at == lengths.len() {
            break;
        }
        bits.fill();
        let (length, times) = match tables.symbol(code, bits) {
            16 => (last, 3 + bits.held_number(2)),
            17 => (0, 3 + bits.held_number(3)),
            18 => (0, 11 + bits.held_number(7)),
            length => (length as u8, 1),
        };
        if length != 0 {
            last = length;
        }
        lengths.get_mut(at..at + times)?.fill(length);
        at += times;
    }
    Some(())
}
