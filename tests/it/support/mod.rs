//! Helpers that several files of tests share.

pub mod how;
pub mod liar;
pub mod library;
pub mod line;
pub mod pictures;
pub mod postgres;
pub mod program;
pub mod raw_http;
pub mod site;
pub mod sqlite;
pub mod stage;

pub use sqlite::sqlite_file;
