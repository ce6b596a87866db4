//! PNG: each colour type, depth, filter and interlacing, in many envelopes, and damaged. Nothing here depends on a
//! library's compressor, so that the bytes stay what they are.

use super::corpus::{Corpus, base_files, inserted, replaced, spread, without, zeroed};
use super::zlib;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Envelopes are varied around these.
const ROUND: [&str; 4] = ["png-rgb.png", "png-palette.png", "png-c6-d16-i1.png", "png-c0-d1-i0.png"];

pub fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let mut sum = crc32fast::Hasher::new();
    sum.update(kind);
    sum.update(data);
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length, kind, data, &sum.finalize().to_be_bytes()].concat()
}

/// What an IHDR says.
#[derive(Clone, Copy)]
pub struct Shape {
    pub width: u32,
    pub height: u32,
    pub depth: u8,
    pub color: u8,
    pub interlaced: bool,
}

impl Shape {
    pub fn header(self) -> Vec<u8> {
        let Self { width, height, depth, color, interlaced } = self;
        let rest = [depth, color, 0, 0, u8::from(interlaced)];
        chunk(b"IHDR", &[&width.to_be_bytes(), &height.to_be_bytes(), &rest[..]].concat())
    }

    fn bits(self) -> usize {
        let channels = match self.color {
            0 | 3 => 1,
            4 => 2,
            2 => 3,
            _ => 4,
        };
        channels * usize::from(self.depth)
    }

    /// Sides of the passes that have any pixels.
    fn passes(self) -> Vec<(usize, usize)> {
        let (width, height) = (self.width as usize, self.height as usize);
        if !self.interlaced {
            return vec![(width, height)];
        }
        let steps = [
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        ];
        let side = |side: usize, from: usize, step: usize| side.saturating_sub(from).div_ceil(step);
        let sides = steps.map(|(x, y, dx, dy)| (side(width, x, dx), side(height, y, dy)));
        sides.into_iter().filter(|(width, height)| *width > 0 && *height > 0).collect()
    }

    /// Filtered rows of noise: any bytes are a picture, whatever filter a row names. 9 stands for all in turn.
    pub fn rows(self, filter: u8, seed: usize) -> Vec<u8> {
        // Palettes have 64 entries at most.
        let mask = if self.color == 3 && self.depth == 8 { 0x3f } else { 0xff };
        let mut rows = Vec::new();
        for (width, height) in self.passes() {
            for y in 0..height {
                rows.push(if filter == 9 { (y % 5) as u8 } else { filter });
                let row = (width * self.bits()).div_ceil(8);
                rows.extend((0..row).map(|x| ((x * 31 + y * 17 + seed * 7) ^ (x * y / 5)) as u8 & mask));
            }
        }
        rows
    }
}

pub fn palette(entries: usize) -> Vec<u8> {
    chunk(b"PLTE", &(0..entries * 3).map(|at| (at * 37 % 251) as u8).collect::<Vec<_>>())
}

/// A whole file.
pub fn file(shape: Shape, filter: u8) -> Vec<u8> {
    // Filters add up: an unfiltered palette is the only one whose indices are known.
    let filter = if shape.color == 3 { 0 } else { filter };
    let data = zlib::coded(&shape.rows(filter, 1));
    let table = if shape.color == 3 { palette(64.min(1 << shape.depth)) } else { Vec::new() };
    [SIGNATURE, &shape.header(), &table, &chunk(b"IDAT", &data), &end()].concat()
}

pub fn end() -> Vec<u8> {
    chunk(b"IEND", b"")
}

/// Joins chunks to a file.
pub fn joined(chunks: &[Vec<u8>]) -> Vec<u8> {
    [SIGNATURE, &chunks.concat()].concat()
}

/// A chunk's kind, and where it lies with its length and sum.
fn chunks(bytes: &[u8]) -> Vec<(Vec<u8>, std::ops::Range<usize>)> {
    let (mut found, mut at) = (Vec::new(), 8);
    while at < bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        found.push((bytes[at + 4..at + 8].to_vec(), at..at + 12 + length));
        at += 12 + length;
    }
    found
}

