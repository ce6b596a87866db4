//! The verifier in Python of docs/ledger-format.md, taken out of that page and run: it and the program come to the same
//! verdict and the same head, on ledgers of every version and on altered ones, as far as that page says (requirement E7).

use std::path::{Path, PathBuf};
use std::process::Command;

use ledger::chain::{self, Head};
use ledger::event::*;
use ledger::ids::{LedgerId, Seq};
use ledger::ledger::Ledger;
use ledger::plan::Step;
use ledger::store::LedgerError;
use ledger::wire::{decode, encode};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::model::{World, stories};
use crate::support::*;
use crate::tampering::{every_event, write};

const PAGE: &str = include_str!("../../../docs/ledger-format.md");
/// Histories that the model walks, each a ledger of its own.
const WALKS: usize = 12;

/// A directory with the script in it, and ledgers beside.
struct Bench {
    dir: tempfile::TempDir,
    python: String,
}

impl Bench {
    fn new() -> Self {
        let (_, behind) = PAGE.split_once("```python\n").expect("the page has a script in Python");
        let (script, _) = behind.split_once("```\n").expect("the script ends");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("verify.py"), script).unwrap();
        let python = std::env::var("LONGSHORE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let imported = Command::new(&python).args(["-c", "import blake3"]).output();
        assert!(
            imported.is_ok_and(|imported| imported.status.success()),
            "{python} is missing, or its package blake3 is: tests/run installs both; by hand, `pip install blake3` and \
             name that Python in LONGSHORE_TEST_PYTHON"
        );
        Self { dir, python }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A ledger of these records.
    fn of(&self, name: &str, records: &[Record]) -> PathBuf {
        let path = self.path(name);
        write(&path, records);
        path
    }

    /// The head that the script comes to, or what it says is wrong. Python leaves all `assert` out.
    fn python(&self, path: &Path, head: Option<Head>) -> Result<String, String> {
        let mut python = Command::new(&self.python);
        python.arg("-O").arg(self.path("verify.py")).arg(path).args(head.map(|head| head.to_string()));
        let ran = python.output().unwrap();
        let [told, why] = [ran.stdout, ran.stderr].map(|text| String::from_utf8(text).unwrap());
        match told.lines().last().and_then(|last| last.strip_prefix("head ")) {
            Some(head) if ran.status.success() => Ok(head.to_owned()),
            _ => Err(why.lines().last().unwrap_or_default().to_owned()),
        }
    }

    /// A copy that somebody who knows SQLite altered, for as long as it is looked at.
    fn altered<T>(&self, path: &Path, sql: &str, see: impl FnOnce(&Path) -> T) {
        let copy = self.path("copy");
        std::fs::copy(path, &copy).unwrap();
        let intruder = Connection::open(&copy).unwrap();
        intruder.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
        intruder.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        drop(intruder);
        println!("{sql}");
        see(&copy);
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.path(&format!("copy{ending}")));
        }
    }

    /// Sees that both say the same of a ledger, and gives it.
    fn verdict(&self, path: &Path, head: Option<Head>) -> Result<String, String> {
        let ours = Ledger::read(path).and_then(|ledger| {
            let kept = head.map(|head| ledger.store().head_at(head.seq)).transpose()?;
            Ok((kept.is_none() || kept == Some(head), ledger.head().to_string()))
        });
        let theirs = self.python(path, head);
        match (ours, &theirs) {
            (Ok((true, ours)), Ok(theirs)) => assert_eq!(&ours, theirs),
            (Ok((false, _)), Err(why)) => assert!(why.contains("a tail was cut off, or"), "{why}"),
            (Err(LedgerError::Damaged { seq, what, .. }), Err(why)) => {
                let named = [format!("event {seq} "), format!("event {seq}:"), format!("checkpoint {seq} ")];
                assert!(named.iter().any(|named| why.contains(named)), "event {seq}: {what}; but {why}");
            }
            (Err(LedgerError::OtherSchema { .. }), Err(why)) => assert!(why.contains("schema"), "{why}"),
            (ours, theirs) => panic!("{}: {ours:?}, but in Python {theirs:?}", path.display()),
        }
        theirs
    }
}

