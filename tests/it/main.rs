//! Tests.

mod imagekit_client;
mod origin;
#[cfg(feature = "sandbox")]
mod sandbox_world;
mod spool;
mod stand_in;
mod catalog;
mod support;
