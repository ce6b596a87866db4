//! JPEG: damage of each kind, at each kind of place.

use super::corpus::{Corpus, base_files, inserted, replaced, spread, without, zeroed};
use super::jpeg::{DHT, DQT, DRI, EOI, SOF0, SOS, restarts, segment, segments};

/// Cut at each sixteenth.
const CUT: [&str; 10] = [
    "jpeg-420.jpg",
    "jpeg-420-prog.jpg",
    "jpeg-restart-5.jpg",
    "jpeg-restart-prog.jpg",
    "jpeg-sequential-apart.jpg",
    "jpeg-grey.jpg",
    "jpeg-cmyk-prog.jpg",
    "jpeg-fine.jpg",
    "jpeg-large.jpg",
    "jpeg-large-prog.jpg",
];

/// Large enough to have sectors.
const SECTORS: [&str; 5] = [
    "jpeg-large.jpg",
    "jpeg-large-prog.jpg",
    "jpeg-q97.jpg",
    "jpeg-restart-1.jpg",
    "jpeg-gradient-bright.jpg",
];

pub fn fill(corpus: &mut Corpus) {
    for name in CUT {
        corpus.cut(name, |head| [head, &[0xff, EOI]].concat());
    }
    for (name, bytes) in base_files("jpg") {
        if name.contains("-size-") {
            continue;
        }
        scans(corpus, &name, &bytes);
        intervals(corpus, &name, &bytes);
    }
    for name in SECTORS {
        let bytes = corpus.bytes(name);
        sectors(corpus, name, &bytes);
    }
    for name in CUT {
        let bytes = corpus.bytes(name);
        headers(corpus, name, &bytes);
        blocks(corpus, name, &bytes);
    }
}

/// In each scan: a hole, a half that is gone, zeros, flipped bits; and the whole of it.
fn scans(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let scans: Vec<_> = segments(bytes).into_iter().filter(|found| found.marker == SOS).collect();
    // Of many scans some, in files that differ in little else.
    let step = if CUT.contains(&name) { 1 } else { scans.len().div_ceil(3) };
    for (number, scan) in scans.iter().enumerate().step_by(step) {
        let (start, length) = (scan.data.start, scan.data.len());
        let mut vary = |what: &str, bytes: Vec<u8>| corpus.vary(name, &format!("scan{number}-{what}"), bytes);
        let middle = start + length / 2;
        vary("second-half-gone", without(bytes, middle..scan.data.end));
        vary("first-half-gone", without(bytes, start..middle));
        vary("empty", without(bytes, scan.data.clone()));
        // A small scan has no room for a hole.
        if length > 40 {
            vary("hole", without(bytes, middle..middle + length / 8));
            vary("zeroed", zeroed(bytes, middle..middle + length / 8));
            vary("tail-gone", without(bytes, scan.data.end - 6..scan.data.end));
        }
        vary("marker-inside", inserted(bytes, middle, &[0xff, 0xd3]));
        if scans.len() > 1 {
            vary("gone", without(bytes, scan.head.start..scan.data.end));
            vary("twice", inserted(bytes, scan.data.end, &bytes[scan.head.start..scan.data.end]));
        }
        if length > 200 {
            corpus.flip(name, scan.data.clone(), 2);
        }
    }
}

/// Restart intervals that lack a half, are gone, come twice, or in another order.
fn intervals(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let scans: Vec<_> = segments(bytes).into_iter().filter(|found| found.marker == SOS).collect();
    for (number, scan) in scans.iter().enumerate().take(2) {
        let marks = restarts(bytes, &scan.data);
        let mut vary =
            |what: String, bytes: Vec<u8>| corpus.vary(name, &format!("scan{number}-{what}"), bytes);
        let ends: Vec<_> = marks.iter().copied().skip(1).chain([scan.data.end]).collect();
        let every = marks.len().div_ceil(3).max(1);
        for (at, (&start, &end)) in marks.iter().zip(&ends).enumerate().step_by(every) {
            vary(format!("interval{at}-gone"), without(bytes, start..end));
            vary(format!("interval{at}-half"), without(bytes, start + 2 + (end - start - 2) / 2..end));
            vary(format!("interval{at}-empty"), without(bytes, start + 2..end));
            vary(format!("interval{at}-twice"), inserted(bytes, end, &bytes[start..end]));
            vary(format!("interval{at}-unmarked"), without(bytes, start..start + 2));
            let next = 0xd0 + (bytes[start + 1] - 0xd0 + 3) % 8;
            vary(format!("interval{at}-renumbered"), replaced(bytes, start + 1..start + 2, &[next]));
        }
        if let [first, second, third, ..] = marks[..] {
            let swapped = [&bytes[second..third], &bytes[first..second]].concat();
            vary("swapped".to_owned(), replaced(bytes, first..third, &swapped));
            let eight = marks.get(8).copied();
            if let Some(ninth) = eight {
                vary("eight-gone".to_owned(), without(bytes, first..ninth));
            }
        }
    }
}

