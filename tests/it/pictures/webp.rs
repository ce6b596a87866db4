//! WebP: whole and damaged.

use super::corpus::{Corpus, base_files, inserted, replaced, spread, without, zeroed};
use crate::support::pictures::{ANIMATED_WEBP, LOSSY_WEBP};

/// Envelopes are varied around these.
const ROUND: [&str; 6] = [
    "webp-lossy.webp",
    "webp-lossy-alpha.webp",
    "webp-lossless.webp",
    "webp-lossless-few.webp",
    "webp-animated.webp",
    "webp-animated-mixed.webp",
];

const ICC: u8 = 0x20;
const ALPHA: u8 = 0x10;
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;
const ANIMATION: u8 = 0x02;

pub type Chunk = (Vec<u8>, Vec<u8>);

/// The chunks of a body, padding left out.
fn chunks(mut body: &[u8]) -> Vec<Chunk> {
    let mut found = Vec::new();
    while body.len() >= 8 {
        let length = u32::from_le_bytes(body[4..8].try_into().unwrap()) as usize;
        found.push((body[..4].to_vec(), body[8..8 + length].to_vec()));
        body = &body[8 + length + length % 2..];
    }
    found
}

fn of_file(bytes: &[u8]) -> Vec<Chunk> {
    chunks(&bytes[12..])
}

pub fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    [kind, &length, data, &[0][..data.len() % 2]].concat()
}

pub fn riff(chunks: &[Chunk]) -> Vec<u8> {
    let body = chunks.iter().flat_map(|(kind, data)| chunk(kind, data)).collect::<Vec<_>>();
    let length = u32::try_from(body.len() + 4).unwrap().to_le_bytes();
    [b"RIFF", &length[..], b"WEBP", &body].concat()
}

pub fn vp8x(flags: u8, width: u32, height: u32) -> Chunk {
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    (b"VP8X".to_vec(), [vec![flags, 0, 0, 0], side(width), side(height)].concat())
}

fn other(kind: &[u8], data: &[u8]) -> Chunk {
    (kind.to_vec(), data.to_vec())
}

/// The sides that a still picture's own data says.
fn sides(picture: &Chunk) -> (u32, u32) {
    let (kind, data) = picture;
    if kind == b"VP8L" {
        let bits = u32::from_le_bytes(data[1..5].try_into().unwrap());
        return ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
    }
    let side = |at: usize| u32::from(u16::from_le_bytes([data[at], data[at + 1]]) & 0x3fff);
    (side(6), side(8))
}

pub fn anmf(x: u32, y: u32, (width, height): (u32, u32), flags: u8, picture: &[Chunk]) -> Chunk {
    let number = |number: u32| number.to_le_bytes()[..3].to_vec();
    let places = [number(x / 2), number(y / 2), number(width - 1), number(height - 1), number(100)].concat();
    let inner = picture.iter().flat_map(|(kind, data)| chunk(kind, data)).collect::<Vec<_>>();
    (b"ANMF".to_vec(), [places, vec![flags], inner].concat())
}

pub fn anim() -> Chunk {
    other(b"ANIM", &[255, 255, 255, 255, 0, 0])
}

pub fn fill(corpus: &mut Corpus) {
    for (name, bytes) in base_files("webp") {
        corpus.add(&name, bytes);
    }
    corpus.add("webp-lossy-40x30.webp", LOSSY_WEBP.to_vec());
    corpus.add("webp-animated-20x10.webp", ANIMATED_WEBP.to_vec());
    for name in ROUND {
        let bytes = corpus.bytes(name);
        sizes(corpus, name, &bytes);
        corpus.cut(name, closed);
        corpus.flip(name, 12..bytes.len(), 12);
    }
    for (name, bytes) in base_files("webp") {
        envelopes(corpus, &name, &bytes);
        data(corpus, &name, &bytes);
    }
    animations(corpus);
}

/// Mends the file's size and the last chunk's.
fn closed(head: &[u8]) -> Vec<u8> {
    let mut at = 12;
    while let Some(length) = head.get(at + 4..at + 8) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        if at + 8 + length + length % 2 > head.len() {
            break;
        }
        at += 8 + length + length % 2;
    }
    let mut closed = head.to_vec();
    if let Some(rest) = head.get(at + 8..) {
        let (length, odd) = (rest.len() as u32, rest.len() % 2);
        closed[at + 4..at + 8].copy_from_slice(&length.to_le_bytes());
        closed.extend(&[0][..odd]);
    } else {
        closed.truncate(at);
    }
    let length = (closed.len() as u32).saturating_sub(8).to_le_bytes();
    if let Some(place) = closed.get_mut(4..8) {
        place.copy_from_slice(&length);
    }
    closed
}

