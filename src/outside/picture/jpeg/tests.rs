//! Whole pictures in every envelope that browsers take, and the same with a piece missing.

use std::ops::Range;

use image::codecs::jpeg::JpegEncoder;
use image::{ColorType, RgbImage};
use proptest::prelude::*;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::super::work::Work;
use crate::limits::{JPEG_SCANS_MAX, PIXELS_MAX};

/// A photo as cameras and tools write it: in one scan, with restart markers, in a scan a colour, and progressive.
const PHOTOS: [(&str, &[u8]); 7] = [
    ("photo", include_bytes!("../../../../tests/it/data/photo.jpg")),
    ("restarts", include_bytes!("../../../../tests/it/data/photo-restarts.jpg")),
    ("scans", include_bytes!("../../../../tests/it/data/photo-scans.jpg")),
    ("progressive", include_bytes!("../../../../tests/it/data/photo-progressive.jpg")),
    ("both", include_bytes!("../../../../tests/it/data/photo-progressive-restarts.jpg")),
    ("older", include_bytes!("../../../../tests/it/data/progressive.jpg")),
    ("cmyk", include_bytes!("../../../../tests/it/data/cmyk.jpg")),
];

fn check(bytes: &[u8]) -> Result<(), String> {
    super::check(bytes, &mut Work::new()).map_err(|why| why.to_string())
}

fn taken(bytes: &[u8], what: &str) {
    assert_eq!(check(bytes), Ok(()), "{what}");
}

fn refused(bytes: &[u8], what: &str) -> String {
    check(bytes).expect_err(what)
}

/// Where markers begin, with their codes, and where data of scans lies. Knows none of the walker's code.
fn layout(bytes: &[u8]) -> (Vec<(usize, u8)>, Vec<Range<usize>>) {
    let (mut markers, mut data, mut at) = (vec![(0, 0xd8)], vec![], 2);
    loop {
        let code = bytes[at + 1];
        markers.push((at, code));
        match code {
            0xd9 => return (markers, data),
            0xd0..=0xd7 => at += 2,
            _ => at += 2 + usize::from(bytes[at + 2]) * 256 + usize::from(bytes[at + 3]),
        }
        if matches!(code, 0xda | 0xd0..=0xd7) {
            let from = at;
            while bytes[at] != 0xff || bytes[at + 1] == 0 {
                at += 1;
            }
            data.push(from..at);
        }
    }
}

fn insert(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    [&bytes[..at], new, &bytes[at..]].concat()
}

fn remove(bytes: &[u8], range: Range<usize>) -> Vec<u8> {
    [&bytes[..range.start], &bytes[range.end..]].concat()
}

/// Sets the byte that many places behind a marker's FF.
fn set(bytes: &[u8], marker: u8, place: usize, value: u8) -> Vec<u8> {
    let at = layout(bytes).0.into_iter().find(|&(_, code)| code == marker).unwrap().0;
    let mut bytes = bytes.to_vec();
    bytes[at + place] = value;
    bytes
}

#[test]
fn e1_jpegs_are_taken_whatever_lies_around_their_data() {
    for (name, whole) in PHOTOS {
        taken(whole, name);
        let (markers, _) = layout(whole);
        for &(at, code) in &markers[1..] {
            taken(&insert(whole, at, &[0xff; 5]), &format!("{name}, fill before {code:x}"));
            let behind_data = matches!(code, 0xd0..=0xd7);
            if !behind_data {
                taken(&insert(whole, at, b"stray\xff\0"), &format!("{name}, stray bytes before {code:x}"));
                taken(&insert(whole, at, &[0; 3000]), &format!("{name}, zeros before {code:x}"));
                taken(&insert(whole, at, b"\xff\xfe\0\x06\xff\xd9\xff\xd8"), &format!("{name}, a comment"));
                taken(&insert(whole, at, b"\xff\xe5\0\0"), &format!("{name}, a segment without a length"));
            }
        }
        let end = markers.last().unwrap().0;
        taken(&[whole, whole, &[0; 99]].concat(), "another picture behind it");
        taken(&insert(whole, end, &[0xff, 0xd3]), "a restart marker behind the last block");
    }
    let photo = PHOTOS[0].1;
    taken(&insert(photo, 2, b"\xff\xdd\0\x04\xff\xff"), "restart intervals larger than the picture");
    taken(&set(photo, 0xc0, 1, 0xc1), "extended sequential");
    taken(&set(photo, 0xda, 12, 0), "a scan header that says less than it sends");
}

