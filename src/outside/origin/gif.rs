//! Whether a GIF decodes whole, frame by frame. The frames are not drawn onto the screen they are for: a hundred bytes
//! can claim a screen of 100 megapixels for each of many frames of a few, and drawing those takes seconds and most of a
//! gigabyte. What can be broken is a frame's own data.

use std::io::Read;

use gif::{ColorOutput, DecodeOptions};

use super::picture::Unfit;
use crate::limits::{ANIMATION_PIXELS_MAX, GIF_FRAME_SPARE_PIXELS};

/// Decodes every frame. The caller has room for as many pixels as the screen has, so a frame may not have many more.
pub(super) fn decode_whole(bytes: impl Read) -> Result<(), Unfit> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let mut decoder = options.read_info(bytes).map_err(Unfit::of)?;
    let area = |width: u16, height: u16| u64::from(width) * u64::from(height);
    let most = area(decoder.width(), decoder.height()) + GIF_FRAME_SPARE_PIXELS;
    let (mut pixels, mut room) = (0, Vec::new());
    while let Some(frame) = decoder.next_frame_info().map_err(Unfit::of)? {
        let (width, height) = (frame.width, frame.height);
        if area(width, height) > most {
            return Err(Unfit::of(format!("a frame of {width} × {height} is larger than the picture")));
        }
        pixels += area(width, height);
        if pixels > ANIMATION_PIXELS_MAX {
            return Err(Unfit::Picture("its frames have more pixels together than allowed".to_owned()));
        }
        room.resize(decoder.buffer_size(), 0);
        decoder.read_into_buffer(&mut room).map_err(Unfit::of)?;
    }
    if pixels == 0 { Err(Unfit::of("it has no frame")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use gif::{Encoder, Frame};

    use super::*;

    /// A GIF of this screen with frames of these sides.
    fn gif(screen: (u16, u16), frames: &[(u16, u16)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, screen.0, screen.1, &[0, 0, 0, 255, 255, 255]).unwrap();
        for (width, height) in frames {
            let buffer = vec![1; usize::from(*width) * usize::from(*height)];
            let frame = Frame { width: *width, height: *height, buffer: buffer.into(), ..Frame::default() };
            encoder.write_frame(&frame).unwrap();
        }
        drop(encoder);
        bytes
    }

    #[test]
    fn s2_a_frame_takes_no_more_room_than_the_picture_was_given() {
        let whole =
            |screen, frames: &[(u16, u16)]| decode_whole(&*gif(screen, frames)).map_err(|no| no.to_string());
        assert_eq!(
            whole((10, 10), &[(10, 10), (3, 3), (12, 12)]),
            Ok(()),
            "browsers cut off what hangs over"
        );
        assert_eq!(whole((10_000, 10_000), &[(2, 2); 500]), Ok(()), "only what is drawn counts");
        let said = whole((1, 1), &[(1, 1), (1_100, 1_000)]).unwrap_err();
        assert!(said.contains("a frame of 1100 × 1000 is larger"), "{said}");
        assert!(whole((10, 10), &[]).is_err());
    }

    #[test]
    fn e1_a_frame_that_stops_early_is_no_image() {
        let bytes = gif((40, 40), &[(40, 40), (40, 40)]);
        for missing in [1, 2, 5, bytes.len() / 2] {
            assert!(decode_whole(&bytes[..bytes.len() - missing]).is_err() || missing == 1, "{missing}");
        }
        assert!(decode_whole(&*bytes).is_ok());
    }
}
