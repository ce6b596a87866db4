//! A compressor for tests, whose bytes never change: stored blocks and ones of the fixed code, in turn.

/// A zlib stream of this.
pub fn coded(data: &[u8]) -> Vec<u8> {
    let mut bits = Bits { bytes: vec![0x78, 0x01], free: 0 };
    let pieces: Vec<&[u8]> = data.chunks(700).collect();
    for (at, piece) in pieces.iter().enumerate() {
        bits.put(u32::from(at + 1 == pieces.len()), 1);
        if at % 3 == 2 {
            bits.put(0, 2);
            bits.free = 0;
            let length = u16::try_from(piece.len()).unwrap();
            bits.bytes.extend(length.to_le_bytes());
            bits.bytes.extend((!length).to_le_bytes());
            bits.bytes.extend(*piece);
        } else {
            bits.put(1, 2);
            fixed(&mut bits, piece);
        }
    }
    if pieces.is_empty() {
        bits.put(0b011, 3);
        bits.put(0, 7);
    }
    let mut sums = (1_u32, 0_u32);
    for byte in data {
        sums.0 = (sums.0 + u32::from(*byte)) % 65_521;
        sums.1 = (sums.1 + sums.0) % 65_521;
    }
    bits.bytes.extend((sums.1 << 16 | sums.0).to_be_bytes());
    bits.bytes
}

/// Literals, and runs of one byte as matches of length 3 to 10 and distance 1.
fn fixed(bits: &mut Bits, piece: &[u8]) {
    let mut at = 0;
    while at < piece.len() {
        let run = piece[at..].iter().take(11).take_while(|byte| **byte == piece[at]).count();
        literal(bits, piece[at]);
        at += 1;
        if run >= 4 {
            let length = (run - 1) as u32;
            bits.put_code(length - 2, 7);
            bits.put_code(0, 5);
            at += run - 1;
        }
    }
    bits.put_code(0, 7);
}

fn literal(bits: &mut Bits, byte: u8) {
    match byte {
        0..=143 => bits.put_code(0x30 + u32::from(byte), 8),
        _ => bits.put_code(0x190 + u32::from(byte) - 144, 9),
    }
}

/// Bits, the lowest of a byte first.
pub struct Bits {
    pub bytes: Vec<u8>,
    /// Bits of the last byte that are free.
    pub free: u32,
}

impl Bits {
    pub fn put(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            *self.bytes.last_mut().unwrap() |= ((value >> bit & 1) as u8) << (8 - self.free);
            self.free -= 1;
        }
    }

    /// A Huffman code stands with its highest bit first.
    pub fn put_code(&mut self, code: u32, count: u32) {
        for bit in (0..count).rev() {
            self.put(code >> bit & 1, 1);
        }
    }
}
