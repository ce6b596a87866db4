//! Steps, performed on rows and files in memory.

use ledger::decide::{Bytes, File, Outcome, Row, Seen, Trouble};
use ledger::event::Acquired;
use ledger::ids::{ContentHash, Format};
use ledger::images::{Array, Entry};
use ledger::order::{Fetch, Order, Put, RowOrder};
use ledger::trouble::TroubleKind;

use super::World;
use super::story::{MEDDLES, Tape};
use crate::support::trouble;

impl World {
    pub fn perform(&mut self, order: &Order, tape: &mut Tape) -> Outcome {
        match order {
            Order::Download(fetch) => match tape.next(16) {
                13 => Outcome::Trouble(trouble(TroubleKind::NotFound)),
                14 => Outcome::Trouble(trouble(TroubleKind::Timeout)),
                15 => Outcome::Trouble(trouble(TroubleKind::InvalidImage)),
                _ => fetched(fetch),
            },
            Order::Upload(put) => self.upload(put, tape),
            Order::UpdateRow(row) | Order::RestoreRow(row) => self.row_in_weather(row, tape),
            Order::PutBack(back) => self.row_in_weather(&back.row, tape),
        }
    }

    fn upload(&mut self, put: &Put, tape: &mut Tape) -> Outcome {
        let chance = tape.next(16);
        match chance {
            12 => return Outcome::Trouble(trouble(TroubleKind::Rejected)),
            13 => return Outcome::Trouble(trouble(TroubleKind::Unauthorized)),
            // The spool has lost the bytes.
            14 => return fetched(&put.fetch),
            _ => {}
        }
        let (found_done, number) = (self.cdn.contains_key(&put.path), self.stored);
        if let Some(known) = put.known.as_ref().filter(|known| known.is_believed) {
            assert_eq!(self.cdn.get(&put.path), Some(&known.file_id), "it is believed and not there");
        }
        self.stored += usize::from(!found_done);
        let fresh = || format!("file{number}").parse().unwrap();
        let id = self.cdn.entry(put.path.clone()).or_insert_with(fresh).clone();
        if chance == 15 {
            // It was stored, and the answer is lost.
            return Outcome::Trouble(trouble(TroubleKind::Timeout));
        }
        let acquired = if found_done { Acquired::Recognised } else { Acquired::Sent };
        Outcome::Stored(File { url: format!("https://ik/{id}"), id, ms: 20, attempts: 1, acquired })
    }

    fn row_in_weather(&mut self, row: &RowOrder, tape: &mut Tape) -> Outcome {
        match tape.next(16) {
            13 => Outcome::Trouble(trouble(TroubleKind::CatalogError)),
            14 => Outcome::Trouble(Trouble { outage: true, ..trouble(TroubleKind::CatalogError) }),
            _ => self.row(row, tape),
        }
    }

    fn row(&mut self, order: &RowOrder, tape: &mut Tape) -> Outcome {
        if self.is_busy && tape.happens(6) {
            self.meddle(order.venue.0, MEDDLES[tape.next(MEDDLES.len())]);
        }
        let Some(row) = self.rows.get_mut(&order.venue.0) else {
            return Outcome::Row(Row { seen: Seen::Missing, ms: 3 });
        };
        let before = row.clone();
        let Some(after) = order.rewrite(before.as_deref()) else {
            return Outcome::Row(Row { seen: Seen::Left(before), ms: 3 });
        };
        assert_eq!(
            foreign(before.as_deref().unwrap_or("[]")),
            foreign(after.as_deref().unwrap_or("[]")),
            "others' entries stay, in their order"
        );
        row.clone_from(&after);
        self.files_exist(after.as_deref().unwrap_or("[]"));
        Outcome::Row(Row { seen: Seen::Written { before, after }, ms: 3 })
    }

    /// The site never shows a picture that is not there.
    fn files_exist(&self, row: &str) {
        for url in Array::parse(row).unwrap().elements().filter_map(|raw| Entry::parse(raw)?.url()) {
            let is_stored = |id: &str| self.cdn.values().any(|file| file.to_string() == id);
            assert!(url.strip_prefix("https://ik/").is_none_or(is_stored), "{url} points at nothing");
        }
    }
}

/// Bytes of a URL. Some URLs have the same bytes, so that their images share a path.
fn fetched(fetch: &Fetch) -> Outcome {
    let content = fetch.url.bytes().map(usize::from).sum::<usize>() % 4;
    let hash = ContentHash::of(&[content as u8]);
    Outcome::Fetched(Bytes { hash, bytes: 99, format: Format::Png, width: 4, height: 3, ms: 9, attempts: 1 })
}

fn foreign(row: &str) -> Vec<String> {
    let array = Array::parse(row).unwrap();
    array.elements().filter(|raw| !raw.contains("trivia_advisor_migration")).map(str::to_owned).collect()
}
