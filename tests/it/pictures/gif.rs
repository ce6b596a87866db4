//! GIF: whole and damaged.

use super::corpus::{Corpus, base_files, inserted, replaced, spread, without, zeroed};
use super::lzw;

const TRAILER: u8 = 0x3b;
const LOOP: &[u8] = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0";

/// What stands before the first block: the screen, and a table of `1 << (bits + 1)` colors where there are bits.
pub fn screen(version: &[u8; 6], width: u16, height: u16, bits: Option<u8>) -> Vec<u8> {
    let flags = bits.map_or(0x70, |bits| 0xf0 | bits);
    let mut head = [&version[..], &width.to_le_bytes(), &height.to_le_bytes(), &[flags, 0, 0]].concat();
    head.extend(bits.map(table).unwrap_or_default());
    head
}

fn table(bits: u8) -> Vec<u8> {
    (0..3 << (bits + 1)).map(|at: usize| (at * 53 % 253) as u8).collect()
}

#[derive(Clone, Copy)]
pub struct Frame {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
    pub interlaced: bool,
    /// Bits of a table of its own, less one.
    pub table: Option<u8>,
    /// Bits a pixel.
    pub bits: u8,
}

impl Frame {
    pub fn at(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height, interlaced: false, table: None, bits: 4 }
    }

    pub fn head(self) -> Vec<u8> {
        let flags = self.table.map_or(0, |bits| 0x80 | bits) | if self.interlaced { 0x40 } else { 0 };
        let places = [self.x, self.y, self.width, self.height].map(u16::to_le_bytes).concat();
        [&[0x2c], &places[..], &[flags], &self.table.map(table).unwrap_or_default()].concat()
    }

    fn pixels(self, seed: usize) -> Vec<u8> {
        let mask = (1_usize << self.bits) - 1;
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let pixel =
            |at: usize| ((at % width.max(1) * 3 + at / width.max(1) * 5 + at * at % 7 + seed) & mask) as u8;
        (0..width * height).map(pixel).collect()
    }

    /// The frame with its coded pixels.
    fn whole(self, seed: usize) -> Vec<u8> {
        let bits = self.bits.max(2);
        [self.head(), vec![bits], blocks(&lzw::coded(bits, &self.pixels(seed)), 255)].concat()
    }
}

/// Data in blocks of so many bytes, with the empty one.
pub fn blocks(data: &[u8], size: usize) -> Vec<u8> {
    let mut blocks: Vec<u8> =
        data.chunks(size).flat_map(|part| [&[part.len() as u8], part].concat()).collect();
    blocks.push(0);
    blocks
}

fn control(disposal: u8, transparent: Option<u8>) -> Vec<u8> {
    vec![0x21, 0xf9, 4, disposal << 2 | u8::from(transparent.is_some()), 10, 0, transparent.unwrap_or(0), 0]
}

fn comment(text: &[u8]) -> Vec<u8> {
    [&[0x21, 0xfe], &blocks(text, 255)[..]].concat()
}

pub fn fill(corpus: &mut Corpus) {
    for (name, bytes) in base_files("gif") {
        corpus.add(&name, bytes);
    }
    still(corpus);
    animated(corpus);
    for name in
        ["gif-still.gif", "gif-animated.gif", "gif-gifsicle.gif", "gif-pillow.gif", "gif-interlaced.gif"]
    {
        corpus.cut(name, |head| [head, &[0, TRAILER]].concat());
        let bytes = corpus.bytes(name);
        let end = bytes.len();
        corpus.flip(name, 6..end, 12);
        corpus.vary(name, "no-trailer", bytes[..end - 1].to_vec());
        corpus.vary(name, "no-last-block", bytes[..end - 2].to_vec());
        for (kind, more) in [
            ("zeros", vec![0; 3_000]),
            ("text", b"\r\n".to_vec()),
            ("gif", bytes.clone()),
            ("image", vec![0x2c; 9]),
        ] {
            corpus.vary(name, &format!("behind-{kind}"), inserted(&bytes, end, &more));
        }
        for time in 0..4 {
            let at = end / 2 + spread(time, end / 2 - 40);
            corpus.vary(name, &format!("zeros-at-{at}"), zeroed(&bytes, at..at + 30));
            corpus.vary(name, &format!("lost-at-{at}"), without(&bytes, at..at + 30));
        }
    }
    parts(corpus);
}

