//! Others write between plan and update, and between update and rollback: nothing of theirs is lost, and what of ours
//! they changed is reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::event::{Ending, Event, Scope, Tally, Work};
use ledger::ids::{RunId, Seq};
use ledger::images::{Array, same_entry};
use ledger::plan::Step;
use ledger::store::LedgerError;
use longshore::runner::{End, Moment, RunError};

use super::{HEADER, matched};
use crate::drift::writer::Writer;
use crate::support::sqlite_file;
use crate::support::stage::{How, Kind, Stage};

/// What venue 1 holds in the beginning.
const HOME: &str = r#"[ {"n": 12345678901234567890123} ,7 ]"#;
const THEIRS: &str = r#"{"url": "https://theirs/x.jpg", "x": 1.50}"#;

/// What someone does to the row.
enum Does {
    /// Its elements, changed.
    Elements(fn(&mut Vec<String>, &str)),
    /// The column.
    Column(&'static str),
    /// The row goes.
    Deletes,
}

use Does::{Column, Deletes, Elements};

/// What is there in the end, element by element: `a` and `b` are our entries as they were planned, `t` the first two
/// of others, `x` a third of others, `A` our first entry as someone changed it; `None` is NULL or no row.
type Is = Option<&'static str>;

/// Entries added, drifted; then back, and left on the way back.
type Counts = (u64, u64, u64, u64);

#[expect(clippy::ptr_arg, reason = "one of several ways of meddling, all of one type")]
fn key_changed(all: &mut Vec<String>, _: &str) {
    let at = all.iter().position(|one| one.contains("/a.jpg")).unwrap();
    all[at] = all[at].replace("\"width\": 640", "\"width\": 641");
}

#[expect(clippy::ptr_arg, reason = "one of several ways of meddling, all of one type")]
fn key_added(all: &mut Vec<String>, _: &str) {
    let at = all.iter().position(|one| one.contains("/a.jpg")).unwrap();
    all[at].insert_str(1, r#""zz_a_key_of_theirs": 1.50, "#);
}

fn same_picture(all: &mut Vec<String>, base: &str) {
    all.push(format!(r#"{{"url": "{base}/a.jpg", "source": "google"}}"#));
}

fn theirs_in_front(all: &mut Vec<String>, _: &str) {
    all.insert(0, THEIRS.to_owned());
}

fn ours_removed(all: &mut Vec<String>, _: &str) {
    all.retain(|one| !one.contains("/a.jpg"));
}

/// Between plan and update.
const BEFORE_UPDATE: [(&str, Does, Is, Is, Counts); 6] = [
    ("adds an image in front", Elements(theirs_in_front), Some("xttab"), Some("xtt"), (2, 0, 2, 0)),
    ("adds our picture as theirs", Elements(same_picture), Some("ttAb"), Some("ttA"), (1, 1, 1, 1)),
    ("empties it", Column("'[]'"), Some("ab"), Some(""), (2, 0, 2, 0)),
    ("sets NULL", Column("NULL"), Some("ab"), None, (2, 0, 2, 0)),
    ("makes it no array", Column("'{}'"), Some("{}"), Some("{}"), (0, 2, 0, 2)),
    ("deletes the row", Deletes, None, None, (0, 2, 2, 0)),
];

/// Between update and rollback.
const BEFORE_ROLLBACK: [(&str, Does, Is, Is, Counts); 8] = [
    ("adds an image in front", Elements(theirs_in_front), Some("xttab"), Some("xtt"), (2, 0, 2, 0)),
    ("changes a key of ours", Elements(key_changed), Some("ttAb"), Some("ttA"), (2, 0, 1, 1)),
    ("adds a key to our entry", Elements(key_added), Some("ttAb"), Some("ttA"), (2, 0, 1, 1)),
    ("removes our entry", Elements(ours_removed), Some("ttb"), Some("tt"), (2, 0, 2, 0)),
    ("empties it", Column("'[]'"), Some(""), Some(""), (2, 0, 2, 0)),
    ("sets NULL", Column("NULL"), None, None, (2, 0, 2, 0)),
    ("makes it no array", Column("'{}'"), Some("{}"), Some("{}"), (2, 0, 0, 2)),
    ("deletes the row", Deletes, None, None, (2, 0, 2, 0)),
];

struct Play {
    stage: Stage,
    writer: Writer,
    how: How,
    home: Option<String>,
}

impl Play {
    fn new(kind: Kind) -> Self {
        let stage = Stage::new(kind);
        stage.venue(1, "pub-1", 1, HOME);
        stage.venue(2, "pub-2", 1, "[]");
        let trivia = sqlite_file();
        let tables = "DROP TABLE venues;
            CREATE TABLE venues (id INTEGER PRIMARY KEY, slug TEXT, google_place_images TEXT);
            INSERT INTO venues VALUES
                (1, 'ta-1', '[{\"local_path\": \"/a.jpg\", \"width\": 640}, {\"local_path\": \"/b.jpg\"}]'),
                (2, 'ta-2', '[{\"local_path\": \"/c.jpg\"}]')";
        trivia.admin().execute_batch(tables).unwrap();
        let report = trivia.path.with_file_name("report.csv");
        let rows = [matched(1, 1, "0", 2), matched(2, 2, "0", 1)];
        std::fs::write(&report, HEADER.to_owned() + &rows.concat()).unwrap();
        let matches = Some((report, Arc::new(trivia)));
        let how = How { scope: Scope::Everywhere, matches, concurrency: 1, ..How::default() };
        let (writer, home) = (Writer::on(&stage), stage.images(1));
        Self { stage, writer, how, home }
    }

    /// Someone writes, once, when the row of venue 1 is about to be updated.
    fn meddled(&self, does: &'static Does) -> How {
        let (writer, base) = (self.writer.clone(), self.stage.origin.base_url());
        let is_written = AtomicBool::new(false);
        let probe = move |moment| {
            let is_due = matches!(moment, Moment::BeforeEffect(Step::UpdateRow(_)));
            if is_due && !is_written.swap(true, Ordering::SeqCst) {
                does.to(&writer, &base);
            }
            false
        };
        How { probe: Some(Arc::new(probe)), ..self.how.clone() }
    }

    /// Our two entries, as planned.
    fn planned(&self) -> Vec<String> {
        let mut entries = Vec::new();
        let take = |(_, record): ledger::event::Placed| {
            if let Event::Planned(planned) = record.event
                && let Work::Add(addition) = planned.work
            {
                entries.extend(addition.entries);
            }
            Ok::<_, LedgerError>(())
        };
        self.stage.verified().events(Seq(1), take).unwrap();
        entries
    }

    #[track_caller]
    fn holds(&self, is: Is, told: &str) {
        let found = self.writer.images(1).flatten();
        let Some(text) = found.as_deref().filter(|text| text.starts_with('[')) else {
            return assert_eq!(found.as_deref(), is, "{told}");
        };
        let (ours, home) = (self.planned(), self.home.as_deref().unwrap_or_default());
        let sort = |one: &str| match one {
            one if same_entry(one, &ours[0]) => 'a',
            one if same_entry(one, &ours[1]) => 'b',
            one if home.contains(one) => 't',
            one if one.contains("/a.jpg") => 'A',
            one if same_entry(one, THEIRS) => 'x',
            one => panic!("{one}: {told}"),
        };
        let sorts: String = Array::parse(text).unwrap().elements().map(sort).collect();
        assert_eq!(Some(sorts.as_str()), is, "{told}: {text}");
    }
}

impl Does {
    fn to(&self, writer: &Writer, base: &str) {
        match self {
            Elements(change) => {
                let held = writer.images(1).flatten().unwrap();
                let mut all: Vec<String> =
                    Array::parse(&held).unwrap().elements().map(str::to_owned).collect();
                change(&mut all, base);
                writer.set(1, &format!("[{}]", all.join(", ")));
            }
            Column(value) => writer.sql(&format!("UPDATE venues SET venue_images = {value} WHERE id = 1")),
            Deletes => writer.sql("DELETE FROM venues WHERE id = 1"),
        }
    }
}

#[track_caller]
fn tally(end: Result<End, RunError>, told: &str) -> Tally {
    match end {
        Ok(End::Finished(Ending::Done, tally)) => tally,
        other => panic!("{told}: {other:?}"),
    }
}

fn meddle(kind: Kind, is_before_update: bool) {
    static BEFORE: [(&str, Does, Is, Is, Counts); 6] = BEFORE_UPDATE;
    static AFTER: [(&str, Does, Is, Is, Counts); 8] = BEFORE_ROLLBACK;
    let cases: &'static [_] = if is_before_update { &BEFORE } else { &AFTER };
    for (what, does, then, back, (added, drifted, taken, left)) in cases {
        let play = Play::new(kind);
        let told = format!("{kind:?}, someone {what}");
        let forward = match is_before_update {
            true => tally(play.stage.populate(&play.meddled(does)), &told),
            false => {
                let forward = tally(play.stage.populate(&play.how), &told);
                does.to(&play.writer, &play.stage.origin.base_url());
                forward
            }
        };
        // The other venue's one entry goes in and out again whatever happens to this one.
        assert_eq!((forward.done, forward.drifted, forward.failed), (added + 1, *drifted, 0), "{told}");
        play.holds(*then, &told);
        let run = How { scope: Scope::Run(RunId(Seq(2))), ..How::default() };
        let rolled = tally(play.stage.rollback(&run), &told);
        assert_eq!((rolled.done, rolled.drifted, rolled.failed), (taken + 1, *left, 0), "{told}, and back");
        play.holds(*back, &format!("{told}, and back"));
        assert_eq!(play.stage.images(2).as_deref(), Some("[]"), "{told}");
        play.stage.verified();
    }
}

#[test]
fn c1_whoever_writes_before_the_update_loses_nothing_on_sqlite() {
    meddle(Kind::Sqlite, true);
}

#[test]
fn c1_whoever_writes_before_the_update_loses_nothing_on_postgres() {
    meddle(Kind::Postgres, true);
}

#[test]
fn c6_whoever_writes_before_a_populate_goes_back_loses_nothing_on_sqlite() {
    meddle(Kind::Sqlite, false);
}

#[test]
fn c6_whoever_writes_before_a_populate_goes_back_loses_nothing_on_postgres() {
    meddle(Kind::Postgres, false);
}
