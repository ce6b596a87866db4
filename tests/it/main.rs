//! All tests that need real parts, in one binary. `tests/run` starts the servers they use.

mod audit;
mod catalog;
mod crash;
mod drift;
mod faults;
mod flow;
mod imagekit_client;
mod imagekit_contract;
mod kill;
mod looking_after;
mod origin;
mod overlap;
mod reconcile;
mod populate;
mod people;
mod planning;
mod reporting;
mod sandbox_world;
mod spool;
mod stand_in;
mod support;
mod tidy;
mod trivia;
mod verify;
mod voice;
mod writers;
