//! Whether the check of pictures is right: against a corpus of whole and damaged ones, and a table of what browsers
//! and whole decoders make of each.

mod apng;
mod corpus;
mod damaged_jpeg;
mod gif;
mod jpeg;
mod lzw;
mod png;
mod reference;
mod webp;
mod zlib;
