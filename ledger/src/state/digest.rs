//! The digest a checkpoint carries: a frozen projection of the state, summed so that it can be kept up step by step.
//!
//! Version 1: the sum modulo 2^128, over all images, of the first 16 bytes (little endian) of BLAKE3-derive-key
//! ("longshore checkpoint v1", planned ‖ index ‖ rung ‖ file), with planned as u64 and index as u32 little endian,
//! rung one byte (0 planned … 4 rolled back), and file the first 16 bytes of the BLAKE3 of the file id, or zeros.

use super::{Image, Rung};
use crate::ids::ImageId;

/// The version of the projection this program sums.
pub const DIGEST_VERSION: u32 = 1;

const CONTEXT: &str = "longshore checkpoint v1";

fn first_16(hash: &blake3::Hash) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_le_bytes(bytes)
}

/// The first 128 bits of a BLAKE3.
pub(super) fn short(bytes: &[u8]) -> u128 {
    first_16(&blake3::hash(bytes))
}

/// What one image adds to the sum.
pub(super) fn share(id: ImageId, image: &Image) -> u128 {
    let rung = match image.rung {
        Rung::Planned => 0,
        Rung::Downloaded => 1,
        Rung::Uploaded => 2,
        Rung::DbUpdated => 3,
        Rung::RolledBack => 4_u8,
    };
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&id.planned.0.to_le_bytes());
    hasher.update(&id.index.to_le_bytes());
    hasher.update(&[rung]);
    hasher.update(&image.file.to_le_bytes());
    first_16(&hasher.finalize())
}
