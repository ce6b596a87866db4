//! The looks that pictures are drawn from: shapes, colours and sizes, each encoded once per process.

use std::ops::Range;
use std::sync::OnceLock;

use image::codecs::{gif::GifEncoder, png::PngEncoder, webp::WebPEncoder};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use jpeg_encoder::{ColorType, Encoder};
use ledger::ids::Format;

use super::Pictures;

/// What a template looks like from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The real format.
    pub(super) format: Format,
    /// Pixels across.
    pub(super) width: u32,
    /// Pixels down.
    pub(super) height: u32,
    /// How far a pixel strays from its place's colour: what makes the file large.
    noise: u8,
    /// Of a JPEG; from 90 on every pixel has a colour of its own, below four share one, as in photos.
    quality: u8,
    /// Whether it is a JPEG of several scans.
    is_progressive: bool,
}

/// A small picture.
const fn look(format: Format, width: u32, height: u32, noise: u8) -> Look {
    Look { format, width, height, noise, quality: 100, is_progressive: false }
}

/// A photo: as many bytes for a pixel as cameras and editors write.
pub(super) const fn photo(format: Format, width: u32, height: u32, is_progressive: bool) -> Look {
    let noise = match (format, width * height) {
        // Without loss, a large one with so much noise would be larger than any that is moved.
        (Format::Png | Format::Webp | Format::Gif, 3_000_000..) => 1,
        _ => 13,
    };
    Look { format, width, height, noise, quality: 82, is_progressive }
}

/// Landscape, portrait, square, panorama and odd numbers of pixels; noise tuned so that all files lie within 20 KB
/// and 1 MB, and all but the last three within 150 KB. Few pixels and much grain: painting, encoding and decoding cost
/// time by the pixel, and a stand-in's pictures are made and looked at many times.
const SMALL: [Look; 23] = [
    look(Format::Jpeg, 160, 120, 30),
    look(Format::Jpeg, 192, 144, 20),
    look(Format::Jpeg, 204, 136, 40),
    look(Format::Jpeg, 200, 133, 16),
    look(Format::Jpeg, 120, 160, 36),
    look(Format::Jpeg, 137, 205, 24),
    look(Format::Jpeg, 127, 171, 40),
    look(Format::Jpeg, 160, 160, 20),
    look(Format::Jpeg, 241, 81, 44),
    look(Format::Jpeg, 107, 241, 30),
    look(Format::Jpeg, 192, 108, 48),
    look(Format::Jpeg, 139, 137, 28),
    look(Format::Png, 120, 90, 48),
    look(Format::Png, 91, 121, 60),
    look(Format::Png, 100, 100, 40),
    look(Format::Webp, 120, 90, 48),
    look(Format::Webp, 89, 119, 60),
    look(Format::Webp, 101, 99, 44),
    look(Format::Gif, 190, 140, 40),
    look(Format::Gif, 151, 189, 60),
    look(Format::Jpeg, 400, 300, 90),
    look(Format::Jpeg, 301, 401, 120),
    look(Format::Jpeg, 350, 351, 100),
];
/// Where a format's shapes lie in the list, and how many of a thousand pictures have one of them.
const SMALL_SHARES: &[(Range<usize>, u32)] =
    &[(0..12, 835), (12..15, 60), (15..18, 60), (18..20, 30), (20..23, 15)];
/// Every small shape comes in this many colourings.
const COLOURINGS: usize = 4;

/// Half a megapixel to twelve, from 80 kB to 2 MB.
const PHOTOS: [Look; 16] = [
    photo(Format::Jpeg, 816, 612, false),
    photo(Format::Jpeg, 683, 1_024, false),
    photo(Format::Jpeg, 1_280, 960, false),
    photo(Format::Jpeg, 1_600, 1_200, false),
    photo(Format::Jpeg, 1_200, 1_600, false),
    photo(Format::Jpeg, 1_920, 1_080, false),
    photo(Format::Jpeg, 2_048, 1_536, false),
    photo(Format::Jpeg, 3_264, 2_448, false),
    photo(Format::Jpeg, 3_024, 4_032, false),
    photo(Format::Jpeg, 900, 601, true),
    photo(Format::Jpeg, 1_600, 1_200, true),
    photo(Format::Jpeg, 2_560, 1_440, true),
    photo(Format::Jpeg, 4_032, 3_024, true),
    photo(Format::Png, 816, 612, false),
    photo(Format::Webp, 816, 612, false),
    photo(Format::Gif, 816, 612, false),
];
/// The same as for the small ones. A quarter of the JPEGs has several scans.
const PHOTO_SHARES: &[(Range<usize>, u32)] =
    &[(0..7, 590), (7..9, 48), (9..12, 196), (12..13, 16), (13..14, 60), (14..15, 60), (15..16, 30)];

