//! The container as Chromium takes it: what is expected here is what it showed.

use super::{GROUPS, LOSSY, MIXED, WITH_ALPHA, check};

const ANIMATION: u8 = 2;
const ALPHA: u8 = 16;

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let padding = &[0][..body.len() % 2];
    [&kind[..], &(body.len() as u32).to_le_bytes(), body, padding].concat()
}

fn riff(chunks: &[&[u8]]) -> Vec<u8> {
    let body = chunks.concat();
    [b"RIFF", &(4 + body.len() as u32).to_le_bytes()[..], b"WEBP", &body].concat()
}

/// The canvas of [`WITH_ALPHA`], as that file says it, with other flags.
fn vp8x(flags: u8) -> Vec<u8> {
    let mut chunk = WITH_ALPHA[12..30].to_vec();
    chunk[8] = flags;
    chunk
}

/// The ALPH and VP8 chunks of [`WITH_ALPHA`].
fn alpha_and_image() -> (&'static [u8], &'static [u8]) {
    let size = u32::from_le_bytes(WITH_ALPHA[34..38].try_into().unwrap()) as usize;
    WITH_ALPHA[30..].split_at(8 + size.next_multiple_of(2))
}

fn frame(x: u32, chunks: &[&[u8]]) -> Vec<u8> {
    let place = [&(x / 2).to_le_bytes()[..3], &[0; 3], &[95, 0, 0], &[63, 0, 0], &[50, 0, 0, 0]].concat();
    chunk(b"ANMF", &[&place, &chunks.concat()[..]].concat())
}

fn taken(chunks: &[&[u8]]) -> Option<bool> {
    check(&riff(chunks)).ok()
}

#[test]
fn s2_flags_are_hints() {
    let (alpha, image) = alpha_and_image();
    for flags in [0, 0x04, 0x08, 0x20, ALPHA, 0x3c] {
        assert_eq!(taken(&[&vp8x(flags), image]), Some(false), "{flags:x}");
        assert_eq!(taken(&[&vp8x(flags), alpha, image]), Some(false), "{flags:x}");
    }
    for flags in [0x01, 0x40, 0x80] {
        assert_eq!(taken(&[&vp8x(flags), image]), None, "{flags:x}");
    }
    // Without the flag nobody looks at alpha.
    let broken = chunk(b"ALPH", &alpha[8..20]);
    assert_eq!(taken(&[&vp8x(ALPHA), &broken, image]), None);
    assert_eq!(taken(&[&vp8x(0), &broken, image]), Some(false));
    assert_eq!(taken(&[image, alpha]), Some(false));
}

#[test]
fn s2_chunks_fill_the_file_up_to_the_last_that_is_looked_at() {
    let (_, image) = alpha_and_image();
    let (x, meta, unknown) = (vp8x(0), chunk(b"EXIF", b"abc"), chunk(b"ABCD", b"1234"));
    assert_eq!(taken(&[&x, &unknown, image, &meta, &unknown]), Some(false));
    assert_eq!(taken(&[&x, image, &meta, b"1234567"]), None);
    assert_eq!(taken(&[&x, image, &meta, &[0; 8]]), Some(false));
    assert_eq!(taken(&[&x, image, &meta[..11]]), None);
    assert_eq!(taken(&[image, b"1234567"]), None);
    // Without VP8X nobody reads on behind the first chunk that is not the picture's.
    assert_eq!(taken(&[image, &unknown, b"1234567"]), Some(false));
    assert_eq!(taken(&[&unknown, image]), None);

    let mut bytes = riff(&[&x, image, &meta]);
    bytes.extend(b"behind");
    assert_eq!(check(&bytes), Ok(false));
    for (more, whole) in [(1, false), (6, false), (7, false), (0, true)] {
        let size = riff(&[&x, image, &meta]).len() as u32 - 8 + more;
        bytes[4..8].copy_from_slice(&size.to_le_bytes());
        assert_eq!(check(&bytes).is_ok(), whole, "{more}");
    }
}

