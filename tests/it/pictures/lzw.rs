//! GIF's LZW, written for tests, so that its bytes never change; with a shortcut for pictures of one color.

use std::collections::BTreeMap;

use super::zlib::Bits;

/// The codes of these pixels, of so many bits at least.
pub fn coded(bits: u8, pixels: &[u8]) -> Vec<u8> {
    let mut out = Codes::new(bits);
    let mut known: BTreeMap<(u16, u8), u16> = BTreeMap::new();
    let mut prefix: Option<u16> = None;
    for &pixel in pixels {
        let Some(before) = prefix else {
            prefix = Some(pixel.into());
            continue;
        };
        if let Some(&code) = known.get(&(before, pixel)) {
            prefix = Some(code);
            continue;
        }
        let next = out.next;
        out.put(before);
        if out.next == 4_096 {
            out.clear();
            known.clear();
        } else {
            known.insert((before, pixel), next);
        }
        prefix = Some(pixel.into());
    }
    if let Some(code) = prefix {
        out.put(code);
    }
    out.end()
}

/// So many pixels of color 0.
pub fn zeros(bits: u8, mut pixels: u64) -> Vec<u8> {
    let mut out = Codes::new(bits);
    let first = (1 << bits) + 2;
    // The longest code known so far, and its pixels: one more with each code, until the table is full.
    let mut longest = (0, 1);
    while pixels > 0 {
        let (code, length) = match pixels {
            1 => (0, 1),
            _ if pixels < longest.1 => (first + (pixels - 2) as u16, pixels),
            _ => longest,
        };
        out.put(code);
        pixels -= length;
        if out.next - 1 > longest.0 {
            longest = (out.next - 1, longest.1 + 1);
        }
    }
    out.end()
}

/// Codes that grow as the table does.
struct Codes {
    bits: Bits,
    min: u8,
    size: u32,
    /// The code that the next one put makes known.
    next: u16,
}

impl Codes {
    fn new(min: u8) -> Self {
        let bits = Bits { bytes: Vec::new(), free: 0 };
        let mut codes = Self { bits, min, size: u32::from(min) + 1, next: 0 };
        codes.clear();
        codes
    }

    fn clear(&mut self) {
        self.bits.put(1 << self.min, self.size);
        self.size = u32::from(self.min) + 1;
        self.next = (1 << self.min) + 2;
    }

    fn put(&mut self, code: u16) {
        self.bits.put(code.into(), self.size);
        // A decoder knows a code one step later than who writes it, and grows its codes when it does.
        if u32::from(self.next) == 1 << self.size && self.size < 12 {
            self.size += 1;
        }
        if self.next < 4_096 {
            self.next += 1;
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.bits.put((1 << self.min) + 1, self.size);
        self.bits.bytes
    }
}
