//! Real image bytes.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, Rgb, RgbImage, RgbaImage};

/// A CMYK JPEG of 24 × 16 as printers send them (Adobe marker, four channels).
pub const CMYK_JPEG: &[u8] = include_bytes!("../data/cmyk.jpg");
/// A progressive JPEG of 160 × 120: many scans.
pub const PROGRESSIVE_JPEG: &[u8] = include_bytes!("../data/progressive.jpg");
/// A lossy WebP of 40 × 30.
pub const LOSSY_WEBP: &[u8] = include_bytes!("../data/lossy.webp");
/// A WebP of 20 × 10 with two frames.
pub const ANIMATED_WEBP: &[u8] = include_bytes!("../data/animated.webp");
/// A PNG of 20 × 10 with two frames.
pub const ANIMATED_PNG: &[u8] = include_bytes!("../data/animated.png");

/// A picture that does not compress to nothing, in any format.
pub fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| {
        let grain = (x.wrapping_mul(7_919) ^ y.wrapping_mul(104_729)).wrapping_mul(2_654_435_761) >> 24;
        Rgb([(x % 256) as u8, (y % 256) as u8, grain as u8])
    });
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(image).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG.
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    picture(width, height, ImageFormat::Jpeg)
}

/// A GIF of several frames.
pub fn animated_gif(width: u32, height: u32, frames: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for shade in 0..frames {
        let image = RgbaImage::from_fn(width, height, |x, y| {
            image::Rgba([shade.wrapping_mul(60), (x % 256) as u8, (y % 256) as u8, 255])
        });
        encoder.encode_frame(Frame::new(image)).unwrap();
    }
    drop(encoder);
    bytes
}

/// A JPEG whose EXIF says that viewers shall turn it by a quarter.
pub fn rotated_jpeg(width: u32, height: u32) -> Vec<u8> {
    let plain = jpeg(width, height);
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let mut bytes = plain[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    bytes.append(&mut exif);
    bytes.extend(&plain[2..]);
    bytes
}

/// A PNG that only claims these dimensions.
pub fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    claiming(picture(4, 4, ImageFormat::Png), width, height)
}

/// The same of another PNG.
pub fn claiming(mut bytes: Vec<u8>, width: u32, height: u32) -> Vec<u8> {
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| {
                if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
            },
        )
    })
}
