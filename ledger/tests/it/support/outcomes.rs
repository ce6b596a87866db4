//! Outcomes and entries, as short as tests want them.

use ledger::decide::{Bytes, File, Outcome, Row, Seen, Trouble};
use ledger::event::{Acquired, Event};
use ledger::ids::{ContentHash, Format, ImageId, RunId};
use ledger::order::{Order, RowOrder};
use ledger::plan::Step;
use ledger::trouble::TroubleKind;

use super::History;

/// An entry that `migrate` takes.
pub fn external(url: &str) -> String {
    format!(
        "{{\"url\": \"{url}\", \"upload_status\": \"external\", \"width\": null, \"height\": null, \
         \"source\": \"trivia_advisor_migration\", \"migrated_at\": \"2026-01-01T00:00:00.000Z\"}}"
    )
}

/// An array of entries, as text.
pub fn array(entries: &[&str]) -> String {
    format!("[{}]", entries.join(", "))
}

/// Checked bytes; their hash is that of `content`.
pub fn fetched(content: &str) -> Outcome {
    Outcome::Fetched(Bytes {
        hash: ContentHash::of(content.as_bytes()),
        bytes: 1_000,
        format: Format::Jpeg,
        width: 640,
        height: 480,
        ms: 11,
        attempts: 1,
    })
}

/// A stored file of this id.
pub fn stored(id: &str) -> Outcome {
    let url = format!("https://ik.imagekit.io/demo/{id}.jpg");
    Outcome::Stored(File { id: id.parse().unwrap(), url, ms: 22, attempts: 2, acquired: Acquired::Sent })
}

/// A row that was found so and not written.
pub fn left(held: Option<&str>) -> Outcome {
    Outcome::Row(Row { seen: Seen::Left(held.map(str::to_owned)), ms: 33 })
}

/// A row that held this and now holds that.
pub fn written(before: &str, after: &str) -> Outcome {
    let seen = Seen::Written { before: Some(before.into()), after: Some(after.into()) };
    Outcome::Row(Row { seen, ms: 33 })
}

/// What performing a row order comes to over a row, and what the row holds then.
pub fn perform_row(order: &RowOrder, held: &mut Option<String>) -> Outcome {
    let seen = match order.rewrite(held.as_deref()) {
        None => Seen::Left(held.clone()),
        Some(after) => Seen::Written { before: std::mem::replace(held, after.clone()), after },
    };
    Outcome::Row(Row { seen, ms: 33 })
}

/// Trouble of a kind, after three tries.
pub fn trouble(kind: TroubleKind) -> Trouble {
    Trouble { kind, message: format!("it was {kind}"), attempts: 3, outage: false, file: None }
}

impl History {
    /// Downloads and uploads an image whose content and file go by one name.
    pub fn upload(&mut self, run: RunId, image: ImageId, name: &str) {
        self.turn(run, Step::Download(image), fetched(name));
        self.turn(run, Step::Upload(image), stored(name));
    }

    /// Performs the row step of a plan over a row, and writes down what it means.
    pub fn row(&mut self, run: RunId, step: Step, held: &mut Option<String>) -> Vec<Event> {
        let outcome = match self.order(run, step) {
            Order::UpdateRow(order) | Order::RestoreRow(order) => perform_row(&order, held),
            other => panic!("{other:?} is about no row"),
        };
        self.turn(run, step, outcome)
    }
}
