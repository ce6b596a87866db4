//! Every writer at every time on every kind of database: one venue for each, all in one run, and a bystander.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger::event::Event;
use ledger::plan::Step;
use ledger::state::Mark;
use longshore::runner::{Moment, RunError};

use super::others::{self, Does, FIRST, SECOND, with};
use super::writer::Writer;
use super::{drifts, elements, events, next_seq, tally};
use crate::support::stage::{How, Kind, Stage};

/// When they write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    BeforeUpdate,
    BeforeRollback,
    DuringRollback,
    CutOffThenResumed,
    CutOffThenRolledBack,
}

/// A row as someone left it: no row, NULL, or a text.
type Held = Option<Option<String>>;

struct Play {
    stage: Stage,
    writer: Writer,
    when: When,
    does: Vec<Does>,
    /// The arrays before we came, by venue id from 1.
    planned: BTreeMap<i64, String>,
    /// What each row held when its writer came, and what he left.
    met: Arc<Mutex<BTreeMap<i64, Held>>>,
    left: Arc<Mutex<BTreeMap<i64, Held>>>,
    bystander: i64,
}

impl Play {
    fn new(kind: Kind, when: When) -> Self {
        let stage = Stage::new(kind);
        let does = others::all();
        let other = r#"{"n": 12345678901234567890123, "x": 0.1000000000000000055, "source": "google"}"#;
        for id in 1..=does.len() {
            let first = stage.external(&format!("/a{id}.jpg"), &format!("a{id}"));
            stage.external(&format!("/again{id}.jpg"), &format!("a{id}"));
            let first = first.replace("\"width\": null", "\"theirs\": [1.50, {}], \"width\": null");
            let second = stage.external(&format!("/b{id}.jpg"), &format!("b{id}"));
            stage.venue(id as i64, &format!("pub-{id}"), 1, &format!("[{other} ,{first},7,\n {second} ]"));
        }
        let bystander = does.len() as i64 + 1;
        let third = stage.external("/c.jpg", "c");
        stage.venue(bystander, "bystander", 1, &format!(" [ {third}]"));
        let planned = stage.rows().into_iter().map(|(id, text)| (id, text.unwrap())).collect();
        let writer = Writer::on(&stage);
        Self { stage, writer, when, does, planned, met: Arc::default(), left: Arc::default(), bystander }
    }

    /// Does what a venue's writer does, once.
    fn write(&self) -> impl Fn(i64) + Send + Sync + use<> {
        let (writer, does, planned) = (self.writer.clone(), self.does.clone(), self.planned.clone());
        let (met, left) = (self.met.clone(), self.left.clone());
        move |id| {
            let Some(does) = does.get(id as usize - 1) else { return };
            let held = writer.images(id);
            if met.lock().unwrap().insert(id, held).is_none() {
                does.write(&writer, id, &planned[&id]);
                left.lock().unwrap().insert(id, writer.images(id));
            }
        }
    }

    /// A run in which each writer comes just before his row is met. Venues are planned in order of their ids, behind
    /// the line that starts the run.
    fn meeting(&self) -> How {
        let (write, first) = (self.write(), next_seq(&self.stage) + 1);
        let probe = move |moment| {
            if let Moment::BeforeEffect(Step::UpdateRow(seq) | Step::RestoreRow(seq)) = moment {
                // A row's transaction waits for a worker of this runtime, and the writer waits for that row.
                tokio::task::block_in_place(|| write((seq.0 - first) as i64 + 1));
            }
            false
        };
        How { probe: Some(Arc::new(probe)), ..How::default() }
    }