fn still(corpus: &mut Corpus) {
    let plain = Frame::at(0, 0, 45, 31);
    let made = |head: &[u8], parts: &[Vec<u8>]| [head, &parts.concat(), &[TRAILER]].concat();
    let head = screen(b"GIF89a", 45, 31, Some(3));
    let mut add = |name: &str, bytes: Vec<u8>| corpus.add(&format!("gif-{name}.gif"), bytes);
    add("still", made(&head, &[plain.whole(1)]));
    add("87a", made(&screen(b"GIF87a", 45, 31, Some(3)), &[plain.whole(1)]));
    add("interlaced", made(&head, &[Frame { interlaced: true, ..plain }.whole(1)]));
    add("transparent", made(&head, &[control(0, Some(3)), plain.whole(1)]));
    add("no-table", made(&screen(b"GIF89a", 45, 31, None), &[plain.whole(1)]));
    add("table-too-small", made(&screen(b"GIF89a", 45, 31, Some(1)), &[plain.whole(1)]));
    for bits in 1..=8 {
        let frame = Frame { bits, table: Some(bits - 1), ..plain };
        add(&format!("local-{bits}"), made(&screen(b"GIF89a", 45, 31, None), &[frame.whole(1)]));
        let frame = Frame { bits, interlaced: true, ..plain };
        add(&format!("global-{bits}"), made(&screen(b"GIF89a", 45, 31, Some(bits - 1)), &[frame.whole(1)]));
    }
    for (width, height) in [(1, 1), (1, 9), (9, 1), (3, 3), (7, 9), (300, 200)] {
        for interlaced in [false, true] {
            let frame = Frame { interlaced, ..Frame::at(0, 0, width, height) };
            let name = format!("size-{width}x{height}-i{}", u8::from(interlaced));
            add(&name, made(&screen(b"GIF89a", width, height, Some(3)), &[frame.whole(2)]));
        }
    }
    add("screen-0", made(&screen(b"GIF89a", 0, 0, Some(3)), &[plain.whole(1)]));
    add("screen-0-wide", made(&screen(b"GIF89a", 0, 31, Some(3)), &[plain.whole(1)]));
    add("screen-larger", made(&screen(b"GIF89a", 60, 50, Some(3)), &[Frame::at(5, 9, 45, 31).whole(1)]));
    add("screen-smaller", made(&screen(b"GIF89a", 20, 10, Some(3)), &[plain.whole(1)]));
    add("frame-partly-outside", made(&head, &[Frame::at(20, 20, 45, 31).whole(1)]));
    add("frame-outside", made(&head, &[Frame::at(100, 100, 45, 31).whole(1)]));
    add("no-frame", made(&head, &[comment(b"nothing")]));
    add("empty-frame", made(&head, &[Frame::at(0, 0, 0, 0).whole(1)]));
    add("version-90a", made(&screen(b"GIF90a", 45, 31, Some(3)), &[plain.whole(1)]));
}

fn animated(corpus: &mut Corpus) {
    let head = screen(b"GIF89a", 45, 31, Some(3));
    let (first, small) = (Frame::at(0, 0, 45, 31), Frame::at(7, 5, 20, 13));
    let made = |parts: &[Vec<u8>]| [&head[..], &parts.concat(), &[TRAILER]].concat();
    let mut add = |name: &str, bytes: Vec<u8>| corpus.add(&format!("gif-{name}.gif"), bytes);
    let three = |disposal: u8, transparent: Option<u8>| {
        [first.whole(1), small.whole(2), first.whole(3)]
            .map(|frame| [control(disposal, transparent), frame].concat())
    };
    add("animated", made(&[&[LOOP.to_vec()], &three(0, None)[..]].concat()));
    for disposal in 0..8 {
        let transparent = (disposal % 2 == 0).then_some(5);
        add(&format!("animated-disposal-{disposal}"), made(&three(disposal, transparent)));
    }
    add("animated-no-control", made(&[first.whole(1), small.whole(2)]));
    add(
        "animated-twice-control",
        made(&[control(1, None), control(2, None), first.whole(1), small.whole(2)]),
    );
    let text = [b"\x21\x01\x0c".as_slice(), &[0; 12], &blocks(b"plain text", 255)].concat();
    add(
        "animated-comments",
        made(&[comment(b"a"), first.whole(1), comment(&[b'b'; 700]), text, small.whole(2), comment(b"")]),
    );
    add("animated-outside", made(&[first.whole(1), Frame::at(30, 20, 45, 31).whole(2), first.whole(3)]));
    add("animated-grows", made(&[small.whole(1), first.whole(2)]));
    add(
        "animated-mixed",
        made(&[
            first.whole(1),
            Frame { table: Some(5), bits: 6, interlaced: true, ..small }.whole(2),
            Frame { bits: 1, table: Some(0), ..first }.whole(3),
        ]),
    );
    add(
        "animated-many",
        made(&(0..40).map(|seed| Frame::at(seed, 3, 4, 4).whole(usize::from(seed))).collect::<Vec<_>>()),
    );
    add("animated-empty-frame", made(&[first.whole(1), Frame::at(0, 0, 0, 9).whole(1), first.whole(3)]));
}

