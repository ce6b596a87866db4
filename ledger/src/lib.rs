//! The ledger.
pub mod chain;
pub mod event;
pub mod ids;
pub mod images;
pub mod timestamp;
pub mod trouble;
pub mod wire;
