//! Pictures put together chunk by chunk. What Chromium and Pillow make of each was looked at once, by hand.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::outside::picture::{self, InvalidPicture, Picture};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The sides of the pictures here: 8-bit RGB.
const SIDE: u32 = 16;

fn check(bytes: &[u8]) -> Result<Picture, InvalidPicture> {
    picture::check(bytes)
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let covered = [kind, body].concat();
    let sum = crc32fast::hash(&covered).to_be_bytes();
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), &covered[..], &sum].concat()
}

fn with_wrong_sum(mut chunk: Vec<u8>) -> Vec<u8> {
    *chunk.last_mut().unwrap() ^= 1;
    chunk
}

fn ihdr(width: u32, height: u32, [depth, colour, interlace]: [u8; 3]) -> Vec<u8> {
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    chunk(b"IHDR", &[&sides[..], &[depth, colour, 0, 0, interlace]].concat())
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Rows of so many bytes, with a filter type in front of each.
fn rows(bytes: usize, rows: usize) -> Vec<u8> {
    (0..rows)
        .flat_map(|y| {
            let row = (0..bytes).map(move |x| (x * x + 7 * y * x % 31) as u8);
            [(y % 5) as u8].into_iter().chain(row)
        })
        .collect()
}

fn pixels() -> Vec<u8> {
    deflated(&rows(3 * SIDE as usize, SIDE as usize))
}

fn idat() -> Vec<u8> {
    chunk(b"IDAT", &pixels())
}

fn png(chunks: &[Vec<u8>]) -> Vec<u8> {
    [SIGNATURE, &chunks.concat()].concat()
}

/// With the header in front and the end behind.
fn rgb(chunks: &[Vec<u8>]) -> Vec<u8> {
    png(&[ihdr(SIDE, SIDE, [8, 2, 0]), chunks.concat(), chunk(b"IEND", b"")])
}

fn actl(frames: u32) -> Vec<u8> {
    chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat())
}

fn fctl(sequence: u32, [width, height, x, y]: [u32; 4]) -> Vec<u8> {
    let numbers = [sequence, width, height, x, y].map(u32::to_be_bytes).concat();
    chunk(b"fcTL", &[&numbers[..], &[0, 1, 0, 10, 0, 0]].concat())
}

fn fdat(sequence: u32, data: &[u8]) -> Vec<u8> {
    chunk(b"fdAT", &[&sequence.to_be_bytes(), data].concat())
}

const ALL: [u32; 4] = [SIDE, SIDE, 0, 0];

/// Three frames, the picture is the first, and the last is small.
fn animation() -> [Vec<u8>; 7] {
    let small = deflated(&rows(12, 4));
    let control = fctl(0, ALL);
    [actl(3), control, idat(), fctl(1, ALL), fdat(2, &pixels()), fctl(3, [4, 4, 12, 12]), fdat(4, &small)]
}

/// The same, with one chunk changed.
fn animation_but(at: usize, chunk: Vec<u8>) -> Vec<u8> {
    let mut chunks = animation();
    chunks[at] = chunk;
    rgb(&chunks)
}

#[track_caller]
fn whole(bytes: &[u8], animated: bool) {
    assert_eq!(check(bytes).map(|picture| picture.animated), Ok(animated));
}

