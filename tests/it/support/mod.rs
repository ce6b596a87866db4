//! Parts that several tests share.

pub mod pictures;
pub mod raw_http;
