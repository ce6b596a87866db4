//! APNG: animations, and what only looks like one.

use super::corpus::Corpus;
use super::png::{Shape, TYPES, chunk, end, joined, palette};
use super::zlib;

/// How a frame lies on the canvas.
#[derive(Clone, Copy)]
pub struct Frame {
    pub shape: Shape,
    pub x: u32,
    pub y: u32,
    pub disposal: u8,
    pub blend: u8,
}

/// Numbers the animation's chunks in their order.
#[derive(Default)]
pub struct Sequence(u32);

impl Sequence {
    fn next(&mut self) -> [u8; 4] {
        self.0 += 1;
        (self.0 - 1).to_be_bytes()
    }

    pub fn control(&mut self, frame: Frame) -> Vec<u8> {
        let numbers =
            [frame.shape.width, frame.shape.height, frame.x, frame.y].map(u32::to_be_bytes).concat();
        let rest = [0, 1, 0, 10, frame.disposal, frame.blend];
        chunk(b"fcTL", &[&self.next(), &numbers[..], &rest].concat())
    }

    pub fn data(&mut self, data: &[u8]) -> Vec<u8> {
        chunk(b"fdAT", &[&self.next(), data].concat())
    }
}

pub fn actl(frames: u32) -> Vec<u8> {
    chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat())
}

fn rows(shape: Shape, seed: usize) -> Vec<u8> {
    zlib::coded(&shape.rows(if shape.color == 3 { 0 } else { 9 }, seed))
}

/// The chunks of an animation of three frames, the first of which is the still picture, too.
fn frames(shape: Shape, disposal: u8, blend: u8) -> Vec<Vec<u8>> {
    let mut sequence = Sequence::default();
    let whole = Frame { shape, x: 0, y: 0, disposal, blend };
    let small = Shape { width: shape.width - 7, height: shape.height - 5, ..shape };
    let table = if shape.color == 3 { palette(64.min(1 << shape.depth)) } else { Vec::new() };
    let mut chunks = vec![shape.header(), actl(3), table];
    chunks.push(sequence.control(whole));
    chunks.push(chunk(b"IDAT", &rows(shape, 1)));
    chunks.push(sequence.control(Frame { shape: small, x: 4, y: 3, ..whole }));
    let data = rows(small, 2);
    let (one, two) = data.split_at(data.len() / 2);
    chunks.push(sequence.data(one));
    chunks.push(sequence.data(two));
    chunks.push(sequence.control(Frame { shape: small, x: 7, y: 5, ..whole }));
    chunks.push(sequence.data(&rows(small, 3)));
    chunks.push(end());
    chunks
}

pub fn fill(corpus: &mut Corpus) {
    for (color, depths) in TYPES {
        for &depth in depths {
            for interlaced in [false, true] {
                let shape = Shape { width: 33, height: 21, depth, color, interlaced };
                let name = format!("apng-c{color}-d{depth}-i{}.png", u8::from(interlaced));
                corpus.add(&name, joined(&frames(shape, 0, 0)));
            }
        }
    }
    let shape = Shape { width: 33, height: 21, depth: 8, color: 6, interlaced: false };
    for disposal in 0..3 {
        for blend in 0..2 {
            let name = format!("apng-disposal-{disposal}-blend-{blend}.png");
            corpus.add(&name, joined(&frames(shape, disposal, blend)));
        }
    }
    for name in ["apng-disposal-0-blend-0.png", "apng-c2-d16-i1.png"] {
        let (stem, _) = name.rsplit_once('.').unwrap();
        corpus.cut(name, |head| [head, &end()].concat());
        let bytes = corpus.bytes(name);
        corpus.flip(name, 33..bytes.len(), 16);
        let shape = if name.contains("c2") {
            Shape { depth: 16, color: 2, interlaced: true, ..shape }
        } else {
            shape
        };
        shapes(corpus, stem, shape);
        damaged(corpus, stem, shape);
    }
}

