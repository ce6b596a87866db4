//! Steering a run from another terminal (requirement C15), and alerts that people hear of (requirement E8).

mod peers;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use ledger::event::{AlertAbout, Event, PauseReason};
use longshore::sandbox::faults::Fault;
use serde_json::{Value, json};

use crate::kill::hand::{Going, VENUES, events, held, ledger, migrate, undisturbed};
use crate::support::program::Workplace;
use crate::support::raw_http::{Act, RawServer, answer};
use crate::support::stage::Kind;

/// A run that is in the middle of its uploads, each of which takes a moment.
pub fn in_the_middle() -> (Workplace, Going) {
    let at = Workplace::new(Kind::Sqlite, VENUES);
    at.sandbox.faults.inject("upload", 3, 1_000, Fault::Delay(Duration::from_millis(200)));
    let mut going = Going::start(&at, &migrate());
    going.reach("its fourth upload", || at.requests("upload") >= 4);
    (at, going)
}

fn steer(at: &Workplace, args: &[&str]) -> Value {
    at.run_json(&[&["control"], args].concat()).code(0).json()
}

fn socket(at: &Workplace) -> std::path::PathBuf {
    at.work().join("longshore.production.ledger.sock")
}

fn names(at: &Workplace) -> Vec<&'static str> {
    events(&ledger(at)).iter().map(|(_, record)| record.event.name()).collect()
}

#[test]
fn c15_a_run_is_paused_in_place_slowed_down_and_let_go_on() {
    let (end, code) = undisturbed(Kind::Sqlite);
    let (at, mut going) = in_the_middle();
    let status = steer(&at, &["status"]);
    assert_eq!((&status["phase"], &status["concurrency"]), (&json!("going"), &json!(16)), "{status}");
    let mode = std::fs::metadata(socket(&at)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "s5: nobody else can steer it");

    let paused = steer(&at, &["pause"]);
    assert_eq!((&paused["phase"], &paused["in_air"]), (&json!("paused"), &json!(0)), "{paused}");
    going.says("Paused in place: tester@");
    at.run(&["status"]).code(0).says("paused (operator)");
    at.run(&["control", "pause"]).code(0).says("is paused, and waits in place");
    let (counts, head) = (at.counts(), at.head());
    at.run(&["control", "set", "concurrency=2", "rate=50/s"]).code(0).says("Concurrency 2, 50 requests/s.");
    at.run(&["control", "set", "concurrency=0"]).code(2);
    at.run(&["control", "set", "speed=9"]).code(2).says("concurrency=8, rate=20/s or rate=none");
    assert_eq!(at.counts(), counts, "nothing is asked of anyone while it waits");
    assert_ne!(at.head(), head);
    let set = steer(&at, &["set", "rate=none"]);
    assert_eq!((&set["concurrency"], &set["rate_per_second_max"]), (&json!(2), &Value::Null), "{set}");

    let on = steer(&at, &["resume"]);
    assert_eq!(on["phase"], json!("going"), "{on}");
    let refused = at.run(&["control", "resume"]);
    assert!(refused.code == Some(2), "it goes on, or is over: {refused}");
    let ran = going.end().code(code).says("tester lets it go on.");
    held(&at).assert_same(&end, &ran);
    let names = names(&at);
    let steered: Vec<_> =
        names.iter().filter(|name| ["paused", "resumed", "adjusted"].contains(name)).copied().collect();
    assert_eq!(steered, ["paused", "adjusted", "adjusted", "adjusted", "resumed"]);
    assert!(!socket(&at).exists());
    at.run(&["control", "status"]).code(2).says("no run goes on with the ledger").says("longshore status");
    at.run(&["ledger", "verify"]).code(0);
}

#[test]
fn c15_a_run_killed_while_it_waits_in_place_is_resumed_as_it_was_set() {
    let (end, code) = undisturbed(Kind::Sqlite);
    let (at, going) = in_the_middle();
    steer(&at, &["set", "concurrency=3", "rate=200/s"]);
    steer(&at, &["pause"]);
    going.kill();
    assert!(socket(&at).exists(), "nobody was left to remove it");
    at.run(&["control", "status"]).code(2).says("no run goes on");
    at.run(&["status"]).code(0).says("paused (operator)").says("longshore resume --run");
    let ran = at.run(&["resume"]).code(code);
    held(&at).assert_same(&end, &ran);
    let events = events(&ledger(&at));
    let resumed = events.iter().find_map(|(_, record)| match &record.event {
        Event::Resumed(resumed) => Some(resumed.options.clone()),
        _ => None,
    });
    let options = resumed.unwrap();
    assert_eq!((options.concurrency, options.rate_per_second_max), (3, Some(200)));
}

#[test]
fn c15_e4_ctrl_c_ends_the_process_of_a_run_that_waits_in_place() {
    let (at, mut going) = in_the_middle();
    steer(&at, &["pause"]);
    going.signal("INT");
    going.end().code(11).says("paused it").says("longshore resume --run");
    assert!(!socket(&at).exists());
    let events = events(&ledger(&at));
    let pauses = events.iter().filter(|(_, record)| record.event.name() == "paused").count();
    assert_eq!(pauses, 1, "it was written down once");
    let (_, last) = events.last().unwrap();
    assert!(matches!(&last.event, Event::Paused(paused) if paused.reason == PauseReason::Operator));
    at.sandbox.faults.clear();
    at.run(&["resume"]).code(10);
}

