//! The ledger.
pub mod ids;
pub mod trouble;
