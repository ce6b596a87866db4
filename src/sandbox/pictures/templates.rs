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
/// and 1 MB, and all but the last three within 150 KB. Few pixels and much grain: painting, encoding and decoding cost
/// time by the pixel, and a stand-in's pictures are made and looked at many times.
const SHAPES: [Look; 23] = [
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
const SHARES: [(std::ops::Range<usize>, u32); 5] =
    [(0..12, 835), (12..15, 60), (15..18, 60), (18..20, 30), (20..23, 15)];
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
    let mut file = Vec::new();
    let written = match look.format {
        Format::Jpeg => {
            JpegEncoder::new_with_quality(&mut file, 100).encode(&painted, width, height, colours)
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