/// Animations that are told otherwise than usual. Each has its own pixels.
fn shapes(corpus: &mut Corpus, stem: &str, shape: Shape) {
    let mut add = |what: &str, chunks: &[Vec<u8>]| corpus.add(&format!("{stem}-{what}.png"), joined(chunks));
    let usual = frames(shape, 0, 0);
    let without = |gone: &[usize]| -> Vec<Vec<u8>> {
        usual
            .iter()
            .enumerate()
            .filter(|(at, _)| !gone.contains(at))
            .map(|(_, chunk)| chunk.clone())
            .collect()
    };
    let with_control = |frames: u32| [&usual[..1], &[actl(frames)], &usual[2..]].concat();
    add("no-actl", &without(&[1]));
    add("no-frames", &[shape.header(), actl(2), usual[4].clone(), end()]);
    add("actl-0", &with_control(0));
    add("actl-1", &with_control(1));
    add("actl-2", &with_control(2));
    add("actl-9", &with_control(9));
    let late = [&usual[..1], &usual[2..5], &usual[1..2], &usual[5..]].concat();
    add("actl-late", &late);
    // The still picture is none of the frames.
    let mut sequence = Sequence::default();
    let frame = Frame { shape, x: 0, y: 0, disposal: 0, blend: 0 };
    let mut outside = vec![shape.header(), actl(2), usual[2].clone(), chunk(b"IDAT", &rows(shape, 9))];
    outside[2] = Vec::new();
    for seed in 1..3 {
        outside.push(sequence.control(frame));
        outside.push(sequence.data(&rows(shape, seed)));
    }
    outside.push(end());
    add("still-outside", &outside);
    let one = [shape.header(), actl(1), usual[3].clone(), usual[4].clone(), end()];
    add("one-frame", &one);
    let text = chunk(b"tEXt", b"a\0b");
    add("text-between", &[&usual[..7], &[text], &usual[7..]].concat());
    let first = Frame { shape: Shape { width: 20, height: 10, ..shape }, x: 1, y: 1, disposal: 0, blend: 0 };
    let wrong = [&usual[..3], &[Sequence::default().control(first)], &usual[4..]].concat();
    add("first-frame-smaller", &wrong);
    let mut far = Sequence(1);
    let outside =
        far.control(Frame { x: 30, y: 15, shape: Shape { width: 26, height: 16, ..shape }, ..frame });
    add("frame-outside", &[&usual[..5], &[outside], &usual[6..]].concat());
    add("disposal-7", &frames(shape, 7, 0));
    add("blend-7", &frames(shape, 0, 7));
}

/// Frames that are gone, cut, out of order, or wrongly numbered.
fn damaged(corpus: &mut Corpus, stem: &str, shape: Shape) {
    let name =
        if stem.contains("disposal") { format!("{stem}.png") } else { "apng-c2-d16-i1.png".to_owned() };
    let usual = frames(shape, 0, 0);
    let mut vary = |what: &str, chunks: &[Vec<u8>]| corpus.vary(&name, what, joined(chunks));
    for gone in 2..usual.len() - 1 {
        let chunks: Vec<_> =
            usual.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, chunk)| chunk.clone()).collect();
        vary(&format!("chunk-{gone}-gone"), &chunks);
        let mut swapped = usual.clone();
        swapped.swap(gone, gone + 1);
        vary(&format!("chunk-{gone}-swapped"), &swapped);
        if usual[gone].len() > 12 {
            let data = &usual[gone][8..usual[gone].len() - 4];
            for (part, length) in [("half", data.len() / 2), ("most", data.len() - 8), ("empty", 0)] {
                let mut cut = usual.clone();
                cut[gone] = chunk(&usual[gone][4..8], &data[..length]);
                vary(&format!("chunk-{gone}-{part}"), &cut);
            }
            let mut wrong = usual.clone();
            *wrong[gone].last_mut().unwrap() ^= 1;
            vary(&format!("chunk-{gone}-wrong-sum"), &wrong);
            let mut numbered = usual.clone();
            numbered[gone] = chunk(&usual[gone][4..8], &[&[0, 0, 0, 77], &data[4..]].concat());
            vary(&format!("chunk-{gone}-numbered-77"), &numbered);
        }
    }
    vary("no-end", &usual[..usual.len() - 1]);
}
