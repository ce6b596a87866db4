//! Tests.

mod imagekit_client;
mod origin;
mod spool;
mod support;
mod stand_in;