/// The file's size is wrong, or something lies behind it.
fn sizes(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
    let sized = |length: u32| replaced(bytes, 4..8, &length.to_le_bytes());
    for (what, change) in
        [("2-less", -2_i64), ("1-less", -1), ("1-more", 1), ("2-more", 2), ("900-more", 900)]
    {
        corpus.vary(name, &format!("size-{what}"), sized((i64::from(length) + change) as u32));
    }
    corpus.vary(name, "size-half", sized(length / 2));
    corpus.vary(name, "size-0", sized(0));
    corpus.vary(name, "size-largest", sized(u32::MAX));
    for (what, more) in [
        ("zero", vec![0]),
        ("zeros", vec![0; 2_000]),
        ("text", b"\r\n<!-- -->".to_vec()),
        ("webp", bytes.to_vec()),
    ] {
        let behind = [bytes, &more].concat();
        corpus.vary(name, &format!("behind-{what}"), behind.clone());
        let covered = (behind.len() as u32 - 8).to_le_bytes();
        corpus.vary(name, &format!("behind-{what}-covered"), replaced(&behind, 4..8, &covered));
    }
}

/// Headers that promise what is not there, chunks that nobody knows, and metadata.
fn envelopes(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let all = of_file(bytes);
    if name.contains("-size-") && !name.contains("7x9") {
        return;
    }
    let Some(picture) = all.iter().find(|(kind, _)| kind.starts_with(b"VP8") && kind != b"VP8X") else {
        return;
    };
    let (width, height) = sides(picture);
    let inner: Vec<Chunk> = all.iter().filter(|(kind, _)| kind != b"VP8X").cloned().collect();
    let is_clear =
        all.iter().any(|(kind, _)| kind == b"ALPH") || (picture.0 == b"VP8L" && picture.1[4] & 0x10 != 0);
    let alpha = if is_clear { ALPHA } else { 0 };
    let with = |flags: u8, before: &[Chunk], after: &[Chunk]| -> Vec<u8> {
        riff(&[&[vp8x(alpha | flags, width, height)], before, &inner, after].concat())
    };
    let mut vary = |what: &str, bytes: Vec<u8>| corpus.vary(name, what, bytes);
    vary("extended", with(0, &[], &[]));
    for (what, flags) in [("exif", EXIF), ("xmp", XMP), ("icc", ICC), ("alpha", ALPHA), ("reserved", 0xc1)] {
        vary(&format!("extended-flag-{what}"), with(flags, &[], &[]));
    }
    vary("extended-flag-animation", with(ANIMATION, &[], &[]));
    vary("exif", with(EXIF, &[], &[other(b"EXIF", b"MM\0\x2a\0\0\0\x08\0\0")]));
    vary("exif-without-flag", with(0, &[], &[other(b"EXIF", b"MM\0\x2a\0\0\0\x08\0\0")]));
    vary("exif-first", with(EXIF, &[other(b"EXIF", b"odd")], &[]));
    vary("xmp", with(XMP, &[], &[other(b"XMP ", b"<x:xmpmeta/>")]));
    vary("icc-broken", with(ICC, &[other(b"ICCP", &[9; 77])], &[]));
    vary("unknown", with(0, &[other(b"WHAT", b"?")], &[other(b"EVER", b"!?")]));
    let other_sides = |width: u32, height: u32| riff(&[&[vp8x(alpha, width, height)], &inner[..]].concat());
    vary("canvas-larger", other_sides(width + 3, height + 5));
    vary("canvas-smaller", other_sides((width / 2).max(1), (height / 2).max(1)));
    vary(
        "extended-twice",
        riff(&[&[vp8x(alpha, width, height)], &[vp8x(alpha, width, height)], &inner[..]].concat()),
    );
    vary("picture-twice", with(0, &[], std::slice::from_ref(picture)));
    if all.len() == 1 {
        vary("unknown-simple-behind", riff(&[all.clone(), vec![other(b"EVER", b"!?")]].concat()));
        vary("unknown-simple-first", riff(&[vec![other(b"EVER", b"!?")], all.clone()].concat()));
    }
}

/// The coded data: holes, cuts whose sizes fit again, zeros, wrong sides.
fn data(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let all = of_file(bytes);
    for (number, (kind, data)) in all.iter().enumerate() {
        if matches!(&kind[..], b"VP8X" | b"ANIM") || name.contains("-size-") || data.len() < 40 {
            continue;
        }
        let mut vary = |what: &str, data: Vec<u8>| {
            let mut all = all.clone();
            all[number].1 = data;
            corpus.vary(name, &format!("chunk{number}-{what}"), riff(&all));
        };
        let (length, middle) = (data.len(), data.len() / 2);
        // A lossless picture may have bytes to spare; an eighth it has not.
        vary("half", data[..middle].to_vec());
        vary("most", data[..length * 7 / 8].to_vec());
        vary("half-padded", zeroed(data, middle..length));
        vary("hole", without(data, middle..middle + length / 8));
        vary("zeroed", zeroed(data, middle..middle + length / 8));
        vary("longer", [&data[..], &[0; 50]].concat());
        vary("head-only", data[..10].to_vec());
        for time in 0..2 {
            let mut flipped = data.clone();
            flipped[10 + spread(time, length - 10)] ^= 4;
            vary(&format!("flipped-{time}"), flipped);
        }
        corpus.vary(
            name,
            &format!("chunk{number}-gone"),
            riff(&[&all[..number], &all[number + 1..]].concat()),
        );
        let place =
            bytes.windows(8).position(|at| at[..4] == kind[..] && at[4..] == (length as u32).to_le_bytes());
        for (what, length) in [("short", length - 3), ("long", length + 9), ("longest", usize::MAX / 2)] {
            let length = (length as u32).to_le_bytes();
            let at = place.unwrap() + 4;
            corpus.vary(name, &format!("chunk{number}-size-{what}"), replaced(bytes, at..at + 4, &length));
        }
    }
    let partitions = all.iter().position(|(kind, _)| kind == b"VP8 ");
    if let Some(number) = partitions {
        let data = &all[number].1;
        let first = u32::from_le_bytes([data[0], data[1], data[2], 0]) >> 5;
        for (what, first) in [("shorter", first / 2), ("longer", first + 40), ("past-the-end", 0x7_ffff)] {
            let tag = (first << 5 | u32::from(data[0] & 0x1f)).to_le_bytes();
            let mut all = all.clone();
            all[number].1 = replaced(data, 0..3, &tag[..3]);
            corpus.vary(name, &format!("partition-{what}"), riff(&all));
        }
    }
}

