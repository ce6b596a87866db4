//! Whether the check of pictures is right: against a corpus of whole and damaged ones, and a table of what browsers
//! and whole decoders make of each.

mod apng;
pub mod bombs;
mod corpus;
mod damaged_jpeg;
mod gif;
mod jpeg;
mod jpeg_bombs;
mod lzw;
mod png;
mod reference;
mod webp;
mod webp_bombs;
mod zlib;
