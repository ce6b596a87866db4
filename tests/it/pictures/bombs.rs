//! Small files that unfold into much, or make a check walk far. Each is made by code, and none is above 25 MB.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use longshore::outside::picture::check;

use super::png::{self, Shape, chunk, joined};
use super::zlib::{self, Bits};
use super::{apng, gif, jpeg_bombs, lzw, webp_bombs};
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
pub const ALL: [Bomb; 32] = [
    ("a profile of 1 GB in a PNG of one pixel", png_profile, Verdict::Taken),
    ("1.7 million texts in a PNG", png_texts, Verdict::Taken),
    ("two compressed texts of 300 MB in a PNG", png_compressed_texts, Verdict::Taken),
    ("a PNG of 100 MP at 8 bytes a pixel", png_large, Verdict::Taken),
    ("an interlaced PNG of 100 MP", png_large_interlaced, Verdict::Taken),
    ("a PNG of one pixel whose data is 1 GB", png_data_behind, Verdict::Taken),
    ("a PNG of 2 million empty IDATs", png_empty_idats, Verdict::Taken),
    ("a PNG of one pixel with half a million tables that are not used", png_tables, Verdict::Refused),
    ("an APNG of 6,000 frames of 25 MP", apng_large_frames, Verdict::Refused),
    ("an APNG of 200,000 tiny frames", apng_tiny_frames, Verdict::Taken),
    ("a JPEG of 100 MP and 4,000 scans", jpeg_bombs::scans, Verdict::Refused),
    ("a JPEG of 65500 × 1526 in runs of empty blocks", jpeg_bombs::runs, Verdict::Taken),
    ("a JPEG of 350,000 restart intervals", jpeg_bombs::restarts, Verdict::Taken),
    ("a small JPEG with 1 MB of restart markers", jpeg_bombs::only_restarts, Verdict::Refused),
    ("6 million empty comments in a JPEG", jpeg_bombs::segments, Verdict::Taken),
    ("25 MB of fill bytes in a JPEG", jpeg_bombs::fill, Verdict::Taken),
    ("100,000 sets of Huffman tables in a JPEG", jpeg_bombs::tables, Verdict::Taken),
    ("a lossless WebP of 100 MP in 40 bytes", webp_bombs::lossless, Verdict::Taken),
    ("a lossless WebP with 65,536 sets of codes", webp_bombs::groups, Verdict::Taken),
    ("a lossless WebP of 17 frames of 100 MP, in copies of one pixel", webp_bombs::copies, Verdict::Refused),
    ("a lossy WebP of 100 MP", webp_bombs::lossy, Verdict::Taken),
    ("a lossy WebP of 2,500 frames of 1 MP, all their blocks split", webp_bombs::split, Verdict::Refused),
    ("a WebP of 5,000 frames of 100 MP", webp_bombs::frames, Verdict::Refused),
    ("a WebP with frames in frames", webp_bombs::nested, Verdict::Taken),
    ("3 million unknown chunks in a WebP", webp_bombs::chunks, Verdict::Taken),
    ("a GIF with a screen of 65535 × 65535", gif_screen, Verdict::Refused),
    ("a GIF of 400,000 tiny frames", gif_tiny_frames, Verdict::Taken),
    ("a GIF of 500 frames of 100 MP", gif_large_frames, Verdict::Taken),
    ("a GIF of one frame of 3,000 MP", gif_tall, Verdict::Refused),
    ("a PNG that claims 400 MP", png_claim, Verdict::Refused),
    ("a JPEG that claims 400 MP", jpeg_bombs::claim, Verdict::Refused),
    ("a WebP that claims 268 MP", webp_bombs::claim, Verdict::Refused),
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

/// Blocks without data, each with tables of its own that are as long to build as their 17 bytes can say.
pub fn png_tables() -> Vec<u8> {
    let mut bits = Bits { bytes: Vec::new(), free: 0 };
    for _ in 0..8 {
        // A block that is not the last, with 257 codes of literals and one of distances.
        bits.put(2 << 1, 3);
        bits.put(0, 10);
        // The lengths' own codes, in the order of RFC 1951: 0 is "16: again", 10 "6", 110 "18: zeros", 1110 "1", 1111 "4".
        bits.put(14, 4);
        for length in [1, 0, 3, 0, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 0, 0, 4] {
            bits.put(length, 3);
        }
        // Sixty codes of 6 bits, zeros, and 4 bits for the block's end; 1 for the distance.
        bits.put_code(0b10, 2);
        for again in [3, 3, 3, 3, 3, 3, 3, 3, 3, 2] {
            bits.put_code(0, 1);
            bits.put(again, 2);
        }
        for zeros in [138, 58] {
            bits.put_code(0b110, 3);
            bits.put(zeros - 11, 7);
        }
        bits.put_code(0b1111_1110, 8);
        // And the end, which is the first code.
        bits.put_code(0, 4);
    }
    let pixel = zlib::coded(&[0, 0]);
    one_pixel(&[], &[&pixel[..2], &bits.bytes.repeat(70_000), &pixel[2..]].concat())
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
