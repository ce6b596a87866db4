//! Proofs of the ledger crate through its public door: no file of it is looked into.

mod audits;
mod brake;
mod decide_images;
mod decide_rollback;
mod decide_rows;
mod golden;
mod hostile;
mod illegal;
mod left;
mod model;
mod planning;
mod populate;
mod properties;
mod provenance;
mod questions;
mod reads;
mod reports;
mod rules;
mod schema;
mod support;
mod tampering;
mod twins;
mod unrecorded;
mod verifier;
