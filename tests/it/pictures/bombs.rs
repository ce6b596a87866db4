//! Small files that unfold into much, or make a check walk far. Each is made by code, and none is above 25 MB.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use longshore::outside::picture::check;

use super::png::{self, Shape, chunk, joined};
use super::zlib::Bits;
use super::{apng, gif, jpeg_bombs, lzw, webp};
use crate::support::pictures::png_claiming;

/// What a check has to say of a bomb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is a whole picture: what is large about it is passed over, or is walked through in time.
    Taken,
    /// It claims too many pixels, is not whole, or takes too much work.
    Refused,
}

/// Bombs of the format that these words name.
fn check_all(format: &str) {
    let bombs = ALL.iter().filter(|(name, ..)| name.contains(format));
    let mut wrong = Vec::new();
    for (name, make, verdict) in bombs.clone() {
        let bytes = make();
        assert!(bytes.len() < 25_000_000, "{name}: no file of {} bytes is taken", bytes.len());
        let found = check(&bytes);
        if found.is_ok() != (*verdict == Verdict::Taken) {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    assert!(bombs.count() > 3, "{format}: the bombs went away");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn e1_every_png_bomb_ends() {
    check_all("PNG");
}

#[test]
fn e1_every_jpeg_bomb_ends() {
    check_all("JPEG");
}

#[test]
fn e1_every_webp_bomb_ends() {
    check_all("WebP");
}

#[test]
fn e1_every_gif_bomb_ends() {
    check_all("GIF");
}

/// A bomb: its name, what makes it, and what is said of it.
pub type Bomb = (&'static str, fn() -> Vec<u8>, Verdict);

/// All of them.
pub const ALL: [Bomb; 29] = [
    ("a profile of 1 GB in a PNG of one pixel", png_profile, Verdict::Taken),
    ("1.7 million texts in a PNG", png_texts, Verdict::Taken),
    ("two compressed texts of 300 MB in a PNG", png_compressed_texts, Verdict::Taken),
    ("a PNG of 100 MP at 8 bytes a pixel", png_large, Verdict::Taken),
    ("an interlaced PNG of 100 MP", png_large_interlaced, Verdict::Taken),
    ("a PNG of one pixel whose data is 1 GB", png_data_behind, Verdict::Taken),
    ("a PNG of 2 million empty IDATs", png_empty_idats, Verdict::Taken),
    ("an APNG of 6,000 frames of 25 MP", apng_large_frames, Verdict::Refused),
    ("an APNG of 200,000 tiny frames", apng_tiny_frames, Verdict::Taken),
    ("a JPEG of 100 MP and 4,000 scans", jpeg_bombs::scans, Verdict::Refused),
    ("a JPEG of 65500 × 1526 in runs of empty blocks", jpeg_bombs::runs, Verdict::Taken),
    ("a JPEG of 350,000 restart intervals", jpeg_bombs::restarts, Verdict::Taken),
    ("a small JPEG with 1 MB of restart markers", jpeg_bombs::only_restarts, Verdict::Refused),
    ("6 million empty comments in a JPEG", jpeg_bombs::segments, Verdict::Taken),
    ("25 MB of fill bytes in a JPEG", jpeg_bombs::fill, Verdict::Taken),
    ("100,000 sets of Huffman tables in a JPEG", jpeg_bombs::tables, Verdict::Taken),
    ("a lossless WebP of 100 MP in 40 bytes", webp_lossless, Verdict::Taken),
    ("a lossless WebP with 65,536 sets of codes", webp_groups, Verdict::Taken),
    ("a lossy WebP of 100 MP", webp_lossy, Verdict::Taken),
    ("a WebP of 5,000 frames of 100 MP", webp_frames, Verdict::Refused),
    ("a WebP with frames in frames", webp_nested, Verdict::Taken),
    ("3 million unknown chunks in a WebP", webp_chunks, Verdict::Taken),
    ("a GIF with a screen of 65535 × 65535", gif_screen, Verdict::Refused),
    ("a GIF of 400,000 tiny frames", gif_tiny_frames, Verdict::Taken),
    ("a GIF of 500 frames of 100 MP", gif_large_frames, Verdict::Taken),
    ("a GIF of one frame of 3,000 MP", gif_tall, Verdict::Refused),
    ("a PNG that claims 400 MP", png_claim, Verdict::Refused),
    ("a JPEG that claims 400 MP", jpeg_bombs::claim, Verdict::Refused),
    ("a WebP that claims 268 MP", webp_claim, Verdict::Refused),
];

/// So many zeros, compressed.
fn zeros(bytes: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let piece = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        left -= encoder.write(&piece[..left.min(piece.len())]).unwrap();
    }
    encoder.finish().unwrap()
}

fn grey(width: u32, height: u32, depth: u8) -> Shape {
    Shape { width, height, depth, color: 0, interlaced: false }
}

/// A PNG of one pixel with these chunks in front.
fn one_pixel(chunks: &[u8], data: &[u8]) -> Vec<u8> {
    joined(&[grey(1, 1, 8).header(), chunks.to_vec(), chunk(b"IDAT", data), png::end()])
}

pub fn png_profile() -> Vec<u8> {
    one_pixel(&chunk(b"iCCP", &[b"bomb\0\0", &zeros(1_000_000_000)[..]].concat()), &zeros(2))
}

pub fn png_texts() -> Vec<u8> {
    one_pixel(&chunk(b"tEXt", b"a\0").repeat(1_700_000), &zeros(2))
}

pub fn png_compressed_texts() -> Vec<u8> {
    let zeros_300 = zeros(300_000_000);
    let ztxt = chunk(b"zTXt", &[b"bomb\0\0", &zeros_300[..]].concat());
    let itxt = chunk(b"iTXt", &[b"bomb\0\x01\0\0\0", &zeros_300[..]].concat());
    one_pixel(&[ztxt, itxt].concat(), &zeros(2))
}

pub fn png_large() -> Vec<u8> {
    let shape = Shape { color: 6, ..grey(10_000, 10_000, 16) };
    joined(&[shape.header(), chunk(b"IDAT", &zeros(10_000 * 80_001)), png::end()])
}

pub fn png_large_interlaced() -> Vec<u8> {
    let shape = Shape { interlaced: true, ..grey(10_000, 10_000, 8) };
    // A row of a pass has a byte for its filter, and the passes have 18,750 rows.
    joined(&[shape.header(), chunk(b"IDAT", &zeros(100_000_000 + 18_750)), png::end()])
}

pub fn png_data_behind() -> Vec<u8> {
    one_pixel(&[], &zeros(1_000_000_000))
}

pub fn png_empty_idats() -> Vec<u8> {
    let empty = chunk(b"IDAT", &[]).repeat(2_000_000);
    joined(&[grey(1, 1, 8).header(), empty, chunk(b"IDAT", &zeros(2)), png::end()])
}

/// An animation of frames that are all alike.
fn apng_of(shape: Shape, frames: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = joined(&[shape.header(), apng::actl(frames)]);
    let mut sequence = apng::Sequence::default();
    for number in 0..frames {
        bytes.extend(sequence.control(apng::Frame { shape, x: 0, y: 0, disposal: 0, blend: 0 }));
        bytes.extend(if number == 0 { chunk(b"IDAT", data) } else { sequence.data(data) });
    }
    bytes.extend(png::end());
    bytes
}

pub fn apng_large_frames() -> Vec<u8> {
    apng_of(grey(5_000, 5_000, 1), 6_000, &zeros(5_000 * 626))
}

pub fn apng_tiny_frames() -> Vec<u8> {
    apng_of(grey(1, 1, 8), 200_000, &zeros(2))
}

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

pub fn webp_lossless() -> Vec<u8> {
    webp::riff(&[one_color(16_383, 6_100)])
}

pub fn webp_claim() -> Vec<u8> {
    webp::riff(&[one_color(16_383, 16_383)])
}

/// Every pixel of 256 × 256 takes 8 bits a color, out of sets of codes whose numbers go up to 65,535.
pub fn webp_groups() -> Vec<u8> {
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

/// An arithmetic coder that reads zeros yields zeros: the plainest modes, and no coefficients.
pub fn webp_lossy() -> Vec<u8> {
    let (width, height, first) = (16_383_u16, 6_103_u16, 500_000_u32);
    let tag = (first << 5 | 0x10).to_le_bytes();
    let sides = [width, height].map(u16::to_le_bytes).concat();
    let data = [&tag[..3], &[0x9d, 0x01, 0x2a], &sides, &vec![0; 500_000 + 6_000_000]].concat();
    webp::riff(&[(b"VP8 ".to_vec(), data)])
}

pub fn webp_frames() -> Vec<u8> {
    let sides = (16_383, 6_100);
    let frame = webp::anmf(0, 0, sides, 0, &[one_color(sides.0, sides.1)]);
    let mut chunks = vec![webp::vp8x(2, sides.0, sides.1), webp::anim()];
    chunks.resize(5_002, frame);
    webp::riff(&chunks)
}

pub fn webp_nested() -> Vec<u8> {
    let mut inner = one_color(16, 16);
    for _ in 0..2_000 {
        inner = webp::anmf(0, 0, (16, 16), 0, &[inner]);
    }
    webp::riff(&[webp::vp8x(2, 16, 16), webp::anim(), inner])
}

pub fn webp_chunks() -> Vec<u8> {
    let mut chunks = vec![webp::vp8x(0, 16, 16), one_color(16, 16)];
    chunks.resize(3_000_002, (b"WHAT".to_vec(), Vec::new()));
    webp::riff(&chunks)
}

/// A GIF with this screen, and so many frames of one color.
fn gif_of(screen: (u16, u16), frame: (u16, u16), frames: usize) -> Vec<u8> {
    let pixels = u64::from(frame.0) * u64::from(frame.1);
    let data = gif::blocks(&lzw::zeros(2, pixels), 255);
    let one = [gif::Frame::at(0, 0, frame.0, frame.1).head(), vec![2], data].concat();
    [gif::screen(b"GIF89a", screen.0, screen.1, Some(1)), one.repeat(frames), vec![0x3b]].concat()
}

pub fn gif_screen() -> Vec<u8> {
    gif_of((65_535, 65_535), (1, 1), 1)
}

pub fn gif_tiny_frames() -> Vec<u8> {
    gif_of((1, 1), (1, 1), 400_000)
}

pub fn gif_large_frames() -> Vec<u8> {
    gif_of((10_000, 10_000), (10_000, 10_000), 500)
}

pub fn gif_tall() -> Vec<u8> {
    gif_of((0, 0), (65_535, 50_000), 1)
}

pub fn png_claim() -> Vec<u8> {
    png_claiming(20_000, 20_000)
}
