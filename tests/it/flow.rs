//! What people do with the program, from the first look to the rollback: the real binary on a sandbox.

mod look;
mod poland;
mod refusals;
mod there_and_back;