pub const TYPES: [(u8, &[u8]); 5] =
    [(0, &[1, 2, 4, 8, 16]), (2, &[8, 16]), (3, &[1, 2, 4, 8]), (4, &[8, 16]), (6, &[8, 16])];

pub fn fill(corpus: &mut Corpus) {
    for (name, bytes) in base_files("png") {
        corpus.add(&name, bytes);
    }
    for (color, depths) in TYPES {
        for &depth in depths {
            for interlaced in [false, true] {
                let at = |width, height| Shape { width, height, depth, color, interlaced };
                let stem = format!("png-c{color}-d{depth}-i{}", u8::from(interlaced));
                corpus.add(&format!("{stem}.png"), file(at(37, 29), 9));
                for (width, height) in [(1, 1), (1, 9), (5, 1), (7, 9)] {
                    corpus.add(&format!("{stem}-{width}x{height}.png"), file(at(width, height), 9));
                }
                if matches!((color, depth), (0, 1) | (2, 8) | (6, 16)) {
                    for filter in 0..5 {
                        corpus.add(&format!("{stem}-f{filter}.png"), file(at(33, 21), filter));
                    }
                }
            }
        }
    }
    for name in ROUND {
        let bytes = corpus.bytes(name);
        ancillary(corpus, name, &bytes);
        data(corpus, name, &bytes);
        damaged(corpus, name, &bytes);
        corpus.cut(name, closed);
    }
}

/// Mends the last chunk's length and sum, and ends the file.
fn closed(head: &[u8]) -> Vec<u8> {
    let mut at = 8;
    while let Some(length) = head.get(at..at + 4) {
        let next = at + 12 + u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if next > head.len() {
            break;
        }
        at = next;
    }
    match head.get(at + 8..) {
        Some(data) => [&head[..at], &chunk(&head[at + 4..at + 8], data), &end()].concat(),
        None => [&head[..at.min(head.len())], &end()].concat(),
    }
}

/// Every chunk that a picture may have beside itself, good and bad.
fn ancillary(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let profile = [b"name\0\0".to_vec(), zlib::coded(&[7; 200])].concat();
    let text = [b"key\0\0".to_vec(), zlib::coded(b"some text")].concat();
    let itxt = [b"key\0\x01\0\0\0".to_vec(), zlib::coded(b"some text")].concat();
    let kinds: [(&str, &[u8], Vec<u8>); 26] = [
        ("gama", b"gAMA", 45_455_u32.to_be_bytes().to_vec()),
        ("gama-short", b"gAMA", vec![1]),
        (
            "chrm",
            b"cHRM",
            [31_270_u32, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000]
                .map(u32::to_be_bytes)
                .concat(),
        ),
        ("srgb", b"sRGB", vec![0]),
        ("srgb-wrong", b"sRGB", vec![200, 1]),
        ("iccp-broken", b"iCCP", profile),
        ("iccp-not-zlib", b"iCCP", b"name\0\0not zlib at all".to_vec()),
        ("phys", b"pHYs", [&[0, 0, 11, 19, 0, 0, 11, 19, 1][..]].concat()),
        ("phys-long", b"pHYs", vec![1; 30]),
        ("time", b"tIME", vec![7, 230, 1, 2, 3, 4, 5]),
        ("text", b"tEXt", b"Comment\0made by hand".to_vec()),
        ("text-broken", b"tEXt", b"no zero, and far too long a key to be one: ".repeat(4)),
        ("ztxt", b"zTXt", text),
        ("ztxt-broken", b"zTXt", b"key\0\0\xff\xff".to_vec()),
        ("itxt", b"iTXt", itxt),
        ("exif", b"eXIf", b"MM\0\x2a\0\0\0\x08\0\0\0\0\0\0".to_vec()),
        ("exif-broken", b"eXIf", b"MM\0".to_vec()),
        ("splt", b"sPLT", b"name\0\x08\x01\x02\x03\x04\0\x01".to_vec()),
        ("bkgd", b"bKGD", vec![0, 1]),
        ("bkgd-empty", b"bKGD", vec![]),
        ("hist", b"hIST", vec![0, 1]),
        ("sbit", b"sBIT", vec![1]),
        ("cicp", b"cICP", vec![1, 13, 0, 1]),
        ("trns-long", b"tRNS", vec![0; 300]),
        ("unknown", b"prVt", vec![1, 2, 3]),
        ("unknown-unsafe", b"prVT", vec![]),
    ];
    let head = chunks(bytes)[0].1.end;
    let last = chunks(bytes).last().unwrap().1.start;
    for (what, kind, data) in kinds {
        let chunk = chunk(kind, &data);
        corpus.vary(name, &format!("{what}-first"), inserted(bytes, head, &chunk));
        corpus.vary(name, &format!("{what}-last"), inserted(bytes, last, &chunk));
        let mut wrong = chunk.clone();
        *wrong.last_mut().unwrap() ^= 1;
        corpus.vary(name, &format!("{what}-wrong-sum"), inserted(bytes, head, &wrong));
    }
    corpus.vary(name, "unknown-critical", inserted(bytes, head, &chunk(b"CRIT", b"?")));
    corpus.vary(name, "palette-behind", inserted(bytes, last, &palette(4)));
    corpus.vary(name, "header-twice", inserted(bytes, head, &bytes[8..head]));
    corpus.vary(name, "header-late", [SIGNATURE, &chunk(b"tEXt", b"a\0b"), &bytes[8..]].concat());
    for (kind, more) in
        [("zeros", vec![0; 5_000]), ("text", b"\n<!-- proxy -->".to_vec()), ("png", bytes.to_vec())]
    {
        corpus.vary(name, &format!("behind-{kind}"), [bytes, &more].concat());
    }
}

