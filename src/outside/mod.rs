//! What Longshore does not own, each behind one small trait: the origin the bytes come from, the ImageKit CDN, the
//! application's database (the catalog), Trivia Advisor's, and the spool of downloaded bytes. The matching report
//! between the two databases is a plain file.
//!
//! Everything here reports trouble as a value in E1's words and decides nothing about it.

pub mod catalog;
mod http;
pub mod imagekit;
mod incoming;
pub mod knock;
mod log;
pub mod machine;
pub mod matches;
pub mod notify;
pub mod origin;
pub mod picture;
pub mod probe;
mod roots;
pub mod spool;
pub mod trivia;

pub use http::http_client_builder;
pub use log::{numbered, rewrite};
pub use roots::check_authorities;

use std::time::Duration;

use ledger::ids::FileId;
use ledger::trouble::TroubleKind;

use crate::limits::ASKED_WAIT_MS_MAX;
use crate::secrets::masked;

/// Why an effect did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// E1's kind.
    pub kind: TroubleKind,
    /// What happened, for people: one sentence without a full stop, never a query string or a control character, and
    /// without the secrets of the process, which [`new`](Self::new) masks.
    pub message: String,
    /// How long the other side asked to wait.
    pub wait: Option<Duration>,
    /// The whole outside part is away (refused connections, a database that shuts down):
    /// waiting helps, attempts do not.
    pub outage: bool,
    /// This machine itself is in trouble (its disk, its descriptors), and the other side may be well.
    pub is_here: bool,
    /// What is asked for is there and not shown yet, as by a listing that lags: this alone is waited for.
    pub lags: bool,
    /// An answer came, and cannot be read.
    pub odd: bool,
    /// The file that was stored before the trouble came, when its id is known.
    pub file: Option<FileId>,
}

impl Trouble {
    /// Trouble of a kind, with what happened.
    pub fn new(kind: TroubleKind, message: impl Into<String>) -> Self {
        let (wait, file, message) = (None, None, message.into());
        // Other programs' words are in most of them, and a database or a server may say back what it was sent.
        let message = masked(&message).into_owned();
        Self { kind, message, wait, outage: false, is_here: false, lags: false, odd: false, file }
    }
    /// The same, as an outage of the whole outside part.
    pub fn outage(self) -> Self {
        Self { outage: true, ..self }
    }
    /// The same, as an outage of this machine's own.
    pub fn here(self) -> Self {
        Self { outage: true, is_here: true, ..self }
    }
    /// The same, as something that is there and not shown yet.
    pub fn lagging(self) -> Self {
        Self { lags: true, ..self }
    }
    /// The same, with the wait that was asked for; a day at most, as no other side knows more.
    pub fn after(self, wait: Duration) -> Self {
        Self { wait: Some(wait.min(Duration::from_millis(ASKED_WAIT_MS_MAX))), ..self }
    }
    /// The same, with the file that was stored.
    pub fn with_file(self, file: FileId) -> Self {
        Self { file: Some(file), ..self }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Trouble {}