    /// A run that dies when every row is committed and none is written down, and then the writers come.
    fn cut_off(&self) {
        let (rows, committed) = (self.planned.len(), AtomicUsize::new(0));
        let probe = move |moment| {
            let Moment::AfterEffect(Step::UpdateRow(_)) = moment else { return false };
            committed.fetch_add(1, Ordering::SeqCst);
            let started = Instant::now();
            tokio::task::block_in_place(|| {
                while committed.load(Ordering::SeqCst) < rows {
                    assert!(started.elapsed() < Duration::from_secs(120), "not all rows were updated");
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            true
        };
        let how = How { probe: Some(Arc::new(probe)), concurrency: 200, ..How::default() };
        assert!(matches!(self.stage.migrate(&how), Err(RunError::Died)));
        let written = events(&self.stage, 1);
        assert!(
            !written.iter().any(|(_, event)| matches!(event, Event::DbUpdated(_))),
            "none is written down"
        );
        self.all_write();
    }

    fn all_write(&self) {
        let write = self.write();
        (1..=self.does.len() as i64).for_each(write);
    }

    /// How many entries a venue's writer takes from us on the way that the play takes.
    fn drifted(&self, does: Does) -> usize {
        // The upload's time is the one key that may differ while no `db_updated` has recorded it.
        let unrecorded = matches!(self.when, When::CutOffThenResumed | When::CutOffThenRolledBack);
        if unrecorded && matches!(does, Does::Key("imagekit_uploaded_at")) { 0 } else { does.drifted() }
    }

    /// What a row holds when all of ours that can be is back.
    fn home(&self, id: i64) -> Held {
        let Some(does) = self.does.get(id as usize - 1) else { return Some(Some(self.planned[&id].clone())) };
        let (planned, left) = (&self.planned[&id], self.left.lock().unwrap()[&id].clone());
        if self.when == When::BeforeUpdate {
            return left;
        }
        let before = elements(planned);
        let text = match does {
            Does::Deletes | Does::Column(_) => return left,
            Does::Stale => planned.clone(),
            Does::Harmless(_, to) => with(planned, to),
            // Of two equal entries, one is ours.
            Does::Twin => {
                let twin = elements(left.flatten().as_ref().unwrap()).pop().unwrap();
                with(planned, |all| all.push(twin.clone()))
            }
            Does::Key(_) if self.drifted(*does) == 0 => with(planned, |_| ()),
            Does::Key(_) => with(&left.flatten().unwrap(), |all| all[SECOND] = before[SECOND].clone()),
            Does::Removes => with(&left.flatten().unwrap(), |all| all[SECOND - 1] = before[SECOND].clone()),
        };
        self.stage.venue(1_000, "scratch", 2, &text);
        let text = self.writer.images(1_000);
        self.stage.sql("DELETE FROM venues WHERE id = 1000");
        text
    }

    fn rows(&self) -> BTreeMap<i64, Held> {
        self.planned.keys().map(|id| (*id, self.writer.images(*id))).collect()
    }

    fn uploads(&self) -> u64 {
        self.stage.requests("upload")
    }

    /// What drifted is said of each venue, exactly. `ours` is what we expected in a venue.
    fn check_drifts(&self, from: u64, ours: impl Fn(i64) -> Vec<String>) {
        for (id, does) in (1..).zip(&self.does) {
            let drifted = drifts(&self.stage, from, id);
            let at = format!("{:?}, {does:?}: {drifted:?}", self.when);
            assert_eq!(drifted.len(), self.drifted(*does), "{at}");
            for (drift, expected) in drifted.iter().zip(ours(id)) {
                // Nothing has said yet in which order jsonb keeps the keys of an entry that no `db_updated` recorded.
                assert!(ledger::images::same_entry(&drift.expected, &expected), "{at}, not {expected}");
                let found = match does {
                    // Without its URL nothing tells that an external entry was this one.
                    Does::Key("url") if self.when == When::BeforeUpdate => None,
                    Does::Key(_) => {
                        let left = self.left.lock().unwrap()[&id].clone().flatten().unwrap();
                        Some(elements(&left)[FIRST].clone())
                    }
                    _ => None,
                };
                assert_eq!(drift.found, found, "{at}");
            }
        }
        assert!(drifts(&self.stage, from, self.bystander).is_empty());
    }

    /// Nothing of theirs changed between two looks: what is not ours stands where it stood.
    fn check_theirs(&self, one: &BTreeMap<i64, Held>, other: &BTreeMap<i64, Held>) {
        for (id, held) in one {
            let theirs = |held: &Held| match held {
                Some(Some(text)) if text.starts_with('[') || text.starts_with(' ') => {
                    let is_ours = |e: &String| e.contains("trivia_advisor_migration");
                    let all = elements(text).into_iter();
                    Some(Some(all.map(|e| if is_ours(&e) { "ours".into() } else { e }).collect::<Vec<_>>()))
                }
                Some(Some(text)) => Some(Some(vec![text.clone()])),
                other => other.as_ref().map(|_| None),
            };
            assert_eq!(theirs(held), theirs(&other[id]), "{:?}, venue {id}", self.when);
        }
    }
}

fn play(kind: Kind, when: When) {
    let play = Play::new(kind, when);
    let stage = &play.stage;
    let images = play.does.len() as u64 * 2 + 1;
    let drifted: u64 = play.does.iter().map(|does| play.drifted(*does) as u64).sum();
    let ours_of = |held: &BTreeMap<i64, Held>, id: i64| {
        let all = elements(held[&id].as_ref().unwrap().as_ref().unwrap());
        vec![all[FIRST].clone(), all[SECOND].clone()]
    };
    let planned: BTreeMap<i64, Held> =
        play.planned.iter().map(|(id, text)| (*id, Some(Some(text.clone())))).collect();

    // Forward.
    let from = next_seq(stage);
    match when {
        When::BeforeUpdate => {
            let t = tally(stage.migrate(&play.meeting()));
            assert_eq!((t.images, t.done, t.drifted), (images, images - drifted, drifted), "{t:?}");
            play.check_drifts(from, |id| ours_of(&planned, id));
        }
        When::BeforeRollback | When::DuringRollback => {
            let t = tally(stage.migrate(&How::default()));
            assert_eq!((t.done, t.drifted), (images, 0));
        }
        When::CutOffThenResumed => {
            play.cut_off();
            let resumed = next_seq(stage);
            let t = tally(stage.migrate(&How::default()));
            assert_eq!((t.images, t.done, t.drifted), (images, images - drifted, drifted), "{t:?}");
            play.check_drifts(resumed, |id| ours_of(&planned, id));
            check_found_done(&play, resumed);
        }
        When::CutOffThenRolledBack => play.cut_off(),
    }
    assert_eq!(play.uploads(), images, "one upload an image");
    if when == When::BeforeRollback {
        play.all_write();
    }

    // Back.
    let from = next_seq(stage);
    let there = play.rows();
    let how = if when == When::DuringRollback { play.meeting() } else { How::default() };
    let t = tally(stage.rollback(&how));
    assert_eq!((t.images, t.done, t.drifted), (images, images - drifted, drifted), "{when:?} {t:?}");
    if when != When::BeforeUpdate {
        let met = play.met.lock().unwrap().clone();
        play.check_drifts(from, |id| ours_of(&met, id));
    }
    if when != When::DuringRollback {
        play.check_theirs(&there, &play.rows());
    }
    let home = play.rows();
    for (id, held) in &home {
        let does = play.does.get(*id as usize - 1);
        assert_eq!(*held, play.home(*id), "{when:?}, {does:?}");
    }

    // Back once more: what drifted is looked at again, and nothing moves.
    let t = tally(stage.rollback(&How::default()));
    assert_eq!((t.images, t.done, t.drifted), (drifted, 0, drifted), "{when:?} {t:?}");
    assert_eq!(play.rows(), home, "{when:?}");

    // Forward again from the rows as they are, and home again.
    let movable = |held: &Held| {
        let text = held.as_ref().and_then(|text| text.as_deref());
        text.map_or(0, |text| ledger::images::movable(text).map_or(0, |all| all.len() as u64))
    };
    let external: u64 = home.values().map(movable).sum();
    let t = tally(stage.migrate(&How::default()));
    assert_eq!(
        (t.images, t.done, t.venues_failed),
        (external, external, t.venues - t_venues(&home)),
        "{t:?}"
    );
    assert_eq!(play.uploads(), images, "{when:?}: what the CDN has is not sent again");
    assert_eq!(play.rows().values().map(movable).sum::<u64>(), 0);
    play.check_theirs(&home, &play.rows());
    // What drifted before it was ever in the row, and was taken over by the run just made, is nobody's drift any more.
    let ledger = stage.verified();
    let images = ledger.state().plans().flat_map(|(_, plan)| &plan.images);
    let still = images.filter(|image| image.mark == Some(Mark::Drifted) && image.is_current).count() as u64;
    assert!(still <= drifted && (still == drifted || when != When::BeforeRollback), "{when:?}: {still}");
    let t = tally(stage.rollback(&How::default()));
    assert_eq!((t.done, t.drifted), (external, still), "{when:?} {t:?}");
    assert_eq!(play.rows(), home, "{when:?}");
    stage.verified();
}

/// Venues with something to move.
fn t_venues(rows: &BTreeMap<i64, Held>) -> u64 {
    let has = |held: &&Held| {
        let text = held.as_ref().and_then(|text| text.as_deref());
        text.is_some_and(|text| ledger::images::movable(text).is_ok_and(|all| !all.is_empty()))
    };
    rows.values().filter(has).count() as u64
}

/// A resumed run says of a row it finds done what that row was before, with what others did since.
fn check_found_done(play: &Play, from: u64) {
    let mut seen = 0;
    for (_, event) in events(&play.stage, from) {
        let Event::DbUpdated(e) = event else { continue };
        let Some(does) = play.does.get(e.venue.0 as usize - 1) else { continue };
        assert_eq!(e.found_done, !matches!(does, Does::Stale), "{does:?}");
        if play.drifted(*does) == 0 {
            let home = play.home(e.venue.0).flatten().unwrap();
            let before = e.array_before.as_deref().unwrap();
            assert!(ledger::images::same(before, &home), "{does:?}: {before} {home}");
        }
        seen += 1;
    }
    assert!(seen > 15);
}

macro_rules! plays {
    ($($name:ident: $kind:ident, $when:ident;)*) => {$(
        #[test]
        fn $name() {
            play(Kind::$kind, When::$when);
        }
    )*};
}

plays! {
    c6_writers_between_plan_and_update_on_sqlite: Sqlite, BeforeUpdate;
    c6_writers_between_plan_and_update_on_postgres: Postgres, BeforeUpdate;
    c6_writers_between_plan_and_update_through_pgbouncer: Pgbouncer, BeforeUpdate;
    c6_writers_between_update_and_rollback_on_sqlite: Sqlite, BeforeRollback;
    c6_writers_between_update_and_rollback_on_postgres: Postgres, BeforeRollback;
    c6_writers_between_update_and_rollback_through_pgbouncer: Pgbouncer, BeforeRollback;
    c6_writers_during_the_rollback_on_sqlite: Sqlite, DuringRollback;
    c6_writers_during_the_rollback_on_postgres: Postgres, DuringRollback;
    e5_writers_after_a_commit_that_was_not_written_down_on_sqlite: Sqlite, CutOffThenResumed;
    e5_writers_after_a_commit_that_was_not_written_down_on_postgres: Postgres, CutOffThenResumed;
    e5_writers_after_a_commit_that_was_not_written_down_through_pgbouncer: Pgbouncer, CutOffThenResumed;
    e5_writers_after_such_a_commit_and_a_rollback_on_sqlite: Sqlite, CutOffThenRolledBack;
    e5_writers_after_such_a_commit_and_a_rollback_on_postgres: Postgres, CutOffThenRolledBack;
}
