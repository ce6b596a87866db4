//! The looks that pictures are drawn from: shapes, colours and sizes, each encoded once per process.

use std::sync::OnceLock;

use image::codecs::{gif::GifEncoder, jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use ledger::ids::Format;

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
}

const fn look(format: Format, width: u32, height: u32, noise: u8) -> Look {
    Look { format, width, height, noise }
}

/// Landscape, portrait, square, panorama and odd numbers of pixels; noise tuned so that all files lie within 20 KB
/// and 3 MB, and all but the last three within 150 KB.
const SHAPES: [Look; 23] = [
    look(Format::Jpeg, 400, 300, 30),
    look(Format::Jpeg, 480, 360, 20),
    look(Format::Jpeg, 512, 341, 40),
    look(Format::Jpeg, 640, 427, 16),
    look(Format::Jpeg, 300, 400, 36),
    look(Format::Jpeg, 341, 512, 24),
    look(Format::Jpeg, 319, 427, 40),
    look(Format::Jpeg, 400, 400, 20),
    look(Format::Jpeg, 601, 201, 44),
    look(Format::Jpeg, 267, 602, 30),
    look(Format::Jpeg, 480, 270, 48),
    look(Format::Jpeg, 343, 341, 28),
    look(Format::Png, 240, 180, 12),
    look(Format::Png, 181, 241, 20),
    look(Format::Png, 200, 200, 6),
    look(Format::Webp, 240, 180, 12),
    look(Format::Webp, 179, 239, 20),
    look(Format::Webp, 201, 199, 8),
    look(Format::Gif, 240, 180, 24),
    look(Format::Gif, 199, 251, 40),
    look(Format::Jpeg, 800, 600, 60),
    look(Format::Jpeg, 501, 801, 90),
    look(Format::Jpeg, 700, 701, 120),
];
/// Where a format's shapes lie in the list, and how many of a thousand pictures have one of them.
const SHARES: [(std::ops::Range<usize>, u32); 5] =
    [(0..12, 835), (12..15, 60), (15..18, 60), (18..20, 30), (20..23, 15)];
/// Shapes of this much noise are the large files.
const LARGE_FROM_NOISE: u8 = 60;
/// Every shape comes in this many colourings.
const COLOURINGS: usize = 4;

static ENCODED: [OnceLock<Vec<u8>>; SHAPES.len() * COLOURINGS] =
    [const { OnceLock::new() }; SHAPES.len() * COLOURINGS];

/// Draws a template.
pub(super) fn pick(rng: &mut fastrand::Rng) -> usize {
    let mut drawn = rng.u32(..1000);
    for (shapes, share) in SHARES {
        if drawn < share {
            return rng.usize(shapes) * COLOURINGS + rng.usize(..COLOURINGS);
        }
        drawn -= share;
    }
    0
}

/// What a template looks like.
pub(super) fn look_of(template: usize) -> Look {
    SHAPES[template / COLOURINGS]
}

/// A template's file.
pub(super) fn encoded(template: usize) -> &'static [u8] {
    ENCODED[template].get_or_init(|| encode(look_of(template), template))
}

fn encode(look: Look, template: usize) -> Vec<u8> {
    let (width, height) = (look.width, look.height);
    let painted = paint(look, &mut fastrand::Rng::with_seed(template as u64));
    let colours = ExtendedColorType::Rgb8;
    // The grainiest are the large ones: kept at full quality they are megabytes with few pixels to paint.
    let quality = if look.noise >= LARGE_FROM_NOISE { 100 } else { 75 };
    let mut file = Vec::new();
    let written = match look.format {
        Format::Jpeg => {
            JpegEncoder::new_with_quality(&mut file, quality).encode(&painted, width, height, colours)
        }
        Format::Png => PngEncoder::new(&mut file).write_image(&painted, width, height, colours),
        Format::Webp => WebPEncoder::new_lossless(&mut file).encode(&painted, width, height, colours),
        Format::Gif => GifEncoder::new_with_speed(&mut file, 30).encode(&painted, width, height, colours),
    };
    if let Err(error) = written {
        unreachable!("a picture in memory can be encoded: {error}");
    }
    file
}

/// A house front at dusk: a sky that fades, a wall, windows, and the grain of a camera.
fn paint(look: Look, rng: &mut fastrand::Rng) -> RgbImage {
    let [sky, horizon, wall, light] = [(); 4].map(|()| [(); 3].map(|()| i32::from(rng.u8(40..216))));
    let roof = look.height * rng.u32(30..60) / 100;
    let (pane_x, pane_y) = (look.width / rng.u32(4..9), look.height / rng.u32(5..9));
    let noise = i32::from(look.noise);
    RgbImage::from_fn(look.width, look.height, |x, y| {
        let down = (y * 256 / look.height) as i32;
        let is_pane = x % pane_x > pane_x / 2 && y % pane_y > pane_y / 2;
        let grain = rng.i32(-noise..=noise);
        Rgb([0, 1, 2].map(|c| {
            let base = match (y < roof, is_pane) {
                (true, _) => (sky[c] * (256 - down) + horizon[c] * down) / 256,
                (false, true) => light[c],
                (false, false) => wall[c],
            };
            (base + grain).clamp(0, 255) as u8
        }))
    })
}
