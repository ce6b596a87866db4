//! JPEG: whole pictures in many envelopes.

use std::ops::Range;

use super::corpus::{Corpus, base_files, inserted, replaced, without};
use super::jpeg_bombs;
use crate::support::pictures::CMYK_JPEG;

/// A marker with its segment, and the coded data behind it where it begins a scan.
#[derive(Debug, Clone)]
pub struct Segment {
    pub marker: u8,
    pub head: Range<usize>,
    pub data: Range<usize>,
}

pub const SOF0: u8 = 0xc0;
pub const DHT: u8 = 0xc4;
pub const EOI: u8 = 0xd9;
pub const SOS: u8 = 0xda;
pub const DQT: u8 = 0xdb;
pub const DRI: u8 = 0xdd;

/// Envelopes are varied around these.
const ROUND: [&str; 8] = [
    "jpeg-420.jpg",
    "jpeg-444.jpg",
    "jpeg-420-prog.jpg",
    "jpeg-restart-5.jpg",
    "jpeg-restart-prog.jpg",
    "jpeg-sequential-apart.jpg",
    "jpeg-grey.jpg",
    "jpeg-cmyk.jpg",
];

/// The segments of a base file, in which nothing lies between them.
pub fn segments(bytes: &[u8]) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut at = 2;
    loop {
        assert_eq!(bytes[at], 0xff, "a base file is tidy");
        let marker = bytes[at + 1];
        if marker == EOI {
            found.push(Segment { marker, head: at..at + 2, data: at + 2..at + 2 });
            return found;
        }
        let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        let mut data = end..end;
        if marker == SOS {
            while bytes[data.end] != 0xff || matches!(bytes[data.end + 1], 0x00 | 0xd0..=0xd7) {
                data.end += 1;
            }
        }
        found.push(Segment { marker, head: at..end, data: data.clone() });
        at = data.end;
    }
}

/// Where the restart markers of a scan stand.
pub fn restarts(bytes: &[u8], data: &Range<usize>) -> Vec<usize> {
    data.clone().filter(|&at| bytes[at] == 0xff && (0xd0..=0xd7).contains(&bytes[at + 1])).collect()
}

/// A segment with this in it.
pub fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], &length[..], body].concat()
}

fn find(bytes: &[u8], marker: u8) -> Segment {
    segments(bytes).into_iter().find(|segment| segment.marker == marker).unwrap()
}

pub fn fill(corpus: &mut Corpus) {
    for (name, bytes) in base_files("jpg") {
        corpus.add(&name, bytes);
    }
    corpus.add("jpeg-cmyk-24x16.jpg", CMYK_JPEG.to_vec());
    for name in ROUND {
        let bytes = corpus.bytes(name);
        between(corpus, name, &bytes);
        behind(corpus, name, &bytes);
        tables(corpus, name, &bytes);
    }
    for name in ["jpeg-420.jpg", "jpeg-420-prog.jpg", "jpeg-cmyk.jpg"] {
        let bytes = corpus.bytes(name);
        metadata(corpus, name, &bytes);
    }
    headers(corpus);
}

/// Fill bytes and stray ones before each kind of marker.
fn between(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let mut seen = Vec::new();
    for found in segments(bytes) {
        let (marker, at) = (found.marker, found.head.start);
        if !seen.contains(&marker) {
            seen.push(marker);
            corpus.vary(name, &format!("fill-{marker:02x}"), inserted(bytes, at, &[0xff]));
            corpus.vary(name, &format!("fill-9-{marker:02x}"), inserted(bytes, at, &[0xff; 9]));
            corpus.vary(name, &format!("stray-{marker:02x}"), inserted(bytes, at, b"stray"));
            corpus.vary(name, &format!("zeros-{marker:02x}"), inserted(bytes, at, &[0; 64]));
        }
        if let Some(&at) = restarts(bytes, &found.data).first().filter(|_| !seen.contains(&0xd0)) {
            seen.push(0xd0);
            corpus.vary(name, "fill-d0", inserted(bytes, at, &[0xff]));
            corpus.vary(name, "fill-9-d0", inserted(bytes, at, &[0xff; 9]));
            corpus.vary(name, "stray-d0", inserted(bytes, at, b"stray"));
        }
    }
    for (what, more) in
        [("stray", b"stray".as_slice()), ("interval", &bytes[bytes.len() - 40..bytes.len() - 2])]
    {
        let marked = [&[0xff, 0xd0], more].concat();
        corpus.vary(name, &format!("marked-{what}-d9"), inserted(bytes, bytes.len() - 2, &marked));
    }
    // Before the last scan, too, where it is not the first.
    let scans: Vec<_> = segments(bytes).into_iter().filter(|found| found.marker == SOS).collect();
    if let [_, .., last] = &scans[..] {
        corpus.vary(name, "fill-last-scan", inserted(bytes, last.head.start, &[0xff; 3]));
        corpus.vary(name, "stray-last-scan", inserted(bytes, last.head.start, &[0, 7, 0, 7]));
    }
}

