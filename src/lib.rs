//! Longshore.
pub mod cli;
pub mod config;
pub mod error;
pub mod limits;
pub mod outside;
pub mod runner;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod show;
