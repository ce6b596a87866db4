//! The real program, its database, its origin and its ImageKit, with lines between them that fail: each connection and
//! each piece that passes is harmed in its turn (requirements E3, E5).

mod database;
pub mod place;
