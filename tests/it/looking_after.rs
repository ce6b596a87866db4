//! Looking on while others write, and looking after the ledger (requirements C8, C12).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use ledger::ledger::Ledger;
use serde_json::Value;

use crate::kill::hand::Going;
use crate::support::program::{Ran, Workplace, program};
use crate::support::sqlite::behind_triggers;
use crate::support::stage::Kind;

/// A sandbox in which Poland was migrated, and the head that was printed.
fn migrated() -> (Workplace, String) {
    let at = Workplace::new(Kind::Sqlite, 12);
    at.run(&["migrate", "--country", "PL", "--yes"]).code(0);
    let head = at.run_json(&["ledger", "verify"]).code(0).json()["head"].as_str().unwrap().to_owned();
    (at, head)
}

fn last_event(at: &Workplace) -> u64 {
    Ledger::read(&at.ledger()).unwrap().head().seq.0
}

/// Sees that a log that was followed told every event once, in order.
fn tells_all(ran: Ran, last: u64) {
    let seqs: Vec<u64> = match ran.args.contains("json") {
        true => ran.json_lines().iter().map(|line| line["seq"].as_u64().unwrap()).collect(),
        false => {
            ran.stdout.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
        }
    };
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>(), "{ran}");
}

#[test]
fn c12_a_followed_log_tells_what_another_process_appends_until_ctrl_c() {
    let (at, _) = migrated();
    let before = last_event(&at);
    let mut json = Going::start(&at, &["log", "--follow", "--format", "json"]);
    let mut people = Going::start(&at, &["log", "--follow"]);
    let mut german = Going::start(&at, &["log", "--follow", "--kind", "planned", "--format", "json"]);
    json.says(&format!("\"seq\":{before},"));
    people.says("run_finished");
    // Readers hold nobody up: the writer gets to its end beside all three.
    at.run(&["migrate", "--country", "DE", "--yes"]).code(10);
    let last = last_event(&at);
    assert!(last > before);
    json.says(&format!("\"seq\":{last},"));
    let reach = format!("{last:>7}  ");
    people.says(&reach);
    german.says("\"code\":\"DE\"");
    for (mut following, signal) in [(json, "INT"), (people, "TERM")] {
        following.signal(signal);
        tells_all(following.end().code(0), last);
    }
    german.signal("INT");
    let planned = german.end().code(0).json_lines();
    assert!(planned.iter().all(|line| line["event"].get("planned").is_some()), "{planned:?}");
}

#[test]
fn e7_a_followed_log_ends_at_an_event_that_was_altered() {
    let (at, _) = migrated();
    let mut following = Going::start(&at, &["log", "--follow"]);
    following.says("run_finished");
    let next = last_event(&at) + 1;
    let forged = format!("INSERT INTO event (seq, body, hash) VALUES ({next}, '{{}}', zeroblob(32))");
    rusqlite::Connection::open(at.ledger()).unwrap().execute(&forged, []).unwrap();
    following.end().code(20).says(&format!("is damaged at event {next}"));
}

#[test]
fn c12_a_followed_log_ends_when_nobody_reads_it() {
    let (at, _) = migrated();
    let longshore = env!("CARGO_BIN_EXE_longshore");
    let plain = program(&at.work(), &[]);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{longshore} log --follow | head -n 1")]);
    command.current_dir(plain.get_current_dir().unwrap()).envs(&at.settings);
    let output = command.output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("opened"));
}

#[test]
fn c8_a_watched_status_answers_once_a_change_without_a_terminal() {
    let (at, _) = migrated();
    let mut json = Going::start(&at, &["status", "--watch", "--format", "json"]);
    let mut people = Going::start(&at, &["status", "--watch"]);
    json.says("\"code\":\"PL\"");
    people.says("Total");
    let first = at.run_json(&["status"]).code(0).json();
    at.run(&["migrate", "--country", "DE", "--yes"]).code(10);
    let last = at.run_json(&["status"]).code(0).json();
    // Germany has a venue for a person to look at, and the run is over.
    json.says("\"unfinished\":[],\"waiting\":[{");
    people.says("Germany");
    json.signal("INT");
    people.signal("TERM");
    let answers = json.end().code(0).json_lines();
    assert_eq!((answers.first(), answers.last()), (Some(&first), Some(&last)));
    let people = people.end().code(0);
    assert!(!people.stdout.contains('\u{1b}'), "no terminal is steered where there is none: {people}");
}

#[test]
fn c8_a_watched_status_is_redrawn_on_a_terminal() {
    let (at, _) = migrated();
    let mut going = Going::at_a_terminal(&at, &["status", "--watch"]);
    going.says("\u{1b}[2J\u{1b}[H");
    going.says("Poland");
    assert!(!going.has_said("Germany"));
    at.run(&["migrate", "--country", "DE", "--yes"]).code(10);
    going.says("Germany");
    going.types("\x03");
    going.end().code(0);
}