/// What lies behind the end.
fn behind(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let end = bytes.len();
    let kinds: [(&str, Vec<u8>); 8] = [
        ("zero", vec![0]),
        ("zeros", vec![0; 4_096]),
        ("fill", vec![0xff; 33]),
        ("newline", b"\r\n".to_vec()),
        ("text", b"<!-- served by a proxy -->".to_vec()),
        ("jpeg", bytes.to_vec()),
        ("half-a-jpeg", bytes[..end / 2].to_vec()),
        ("markers", vec![0xff, 0xd8, 0xff, 0xda, 0xff, 0xc4, 0xff, 0xd0]),
    ];
    for (kind, more) in kinds {
        corpus.vary(name, &format!("behind-{kind}"), inserted(bytes, end, &more));
    }
    corpus.vary(name, "no-end", bytes[..end - 2].to_vec());
    corpus.vary(name, "half-an-end", bytes[..end - 1].to_vec());
    corpus.vary(name, "two-ends", inserted(bytes, end, &[0xff, EOI]));
}

/// Tables in other places than usual, and more of them.
fn tables(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let sos = find(bytes, SOS).head.start;
    let all = segments(bytes);
    let again = |marker: u8| -> Vec<u8> {
        let found = all.iter().filter(|found| found.marker == marker && found.head.start < sos);
        found.flat_map(|found| bytes[found.head.clone()].to_vec()).collect()
    };
    corpus.vary(name, "tables-twice", inserted(bytes, sos, &[again(DQT), again(DHT)].concat()));
    // All Huffman tables before the first scan in one segment.
    let huffman: Vec<_> = all.iter().filter(|found| found.marker == DHT && found.head.start < sos).collect();
    let body: Vec<u8> =
        huffman.iter().flat_map(|found| bytes[found.head.start + 4..found.head.end].to_vec()).collect();
    let mut one = bytes.to_vec();
    for found in huffman.iter().rev() {
        one = without(&one, found.head.clone());
    }
    let at = find(&one, SOS).head.start;
    corpus.vary(name, "tables-in-one", inserted(&one, at, &segment(DHT, &body)));
    corpus.vary(name, "tables-empty", inserted(bytes, sos, &segment(DHT, &[])));
    // Three codes of one bit are one too many, which matters to a scan that uses them.
    let broken = segment(DHT, &[&[0x03, 3][..], &[0; 15], &[0, 1, 2]].concat());
    corpus.vary(name, "tables-broken-unused", inserted(bytes, sos, &broken));
    corpus.vary(name, "tables-broken-behind", inserted(bytes, bytes.len() - 2, &broken));
    let every = |every: u16| segment(DRI, &every.to_be_bytes());
    if !all.iter().any(|found| found.marker == DRI) {
        corpus.vary(name, "restart-0", inserted(bytes, sos, &every(0)));
        corpus.vary(name, "restart-65535", inserted(bytes, sos, &every(65_535)));
        corpus.vary(name, "restart-2-then-0", inserted(bytes, sos, &[every(2), every(0)].concat()));
    }
}

