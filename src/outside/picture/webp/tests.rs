//! Whole pictures are taken, and what browsers show broken or partly is not.

mod container;
mod damaged;
mod streams;

use std::io::Cursor;

use image::codecs::webp::{WebPDecoder, WebPEncoder};
use image::{AnimationDecoder, ExtendedColorType, ImageDecoder};

use super::super::{InvalidPicture, Work};

pub(super) const LOSSY: &[u8] = include_bytes!("../../../../tests/it/data/lossy.webp");
/// Eight partitions, and segments.
pub(super) const PARTITIONS: &[u8] = include_bytes!("../../../../tests/it/data/partitions.webp");
/// VP8X, lossless alpha, lossy colour.
pub(super) const WITH_ALPHA: &[u8] = include_bytes!("../../../../tests/it/data/alpha.webp");
/// Lossless, with two groups of prefix codes.
pub(super) const GROUPS: &[u8] = include_bytes!("../../../../tests/it/data/groups.webp");
/// Four frames: lossless, lossy with alpha, lossy, lossless.
pub(super) const MIXED: &[u8] = include_bytes!("../../../../tests/it/data/mixed.webp");

pub(super) fn check(bytes: &[u8]) -> Result<bool, InvalidPicture> {
    super::check(bytes, &mut Work::new())
}

pub(super) fn why(bytes: &[u8]) -> String {
    check(bytes).map(|_| "it is taken".to_owned()).unwrap_or_else(|why| why.to_string())
}

/// A lossless picture with all that depends on its pixels: noise, flat parts, few colours.
pub(super) fn lossless(width: u32, height: u32, colours: u32) -> Vec<u8> {
    let pixel = |at: u32| {
        let noise = at.wrapping_mul(2_654_435_761) >> 13;
        let value = if at % 7 < 3 { noise % colours } else { at / 50 % colours };
        [value as u8, (value * 3) as u8, (value ^ 0x55) as u8]
    };
    let pixels: Vec<u8> = (0..width * height).flat_map(pixel).collect();
    let mut bytes = Vec::new();
    WebPEncoder::new_lossless(&mut bytes).encode(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// Whether another decoder, which draws, takes it.
fn draws(bytes: &[u8]) -> bool {
    let Ok(decoder) = WebPDecoder::new(Cursor::new(bytes)) else { return false };
    if decoder.has_animation() {
        return decoder.into_frames().all(|frame| frame.is_ok());
    }
    let mut pixels = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut pixels).is_ok()
}

#[test]
fn s2_whole_pictures_are_taken() {
    for (bytes, animated) in
        [(LOSSY, false), (PARTITIONS, false), (WITH_ALPHA, false), (GROUPS, false), (MIXED, true)]
    {
        assert_eq!(check(bytes), Ok(animated));
        assert!(draws(bytes));
    }
    for (width, height) in [(1, 1), (1, 9), (13, 1), (37, 29), (64, 64)] {
        for colours in [1, 2, 3, 16, 17, 256] {
            let bytes = lossless(width, height, colours);
            assert_eq!(check(&bytes), Ok(false), "{width}x{height} of {colours}");
        }
    }
}

#[test]
fn s2_sides_are_read_from_the_first_bytes_alone() {
    let sides = |bytes: &[u8]| super::header(bytes).map(|header| (header.width, header.height));
    for (bytes, expected) in
        [(PARTITIONS, (100, 150)), (WITH_ALPHA, (96, 64)), (GROUPS, (64, 64)), (MIXED, (40, 32))]
    {
        assert_eq!(sides(&bytes[..30]).unwrap(), expected);
        assert_eq!(sides(bytes).unwrap(), expected);
        for short in 0..25 {
            assert!(sides(&bytes[..short]).is_err(), "{short}");
        }
    }
}

#[test]
fn s2_a_check_takes_little_memory() {
    let memory = |bytes: &[u8]| super::header(bytes).unwrap().memory;
    assert!(memory(PARTITIONS) < 10_000);
    assert!(memory(GROUPS) < 2_000_000);
    // The largest picture in the largest file.
    assert!(super::lossless::memory(16_384, 6_103, crate::limits::IMAGE_BYTES_MAX) < 70_000_000);
    assert!(super::lossy::memory(16_383) < 50_000);
}