#[test]
fn c12_a_kept_head_shows_a_cut_tail_and_another_history() {
    let (at, middle) = migrated();
    at.run(&["migrate", "--country", "DE", "--yes"]).code(10);
    let end = at.run_json(&["ledger", "verify"]).code(0).json()["head"].as_str().unwrap().to_owned();
    at.run(&["ledger", "verify", "--head", &end]).code(0).says("It ends at the head that was kept.");
    let earlier = at.run_json(&["ledger", "verify", "--head", &middle]).code(0).json();
    assert_eq!(
        (&earlier["kept_head"], &earlier["head"]),
        (&Value::from(middle.clone()), &Value::from(end.clone()))
    );
    at.run(&["ledger", "verify", "--head", &middle]).code(0).says("came after it");

    let (seq, hash) = middle.split_once(':').unwrap();
    let other = format!("{seq}:{}", "ab".repeat(32));
    at.run(&["ledger", "verify", "--head", &other]).code(20).says("tells another history");
    let moved = format!("{}:{hash}", seq.parse::<u64>().unwrap() - 1);
    at.run(&["ledger", "verify", "--head", &moved]).code(20).says("tells another history");
    at.run(&["ledger", "verify", "--head", "12"]).code(2).says("SEQ:HASH");

    // Whoever cuts the tail with SQLite leaves a chain in which every hash is right.
    behind_triggers(&at.ledger(), &format!("DELETE FROM event WHERE seq > {seq}"));
    at.run(&["ledger", "verify"]).code(0);
    at.run(&["ledger", "verify", "--head", &middle]).code(0);
    at.run(&["ledger", "verify", "--head", &end]).code(20).says("its tail was cut off");
}

/// All that a command says, without where the ledger lies.
fn asked(at: &Workplace, args: &[&str], ledger: &Path) -> String {
    let ran = at.run(&[args, &["--ledger", ledger.to_str().unwrap()]].concat()).code(0);
    format!("{}{}", ran.stdout, ran.stderr)
}

#[test]
fn c12_a_backup_beside_a_writer_is_a_ledger_that_every_command_reads() {
    let (at, head) = migrated();
    let copy = at.work().join("copy of the ledger");
    let name = copy.to_str().unwrap();
    // The lock is somebody else's, as while a run goes on.
    let writer = Ledger::open(&at.ledger(), "a run").unwrap();
    let answer = at.run_json(&["ledger", "backup", name]).code(0).json();
    assert_eq!((answer["head"].as_str(), answer["file"].as_str()), (Some(head.as_str()), Some(name)));
    drop(writer);
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let names = || {
        let all = std::fs::read_dir(at.work()).unwrap();
        all.map(|file| file.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    assert!(names().iter().all(|name| !name.contains("draft")), "{:?}", names());
    for args in [
        &["log"][..],
        &["status"],
        &["ledger", "verify", "--head", &head],
        &["rollback", "--run", "2", "--dry-run"],
    ] {
        assert_eq!(asked(&at, args, &copy), asked(&at, args, &at.ledger()), "{args:?}");
    }
    let bytes = std::fs::read(&copy).unwrap();
    at.run(&["ledger", "backup", name]).code(2).says("nothing is overwritten");
    at.run(&["ledger", "backup", "missing/copy"]).code(30);
    at.run(&["ledger", "backup", "/"]).code(2);
    assert_eq!(std::fs::read(&copy).unwrap(), bytes);
    // A rollback out of the copy alone: it can be written to like the first.
    let before = at.rows();
    at.run(&["rollback", "--country", "PL", "--yes", "--ledger", name]).code(0).says("venues restored");
    assert!(at.rows() != before);
    at.run(&["ledger", "verify", "--head", &head, "--ledger", name]).code(0).says("came after it");
}

#[test]
fn e7_a_damaged_ledger_is_not_backed_up() {
    let (at, _) = migrated();
    behind_triggers(&at.ledger(), "UPDATE event SET body = '{}' WHERE seq = 3");
    at.run(&["ledger", "backup", "copy"]).code(20).says("event 3");
    assert!(!at.work().join("copy").exists());
}

#[test]
fn c12_a_checkpoint_asserts_the_state_and_belongs_to_the_last_run() {
    let (at, head) = migrated();
    let answer = at.run_json(&["ledger", "checkpoint"]).code(0).json();
    let log = at.run_json(&["log", "--kind", "checkpoint"]).code(0).json_lines();
    let last = log.last().unwrap();
    assert_eq!((&last["run"], &last["event"]["checkpoint"]["digest"]), (&answer["run"], &answer["digest"]));
    assert_eq!(answer["head"].as_str().unwrap().split(':').next(), Some(last["seq"].to_string().as_str()));
    at.run(&["ledger", "verify", "--head", &head]).code(0).says("came after it");
    let writer = Ledger::open(&at.ledger(), "somebody else").unwrap();
    at.run(&["ledger", "checkpoint"]).code(22).says("somebody else");
    drop(writer);
}

#[test]
fn c12_without_a_run_there_is_nothing_to_assert() {
    let (at, _) = migrated();
    at.run(&["ledger", "checkpoint", "--ledger", "none"]).code(2).says("there is no ledger");
    // A ledger of its first line alone, as a migration that was refused leaves it.
    let first = Ledger::read(&at.ledger()).unwrap().state().opened().unwrap().clone();
    let path = at.work().join("young");
    let young = Ledger::create(&path, first, ledger::timestamp::Timestamp::from_millis(0), "a test").unwrap();
    drop(young);
    at.run(&["ledger", "checkpoint", "--ledger", "young"]).code(2).says("no run was started yet");
    at.run(&["ledger", "verify", "--ledger", "young"]).code(0).says("1 events");
}
