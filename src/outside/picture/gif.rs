//! GIF.

use std::io::{BufRead, Seek};

use gif::{ColorOutput, DecodeOptions};

use super::{Header, InvalidPicture, PictureError, Work};

pub(super) fn header(file: &mut (impl BufRead + Seek)) -> Result<Header, PictureError> {
    let decoder = DecodeOptions::new().read_info(file).map_err(InvalidPicture::damaged)?;
    Ok(Header { width: decoder.width().into(), height: decoder.height().into(), memory: 0 })
}

/// Whether it is animated.
pub(super) fn check(bytes: &[u8], work: &mut Work) -> Result<bool, InvalidPicture> {
    super::endings::find_end(ledger::ids::Format::Gif, bytes)
        .ok_or_else(|| InvalidPicture::damaged("no end"))?;
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let mut decoder = options.read_info(bytes).map_err(InvalidPicture::damaged)?;
    let (mut frames, mut room) = (0, Vec::new());
    while let Some(frame) = decoder.next_frame_info().map_err(InvalidPicture::damaged)? {
        work.spend(u64::from(frame.width) * u64::from(frame.height))?;
        frames += 1;
        room.resize(decoder.buffer_size(), 0);
        decoder.read_into_buffer(&mut room).map_err(InvalidPicture::damaged)?;
    }
    if frames == 0 { Err(InvalidPicture::damaged("it has no frame")) } else { Ok(frames > 1) }
}