/// Everything that speaks about a picture.
fn metadata(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let mut with = |what: &str, marker: u8, body: &[u8]| {
        corpus.vary(name, what, inserted(bytes, 2, &segment(marker, body)));
    };
    for number in 0..16 {
        with(&format!("app{number}"), 0xe0 + number, b"who knows\0");
    }
    with("comment", 0xfe, b"made by hand");
    with("comment-empty", 0xfe, b"");
    with("comment-markers", 0xfe, &[0xff, 0xd9, 0xff, 0xda, 0xff, 0xc0, 0xff, 0xd8]);
    with("comment-longest", 0xfe, &[b' '; 65_533]);
    with("jfif-thumbnail", 0xe0, &[b"JFIF\0\x01\x02\x01\0\x48\0\x48\x02\x02", &[90; 12][..]].concat());
    with("jfxx-thumbnail", 0xe0, &[b"JFXX\0\x10", bytes].concat());
    with("exif-thumbnail", 0xe1, &[&orientation(1)[..], bytes].concat());
    with("exif-broken", 0xe1, b"Exif\0\0MM\0\x2a\xff\xff\xff\xff\0\x01");
    with("xmp", 0xe1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>");
    with("icc-broken", 0xe2, &[b"ICC_PROFILE\0\x01\x01", &[7; 60][..]].concat());
    with("icc-lacks-parts", 0xe2, &[b"ICC_PROFILE\0\x02\x05", &[7; 60][..]].concat());
    with("photoshop", 0xed, b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\0");
    with("ducky", 0xec, b"Ducky\0\x01\0\x04\0\0\0\x3c\0\0");
    with("lf-reserved", 0xf0, b"reserved");
    for turn in 1..=8 {
        let turned = inserted(bytes, 2, &segment(0xe1, &orientation(turn)));
        // Browsers turn it, so its pixels are others than the original's.
        let (stem, _) = name.rsplit_once('.').unwrap();
        corpus.add(&format!("{stem}-orientation-{turn}.jpg"), turned);
    }
    let mpf =
        [b"MPF\0MM\0\x2a\0\0\0\x08\0\x01\xb0\0\0\x07\0\0\0\x04\x30\x31\x30\x30\0\0\0\0".as_slice()].concat();
    let second = inserted(bytes, 2, &segment(0xe2, &mpf));
    corpus.vary(name, "mpo", [&second[..], bytes].concat());
    corpus.vary(name, "mpo-padded", [&second[..], &[0; 500], bytes].concat());
    corpus.vary(name, "mpo-second-cut", [&second[..], &bytes[..bytes.len() / 3]].concat());
    let app0 = segments(bytes).into_iter().find(|found| matches!(found.marker, 0xe0 | 0xee)).unwrap();
    corpus.vary(name, "two-starts", inserted(bytes, 2, &[0xff, 0xd8]));
    corpus.vary(name, "temporary-marker", inserted(bytes, app0.head.end, &[0xff, 0x01]));
    if name != "jpeg-cmyk.jpg" {
        corpus.vary(name, "no-jfif", without(bytes, app0.head));
    }
}

fn orientation(turn: u8) -> Vec<u8> {
    let head = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice();
    [head, &[turn], &[0; 6]].concat()
}

/// Frames' headers out of the ordinary.
fn headers(corpus: &mut Corpus) {
    // Some scanners send rows that the picture does not have, as restart intervals behind its last.
    for name in ["jpeg-restart-row.jpg", "jpeg-restart-1.jpg", "jpeg-restart-5.jpg", "jpeg-restart-grey.jpg"]
    {
        let bytes = corpus.bytes(name);
        let height = find(&bytes, SOF0).head.start + 5;
        for rows in [16_u16, 40, 48] {
            let less = replaced(&bytes, height..height + 2, &rows.to_be_bytes());
            corpus.add(&format!("{}-of-{rows}.jpg", name.trim_end_matches(".jpg")), less);
        }
    }
    for name in ["jpeg-420.jpg", "jpeg-444.jpg", "jpeg-grey.jpg", "jpeg-restart-5.jpg"] {
        let bytes = corpus.bytes(name);
        // Frames of motion JPEG have no Huffman tables and mean the standard's.
        let mut bare = bytes.clone();
        for found in segments(&bytes).into_iter().rev().filter(|found| found.marker == DHT) {
            bare = without(&bare, found.head);
        }
        corpus.vary(name, "no-huffman-tables", bare);
        let sof = find(&bytes, SOF0);
        let extended = replaced(&bytes, sof.head.start + 1..sof.head.start + 2, &[0xc1]);
        corpus.vary(name, "extended", extended);
        // A height that comes behind the first scan.
        let height = bytes[sof.head.start + 5..sof.head.start + 7].to_vec();
        let zero = replaced(&bytes, sof.head.start + 5..sof.head.start + 7, &[0, 0]);
        let end = find(&bytes, EOI).head.start;
        corpus.vary(name, "dnl", inserted(&zero, end, &segment(0xdc, &height)));
        corpus.vary(name, "dnl-again", inserted(&bytes, end, &segment(0xdc, &height)));
        corpus.vary(name, "dnl-missing", zero);
    }
    // libjpeg takes no side above 65,500, though the format knows larger ones.
    corpus.add("jpeg-wide-30000.jpg", jpeg_bombs::empty(30_000, 40));
    corpus.add("jpeg-wide-65535.jpg", jpeg_bombs::empty(65_535, 16));
    let cmyk = corpus.bytes("jpeg-cmyk.jpg");
    let adobe = find(&cmyk, 0xee);
    for transform in [0, 1, 2, 9] {
        let at = adobe.head.end - 1;
        corpus.add(&format!("jpeg-cmyk-adobe-{transform}.jpg"), replaced(&cmyk, at..at + 1, &[transform]));
    }
    corpus.add("jpeg-cmyk-no-adobe.jpg", without(&cmyk, adobe.head.clone()));
    let rgb = corpus.bytes("jpeg-444.jpg");
    for transform in [0, 1] {
        let body = [b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat();
        corpus.add(&format!("jpeg-444-adobe-{transform}.jpg"), inserted(&rgb, 2, &segment(0xee, &body)));
    }
}
