//! Pictures that are too small, too large, odd, or not whole.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageFormat};

use super::world::{Body, Fate, Forge};
use crate::support::pictures::*;

const INVALID: Fate = Fate::Stopped("invalid_image");

/// One of each.
pub fn bodies(forge: &Forge<'_>) -> Vec<Body> {
    let mut all = Vec::new();
    let mut add = |what: String, name: &str, bytes: &[u8], fate: Fate| {
        let path = format!("/pictures/{}-{name}", all.len());
        all.push(Body::of(what, vec![(forge.holding(&path, bytes), fate)]));
    };
    for (name, bytes) in [
        ("1x1.jpg", jpeg(1, 1)),
        ("1x1.png", picture(1, 1, ImageFormat::Png)),
        ("1x1.gif", animated_gif(1, 1, 1)),
        ("1x1.webp", picture(1, 1, ImageFormat::WebP)),
        ("animated.gif", animated_gif(40, 30, 12)),
        ("animated.webp", ANIMATED_WEBP.to_vec()),
        ("animated.png", ANIMATED_PNG.to_vec()),
        ("cmyk.jpg", CMYK_JPEG.to_vec()),
        ("progressive.jpg", PROGRESSIVE_JPEG.to_vec()),
        ("rotated.jpg", rotated_jpeg(48, 32)),
        ("a-jpeg.png", jpeg(33, 22)),
        ("a-png.jpg", picture(33, 22, ImageFormat::Png)),
        ("a-gif.webp", animated_gif(33, 22, 2)),
        ("a-webp.svg", picture(33, 22, ImageFormat::WebP)),
        ("a-jpeg.exe", jpeg(34, 22)),
        ("no-extension", jpeg(35, 22)),
        ("a%2F..%2F..%2Fb.jpg", jpeg(36, 22)),
        ("long-and-thin.png", picture(5_000, 1, ImageFormat::Png)),
        ("much-out-of-little.png", grey(1_500, 1_500)),
        // Canvases that are larger than what is drawn on them, or none.
        ("large-canvas.webp", webp_claiming(1_500, 1_500)),
        ("large-canvas.gif", gif_claiming(1_500, 1_500)),
        ("0x0.gif", gif_claiming(0, 0)),
        ("with-more-behind.jpg", [jpeg(37, 22), b"<script>alert(1)</script>".repeat(50)].concat()),
    ] {
        add(format!("the picture {name}"), name, &bytes, Fate::Moved);
    }
    for (name, bytes) in [
        ("30000x30000.png", png_claiming(30_000, 30_000)),
        ("30000x30000.jpg", jpeg_claiming(30_000, 30_000)),
        ("30000x30000.gif", gif_claiming(30_000, 30_000)),
        ("30000x30000.webp", webp_claiming(30_000, 30_000)),
        ("9000x9000.png", png_claiming(9_000, 9_000)),
        ("9000x9000.jpg", jpeg_claiming(9_000, 9_000)),
        // Few bytes that decode to almost as many pixels as are allowed, and then there are none left.
        ("a-bomb.png", claiming(grey(10_000, 9_990), 10_000, 10_000)),
        // Frames that are larger than what they are drawn on.
        ("small-canvas.webp", lossy_webp_on(1, 1)),
        ("small-canvas.gif", gif_of_a_frame_claiming(60_000, 60_000)),
        ("0x0.png", png_claiming(0, 0)),
        ("largest.png", png_claiming(u32::MAX, u32::MAX)),
        ("largest.gif", gif_claiming(u16::MAX, u16::MAX)),
        ("nothing.jpg", Vec::new()),
    ] {
        add(format!("the picture {name}"), name, &bytes, INVALID);
    }
    let whole = [
        ("jpg", picture(260, 200, ImageFormat::Jpeg)),
        ("png", picture(120, 90, ImageFormat::Png)),
        ("gif", picture(160, 120, ImageFormat::Gif)),
        ("webp", picture(150, 110, ImageFormat::WebP)),
    ];
    for (extension, bytes) in whole {
        assert!((15_000..30_000).contains(&bytes.len()), "{extension} has {} bytes", bytes.len());
        // Without its last byte alone, a GIF is whole.
        let last = bytes.len() - if extension == "gif" { 2 } else { 1 };
        for end in (1..=14).map(|kilobytes| kilobytes * 1_024).chain([last]) {
            let name = format!("cut-at-{end}.{extension}");
            add(
                format!("a {extension} of {} bytes cut off at {end}", bytes.len()),
                &name,
                &bytes[..end],
                INVALID,
            );
        }
        add(format!("the same {extension}, whole"), &format!("whole.{extension}"), &bytes, Fate::Moved);
    }
    all
}

/// A PNG of one grey that takes a thousand times its bytes in memory.
fn grey(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Level(6), FilterType::NoFilter);
    encoder.write_image(&vec![0; (width * height) as usize], width, height, ExtendedColorType::L8).unwrap();
    bytes
}

/// A JPEG whose frame header claims these sides.
fn jpeg_claiming(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = jpeg(16, 16);
    let frame = bytes.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// A GIF whose screen has these sides.
fn gif_claiming(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = animated_gif(4, 4, 1);
    bytes[6..8].copy_from_slice(&width.to_le_bytes());
    bytes[8..10].copy_from_slice(&height.to_le_bytes());
    bytes
}

/// An animated WebP whose canvas has these sides.
fn webp_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = ANIMATED_WEBP.to_vec();
    assert_eq!(&bytes[12..16], b"VP8X");
    bytes[24..27].copy_from_slice(&(width - 1).to_le_bytes()[..3]);
    bytes[27..30].copy_from_slice(&(height - 1).to_le_bytes()[..3]);
    bytes
}

/// A GIF of 4 × 4 whose frame claims these sides.
fn gif_of_a_frame_claiming(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = animated_gif(4, 4, 1);
    let frame = [0x2c, 0, 0, 0, 0, 4, 0, 4, 0];
    let at = bytes.windows(frame.len()).position(|window| window == frame).unwrap();
    bytes[at + 5..at + 7].copy_from_slice(&width.to_le_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&height.to_le_bytes());
    bytes
}

/// A WebP of 40 × 30 inside a file that says its canvas has these sides.
fn lossy_webp_on(width: u32, height: u32) -> Vec<u8> {
    let side = |pixels: u32| (pixels - 1).to_le_bytes()[..3].to_vec();
    let canvas = [b"WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec(), side(width), side(height)].concat();
    let body = [canvas, LOSSY_WEBP[12..].to_vec()].concat();
    [b"RIFF".to_vec(), (body.len() as u32).to_le_bytes().to_vec(), body].concat()
}
