//! The real program, its database, its origin and its ImageKit, with lines between them: each connection and each piece that
//! passes is harmed in its turn, or held while something happens to the program or its spool (requirements E3, E5).

mod database;
mod http;
mod memory;
pub mod place;
mod silence;
mod spool;
mod stopped;