#[test]
fn s2_the_picture_has_the_canvas_sides() {
    let (_, image) = alpha_and_image();
    for (at, value) in [(12, 94), (12, 96), (15, 62)] {
        let mut x = vp8x(0);
        x[at] = value;
        assert_eq!(taken(&[&x, image]), None);
    }
    let (mut longer, own) = (vp8x(0), vp8x(0));
    longer[4] = 12;
    longer.extend([0, 0]);
    assert_eq!((taken(&[&own, image]), taken(&[&longer, image])), (Some(false), None));
    longer[8] = ALPHA;
    assert_eq!(taken(&[&longer, image]), Some(false));
}

#[test]
fn s2_there_is_one_picture_with_its_alpha_just_before_it() {
    let (alpha, image) = alpha_and_image();
    let (x, unknown) = (vp8x(ALPHA), chunk(b"ABCD", b"1234"));
    assert_eq!(taken(&[&x, alpha, image]), Some(false));
    assert_eq!(taken(&[&x, image, alpha]), None);
    assert_eq!(taken(&[&x, alpha, &unknown, image]), None);
    assert_eq!(taken(&[&x, alpha, alpha, image]), None);
    assert_eq!(taken(&[&x, image, image]), None);
    assert_eq!(taken(&[&x, alpha, &GROUPS[12..]]), None);
    assert_eq!(taken(&[&x]), None);
    assert_eq!(taken(&[&x, &x, image]), None);
}

#[test]
fn s2_alpha_has_a_value_for_each_pixel() {
    let (_, image) = alpha_and_image();
    let stored = |how: u8, values: usize| {
        let body = [&[how][..], &vec![7; values]].concat();
        taken(&[&vp8x(ALPHA), &chunk(b"ALPH", &body), image])
    };
    assert_eq!(stored(0x00, 96 * 64), Some(false));
    assert_eq!(stored(0x1c, 96 * 64 + 1), Some(false));
    assert_eq!(stored(0x00, 96 * 64 - 1), None);
    for how in [0x02, 0x03, 0x20, 0x40, 0x80] {
        assert_eq!(stored(how, 96 * 64), None, "{how:x}");
    }
    assert_eq!(taken(&[&vp8x(ALPHA), &chunk(b"ALPH", &[0]), image]), None);
}

#[test]
fn s2_an_animation_has_frames_within_its_canvas() {
    let (alpha, image) = alpha_and_image();
    let (x, begin) = (vp8x(ANIMATION), chunk(b"ANIM", &[0; 6]));
    let (one, both, empty) = (frame(0, &[image]), frame(0, &[alpha, image]), frame(0, &[]));
    assert_eq!(taken(&[&x, &begin, &one]), Some(false));
    assert_eq!(taken(&[&x, &begin, &one, &both]), Some(true));
    assert_eq!(taken(&[&x, &begin, &one, &empty, &both]), Some(true));
    assert_eq!(taken(&[&x, &one, &both]), None);
    assert_eq!(taken(&[&x, &begin]), None);
    assert_eq!(taken(&[&x, image]), None);
    assert_eq!(taken(&[&x, &begin, &one, image]), None);
    assert_eq!(taken(&[&x, &begin, &one, &frame(2, &[image])]), None);
    assert_eq!(taken(&[&x, &begin, &one, &frame(0, &[alpha])]), None);
    assert_eq!(taken(&[&x, &begin, &one, &frame(0, &[image, image])]), None);
    assert_eq!(taken(&[&x, &begin, &one, &frame(0, &[image, &chunk(b"ABCD", b"12")])]), Some(true));
    // Without the flag a picture is shown and frames are not.
    assert_eq!(taken(&[&vp8x(0), &begin, &one, &both]), None);
    assert_eq!(taken(&[&vp8x(0), image, &begin, &one, &frame(0, &[alpha])]), Some(false));
    let inner = GROUPS[12..].to_vec();
    assert_eq!(taken(&[&x, &begin, &one, &frame(0, &[&inner])]), Some(true));
}

#[test]
fn s2_each_frame_is_looked_at() {
    for at in [600, 900, MIXED.len() - 60] {
        let mut bytes = MIXED.to_vec();
        bytes[at..at + 50].fill(0xff);
        assert_ne!(check(&bytes), Ok(true), "{at}");
    }
}

#[test]
fn s2_only_key_frames_that_are_shown_count() {
    for (at, flip) in [(20, 1), (20, 8), (20, 16), (23, 1)] {
        let mut bytes = LOSSY.to_vec();
        bytes[at] ^= flip;
        assert!(check(&bytes).is_err(), "{at} {flip}");
    }
}
