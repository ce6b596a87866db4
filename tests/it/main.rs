//! Tests.

mod imagekit_client;
mod origin;
mod spool;
mod support;
mod stand_in;
#[cfg(feature = "sandbox")]
mod sandbox_world;
