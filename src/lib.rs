//! Longshore.
pub mod limits;
pub mod outside;
