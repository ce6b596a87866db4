//! Looking at pictures and changing them. All of it takes processor time: callers keep it off the async threads.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::Path;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use ledger::ids::Format;

use super::answer::{Answer, Refusal};
use super::form::Incoming;
use super::model::Probe;
use super::steps::{Fit, Step};
use crate::limits;
use crate::outside::picture::shape_of;

/// Why a picture cannot be delivered as asked.
#[derive(Debug)]
pub(super) enum Unfit {
    /// Too large, or it would become so.
    Limit,
    /// The bytes do not decode.
    Unreadable,
}

/// Looks at stored bytes: magic numbers first, then, for what has none, the extension of the name.
pub(super) fn probe(path: &Path, name: &str) -> Answer<Probe> {
    let mut head = Vec::new();
    File::open(path)?.take(8_192).read_to_end(&mut head)?;
    let mime = infer::get(&head).map_or_else(|| by_extension(name), |kind| kind.mime_type());
    let decoder = ImageReader::open(path)?.with_guessed_format()?.into_decoder().ok();
    // The first frame of a GIF widens its screen, which decoders leave as it is.
    let widened = shape_of(&head).filter(|(format, ..)| *format == Format::Gif);
    Ok(Probe {
        mime: mime.to_owned(),
        dimensions: widened
            .map(|(_, width, height)| (width, height))
            .or_else(|| decoder.as_ref().map(ImageDecoder::dimensions)),
        has_alpha: decoder.is_some_and(|decoder| decoder.color_type().has_alpha()),
    })
}

fn by_extension(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase().as_str() {
        "svg" => "image/svg+xml",
        "txt" => "text/plain",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "js" => "application/javascript",
        "json" => "application/json",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    }
}

/// Applies an upload's `pre` transformation to the bytes that came in.
pub(super) fn before_storing(mut file: Incoming, steps: &[Step]) -> Answer<Incoming> {
    let bytes = fs::read(&file.path)?;
    let changed = image::guess_format(&bytes).map_err(|_| Unfit::Unreadable).and_then(|format| {
        let picture = transform(decode(&bytes)?, steps)?;
        let format = steps.iter().rev().find_map(|step| step.format).unwrap_or(format);
        encode(&picture, format, quality(steps))
    });
    let changed = changed.map_err(|_| {
        Refusal::bad(
            "The file could not be uploaded because the transformations are supported only for image and video files.",
        )
    })?;
    fs::write(&file.path, &changed)?;
    file.bytes = changed.len() as u64;
    file.content = blake3::hash(&changed).to_hex().to_string();
    Ok(file)
}

/// The bytes to deliver and their media type: transformed, in the format asked for or the one it has, and as WebP
/// where the client takes that and it is smaller.
pub(super) fn deliver(
    bytes: Bytes,
    mime: &str,
    steps: &[Step],
    takes_webp: bool,
) -> Result<(Bytes, Cow<'static, str>), Unfit> {
    let forced = steps.iter().rev().find_map(|step| step.format);
    let own = match image::guess_format(&bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Gif | ImageFormat::WebP)) => format,
        // Whatever is no picture to the decoders goes out as it came in.
        _ => return Ok((bytes, mime.to_owned().into())),
    };
    let tries_webp = takes_webp && forced.is_none() && matches!(own, ImageFormat::Jpeg | ImageFormat::Png);
    if steps.is_empty() {
        return match if tries_webp { webp(&bytes)? } else { None } {
            Some(webp) => Ok((webp, ImageFormat::WebP.to_mime_type().into())),
            None => Ok((bytes, own.to_mime_type().into())),
        };
    }
    let picture = transform(decode(&bytes)?, steps)?;
    let format = forced.unwrap_or(match own {
        ImageFormat::WebP if !takes_webp => ImageFormat::Png,
        own => own,
    });
    let usual = match format {
        ImageFormat::WebP => encode(&coarser(&picture), format, quality(steps))?,
        _ => encode(&picture, format, quality(steps))?,
    };
    if tries_webp {
        let modern = encode(&coarser(&picture), ImageFormat::WebP, quality(steps))?;
        if modern.len() < usual.len() {
            return Ok((modern.into(), ImageFormat::WebP.to_mime_type().into()));
        }
    }
    Ok((usual.into(), format.to_mime_type().into()))
}

