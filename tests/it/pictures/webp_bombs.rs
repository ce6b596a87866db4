//! The bombs that are WebPs.

use super::webp;
use super::zlib::Bits;

/// A lossless picture's start: its sides, no transform, no color cache.
fn lossless_head(width: u32, height: u32) -> Bits {
    let mut bits = Bits { bytes: vec![0x2f], free: 0 };
    bits.put(width - 1, 14);
    bits.put(height - 1, 14);
    bits.put(0, 4);
    bits.put(0, 2);
    bits
}

/// A code with one symbol, which takes no bits.
fn single(bits: &mut Bits, symbol: u32) {
    bits.put(0b01, 2);
    bits.put(u32::from(symbol > 1), 1);
    bits.put(symbol, if symbol > 1 { 8 } else { 1 });
}

fn one_color(width: u32, height: u32) -> webp::Chunk {
    let mut bits = lossless_head(width, height);
    bits.put(0, 1);
    (0..5).for_each(|_| single(&mut bits, 0));
    (b"VP8L".to_vec(), [bits.bytes, vec![0; 12]].concat())
}

pub fn lossless() -> Vec<u8> {
    webp::riff(&[one_color(16_383, 6_100)])
}

pub fn claim() -> Vec<u8> {
    webp::riff(&[one_color(16_383, 16_383)])
}

/// Every pixel of 256 × 256 takes 8 bits a color, out of sets of codes whose numbers go up to 65,535.
pub fn groups() -> Vec<u8> {
    let mut bits = lossless_head(256, 256);
    bits.put(1, 1);
    // Tiles of 4 × 4; the picture of their sets has one color: the last set.
    bits.put(0, 3);
    bits.put(0, 1);
    for symbol in [255, 255, 0, 0, 0] {
        single(&mut bits, symbol);
    }
    for _ in 0..65_536 {
        for color in 0..4 {
            // 256 codes of 8 bits: of the lengths' own codes only that for 8 is there.
            bits.put(0, 1);
            bits.put(8, 4);
            (0..11).for_each(|_| bits.put(0, 3));
            bits.put(1, 3);
            // Green's alphabet goes on behind the colors, with lengths for copies.
            bits.put(u32::from(color == 0), 1);
            if color == 0 {
                bits.put(3, 3);
                bits.put(254, 8);
            }
        }
        single(&mut bits, 0);
    }
    bits.bytes.extend(vec![0x5a; 4 * 256 * 256 + 16]);
    webp::riff(&[(b"VP8L".to_vec(), bits.bytes)])
}

/// An arithmetic coder that reads zeros yields zeros: macroblocks whose blocks have modes of their own, and no coefficients.
fn zeros(width: u16, height: u16, first: u32, second: usize) -> webp::Chunk {
    let tag = (first << 5 | 0x10).to_le_bytes();
    let sides = [width, height].map(u16::to_le_bytes).concat();
    let data = [&tag[..3], &[0x9d, 0x01, 0x2a], &sides, &vec![0; first as usize + second]].concat();
    (b"VP8 ".to_vec(), data)
}

pub fn lossy() -> Vec<u8> {
    webp::riff(&[zeros(16_383, 6_103, 500_000, 6_000_000)])
}

pub fn split() -> Vec<u8> {
    animation((1_024, 1_024), zeros(1_024, 1_024, 2_400, 3_200), 2_500)
}

/// So many frames of these sides that all show this.
fn animation(sides: (u32, u32), picture: webp::Chunk, frames: usize) -> Vec<u8> {
    let frame = webp::anmf(0, 0, sides, 0, &[picture]);
    let mut chunks = vec![webp::vp8x(2, sides.0, sides.1), webp::anim()];
    chunks.resize(2 + frames, frame);
    webp::riff(&chunks)
}

pub fn frames() -> Vec<u8> {
    animation((16_383, 6_100), one_color(16_383, 6_100), 5_000)
}

/// A pixel takes no bits, and is a copy of the one before it all the same: green's only symbol is a copy's length of 1.
pub fn copies() -> Vec<u8> {
    let mut bits = lossless_head(10_000, 10_000);
    bits.put(1, 1);
    // Tiles of 512 × 512 with two sets of codes: the first for the first tile, whose pixels are of one color.
    bits.put(7, 3);
    bits.put(0, 1);
    bits.put(0b11, 2);
    bits.put(0, 1);
    bits.put(0, 1);
    bits.put(1, 8);
    (0..4).for_each(|_| single(&mut bits, 0));
    bits.put(0, 1);
    (1..20 * 20).for_each(|_| bits.put(1, 1));
    (0..5).for_each(|_| single(&mut bits, 0));
    // The second: of the lengths' own codes there are 1 and "18: zeros", and of three lengths the third is not 0.
    bits.put(0, 1);
    bits.put(0, 4);
    for length in [0, 1, 0, 1] {
        bits.put(length, 3);
    }
    bits.put(1, 1);
    bits.put(0, 3);
    bits.put(1, 2);
    for zeros in [138, 118] {
        bits.put(1, 1);
        bits.put(zeros - 11, 7);
    }
    bits.put(0, 1);
    (0..3).for_each(|_| single(&mut bits, 0));
    single(&mut bits, 1);
    animation((10_000, 10_000), (b"VP8L".to_vec(), [bits.bytes, vec![0; 8]].concat()), 17)
}

pub fn nested() -> Vec<u8> {
    let mut inner = one_color(16, 16);
    for _ in 0..2_000 {
        inner = webp::anmf(0, 0, (16, 16), 0, &[inner]);
    }
    webp::riff(&[webp::vp8x(2, 16, 16), webp::anim(), inner])
}

pub fn chunks() -> Vec<u8> {
    let mut chunks = vec![webp::vp8x(0, 16, 16), one_color(16, 16)];
    chunks.resize(3_000_002, (b"WHAT".to_vec(), Vec::new()));
    webp::riff(&chunks)
}