/// The same compressed data in other pieces, and compressed otherwise.
fn data(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let all = chunks(bytes);
    let idats: Vec<_> =
        all.iter().filter(|(kind, _)| kind == b"IDAT").map(|(_, range)| range.clone()).collect();
    let data: Vec<u8> =
        idats.iter().flat_map(|range| bytes[range.start + 8..range.end - 4].to_vec()).collect();
    let place = idats[0].start..idats.last().unwrap().end;
    let of = |pieces: &[&[u8]]| -> Vec<u8> {
        replaced(
            bytes,
            place.clone(),
            &pieces.iter().map(|piece| chunk(b"IDAT", piece)).collect::<Vec<_>>().concat(),
        )
    };
    corpus.vary(name, "each-byte", of(&data.chunks(1).collect::<Vec<_>>()));
    corpus.vary(name, "each-11-bytes", of(&data.chunks(11).collect::<Vec<_>>()));
    corpus.vary(name, "empty-first", of(&[&[], &data]));
    corpus.vary(name, "empty-last", of(&[&data, &[]]));
    corpus.vary(name, "empty-between", of(&[&data[..9], &[], &data[9..]]));
    corpus.vary(name, "data-behind", of(&[&data, b"more than there should be"]));
    corpus.vary(name, "data-behind-inside", of(&[&[&data[..], &[0; 40]].concat()]));
    let between = [chunk(b"IDAT", &data[..9]), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", &data[9..])].concat();
    corpus.vary(name, "text-between", replaced(bytes, place.clone(), &between));
    corpus.vary(name, "no-sum", of(&[&data[..data.len() - 4]]));
    corpus.vary(name, "half-a-sum", of(&[&data[..data.len() - 2]]));
    let mut wrong = data.clone();
    *wrong.last_mut().unwrap() ^= 1;
    corpus.vary(name, "wrong-sum", of(&[&wrong]));
    for (what, window) in
        [("small-window", [0x08, 0x1d]), ("window-64k", [0x88, 0x1c]), ("dictionary", [0x78, 0x20])]
    {
        corpus.vary(name, what, of(&[&[&window, &data[2..]].concat()]));
    }
    // Damage that leaves every chunk's sum right.
    for part in 1..8 {
        let cut = &data[..data.len() * part / 8];
        corpus.vary(name, &format!("data-{part}-8"), of(&[cut]));
        corpus.vary(
            name,
            &format!("data-zeroed-{part}-8"),
            of(&[&zeroed(&data, cut.len()..data.len().min(cut.len() + 30))]),
        );
        corpus.vary(
            name,
            &format!("data-hole-{part}-8"),
            of(&[&without(&data, cut.len()..data.len().min(cut.len() + 9))]),
        );
        let mut flipped = data.clone();
        flipped[spread(part, data.len())] ^= 0x10;
        corpus.vary(name, &format!("data-flipped-{part}"), of(&[&flipped]));
    }
    corpus.vary(name, "no-data", of(&[]));
    corpus.vary(name, "empty-data", of(&[&[]]));
}

/// Wrong sums, sizes and headers.
fn damaged(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    for (kind, range) in chunks(bytes) {
        let kind = String::from_utf8(kind).unwrap().to_lowercase();
        let at = range.end - 1;
        corpus.vary(
            name,
            &format!("{kind}-{}-wrong-sum", range.start),
            replaced(bytes, at..range.end, &[bytes[at] ^ 1]),
        );
        corpus.vary(name, &format!("{kind}-{}-gone", range.start), without(bytes, range.clone()));
        for (what, change) in [("long", 1_i64), ("short", -1), ("longest", i64::from(u32::MAX) / 2)] {
            let length =
                i64::from(u32::from_be_bytes(bytes[range.start..range.start + 4].try_into().unwrap()))
                    + change;
            let Ok(length) = u32::try_from(length) else { continue };
            let wrong = replaced(bytes, range.start..range.start + 4, &length.to_be_bytes());
            corpus.vary(name, &format!("{kind}-{}-{what}", range.start), wrong);
        }
    }
    corpus.flip(name, 8..bytes.len(), 12);
    let with = |at: usize, byte: u8| -> Vec<u8> {
        let mut header = bytes[16..29].to_vec();
        header[at - 16] = byte;
        replaced(bytes, 8..33, &chunk(b"IHDR", &header))
    };
    corpus.vary(name, "taller", with(23, bytes[23] + 7));
    corpus.vary(name, "shorter", with(23, bytes[23] - 7));
    corpus.vary(name, "wider", with(19, bytes[19] + 9));
    corpus.vary(name, "narrower", with(19, bytes[19] - 9));
    corpus.vary(name, "no-width", with(19, 0));
    corpus.vary(name, "depth-3", with(24, 3));
    corpus.vary(name, "color-5", with(25, 5));
    corpus.vary(name, "compression-1", with(26, 1));
    corpus.vary(name, "filter-method-1", with(27, 1));
    corpus.vary(name, "interlace-2", with(28, 2));
    let mut rows = Shape { width: 20, height: 20, depth: 8, color: 2, interlaced: false }.rows(9, 3);
    rows[61 * 13] = 5;
    let shape = Shape { width: 20, height: 20, depth: 8, color: 2, interlaced: false };
    let strange = joined(&[shape.header(), chunk(b"IDAT", &zlib::coded(&rows)), end()]);
    if name == ROUND[0] {
        corpus.add("png-filter-5.png", strange);
        for (color, depth, clear) in [(0, 1, 2), (0, 8, 2), (0, 16, 2), (2, 8, 6), (2, 16, 6), (3, 4, 9)] {
            let shape = Shape { width: 20, height: 20, depth, color, interlaced: depth == 8 };
            let data = chunk(b"IDAT", &zlib::coded(&shape.rows(0, 1)));
            let table = if color == 3 { palette(16) } else { Vec::new() };
            let bytes = joined(&[shape.header(), table, chunk(b"tRNS", &vec![0; clear]), data, end()]);
            corpus.add(&format!("png-c{color}-d{depth}-trns.png"), bytes);
        }
        for (color, table) in [(3, 3), (3, 0), (2, 256), (0, 4)] {
            let shape = Shape { width: 20, height: 20, depth: 8, color, interlaced: false };
            let data = chunk(b"IDAT", &zlib::coded(&shape.rows(0, 1)));
            let bytes = joined(&[shape.header(), palette(table), data, end()]);
            corpus.add(&format!("png-c{color}-palette-{table}.png"), bytes);
        }
    }
}