/// Animations put together from still pictures.
fn animations(corpus: &mut Corpus) {
    let still = |name: &str| -> Vec<Chunk> {
        of_file(&corpus.bytes(name)).into_iter().filter(|(kind, _)| kind != b"VP8X").collect()
    };
    let (lossy, lossless, alpha) =
        (still("webp-lossy.webp"), still("webp-lossless.webp"), still("webp-lossy-alpha.webp"));
    let frame = |picture: &[Chunk], flags: u8| {
        let at = if picture.len() > 1 { 4 } else { 0 };
        anmf(at, at, sides(picture.last().unwrap()), flags, picture)
    };
    let head = vp8x(ANIMATION | ALPHA, 83, 61);
    let file = |frames: &[Chunk]| riff(&[&[head.clone(), anim()], frames].concat());
    for flags in 0..4 {
        let frames = [frame(&lossy, flags), frame(&alpha, flags), frame(&lossless, flags)];
        corpus.add(&format!("webp-made-flags-{flags}.webp"), file(&frames));
    }
    let name = "webp-made-flags-0.webp";
    let frames = [frame(&lossy, 0), frame(&alpha, 0), frame(&lossless, 0)];
    let stem = |what: &str| format!("webp-made-{what}.webp");
    corpus.add(&stem("one-frame"), file(&frames[..1]));
    corpus.add(&stem("no-frame"), file(&[]));
    corpus.add(&stem("no-anim"), riff(&[std::slice::from_ref(&head), &frames[..]].concat()));
    corpus.add(&stem("no-flag"), riff(&[&[vp8x(0, 83, 61), anim()], &frames[..]].concat()));
    corpus.add(&stem("frame-outside"), file(&[anmf(40, 0, (83, 61), 0, &lossy)]));
    corpus.add(&stem("frame-other-sides"), file(&[anmf(0, 0, (80, 61), 0, &lossy)]));
    corpus.add(
        &stem("still-too"),
        riff(&[std::slice::from_ref(&head), &lossy[..], &[anim()], &frames[..]].concat()),
    );
    corpus.vary(
        name,
        "unknown-inside",
        file(&[
            anmf(0, 0, (83, 61), 0, &[&lossy[..], &[other(b"WHAT", b"?")]].concat()),
            frames[1].clone(),
            frames[2].clone(),
        ]),
    );
    corpus.vary(
        name,
        "unknown-between",
        file(&[frames[0].clone(), other(b"WHAT", b"?"), frames[1].clone(), frames[2].clone()]),
    );
    corpus.vary(name, "exif-behind", file(&[&frames[..], &[other(b"EXIF", b"odd")]].concat()));
    corpus.cut(name, closed);
    for number in 0..3 {
        let mut cut = frames.clone();
        let length = cut[number].1.len();
        cut[number].1.truncate(length / 2);
        corpus.vary(name, &format!("frame{number}-half"), file(&cut));
        // The picture inside is cut, and the frame's size is right for it.
        let mut inner = chunks(&frames[number].1[16..]);
        let last = inner.last_mut().unwrap();
        let half = last.1.len() / 2;
        last.1.truncate(half);
        let whole: Vec<u8> = inner.iter().flat_map(|(kind, data)| chunk(kind, data)).collect();
        cut[number].1 = [&frames[number].1[..16], &whole].concat();
        corpus.vary(name, &format!("frame{number}-picture-half"), file(&cut));
        cut[number].1 = frames[number].1[..16].to_vec();
        corpus.vary(name, &format!("frame{number}-empty"), file(&cut));
        let mut gone = frames.to_vec();
        gone.remove(number);
        corpus.vary(name, &format!("frame{number}-gone"), file(&gone));
    }
    let nested = anmf(0, 0, (83, 61), 0, &[frames[0].clone()]);
    corpus.add(&stem("nested"), file(&[nested]));
    let bytes = corpus.bytes(name);
    corpus.vary(name, "odd-padding", inserted(&bytes, bytes.len(), &[0]));
}
