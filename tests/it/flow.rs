//! What people do with the program, from the first look to the rollback: the real binary on a sandbox.

mod look;
mod memory;
mod photos;
mod poland;
mod refusals;
mod sandbox_verb;
mod schemas;
mod settings;
mod tampering;
mod there_and_back;
mod url;