/// Sees that a run whose one row is locked by another writer can be paused, and updates the row when it goes on.
fn waits_for_its_row(at: &Workplace, args: &[&str], before_it: &str) {
    let lock = rusqlite::Connection::open(at.sandbox_dir().join("eventasaurus.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut going = Going::start(at, args);
    going.reach("a step that is its row's", || {
        let open = at.ledger().exists() && names(at).iter().filter(|name| **name == before_it).count() == 5;
        open && at.run_json(&["control", "status"]).stdout.contains("\"in_air\": 1,")
    });
    assert_eq!(steer(at, &["pause"])["in_air"], 0);
    lock.execute_batch("ROLLBACK").unwrap();
    steer(at, &["resume"]);
    going.end().code(0);
}

#[test]
fn c15_a_row_that_was_waited_for_at_a_pause_is_updated_when_its_run_goes_on() {
    let at = Workplace::new(Kind::Sqlite, VENUES);
    let images = || at.rows().into_iter().map(|(id, row)| (id, row.images)).collect::<Vec<_>>();
    let before = images();
    waits_for_its_row(&at, &["migrate", "--country", "PL", "--yes"], "uploaded");
    assert_ne!(images(), before);
    // Five images were uploaded long since.
    waits_for_its_row(&at, &["rollback", "--country", "PL", "--yes"], "uploaded");
    assert_eq!(images(), before);
}

#[test]
fn c15_the_rate_can_be_changed_while_files_are_deleted() {
    let at = Workplace::new(Kind::Sqlite, VENUES);
    at.run(&["migrate", "--country", "PL", "--yes"]).code(0);
    at.sandbox.faults.inject("details", 0, 1_000, Fault::Delay(Duration::from_secs(2)));
    let mut going = Going::start(&at, &["rollback", "--country", "PL", "--delete-cdn-files", "--yes"]);
    going.reach("the files", || at.run_json(&["control", "status"]).stdout.contains("\"deleting\""));
    let set = steer(&at, &["set", "rate=300/s"]);
    assert_eq!(set["rate_per_second_max"], 300, "{set}");
    at.run(&["control", "pause"]).code(2).says("files are being deleted");
    at.sandbox.faults.clear();
    going.end().code(0).says("at most 300 requests/s");
    assert_eq!(names(&at).iter().filter(|name| **name == "adjusted").count(), 1);
}

#[test]
fn e8_ctrl_c_leaves_alerts_and_keeps_the_code() {
    let mut at = Workplace::new(Kind::Sqlite, VENUES);
    let server = at.runtime.block_on(RawServer::start(|_| vec![Act::Hang]));
    at.settings.insert("LONGSHORE_NOTIFY_URL".into(), server.url("/"));
    let mut going = Going::start(&at, &["migrate", "--country", "PL", "--yes"]);
    going.says("Alerts are still being sent; Ctrl-C leaves them.");
    going.signal("INT");
    going.end().code(0).says("Ledger head");
}

/// A listener that answers with these statuses in turn, the last one for ever.
pub fn listener(at: &Workplace, statuses: &'static [u16]) -> RawServer {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    at.runtime.block_on(RawServer::start(move |_| {
        let nth = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        answer(statuses[nth.min(statuses.len() - 1)], &[], b"")
    }))
}

#[test]
fn e8_a_finished_run_is_told_where_the_setting_says() {
    let mut at = Workplace::new(Kind::Sqlite, VENUES);
    let server = listener(&at, &[503, 200]);
    at.settings.insert("LONGSHORE_NOTIFY_URL".into(), server.url("/T0KEN/hook?key=s3cret"));
    let ran = at.run(&["migrate", "--country", "PL", "--yes"]).code(0);
    assert!(!ran.stderr.contains("could not be sent"), "{ran}");
    let asked = server.asked();
    assert_eq!(asked.len(), 2, "it was tried again");
    assert_eq!((asked[1].method.as_str(), asked[1].target.as_str()), ("POST", "/T0KEN/hook?key=s3cret"));
    assert_eq!(asked[1].header("content-type"), Some("application/json"));
    let told: Value = serde_json::from_slice(&asked[1].body).unwrap();
    assert_eq!((&told["about"], &told["verb"]), (&json!("finished"), &json!("migrate")), "{told}");
    assert_eq!((&told["target"], &told["run"]), (&json!("production"), &json!(2)), "{told}");
    assert_eq!(told["scope"]["country"]["code"], "PL", "{told}");
    let text = told["text"].as_str().unwrap();
    assert!(text.starts_with("Longshore (run 2, migrate Poland, production) finished: "), "{text}");
    let events = events(&ledger(&at));
    let alerts = events.iter().filter_map(|(_, record)| match &record.event {
        Event::Alerted(alerted) => Some(alerted.about),
        _ => None,
    });
    assert_eq!(alerts.collect::<Vec<_>>(), [AlertAbout::Finished]);
}

#[test]
fn e8_a_run_does_not_mind_a_listener_that_refuses() {
    let mut at = Workplace::new(Kind::Sqlite, VENUES);
    let server = listener(&at, &[500]);
    at.settings.insert("LONGSHORE_NOTIFY_URL".into(), server.url("/s3cret"));
    let ran = at.run(&["migrate", "--country", "PL", "--yes"]).code(0);
    let ran = ran.says("Note: an alert could not be sent: LONGSHORE_NOTIFY_URL answered 500");
    assert!(!ran.stderr.contains("s3cret"), "s1: {ran}");
    assert_eq!(server.asked().len(), 3);

    at.settings.insert("LONGSHORE_NOTIFY_URL".into(), "http://hooks.example/s3cret".into());
    let rows = at.rows();
    let ran =
        at.run(&["migrate", "--country", "DE", "--yes"]).code(2).says("LONGSHORE_NOTIFY_URL must be https");
    assert!(!ran.stderr.contains("s3cret") && at.rows() == rows, "{ran}");
    at.run(&["status"]).code(0);
}