const TEMPLATES: usize = SMALL.len() * COLOURINGS + PHOTOS.len();

static ENCODED: [OnceLock<Vec<u8>>; TEMPLATES] = [const { OnceLock::new() }; TEMPLATES];

/// Draws a template.
pub(super) fn pick(pictures: Pictures, rng: &mut fastrand::Rng) -> usize {
    let (shares, first, colourings) = match pictures {
        Pictures::Small => (SMALL_SHARES, 0, COLOURINGS),
        Pictures::Photos => (PHOTO_SHARES, SMALL.len() * COLOURINGS, 1),
    };
    let mut drawn = rng.u32(..1000);
    for (shapes, share) in shares {
        if drawn < *share {
            return first + rng.usize(shapes.clone()) * colourings + rng.usize(..colourings);
        }
        drawn -= share;
    }
    first
}

/// What a template looks like.
pub(super) fn look_of(template: usize) -> Look {
    match template.checked_sub(SMALL.len() * COLOURINGS) {
        None => SMALL[template / COLOURINGS],
        Some(photo) => PHOTOS[photo],
    }
}

/// A template's file.
pub(super) fn encoded(template: usize) -> &'static [u8] {
    ENCODED[template].get_or_init(|| encode(look_of(template), template as u64))
}

/// A file that looks so, in the colours of a seed.
pub(super) fn encode(look: Look, seed: u64) -> Vec<u8> {
    let (width, height) = (look.width, look.height);
    let painted = paint(look, &mut fastrand::Rng::with_seed(seed));
    let colours = ExtendedColorType::Rgb8;
    let mut file = Vec::new();
    let written: Result<(), Box<dyn std::error::Error>> = match look.format {
        Format::Jpeg => jpeg(&mut file, look, &painted).map_err(Into::into),
        Format::Png => {
            PngEncoder::new(&mut file).write_image(&painted, width, height, colours).map_err(Into::into)
        }
        Format::Webp => {
            WebPEncoder::new_lossless(&mut file).encode(&painted, width, height, colours).map_err(Into::into)
        }
        Format::Gif => GifEncoder::new_with_speed(&mut file, 30)
            .encode(&painted, width, height, colours)
            .map_err(Into::into),
    };
    if let Err(error) = written {
        unreachable!("a picture in memory can be encoded: {error}");
    }
    file
}

fn jpeg(file: &mut Vec<u8>, look: Look, pixels: &[u8]) -> Result<(), jpeg_encoder::EncodingError> {
    let mut encoder = Encoder::new(file, look.quality);
    encoder.set_progressive(look.is_progressive);
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    encoder.encode(pixels, side(look.width), side(look.height), ColorType::Rgb)
}

/// The sides of the front that large pictures are made of: painting every pixel of theirs would take seconds.
const FRONT: (u32, u32) = (816, 612);

/// House fronts at dusk, one beside and below the other.
fn paint(look: Look, rng: &mut fastrand::Rng) -> Vec<u8> {
    let (across, down) = (look.width.min(FRONT.0), look.height.min(FRONT.1));
    let front = paint_front(across, down, i32::from(look.noise), rng);
    let row_bytes = 3 * look.width as usize;
    let mut painted = Vec::with_capacity(row_bytes * look.height as usize);
    for y in 0..look.height {
        let row = &front.as_raw()[(y % down * across * 3) as usize..][..across as usize * 3];
        let end = painted.len() + row_bytes;
        while painted.len() < end {
            painted.extend_from_slice(&row[..row.len().min(end - painted.len())]);
        }
    }
    painted
}

/// A house front at dusk: a sky that fades, a wall, windows, and the grain of a camera.
fn paint_front(width: u32, height: u32, noise: i32, rng: &mut fastrand::Rng) -> RgbImage {
    let [sky, horizon, wall, light] = [(); 4].map(|()| [(); 3].map(|()| i32::from(rng.u8(40..216))));
    let roof = height * rng.u32(30..60) / 100;
    let (pane_x, pane_y) = (width / rng.u32(4..9), height / rng.u32(5..9));
    RgbImage::from_fn(width, height, |x, y| {
        let down = (y * 256 / height) as i32;
        let is_pane = x % pane_x > pane_x / 2 && y % pane_y > pane_y / 2;
        Rgb([0, 1, 2].map(|c| {
            let grain = rng.i32(-noise..=noise);
            let base = match (y < roof, is_pane) {
                (true, _) => (sky[c] * (256 - down) + horizon[c] * down) / 256,
                (false, true) => light[c],
                (false, false) => wall[c],
            };
            (base + grain).clamp(0, 255) as u8
        }))
    })
}
