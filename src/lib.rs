//! Longshore.
pub mod limits;
pub mod outside;
pub mod runner;