#[track_caller]
fn damaged(bytes: &[u8], why: &str) {
    let error = check(bytes).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn c4_every_kind_of_pixel_fills_its_rows() {
    let kinds = [
        (0, [1, 2, 4, 8, 16]),
        (2, [8, 16, 0, 0, 0]),
        (3, [1, 2, 4, 8, 0]),
        (4, [8, 16, 0, 0, 0]),
        (6, [8, 16, 0, 0, 0]),
    ];
    for (colour, depths) in kinds {
        let samples = [1, 0, 3, 1, 2, 0, 4][usize::from(colour)];
        for depth in depths.into_iter().filter(|depth| *depth > 0) {
            let bytes = (usize::from(depth) * samples * 13).div_ceil(8);
            let made = |bytes: Vec<u8>| {
                let palette = chunk(b"PLTE", &[0; 768]);
                png(&[
                    ihdr(13, 9, [depth, colour, 0]),
                    palette,
                    chunk(b"IDAT", &deflated(&bytes)),
                    chunk(b"IEND", b""),
                ])
            };
            let all = rows(bytes, 9);
            let found = check(&made(all.clone())).unwrap();
            assert_eq!((found.width, found.height, found.animated), (13, 9, false));
            damaged(&made(all[..all.len() - 1].to_vec()), &format!("{} of {}", all.len() - 1, all.len()));
        }
    }
    for [depth, colour, interlace] in [[3, 0, 0], [16, 3, 0], [4, 2, 0], [8, 1, 0], [8, 7, 0], [8, 2, 2]] {
        damaged(&png(&[ihdr(SIDE, SIDE, [depth, colour, interlace]), idat()]), "header");
    }
}

#[test]
fn c4_interlaced_passes_are_counted_as_another_decoder_does() {
    for (width, height) in (1..=9).flat_map(|width| (1..=9).map(move |height| (width, height))) {
        // Of each pass, the columns and rows, by looking at every pixel's place in the pattern.
        let passes = [
            [0, 0, 8, 8],
            [4, 0, 8, 8],
            [0, 4, 4, 8],
            [2, 0, 4, 4],
            [0, 2, 2, 4],
            [1, 0, 2, 2],
            [0, 1, 1, 2],
        ];
        let bytes: Vec<u8> = passes
            .iter()
            .flat_map(|&[x, y, across, down]| {
                rows(
                    (x..width).step_by(across).count() * 3,
                    (y..height).step_by(down).count() * usize::from(x < width),
                )
            })
            .collect();
        let made = |bytes: &[u8]| {
            let header = ihdr(width as u32, height as u32, [8, 2, 1]);
            png(&[header, chunk(b"IDAT", &deflated(bytes)), chunk(b"IEND", b"")])
        };
        let file = made(&bytes);
        assert!(image::load_from_memory(&file).is_ok(), "{width} × {height}: the other decoder reads it");
        whole(&file, false);
        damaged(&made(&bytes[..bytes.len() - 1]), "of");
    }
}

#[test]
fn e1_truncated_anywhere_is_no_picture() {
    for bytes in [rgb(&[idat()]), rgb(&animation())] {
        for end in 8..bytes.len() {
            damaged(&bytes[..end], "truncated");
        }
    }
}

#[test]
fn e1_pixels_that_are_missing_are_missed() {
    let all = pixels();
    let (half, rest) = all.split_at(all.len() / 2);
    damaged(&rgb(&[]), "before the pixels");
    damaged(&rgb(&[chunk(b"IDAT", b"")]), "0 of 784");
    damaged(&rgb(&[chunk(b"IDAT", half)]), "of 784");
    damaged(&rgb(&[chunk(b"IDAT", rest)]), "inflate");
    damaged(&rgb(&[chunk(b"IDAT", half), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", rest)]), "of 784");
    damaged(&rgb(&[chunk(b"IDAT", &deflated(&rows(48, 15)))]), "735 of 784");
    let mut filtered = rows(48, 16);
    filtered[49 * 15] = 5;
    damaged(&rgb(&[chunk(b"IDAT", &deflated(&filtered))]), "filter type 5");
}

#[test]
fn e1_checksums_of_pixels_count_and_others_do_not() {
    damaged(&rgb(&[with_wrong_sum(idat())]), "checksum");
    damaged(&rgb(&[with_wrong_sum(chunk(b"tRNS", &[0; 6])), idat()]), "transparency");
    // Browsers pass over that of a frame. It proves the pixels only where their own one is cut off.
    whole(&animation_but(4, with_wrong_sum(fdat(2, &pixels()))), true);
    let cut = &pixels()[..pixels().len() - 4];
    whole(&animation_but(4, fdat(2, cut)), true);
    damaged(&animation_but(4, with_wrong_sum(fdat(2, cut))), "checksum");
    let mut adler = pixels();
    *adler.last_mut().unwrap() ^= 1;
    damaged(&rgb(&[chunk(b"IDAT", &adler)]), "WrongChecksum");
    damaged(&png(&[with_wrong_sum(ihdr(SIDE, SIDE, [8, 2, 0])), idat(), chunk(b"IEND", b"")]), "header");
    whole(&rgb(&[with_wrong_sum(chunk(b"gAMA", &[0, 0, 1, 2])), idat()]), false);
    let mut end = rgb(&[idat()]);
    *end.last_mut().unwrap() ^= 1;
    whole(&end, false);
}

#[test]
fn c4_what_browsers_pass_over_is_passed_over() {
    let all = pixels();
    let (first, last) = all.split_at(9);
    let empty = chunk(b"IDAT", b"");
    let end = all.len() - 4;
    let pictures: [&[Vec<u8>]; 10] = [
        &[
            chunk(b"tEXt", b""),
            chunk(b"iCCP", b"x"),
            chunk(b"tRNS", &[0; 300]),
            chunk(b"abc\xff", b"?"),
            idat(),
        ],
        &[empty.clone(), chunk(b"IDAT", first), empty.clone(), chunk(b"IDAT", last), empty],
        &[chunk(b"IDAT", &all[..end])],
        &[chunk(b"IDAT", &[&all[..], b"more"].concat()), chunk(b"IDAT", b"and more")],
        &[chunk(b"IDAT", &deflated(&rows(48, 20)))],
        &[idat(), chunk(b"ABCD", b"?"), chunk(b"IDAT", b"?"), ihdr(1, 1, [8, 2, 0])],
        // Animations that browsers show as a still picture.
        &[actl(2), idat()],
        &[actl(0), fctl(0, ALL), idat(), fctl(1, ALL)],
        &[with_wrong_sum(actl(2)), fctl(0, ALL), idat(), fctl(1, ALL), fdat(2, b"?")],
        &[idat(), actl(2), fctl(0, ALL), fdat(1, b"?")],
    ];
    for chunks in pictures {
        whole(&rgb(chunks), false);
    }
    whole(&[&rgb(&[idat()])[..], b"\0 a video"].concat(), false);
    // Another chunk at the end than the one that should be there.
    let header = ihdr(SIDE, SIDE, [8, 2, 0]);
    whole(&png(&[header.clone(), idat(), chunk(b"tEXt", b"a\0b")]), false);
    damaged(&png(&[header, idat()]), "truncated");
}

#[test]
fn e1_what_browsers_cannot_show_is_no_picture() {
    let palette = |bytes| chunk(b"PLTE", &vec![0; bytes]);
    for before in [
        vec![chunk(b"ABCD", b"")],
        vec![ihdr(SIDE, SIDE, [8, 2, 0])],
        vec![palette(0)],
        vec![palette(771)],
        vec![palette(3), palette(3)],
        vec![with_wrong_sum(palette(3))],
    ] {
        damaged(&rgb(&[before.concat(), idat()]), "before the pixels");
    }
    let indexed = ihdr(SIDE, SIDE, [8, 3, 0]);
    let pixels = chunk(b"IDAT", &deflated(&rows(16, 16)));
    damaged(&png(&[indexed.clone(), pixels.clone(), palette(3), chunk(b"IEND", b"")]), "no palette");
    whole(&png(&[indexed, palette(3), pixels, chunk(b"IEND", b"")]), false);
    let apple = [chunk(b"CgBI", &[0; 4]), ihdr(SIDE, SIDE, [8, 2, 0]), idat()];
    damaged(&png(&apple), "header");
}

#[test]
fn c4_animations_have_their_frames() {
    whole(&rgb(&animation()), true);
    // Sixteen bits a sample.
    let deep = deflated(&rows(96, 16));
    let frames = [actl(2), fctl(0, ALL), chunk(b"IDAT", &deep), fctl(1, ALL), fdat(2, &deep)].concat();
    whole(&png(&[ihdr(SIDE, SIDE, [16, 2, 0]), frames, chunk(b"IEND", b"")]), true);
    // The picture is no frame; one frame alone does not move.
    let data = pixels();
    whole(&rgb(&[actl(2), idat(), fctl(0, ALL), fdat(1, &data), fctl(2, ALL), fdat(3, &data)]), true);
    whole(&rgb(&[actl(1), idat(), fctl(0, ALL), fdat(1, &data)]), false);
    whole(&rgb(&[actl(1), fctl(0, ALL), idat()]), false);
    // Data in pieces, and frames that are not announced.
    let (first, last) = data.split_at(9);
    let pieces = [fdat(2, first), fdat(3, last)].concat();
    whole(&rgb(&[actl(2), fctl(0, ALL), idat(), fctl(1, ALL), pieces, fctl(9, ALL), fdat(9, b"?")]), true);
}

#[test]
fn e1_an_animation_with_a_wrong_frame_is_no_picture() {
    let data = pixels();
    for half in [2, 4, 6] {
        let mut chunks = animation();
        let body = chunks[half][8..chunks[half].len() - 4].to_vec();
        let kind = if half == 2 { b"IDAT" } else { b"fdAT" };
        chunks[half] = chunk(kind, &body[..body.len() / 2]);
        damaged(&rgb(&chunks), "of");
    }
    damaged(&rgb(&animation()[..5]), "2 of 3 frames");
    damaged(&rgb(&animation()[..6]), "2 of 3 frames");
    damaged(&animation_but(0, actl(4)), "3 of 4 frames");
    damaged(&animation_but(3, chunk(b"tEXt", b"")), "control");
    damaged(&animation_but(3, fctl(2, ALL)), "control chunk");
    damaged(&animation_but(5, fctl(3, [4, 4, 13, 12])), "control chunk");
    damaged(&animation_but(5, fctl(3, [0, 4, 0, 0])), "control chunk");
    damaged(&animation_but(5, fctl(3, [u32::MAX, 4, 2, 0])), "control chunk");
    damaged(&animation_but(5, with_wrong_sum(fctl(3, [4, 4, 12, 12]))), "control chunk");
    damaged(&animation_but(5, fctl(3, [4, 5, 0, 0])), "52 of 65");
    damaged(&animation_but(1, fctl(0, [8, 8, 0, 0])), "cover");
    damaged(&animation_but(4, fdat(3, &data)), "out of order");
    damaged(&animation_but(4, chunk(b"fdAT", b"abc")), "out of order");
    damaged(&animation_but(1, fdat(0, &data)), "before the picture's");
    damaged(&animation_but(3, chunk(b"ABCD", b"")), "interrupted");
}

#[test]
fn s2_nothing_is_unfolded_that_is_not_asked_for() {
    // A profile of 100 MB, and as many empty chunks as come.
    let profile = chunk(b"iCCP", &[b"a\0\0", &deflated(&vec![0; 100_000_000])[..]].concat());
    whole(&rgb(&[profile, chunk(b"tEXt", b"").repeat(200_000), idat()]), false);
    // Twenty frames of 100 megapixels in a few kilobytes.
    let side = 10_000;
    let data = deflated(&vec![0; 1_251 * 10_000]);
    let frames = |count: u32| {
        let control = |number| fctl(number, [side, side, 0, 0]);
        let more = (1..count).flat_map(|at| [control(2 * at - 1), fdat(2 * at, &data)]);
        let first = [ihdr(side, side, [1, 0, 0]), actl(count), control(0), chunk(b"IDAT", &data)];
        png(&[first.concat(), more.collect::<Vec<_>>().concat(), chunk(b"IEND", b"")])
    };
    whole(&frames(2), true);
    damaged(&frames(20), "more work than allowed");
}

#[test]
fn s2_sides_are_read_from_the_first_bytes() {
    let file = rgb(&[idat()]);
    let sides = |bytes: &[u8]| picture::shape_of(bytes).map(|(_, width, height)| (width, height));
    assert_eq!(sides(&file[..33]), Some((SIDE, SIDE)));
    assert_eq!(sides(&file[..32]), None);
    let header = super::header(&file).unwrap();
    assert!(header.memory < 1_000_000, "{header:?}");
}

/// Flips, cuts and splices: whatever comes, a verdict does.
#[test]
fn s2_no_bytes_make_it_panic() {
    let mut rng = fastrand::Rng::with_seed(7);
    let pictures = [rgb(&[idat()]), rgb(&animation())];
    for _ in 0..4_000 {
        let mut bytes = pictures[rng.usize(..2)].clone();
        for _ in 0..=rng.usize(..3) {
            let at = rng.usize(8..bytes.len());
            match rng.u8(..4) {
                0 => bytes[at] ^= 1 << rng.u8(..8),
                1 => bytes[at] = rng.u8(..),
                2 => bytes.truncate(at.max(9)),
                _ => drop(bytes.splice(at.., pictures[rng.usize(..2)][rng.usize(8..600)..].iter().copied())),
            }
        }
        with_right_sums(&mut bytes);
        if let Ok(picture) = check(&bytes) {
            assert!(picture.width > 0 && picture.height > 0);
        }
    }
}

/// So that damage comes past the checksums.
fn with_right_sums(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(&length) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let end = at + 8 + u32::from_be_bytes(length) as usize;
        if bytes.len() < end + 4 {
            break;
        }
        let sum = crc32fast::hash(&bytes[at + 4..end]).to_be_bytes();
        bytes[end..end + 4].copy_from_slice(&sum);
        at = end + 4;
    }
}
