//! The memory and the mind: what happened, what it adds up to, what comes next, and what an outcome means.
//! Synchronous, without network, clock, randomness or threads: time, operators and ids are handed in.
//!
//! # The wheel
//!
//! A run, fresh or resumed, forward or back, turns one wheel:
//!
//! 1. **plan**: [`mod@plan`] says from the state which steps can be taken now, and [`mod@order`] looks up the texts a step
//!    needs.
//! 2. **perform**: somebody outside this crate meets the world and comes back with an outcome.
//! 3. **decide**: [`mod@decide`] turns order and outcome into events, or into a pause.
//! 4. **append**: [`mod@ledger`] writes them down through [`store`], all or none, chained by [`chain`].
//! 5. **apply**: [`state`] takes them in, and the wheel goes round.
//!
//! Resuming is the same wheel on a state that replay has rebuilt, and a rollback is the wheel with other steps.
//!
//! # What always holds
//!
//! - The past is never changed. Taking something back is a new event.
//! - `State::apply` is the only function that changes state. It is called when writing, where a refusal is our bug and
//!   panics, and when reading, where a refusal is damage and an error.
//! - Event N is followed by N + 1, and its hash covers the one before it, its place and its bytes as stored.
//! - No effect begins before the event it follows from is on disk, and every effect can be repeated or recognised: there
//!   are no "started" events.
//! - An image's after-image is a pure function of its planned entry and its `uploaded` event.
//! - Other people's JSON is carried as text, never parsed into values and written out again.
//! - Only [`store`] touches the file.
//!
//! # Layout
//!
//! - [`ids`], [`timestamp`], [`trouble`]: the small words: names parsed once, moments, kinds of failure.
//! - [`event`] and [`wire`]: what can have happened, and its bytes.
//! - [`chain`], [`store`], [`mod@ledger`]: the hashes, the file, and the file with its state.
//! - [`state`], [`mod@plan`], [`mod@order`], [`mod@decide`], [`mod@brake`]: the mind.
//! - [`images`]: lossless edits of a venue's array.
//! - [`report`]: folds over the events that end in plain structs.

pub mod brake;
pub mod chain;
pub mod decide;
pub mod event;
pub mod ids;
pub mod images;
pub mod ledger;
pub mod order;
pub mod plan;
pub mod report;
pub mod state;
pub mod store;
pub mod timestamp;
pub mod trouble;
pub mod wire;
