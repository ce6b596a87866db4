//! Parts that several tests share.

pub mod pictures;
pub mod raw_http;
//! Helpers that several files of tests share.

pub mod postgres;
pub mod sqlite;

pub use sqlite::sqlite_file;