/// Blocks of 64 and 512 bytes that a disk lost.
fn blocks(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let data = segments(bytes).into_iter().find(|found| found.marker == SOS).unwrap().data.start;
    for time in 0..4 {
        for size in [64, 512] {
            let at = data + spread(time, bytes.len().saturating_sub(data + size + 2).max(1));
            let end = (at + size).min(bytes.len());
            corpus.vary(name, &format!("zeros-{size}-at-{at}"), zeroed(bytes, at..end));
            corpus.vary(name, &format!("lost-{size}-at-{at}"), without(bytes, at..end));
        }
    }
    corpus.flip(name, 2..data, 8);
}

/// Sectors of 64 and 512 bytes that a disk has in another order, twice, or not at all.
fn sectors(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let data = segments(bytes).into_iter().find(|found| found.marker == SOS).unwrap().data.start;
    for size in [64, 512] {
        let (first, end) = (data.div_ceil(size), bytes.len() / size);
        for time in 0..(end - first).saturating_sub(1).min(8) {
            let number = first + spread(time, end - first - 1);
            let (at, next) = (number * size, (number + 1) * size);
            let (this, other) = (&bytes[at..next], &bytes[next..next + size]);
            let mut vary = |what: &str, bytes: Vec<u8>| {
                corpus.vary(name, &format!("sector-{size}-{what}-{time}"), bytes);
            };
            vary("swapped", replaced(bytes, at..next + size, &[other, this].concat()));
            vary("doubled", replaced(bytes, next..next + size, this));
            vary("again", inserted(bytes, next, this));
            vary("gone", without(bytes, at..next));
        }
    }
}

/// Tables and headers that are gone or wrong.
fn headers(corpus: &mut Corpus, name: &str, bytes: &[u8]) {
    let all = segments(bytes);
    let mut seen = Vec::new();
    for found in &all {
        let marker = found.marker;
        if seen.contains(&marker) || !matches!(marker, DHT | DQT | DRI | SOF0..=0xc2 | SOS) {
            continue;
        }
        seen.push(marker);
        let at = found.head.start;
        corpus.vary(name, &format!("no-{marker:02x}"), without(bytes, found.head.clone()));
        let length = u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]);
        for (what, length) in [("short", length - 1), ("long", length + 1), ("zero", 0)] {
            let wrong = replaced(bytes, at + 2..at + 4, &length.to_be_bytes());
            corpus.vary(name, &format!("length-{what}-{marker:02x}"), wrong);
        }
        if matches!(marker, SOF0..=0xc2) {
            corpus.vary(name, "frame-twice", inserted(bytes, found.head.end, &bytes[found.head.clone()]));
            // It says that it is larger than what follows.
            for (what, side) in [("taller", at + 5), ("wider", at + 7)] {
                let more = u16::from_be_bytes([bytes[side], bytes[side + 1]]) + 40;
                corpus.vary(name, what, replaced(bytes, side..side + 2, &more.to_be_bytes()));
            }
            for other in [0xc3, 0xc5, 0xc9, 0xcf] {
                corpus.vary(name, &format!("as-{other:02x}"), replaced(bytes, at + 1..at + 2, &[other]));
            }
            corpus.vary(name, "precision-12", replaced(bytes, at + 4..at + 5, &[12]));
            corpus.vary(name, "no-components", replaced(bytes, at + 9..at + 10, &[0]));
        }
        if marker == SOS {
            corpus.vary(name, "unknown-component", replaced(bytes, at + 5..at + 6, &[77]));
            corpus.vary(name, "unknown-table", replaced(bytes, at + 6..at + 7, &[0x33]));
        }
    }
    let sos = all.iter().find(|found| found.marker == SOS).unwrap();
    corpus.vary(name, "headers-only", [&bytes[..sos.head.start], &[0xff, EOI]].concat());
    if !all.iter().any(|found| found.marker == DRI) {
        let every = segment(DRI, &[0, 3]);
        corpus.vary(name, "restarts-missing", inserted(bytes, sos.head.start, &every));
    }
}