#[test]
fn e1_jpegs_without_huffman_tables_mean_the_standards() {
    let photo = PHOTOS[0].1;
    let mut all_gone = photo.to_vec();
    while let Some(&(at, _)) = layout(&all_gone).0.iter().find(|(_, code)| *code == 0xc4) {
        let length = 2 + usize::from(all_gone[at + 2]) * 256 + usize::from(all_gone[at + 3]);
        taken(&remove(photo, at..at), "all there");
        all_gone = remove(&all_gone, at..at + length);
        taken(&all_gone, "some tables left");
    }
    let progressive = PHOTOS[3].1;
    let (at, _) = layout(progressive).0.into_iter().find(|(_, code)| *code == 0xc4).unwrap();
    let length = 2 + usize::from(progressive[at + 3]);
    refused(&remove(progressive, at..at + length), "a progressive one has no such tables");
}

#[test]
fn e1_jpegs_of_every_side_and_quality_are_taken() {
    let mut random = 1u32;
    let mut next = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    };
    let noise = RgbImage::from_fn(24, 17, |_, _| image::Rgb([next(), next(), next()]));
    let checks = RgbImage::from_fn(24, 17, |x, y| image::Rgb([if (x + y) % 2 == 0 { 0 } else { 255 }; 3]));
    for quality in (1..=100).step_by(3) {
        for picture in [&noise, &checks] {
            let mut file = Vec::new();
            JpegEncoder::new_with_quality(&mut file, quality).encode_image(picture).unwrap();
            taken(&file, &format!("quality {quality}"));
        }
    }
    for (width, height) in [(1, 1), (8, 8), (9, 8), (1, 40), (40, 1), (23, 17)] {
        let mut file = Vec::new();
        let grey = noise.as_raw()[..(width * height) as usize].to_vec();
        JpegEncoder::new(&mut file).encode(&grey, width, height, ColorType::L8.into()).unwrap();
        taken(&file, &format!("{width}×{height}"));
    }
}

#[test]
fn e1_each_part_of_each_scan_has_to_be_there() {
    for (name, whole) in PHOTOS {
        let (markers, data) = layout(whole);
        for part in data.iter().filter(|part| part.len() > 8) {
            let why = refused(&remove(whole, part.start + part.len() / 2..part.end), name);
            assert!(why.contains("truncated"), "{name}: {why}");
            // With a few bytes less, some blocks may well be empty ones.
            if part.len() > 100 {
                refused(&remove(whole, part.start + part.len() / 2..part.end - 3), name);
            }
        }
        // A scan with its header, and an interval with the marker before it: the next number does not fit.
        for pair in data.windows(2) {
            refused(&remove(whole, pair[0].end..pair[1].end), name);
        }
        // Eight intervals, so that the numbers fit.
        for nine in data.windows(9).filter(|nine| whole[nine[0].end..nine[8].end - 2].iter().len() > 16) {
            let restarts = nine.windows(2).all(|pair| pair[1].start - pair[0].end == 2);
            if restarts {
                refused(&remove(whole, nine[0].end..nine[8].end), name);
            }
        }
        let (first, end) = (data[0].start, markers.last().unwrap().0);
        for sixteenth in 1..16 {
            let cut = &whole[..first + (end - first) * sixteenth / 16];
            for file in [cut.to_vec(), [cut, &[0xff, 0xd9]].concat()] {
                let why = refused(&file, name);
                assert!(why.contains("truncated") || cut.len() < data.last().unwrap().start, "{name}: {why}");
            }
        }
        for missing in 1..=3 {
            refused(&whole[..end + 2 - missing], name);
        }
    }
}

#[test]
fn e1_restart_markers_count_in_order() {
    let whole = PHOTOS[1].1;
    let (markers, data) = layout(whole);
    for &(at, code) in markers.iter().filter(|(_, code)| matches!(code, 0xd0..=0xd7)) {
        let mut wrong = whole.to_vec();
        wrong[at + 1] = 0xd0 | (code + 1) & 7;
        refused(&wrong, "a wrong number");
        refused(&remove(whole, at..at + 2), "none");
        wrong[at + 1] = 0xe0;
        refused(&wrong, "another marker");
    }
    let again = whole[data[2].start - 2..data[2].end].to_vec();
    refused(&insert(whole, data[2].end, &again), "intervals twice");
}

