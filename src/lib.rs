//! Longshore moves the images that a database refers to onto the ImageKit CDN and rewrites the rows to match. Every
//! step is an event in an append-only ledger; resuming, rolling back and telling what happened are read out of it.
//!
//! # Layout
//!
//! The ledger's own crate, [`ledger`], is the memory and the mind: events, the chain, state, and the pure decisions.
//! This one is the hands and the voice. Arrows point down the list, never up:
//!
//! - `main.rs`: parse, run, exit; the only place that ends the process.
//! - [`cli`]: a file a command; each resolves what a person named, runs it, and says how it ended.
//! - [`runner`]: the wheel that turns a run, the one retry loop, and what meets the world.
//! - [`show`]: what people and programs read; it decides nothing and causes nothing.
//! - [`sandbox`]: everything outside in miniature on loopback, behind the feature `sandbox`.
//! - [`outside`]: what we do not own, behind small traits: origin, ImageKit, catalog, spool.
//! - [`config`], [`error`], [`limits`], [`secrets`], `pass_file`: leaves that everyone may read: settings, failures with their exit
//!   codes, every operational number with its unit and reason, texts without the secrets that are known, and libpq's
//!   files of passwords.
//!
//! `docs/architecture.md` is the longer map; the test `tidy` keeps the arrows.

/// Talk for people, on stderr. The standard library's macro of this name panics when nobody reads stderr any more, as
/// behind `2>&1 | head` or a terminal that was closed, and a run must not end because nobody listens to it. What
/// databases and servers have put into the talk can neither steer the terminal nor begin a line of its own (requirement
/// S4): each of these is one line. Commands in it have the flags in force, and secrets are masked (requirement S1).
macro_rules! eprintln {
    ($($talk:tt)*) => {{
        use std::io::Write as _;
        let talk = $crate::show::told(&format!($($talk)*));
        let _nobody_listens = writeln!(std::io::stderr(), "{talk}");
    }};
}

pub mod cli;
pub mod config;
pub mod error;
pub mod limits;
pub mod outside;
mod pass_file;
pub mod runner;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod secrets;
pub mod show;
