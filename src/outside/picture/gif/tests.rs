//! Pictures put together block by block. What Chromium and Pillow make of each was looked at once, by hand.

use crate::outside::picture::{self, InvalidPicture, Picture};

/// The sides of the frames here.
const SIDES: [u16; 2] = [20, 15];
/// The first code size: codes are bytes, as long as the table is emptied in time.
const BITS: u8 = 7;
const CLEAR: u8 = 128;
const END: u8 = 129;

fn check(bytes: &[u8]) -> Result<Picture, InvalidPicture> {
    picture::check(bytes)
}

/// The codes of so many pixels.
fn codes(pixels: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..pixels).map(|at| (at * at % 100) as u8).collect();
    let mut codes: Vec<u8> = pixels.chunks(100).flat_map(|pixels| [&[CLEAR], pixels].concat()).collect();
    codes.push(END);
    codes
}

fn blocks(data: &[u8]) -> Vec<u8> {
    let mut blocks: Vec<u8> = data.chunks(70).flat_map(|data| [&[data.len() as u8], data].concat()).collect();
    blocks.push(0);
    blocks
}

fn screen(width: u16, height: u16) -> Vec<u8> {
    let sides = [width.to_le_bytes(), height.to_le_bytes()].concat();
    [b"GIF89a", &sides[..], &[0x80, 0, 0], &[9; 6]].concat()
}

fn descriptor([x, y, width, height]: [u16; 4]) -> Vec<u8> {
    let numbers = [x, y, width, height].map(u16::to_le_bytes).concat();
    [&[super::DESCRIPTOR], &numbers[..], &[0]].concat()
}

fn frame_at([x, y, width, height]: [u16; 4]) -> Vec<u8> {
    let data = codes(usize::from(width) * usize::from(height));
    [descriptor([x, y, width, height]), vec![BITS], blocks(&data)].concat()
}

fn frame_of(data: &[u8]) -> Vec<u8> {
    [descriptor([0, 0, SIDES[0], SIDES[1]]), vec![BITS], blocks(data)].concat()
}

fn frame() -> Vec<u8> {
    frame_at([0, 0, SIDES[0], SIDES[1]])
}

fn control() -> Vec<u8> {
    b"!\xf9\x04\0\x0a\0\0\0".to_vec()
}

fn moving() -> Vec<u8> {
    [control(), frame()].concat()
}

