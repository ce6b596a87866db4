//! The audit for people: a row an entry that changed.

use ledger::event::Operator;
use ledger::ids::{RunId, Seq};
use ledger::images::Entry;
use ledger::report::audit::{VenueAudit, VenueLive, VenueVerdict, Verdict};
use ledger::timestamp::Timestamp;

use super::{Answer, Tally, Total};
use crate::error::Failure;
use crate::show::{self, Cell, Column, Grid, Sheet};

impl Answer<'_> {
    /// The document, and how many rows of the database differ.
    pub(super) fn sheet(&mut self) -> Result<(Sheet, u64), Failure> {
        let (mut changes, mut differences, mut not_read) = (changes(), differences(), Vec::new());
        let (total, tally) = self.each(|audit, live| {
            add_changes(&mut changes, &audit);
            if let Some(live) = live.filter(|live| live.verdict != VenueVerdict::AsRecorded) {
                add_differences(&mut differences, &audit, &live);
                not_read.extend(live.not_read.map(|why| (audit.venue_id, why)));
            }
            Ok::<_, Failure>(())
        })?;
        let mut sheet = Sheet::new("What was changed");
        let Total { venues, .. } = total;
        let rows = show::count(changes.rows.len() as u64, "entry").replace("entrys", "entries");
        sheet.line(format!(
            "{rows} in {}, as of event {}.",
            show::count(venues, "venue"),
            self.ledger.upto()
        ));
        sheet.table(changes);
        if self.live.is_some() {
            let Tally { venues, venues_different, .. } = tally;
            sheet.heading("Compared with the database as it is");
            let all = show::count(venues, "venue");
            sheet.line(format!("{venues_different} of {all} differ from what was recorded last."));
            for (venue, why) in not_read {
                sheet.line(format!("Venue {venue} was not read: it {why}."));
            }
            sheet.table(differences);
        }
        Ok((sheet, tally.venues_different))
    }
}

fn changes() -> Grid {
    Grid::new([
        Column::number("Venue"),
        Column::text("Name"),
        Column::text("City"),
        Column::text("What"),
        Column::text("When"),
        Column::number("Run"),
        Column::text("By"),
        Column::number("Seq"),
        Column::text("URL before"),
        Column::text("URL after"),
    ])
}

fn add_changes(grid: &mut Grid, audit: &VenueAudit) {
    let mut rows: Vec<(Seq, Vec<Cell>)> = Vec::new();
    for change in &audit.changes {
        let what = match (change.event, change.found_done) {
            ("db_updated", false) => "updated",
            ("db_updated", true) => "found updated",
            _ => "rolled back",
        };
        let by = By { at: change.at, run: change.run, operator: &change.operator, seq: change.seq };
        for image in &change.images {
            let urls = [url(image.before.as_deref()), url(image.after.as_deref())];
            rows.push((change.seq, by.row(audit, what, urls)));
        }
    }
    for drift in &audit.drifted {
        let by = By { at: drift.at, run: drift.run, operator: &drift.operator, seq: drift.seq };
        let urls = [url(Some(&drift.expected)), url(drift.found.as_deref())];
        rows.push((drift.seq, by.row(audit, "drifted", urls)));
    }
    rows.sort_by_key(|(seq, _)| *seq);
    rows.into_iter().for_each(|(_, row)| grid.row(row));
}

/// When, in which run, by whom and where.
struct By<'a> {
    at: Timestamp,
    run: RunId,
    operator: &'a Operator,
    seq: Seq,
}

impl By<'_> {
    fn row(&self, audit: &VenueAudit, what: &str, [before, after]: [Cell; 2]) -> Vec<Cell> {
        vec![
            Cell::Id(audit.venue_id.0),
            name(audit),
            audit.city.as_deref().into(),
            what.into(),
            self.at.to_string().into(),
            Cell::Count(self.run.0.0),
            format!("{}@{}", self.operator.user, self.operator.host).into(),
            Cell::Count(self.seq.0),
            before,
            after,
        ]
    }
}

fn name(audit: &VenueAudit) -> Cell {
    audit.venue_name.as_deref().or(audit.venue_slug.as_deref()).into()
}

fn differences() -> Grid {
    Grid::new([
        Column::number("Venue"),
        Column::text("Name"),
        Column::text("Image"),
        Column::text("Difference"),
        Column::text("Keys"),
        Column::text("Recorded"),
        Column::text("Found"),
    ])
}

fn url(entry: Option<&str>) -> Cell {
    entry.and_then(Entry::parse).and_then(|entry| entry.url()).map(|url| show::address(&url)).into()
}

fn add_differences(grid: &mut Grid, audit: &VenueAudit, live: &VenueLive) {
    let mut row = |image: Cell, what: &str, keys: String, recorded: Cell, found: Cell| {
        let keys = if keys.is_empty() { Cell::Empty } else { keys.into() };
        grid.row([Cell::Id(audit.venue_id.0), name(audit), image, what.into(), keys, recorded, found]);
    };
    let mut is_named = live.not_read.is_some();
    for image in live.images.iter().filter(|image| image.verdict != Verdict::AsRecorded) {
        is_named = true;
        let recorded = url(image.recorded.as_deref());
        let found = match image.verdict {
            Verdict::Moved => recorded.clone(),
            _ => url(image.found.as_deref()),
        };
        row(image.image.to_string().into(), image.verdict.name(), image.keys.join(", "), recorded, found);
    }
    let others = [
        ("added by others", &live.others.added, true),
        ("removed by others", &live.others.removed, false),
        ("changed by others", &live.others.changed, true),
    ];
    for (what, entries, is_there) in others {
        for entry in entries {
            is_named = true;
            let urls = [Cell::Empty, url(Some(entry))];
            let [recorded, found] = if is_there { urls } else { [url(Some(entry)), Cell::Empty] };
            row(Cell::Empty, what, String::new(), recorded, found);
        }
    }
    if !is_named {
        // An order of entries that are not ours, or NULL where an empty array was.
        let what = match live.verdict {
            VenueVerdict::RowGone => "the row is gone",
            VenueVerdict::NotAnArray => "it is no array",
            _ if live.recorded.is_some() && live.found.is_some() => "entries of others are in another order",
            _ => "NULL and an array are not the same",
        };
        row(Cell::Empty, what, String::new(), Cell::Unknown, Cell::Unknown);
    }
}