/// Entries that a `populate` appends, a file that was gone and is fetched a second time, and an entry that a rollback
/// finds as it was before.
fn rare_events() -> History {
    let mut history = History::new();
    let row = array(&[&external("https://o/a.jpg")]);
    let (run, plans) = history.forward(&[&row]);
    let image = image(plans[0], 0);
    history.upload(run, image, "first");
    history.add(Some(run), resumed(options()));
    history.turn(run, Step::Download(image), fetched("first"));
    let see = |history: &mut History, run| {
        let checkpoint = history.state.checkpoint();
        history.add(Some(run), Event::Checkpoint(checkpoint));
    };
    see(&mut history, run);
    history.turn(run, Step::Upload(image), stored("second"));
    let mut row = Some(row);
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    see(&mut history, run);
    history.finish(run, Ending::Done);
    let add = history.start(Verb::Populate, Scope::Everywhere);
    let addition = Addition { entries: vec![external("https://o/new.jpg")], left_out: Vec::new() };
    let plan = history.plan(add, planned(1, row.as_deref(), Work::Add(addition)));
    history.planning_done(add);
    see(&mut history, add);
    history.row(add, Step::UpdateRow(plan), &mut row);
    see(&mut history, add);
    history.finish(add, Ending::Done);
    let mut row = Some(array(&[&external("https://o/a.jpg"), &external("https://o/new.jpg")]));
    let (back, visit) = history.back(1, row.as_deref(), vec![image]);
    let events = history.row(back, Step::RestoreRow(visit), &mut row);
    assert!(
        matches!(&events[..], [Event::RolledBack(back)] if back.edits.is_empty() && back.held == [image])
    );
    see(&mut history, back);
    history.finish(back, Ending::Done);
    history
}

#[test]
fn e7_the_verifier_in_python_comes_to_the_same_head() {
    let bench = Bench::new();
    for name in ["v1.ledger", "v2.ledger"] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        std::fs::copy(golden, bench.path(name)).unwrap();
        bench.verdict(&bench.path(name), None).unwrap();
    }
    bench.verdict(&bench.of("every", &every_event().records), None).unwrap();
    bench.verdict(&bench.of("rare", &rare_events().records), None).unwrap();
    let mut runner = TestRunner::deterministic();
    for n in 0..WALKS {
        let world = World::after(&stories(true).new_tree(&mut runner).unwrap().current());
        let mut history = world.history;
        if let Some((run, _)) = history.state.runs().last() {
            let checkpoint = history.state.checkpoint();
            history.add(Some(run), Event::Checkpoint(checkpoint));
        }
        bench.verdict(&bench.of(&format!("walk {n}"), &history.records), None).unwrap();
    }
}