/// The WebP of a picture as it is; `None` where that is not smaller, or the bytes do not decode: a plain delivery does
/// not depend on their being any good.
pub(super) fn webp(bytes: &[u8]) -> Result<Option<Bytes>, Unfit> {
    let Ok(picture) = decode(bytes) else { return Ok(None) };
    let webp = encode(&coarser(&picture), ImageFormat::WebP, limits::SANDBOX_JPEG_QUALITY)?;
    Ok((webp.len() < bytes.len()).then(|| webp.into()))
}

fn quality(steps: &[Step]) -> u8 {
    steps.iter().rev().find_map(|step| step.quality).unwrap_or(limits::SANDBOX_JPEG_QUALITY)
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, Unfit> {
    let reader =
        |bytes| ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| Unfit::Unreadable);
    let (width, height) = reader(bytes)?.into_dimensions().map_err(|_| Unfit::Unreadable)?;
    within_limits(f64::from(width), f64::from(height))?;
    let mut reader = reader(bytes)?;
    // The pixel limit above is the one that counts; the decoder's own bound on memory lies below it.
    reader.no_limits();
    reader.decode().map_err(|_| Unfit::Unreadable)
}

fn within_limits(width: f64, height: f64) -> Result<(), Unfit> {
    let side = f64::from(limits::SANDBOX_SIDE_PIXELS_MAX);
    let fits = width <= side && height <= side && width * height <= limits::PIXELS_MAX as f64;
    if fits { Ok(()) } else { Err(Unfit::Limit) }
}

fn transform(mut picture: DynamicImage, steps: &[Step]) -> Result<DynamicImage, Unfit> {
    for step in steps {
        let Some(((width, height), fit)) = step.target((picture.width(), picture.height())) else { continue };
        within_limits(width, height)?;
        let (width, height) = (width.round().max(1.0) as u32, height.round().max(1.0) as u32);
        picture = match fit {
            Fit::Crop => picture.resize_to_fill(width, height, FilterType::Triangle),
            _ => picture.resize_exact(width, height, FilterType::Triangle),
        };
    }
    Ok(picture)
}

/// The picture without the lowest bits of its colours. There is no lossy WebP encoder here; giving up what the eye
/// hardly sees lets the lossless one become smaller than the JPEG or PNG, as the real service's lossy one does.
fn coarser(picture: &DynamicImage) -> DynamicImage {
    let mut pixels = picture.to_rgba8();
    for pixel in pixels.pixels_mut() {
        for colour in &mut pixel.0[..3] {
            *colour = (*colour & 0xf0) | (*colour >> 4);
        }
    }
    let pixels = DynamicImage::ImageRgba8(pixels);
    if picture.color().has_alpha() { pixels } else { pixels.to_rgb8().into() }
}

fn encode(picture: &DynamicImage, format: ImageFormat, quality: u8) -> Result<Vec<u8>, Unfit> {
    let mut bytes = Vec::new();
    let alpha = picture.color().has_alpha() || format == ImageFormat::Gif;
    let pixels: DynamicImage = match format {
        ImageFormat::Jpeg => picture.to_rgb8().into(),
        _ if alpha => picture.to_rgba8().into(),
        _ => picture.to_rgb8().into(),
    };
    let written = match format {
        ImageFormat::Jpeg => pixels.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)),
        _ => pixels.write_to(&mut Cursor::new(&mut bytes), format),
    };
    // No encoder refuses a picture within the limits, save WebP with its smaller side.
    written.map_err(|_| Unfit::Limit)?;
    Ok(bytes)
}
