//! What the origin has: few different pictures, so that files are shared and those of one size differ, and some things
//! that are no pictures.

use std::sync::Arc;

use ledger::trouble::TroubleKind;

use super::faults::Fault;
use super::world::Inner;

/// What stands where a picture was.
const NO_PICTURE: &[u8] = b"<html>gone fishing</html>";
/// A picture that nobody wants to have.
const TOO_LARGE: &[u8] = b"too large a picture";

/// A picture for the beginning of a history; in some of them also something else.
pub fn drawn(world: &mut Inner) -> Arc<[u8]> {
    let has_spoiled = world.weather.rate(Fault::PictureSpoiled) > 0;
    match has_spoiled && world.dice.u32(0..8) == 0 {
        true => spoiled(world),
        false => format!("picture {}", world.dice.u32(0..12)).into_bytes().into(),
    }
}

/// Something that is not taken.
pub fn spoiled(world: &mut Inner) -> Arc<[u8]> {
    [NO_PICTURE, TOO_LARGE][world.dice.usize(0..2)].into()
}

/// Why something is not taken; none for a picture.
pub fn why_not(bytes: &[u8]) -> Option<TroubleKind> {
    match bytes {
        NO_PICTURE => Some(TroubleKind::InvalidImage),
        TOO_LARGE => Some(TroubleKind::FileTooLarge),
        _ => None,
    }
}