#[test]
fn e7_the_verifier_in_python_finds_the_same_event_at_fault() {
    let bench = Bench::new();
    let path = bench.of("altered", &every_event().records);
    let head = Ledger::read(&path).unwrap().head();
    bench.verdict(&path, Some(head)).unwrap();
    let damages = [
        "UPDATE event SET body = replace(body, 'Pub 1', 'Pub 2') WHERE seq = 3",
        "UPDATE event SET body = body || ' ' WHERE seq = 5",
        "UPDATE event SET body = CAST(x'ff' || body AS TEXT) WHERE seq = 6",
        "UPDATE event SET body = body || char(0) WHERE seq = 6",
        "UPDATE event SET body = '' WHERE seq = 2",
        "UPDATE event SET hash = zeroblob(32) WHERE seq = 7",
        "UPDATE event SET hash = zeroblob(31) WHERE seq = 7",
        "DELETE FROM event WHERE seq = 1",
        "DELETE FROM event WHERE seq = 4",
        "DELETE FROM event",
        "UPDATE event SET seq = 0 WHERE seq = 6; UPDATE event SET seq = 6 WHERE seq = 7;
         UPDATE event SET seq = 7 WHERE seq = 0",
        "INSERT INTO event SELECT (SELECT max(seq) FROM event) + 1, body, hash FROM event WHERE seq = 9",
        "INSERT INTO event SELECT -1, body, hash FROM event WHERE seq = 9",
        "UPDATE ledger SET id = '00000000000000000000000000000000'",
        "UPDATE ledger SET id = upper(id) || ' '",
        "INSERT INTO ledger VALUES ('00000000000000000000000000000000')",
        "INSERT INTO ledger SELECT id FROM ledger",
        "DELETE FROM ledger",
        "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)",
    ];
    let schemas = [
        "DROP TRIGGER event_follows_on",
        "DROP VIEW event_search",
        "CREATE TRIGGER swallow BEFORE INSERT ON event BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER swallow BEFORE INSERT ON ledger BEGIN SELECT RAISE(IGNORE); END",
        "CREATE INDEX quick ON event (hash)",
        "CREATE TABLE own (id TEXT)",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 2 WHERE type = 'table'",
        "CREATE VIEW own AS SELECT 1",
        "DROP VIEW event_search; CREATE VIEW event_search AS SELECT seq FROM event",
        "DROP VIEW event_search; ALTER TABLE event RENAME TO kept; CREATE VIEW event AS SELECT * FROM kept",
    ];
    for sql in damages.into_iter().chain(schemas) {
        bench.altered(&path, sql, |copy| bench.verdict(copy, Some(head)).unwrap_err());
    }
    // What SQLite adds by itself, or puts elsewhere, is no damage.
    for sql in ["ANALYZE", "VACUUM", "PRAGMA journal_mode = DELETE", "PRAGMA page_size = 512; VACUUM"] {
        bench.altered(&path, sql, |copy| bench.verdict(copy, Some(head)).unwrap());
    }
}

/// What each event does to a checkpoint is seen by a ledger: a script that passes it over agrees no more.
#[test]
fn c5_the_verifier_in_python_counts_whatever_a_checkpoint_speaks_of() {
    let bench = Bench::new();
    let ledgers = [bench.of("every", &every_event().records), bench.of("rare", &rare_events().records)];
    let script = std::fs::read_to_string(bench.path("verify.py")).unwrap();
    for (part, other) in [
        (" + event[\"held\"]", ""),
        ("[edit[\"image\"] for edit in event[\"edits\"]] + event", "event"),
        (" + work.get(\"add\", {\"entries\": []})[\"entries\"]", ""),
        ("= max(self.at[event[\"image\"]][0], 1)", "= 1"),
        ("= [2, blake3", "= [1, blake3"),
        ("event[\"file_id\"].encode()", "b''"),
        ("[0] = 3", "[0] = 2"),
        ("[0] = 4", "[0] = 3"),
    ] {
        assert_eq!(script.matches(part).count(), 1, "{part}");
        std::fs::write(bench.path("verify.py"), script.replace(part, other)).unwrap();
        let refused = ledgers.iter().find_map(|ledger| bench.python(ledger, None).err());
        let refused = refused.unwrap_or_else(|| panic!("no ledger has a checkpoint that depends on {part}"));
        assert!(refused.contains("does not agree"), "{part}: {refused}");
    }
}

/// Hashes that are right, and a checkpoint that is not what the events before it give.
#[test]
fn c5_the_verifier_in_python_finds_the_same_checkpoint_at_fault() {
    let bench = Bench::new();
    let path = bench.of("forged", &rare_events().records);
    let intruder = Connection::open(&path).unwrap();
    intruder.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    let mut head = Head { seq: Seq(0), hash: chain::genesis(LedgerId([7; 16])) };
    for record in &rare_events().records {
        let mut body = encode(record);
        if let Event::Checkpoint(checkpoint) = &record.event {
            body = body.replace(&checkpoint.digest, &"0".repeat(32));
            decode(&body).unwrap();
        }
        let seq = head.seq.next();
        head = Head { seq, hash: chain::link(head.hash, seq, &body) };
        let forge = "UPDATE event SET body = ?1, hash = ?2 WHERE seq = ?3";
        intruder.execute(forge, rusqlite::params![body, head.hash.0, seq.0 as i64]).unwrap();
    }
    drop(intruder);
    let why = bench.verdict(&path, None).unwrap_err();
    assert!(why.contains("does not agree"), "{why}");
}