/// With the screen in front.
fn gif(parts: &[&[u8]]) -> Vec<u8> {
    [screen(SIDES[0], SIDES[1]), parts.concat()].concat()
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

#[track_caller]
fn sides(bytes: &[u8], width: u32, height: u32) {
    assert_eq!(check(bytes).map(|picture| (picture.width, picture.height)), Ok((width, height)));
}

#[test]
fn c4_a_trailer_is_not_asked_for() {
    whole(&gif(&[&frame(), b";"]), false);
    whole(&gif(&[&frame()]), false);
    whole(&gif(&[&moving(), &moving(), &moving()]), true);
    whole(&gif(&[&frame(), b";", &frame(), b"and a video"]), false);
    whole(&gif(&[&frame(), &control(), b";"]), false);
}

#[test]
fn c4_what_browsers_pass_over_is_passed_over() {
    let unknown = b"!\x42\x03abc\x01d\0";
    whole(&gif(&[unknown, b"!\xff\0", &frame(), unknown, &frame(), b";"]), true);
    whole(&gif(&[&frame(), b"!\xfe\x30cut"]), false);
    whole(&gif(&[&frame(), b"\0\0;"]), false);
    whole(&gif(&[&frame(), &[0; 500]]), false);
    whole(&gif(&[&frame(), b"no block;"]), false);
    // Browsers stop at a zero between frames.
    whole(&gif(&[&moving(), b"\0", &moving(), b";"]), false);
    whole(&[b"GIF87a", &gif(&[&frame()])[6..]].concat(), false);
    // Data behind the last pixel, no end behind it, no code that empties the table before the first.
    let data = codes(300);
    whole(&gif(&[&frame_of(&[&data[..], &[0xff; 200]].concat())]), false);
    whole(&gif(&[&frame_of(&codes(900))]), false);
    whole(&gif(&[&frame_of(&data[..data.len() - 1])]), false);
    whole(&gif(&[&frame_of(&data[1..])]), false);
    // A colour table of the frame's own.
    let mut coloured = frame();
    coloured[9] = 0x80;
    coloured.splice(10..10, [0; 6]);
    whole(&gif(&[&coloured, b";"]), false);
}

#[test]
fn c4_the_first_frame_widens_the_screen() {
    let [width, height] = SIDES;
    let on = |screen: Vec<u8>, frames: &[[u16; 4]]| {
        [screen, frames.iter().flat_map(|frame| frame_at(*frame)).collect()].concat()
    };
    sides(&on(screen(0, 0), &[[0, 0, width, height]]), 20, 15);
    sides(&on(screen(0, 0), &[[5, 7, width, height], [0, 0, 90, 90]]), 25, 22);
    sides(&on(screen(0, 40), &[[0, 0, width, height]]), 20, 40);
    sides(&on(screen(8, 8), &[[4, 1, 5, 5], [0, 0, width, height]]), 9, 8);
    sides(&on(screen(2_000, 3_000), &[[0, 0, 1, 1]]), 2_000, 3_000);
}

#[test]
fn s2_sides_are_read_from_the_first_bytes() {
    let file = gif(&[b"!\xfe\x03abc\0", &frame()]);
    let sides = |bytes: &[u8]| picture::shape_of(bytes).map(|(_, width, height)| (width, height));
    let first = file.len() - frame().len() + 11;
    assert_eq!(sides(&file[..first]), Some((20, 15)));
    assert_eq!(sides(&file[..first - 1]), None);
    let header = super::header(&file).unwrap();
    assert!(header.memory < 100_000, "{header:?}");
}

#[test]
fn e1_truncated_anywhere_is_no_picture() {
    let parts = [&moving()[..], b"!\xfe\x03abc\0", &moving(), &moving()];
    let file = gif(&parts);
    // Where a frame has just ended, nobody can tell; a comment that is cut behind its label is no harm.
    let frame_ends = [1, 3, 4].map(|parts_before| gif(&parts[..parts_before]).len());
    let comment = frame_ends[0] + 2..=frame_ends[0] + 7;
    for end in 6..=file.len() {
        if comment.contains(&end) || frame_ends.contains(&end) {
            whole(&file[..end], end > *comment.end());
        } else {
            assert!(check(&file[..end]).is_err(), "{end} of {}", file.len());
        }
    }
    damaged(&gif(&[&moving(), &moving()[..40]]), "truncated");
    damaged(&gif(&[&moving(), &moving()[..12]]), "truncated");
    damaged(&gif(&[&moving(), &control()]), "truncated");
}

#[test]
fn e1_every_frame_has_its_pixels() {
    let data = codes(300);
    for damage in [
        frame_of(&codes(299)),
        frame_of(&data[..150]),
        frame_of(&[]),
        // Holes, codes that stand for nothing, and an end before the end.
        frame_of(&[&data[..100], &data[140..]].concat()),
        frame_of(&[&data[..50], &[250], &data[51..]].concat()),
        frame_of(&[&[CLEAR, 131], &data[2..]].concat()),
        frame_of(&[&data[..50], &[END], &data[51..]].concat()),
    ] {
        for (before, behind) in [(&b""[..], &b";"[..]), (&moving(), b";"), (b"", &moving()), (&moving(), b"")]
        {
            damaged(&gif(&[before, &control(), &damage, behind]), "a frame has");
        }
    }
    for bits in [0, 9, 12, 255] {
        let mut bytes = frame();
        bytes[10] = bits;
        damaged(&gif(&[&bytes]), "bits");
    }
    damaged(&gif(&[&frame_at([0, 0, 0, 15]), b";"]), "no frame");
    damaged(&gif(&[&control(), b";"]), "no frame");
    damaged(&gif(&[b"\0", &frame(), b";"]), "no frame");
    damaged(&gif(&[b"\x55", &frame(), b";"]), "no frame");
    damaged(&[b"GIF88a", &gif(&[&frame()])[6..]].concat(), "version");
}

#[test]
fn e1_an_animation_that_loses_its_end_is_no_picture() {
    let mut moving = moving();
    whole(&gif(&[&moving, &moving, b";"]), true);
    let all = moving.clone();
    // What begins the extension, what begins the frame, and the extension's length.
    for at in [0, 8, 2] {
        moving[at] ^= 0x40;
        assert!(check(&gif(&[&all, &moving, b";"])).is_err(), "{at}");
        moving[at] ^= 0x40;
    }
}

/// Codes of every width against another decoder: with one pixel more than there is, a frame is not filled.
#[test]
fn c4_pixels_are_counted_as_another_decoder_does() {
    let mut rng = fastrand::Rng::with_seed(3);
    for (colours, pixels) in [(2_u8, 3_000_u16), (4, 9_000), (16, 9_000), (255, 20_000), (200, 400)] {
        let run = rng.u16(1..30);
        let mut pixel = 0;
        let drawn: Vec<u8> = (0..pixels)
            .map(|at| {
                if at % run == 0 {
                    pixel = rng.u8(..colours);
                }
                pixel
            })
            .collect();
        let mut bytes = Vec::new();
        let mut encoder = gif::Encoder::new(&mut bytes, pixels, 1, &[0; 3 * 256]).unwrap();
        let frame = gif::Frame { width: pixels, height: 1, buffer: drawn.into(), ..Default::default() };
        encoder.write_frame(&frame).unwrap();
        drop(encoder);
        whole(&bytes, false);
        let at = bytes.windows(5).position(|bytes| bytes == [super::DESCRIPTOR, 0, 0, 0, 0]).unwrap();
        bytes[at + 5..at + 7].copy_from_slice(&(pixels + 1).to_le_bytes());
        damaged(&bytes, &format!("{pixels} of {}", pixels + 1));
    }
}

/// Flips, cuts and splices: whatever comes, a verdict does.
#[test]
fn s2_no_bytes_make_it_panic() {
    let mut rng = fastrand::Rng::with_seed(7);
    let picture = gif(&[b"!\xfe\x03abc\0", &moving(), &moving(), b";"]);
    for _ in 0..10_000 {
        let mut bytes = picture.clone();
        for _ in 0..=rng.usize(..3) {
            let at = rng.usize(6..bytes.len());
            match rng.u8(..4) {
                0 => bytes[at] ^= 1 << rng.u8(..8),
                1 => bytes[at] = rng.u8(..),
                2 => bytes.truncate(at.max(7)),
                _ => drop(bytes.splice(at.., picture[rng.usize(6..picture.len())..].iter().copied())),
            }
        }
        if let Ok(picture) = check(&bytes) {
            assert!(picture.width > 0 && picture.height > 0);
        }
    }
}

/// Files of nothing but small things end soon, which a test that hangs would show.
#[test]
fn s2_many_empty_blocks_and_frames_are_cheap() {
    whole(&gif(&[&b"!\xfe\0".repeat(300_000), &frame(), b";"]), false);
    whole(&gif(&[&frame(), &frame_at([0, 0, 0, 0]).repeat(100_000), b";"]), true);
    damaged(
        &gif(&[&descriptor([0, 0, 10_000, 10_000]), &[1], &blocks(&[0xaa; 100_000])]),
        "a frame has 0 of",
    );
}