#[test]
fn e1_stray_bytes_are_no_data_and_data_is_no_stray_bytes() {
    for (name, whole) in &PHOTOS[..2] {
        let (_, data) = layout(whole);
        for part in [&data[0], data.last().unwrap()] {
            taken(&insert(whole, part.end, b"\x01\x02\x03\x04\x05"), name);
            refused(&insert(whole, part.end, &b"\x01\x02".repeat(500)), "a kilobyte");
        }
    }
    // Blocks that a picture of less rows, and an interval of one block less, do not need: as with a scan that is out
    // of step and so has its blocks too early.
    let [photo, restarts, scans] = [0, 1, 2].map(|at| set(PHOTOS[at].1, 0xc0, 6, 64));
    refused(&photo, "one scan");
    refused(&scans, "a scan a colour");
    taken(&restarts, "more intervals than its rows need, as some scanners send");
    let why = refused(&set(PHOTOS[1].1, 0xdd, 5, 1), "intervals of one block");
    assert!(why.contains("block 1 of 35: data is left over"), "{why}");
}

#[test]
fn e1_lost_sectors_are_seen() {
    let photo = PHOTOS[0].1;
    let data = &layout(photo).1[0];
    for start in (data.start..data.end - 512).step_by(97) {
        let mut zeroed = photo.to_vec();
        zeroed[start..start + 512].fill(0);
        refused(&zeroed, "zeros");
        refused(&remove(photo, start..start + 512), "a hole");
    }
    // Blocks without anything may well be zeros: these are of one colour, and its codes are the shortest.
    taken(&flat(), "zeros that are blocks");
    refused(&set(&flat(), 0xdb, 3, 66), "a table that is too short");
}

/// A grey picture of 512×512 with codes of one bit, whose scan is zeros.
fn flat() -> Vec<u8> {
    let table = |which: u8| {
        let mut table = vec![which, 1];
        table.resize(18, 0);
        table
    };
    let scan = [0; 4096 * 2 / 8].as_slice();
    [
        &b"\xff\xd8\xff\xdb\0\x43\0"[..],
        &[1; 64],
        b"\xff\xc0\0\x0b\x08\x02\0\x02\0\x01\x01\x11\0",
        b"\xff\xc4\0\x26",
        &table(0),
        &table(0x10),
        b"\xff\xda\0\x08\x01\x01\0\0\x3f\0",
        scan,
        b"\xff\xd9",
    ]
    .concat()
}

#[test]
fn e1_jpegs_that_browsers_do_not_show_are_refused() {
    let photo = PHOTOS[0].1;
    for code in [0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf] {
        refused(&set(photo, 0xc0, 1, code), "lossless, hierarchical, arithmetic");
    }
    refused(&set(photo, 0xc0, 4, 12), "12 bits");
    refused(&set(photo, 0xc0, 9, 2), "two colours");
    refused(&set(photo, 0xc0, 11, 0x32), "chroma that no whole number stretches");
    refused(&set(photo, 0xc0, 11, 0x52), "a sampling factor of 5");
    refused(&set(photo, 0xc0, 12, 3), "a quantisation table that is not there");
    refused(&set(photo, 0xda, 5, 9), "an unknown colour");
    refused(&set(photo, 0xda, 6, 0x22), "a Huffman table that is not there");
    for (at, code) in layout(photo).0.into_iter().skip(1) {
        for marker in
            [&b"\xff\x02"[..], b"\xff\xc8\0\x02", b"\xff\xd8", b"\xff\xf0\0\x02", b"\xff\xdd\0\x03\0"]
        {
            refused(&insert(photo, at, marker), &format!("{marker:x?} before {code:x}"));
        }
    }
}

/// A progressive picture of one grey block. Each scan has its header's last three bytes and its data.
fn progression(scans: impl IntoIterator<Item = ([u8; 3], u8)>) -> Vec<u8> {
    // Codes: 0 for no difference and the end of the block, 10 for a coefficient, 110 for a run of 2 or 3 empty blocks.
    let head =
        b"\xff\xc2\0\x0b\x08\0\x08\0\x08\x01\x01\x11\0\xff\xc4\0\x14\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \xff\xc4\0\x16\x10\x01\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x10";
    let scan = |([start, end, bits], data): ([u8; 3], u8)| {
        [&b"\xff\xda\0\x08\x01\x01\0"[..], &[start, end, bits, data]].concat()
    };
    let scans: Vec<u8> = scans.into_iter().flat_map(scan).collect();
    [&b"\xff\xd8\xff\xdb\0\x43\0"[..], &[1; 64], head, &scans, b"\xff\xd9"].concat()
}