/// Between the blocks of an animation, and in its coded data.
fn parts(corpus: &mut Corpus) {
    let name = "gif-animated.gif";
    let bytes = corpus.bytes(name);
    let head = screen(b"GIF89a", 45, 31, Some(3)).len();
    // Where its blocks begin: the loop, and then each frame's control and picture.
    let mut starts = vec![head, head + LOOP.len()];
    for (width, height, seed) in [(45, 31, 1), (20, 13, 2), (45, 31, 3)] {
        let start = starts.last().unwrap() + 8;
        starts.push(start);
        starts.push(start + Frame::at(0, 0, width, height).whole(seed).len());
    }
    let starts: Vec<usize> = starts;
    let extension = |label: u8| [&[0x21, label], &blocks(b"who knows", 4)[..]].concat();
    for (number, &at) in starts.iter().enumerate() {
        for (what, more) in [
            ("zero", vec![0]),
            ("zeros", vec![0; 9]),
            ("unknown", extension(0x99)),
            ("unknown-0", extension(0)),
            ("comment", comment(b"hello")),
            ("application", b"\x21\xff\x0bXMP DataXMP\x03abc\0".to_vec()),
            ("application-odd", b"\x21\xff\x02ab\x03abc\0".to_vec()),
            ("stray", b"stray".to_vec()),
            ("trailer", vec![TRAILER]),
        ] {
            corpus.vary(name, &format!("{what}-at-block-{number}"), inserted(&bytes, at, &more));
        }
    }
    for frame in 0..3 {
        let (start, end) = (starts[2 + 2 * frame], starts[3 + 2 * frame]);
        let mut vary = |what: &str, bytes: Vec<u8>| corpus.vary(name, &format!("frame{frame}-{what}"), bytes);
        let data = bytes[start + 11..end].to_vec();
        let data: Vec<u8> = {
            let (mut found, mut at) = (Vec::new(), 0);
            while data[at] != 0 {
                let next = at + 1 + usize::from(data[at]);
                found.extend(&data[at + 1..next]);
                at = next;
            }
            found
        };
        let of = |data: &[u8], size: usize| replaced(&bytes, start + 11..end, &blocks(data, size));
        vary("blocks-of-1", of(&data, 1));
        vary("blocks-of-7", of(&data, 7));
        vary("data-behind", of(&[&data[..], &[0x55; 50]].concat(), 255));
        vary("no-end-code", of(&data[..data.len() - 1], 255));
        vary("half", of(&data[..data.len() / 2], 255));
        vary("most", of(&data[..data.len() - 9], 255));
        vary("empty", of(&[], 255));
        vary("hole", of(&without(&data, data.len() / 2..data.len() / 2 + 8), 255));
        vary("zeroed", of(&zeroed(&data, data.len() / 2..data.len() / 2 + 8), 255));
        vary("filled", of(&replaced(&data, data.len() / 2..data.len() / 2 + 8, &[0xff; 8]), 255));
        vary("taller", replaced(&bytes, start + 7..start + 8, &[bytes[start + 7] + 9]));
        vary("shorter", replaced(&bytes, start + 7..start + 8, &[bytes[start + 7] - 9]));
        vary("gone", without(&bytes, start..end));
        for bits in [0, 1, 9, 12, 200] {
            vary(&format!("bits-{bits}"), replaced(&bytes, start + 10..start + 11, &[bits]));
        }
    }
}