#[test]
fn e1_progressive_scans_complete_each_other() {
    let dc = ([0, 0, 0], 0x7f);
    let ac = ([1, 63, 0], 0x7f);
    taken(&progression([dc, ac]), "two scans");
    taken(&progression([([0, 0, 1], 0x7f), ac, ([0, 0, 0x10], 0x7f)]), "brightness in two");
    // A coefficient, then its correction bit and the end of the block.
    let begun = [dc, ([1, 63, 1], 0b1010_1111), ([1, 63, 0x10], 0b0011_1111)];
    taken(&progression(begun), "a coefficient in two");
    for (scans, what) in [
        (vec![dc], "no other coefficients"),
        (vec![ac], "no brightness"),
        (vec![dc, ([1, 5, 0], 0x7f)], "some coefficients missing"),
        (vec![dc, ([1, 63, 1], 0x7f)], "a bit missing"),
        (vec![dc, ac, ac], "coefficients twice"),
        (vec![dc, ([1, 63, 2], 0x7f), ([1, 63, 0x10], 0x7f)], "a bit between missing"),
        (vec![dc, ([1, 63, 2], 0x7f), ([1, 63, 0x20], 0x7f)], "two bits at once"),
        (vec![dc, ([1, 64, 0], 0x7f)], "a coefficient too many"),
        (vec![dc, ([5, 1, 0], 0x7f)], "a band that ends before it begins"),
        (vec![([0, 63, 0], 0x7f)], "all at once"),
        (vec![dc, ([1, 63, 0], 0b1100_1111)], "a run of empty blocks longer than the picture"),
        (vec![dc, ([1, 63, 0], 0b1111_1111)], "no code"),
    ] {
        refused(&progression(scans), what);
    }
}

#[test]
fn s2_scans_and_memory_of_a_jpeg_are_bounded() {
    let dc = ([0, 0, 0], 0x7f);
    let band = |at| {
        (0..=13).rev().map(move |low| ([at, at, if low == 13 { 13 } else { (low + 1) << 4 | low }], 0x7f))
    };
    let scans: Vec<_> = std::iter::once(dc).chain((1..64).flat_map(band)).collect();
    let why = refused(&progression(scans), "so many scans");
    assert!(why.contains(&JPEG_SCANS_MAX.to_string()), "{why}");

    let sides = |width: u16, height: u16| {
        let [[w1, w0], [h1, h0]] = [width, height].map(u16::to_be_bytes);
        let file = [0xff, 0xd8, 0xff, 0xc2, 0, 17, 8, h1, h0, w1, w0, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0];
        super::header(&file).unwrap().memory
    };
    assert_eq!(u64::from(10_000u32) * 10_000, PIXELS_MAX);
    assert!(sides(10_000, 10_000) < 40_000_000);
    assert!(sides(65_500, 1) < 1_000_000);
}

#[test]
fn s2_metadata_of_a_jpeg_is_passed_over() {
    for (name, whole) in PHOTOS {
        let header = super::header(whole).unwrap();
        let long = insert(whole, 2, &[&b"\xff\xe1\xff\xff"[..], &[0xff; 0xfffd]].concat().repeat(20));
        assert_eq!(super::header(&long).unwrap(), header, "{name}");
        taken(&long, name);
        let (markers, _) = layout(whole);
        let scan = markers.iter().find(|(_, code)| *code == 0xda).unwrap().0;
        let frame = markers.iter().find(|(_, code)| matches!(code, 0xc0 | 0xc2)).unwrap().0;
        for end in 0..scan {
            let known = super::header(&whole[..end]).ok();
            let length = usize::from(whole[frame + 3]) + 2;
            assert_eq!(known, (end >= frame + length).then_some(header), "{name}, {end}");
        }
    }
}

fn strict(bytes: &[u8]) -> bool {
    let options = DecoderOptions::new_safe().set_strict_mode(true);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode().is_ok()
}

#[test]
fn e1_whole_jpegs_that_another_decoder_takes_are_taken() {
    for (name, whole) in PHOTOS {
        assert!(strict(whole), "{name}");
        taken(whole, name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn s2_no_bytes_make_the_check_of_a_jpeg_panic(
        which in 0..PHOTOS.len(),
        other in 0..PHOTOS.len(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        splice in prop::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = PHOTOS[which].1.to_vec();
        if let Some((to, from)) = splice {
            let other = PHOTOS[other].1;
            bytes.truncate(to.index(bytes.len()));
            bytes.extend_from_slice(&other[from.index(other.len())..]);
        }
        for (at, value) in flips {
            let length = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at.index(length)) {
                *byte = value;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        let _ = super::header(&bytes);
        let _ = check(&bytes);
    }
}
