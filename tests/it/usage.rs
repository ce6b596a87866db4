//! Near what ImageKit's plan has free: said before the question, and told as an alert (requirements C3 and E8).

use ledger::event::{AlertAbout, Event};
use ledger::ledger::Ledger;
use serde_json::{Value, json};

use crate::steering::listener;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const VENUES: u32 = 20;
const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const STORAGE: &str = "IMAGEKIT_STORAGE_LIMIT_GB";
const BANDWIDTH: &str = "IMAGEKIT_BANDWIDTH_LIMIT_GB";

/// What the alerts about usage say that a ledger holds.
fn alerts(at: &Workplace) -> Vec<String> {
    let ledger = Ledger::read(&at.ledger()).unwrap();
    let mut alerts = Vec::new();
    let each = |(_, record): ledger::event::Placed| {
        if let Event::Alerted(alerted) = record.event
            && alerted.about == AlertAbout::Usage
        {
            alerts.push(alerted.message);
        }
        Ok::<_, ledger::store::LedgerError>(())
    };
    ledger.events(ledger::ids::Seq(1), each).unwrap();
    alerts
}

/// What `plan` says that Poland adds to storage, in gigabytes.
fn adds(at: &Workplace) -> f64 {
    let plan = at.run_json(&["plan", "--country", "PL", "--exact"]).code(0).json();
    plan["bytes"].as_f64().unwrap() / 1e9
}

fn set(at: &mut Workplace, name: &str, gigabytes: f64) {
    at.settings.insert(name.to_owned(), format!("{gigabytes:.6}"));
}

fn is_moved(ran: &Ran) {
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
}

#[test]
fn c4_a_forecast_near_the_storage_limit_is_said_before_the_question_and_is_an_alert() {
    let mut at = Workplace::new(Kind::Sqlite, VENUES);
    let server = listener(&at, &[204]);
    at.settings.insert("LONGSHORE_NOTIFY_URL".into(), server.url("/"));
    let adds = adds(&at);
    let plan = ["plan", "--country", "PL", "--exact"];
    assert!(!at.run(&plan).says("That stays in the free tier.").stdout.contains("nearly"));
    set(&mut at, STORAGE, adds / 0.95);
    at.run(&plan).says("That stays in the free tier, and uses nearly all of it.");
    // Nobody answers the question, and so nothing is done; but it is said before.
    let asked = at.run_idle(&MIGRATE[..3]).code(2).says("there is no terminal");
    let (warned, question) = (asked.stderr.find("Warning: "), asked.stderr.find("This moves "));
    assert!(warned.is_some() && warned < question, "{asked}");
    assert!(asked.stderr.contains("storage") && asked.stderr.contains(STORAGE), "{asked}");
    assert!(!asked.stderr.contains(BANDWIDTH), "{asked}");
    let ran = at.run(&MIGRATE).says("Warning: ");
    is_moved(&ran);
    assert!(ran.stderr.contains("Alert: ") && !ran.stdout.contains("Warning"), "{ran}");
    assert_eq!(alerts(&at).len(), 1, "at the forecast, and not at the end again: {:?}", alerts(&at));
    let told: Vec<Value> =
        server.asked().iter().map(|asked| serde_json::from_slice(&asked.body).unwrap()).collect();
    let abouts: Vec<&Value> = told.iter().map(|told| &told["about"]).collect();
    assert_eq!(abouts, [&json!("usage"), &json!("finished")]);
    assert!(told[0]["message"].as_str().unwrap().contains("storage"), "{told:?}");
}

#[test]
fn c4_a_forecast_far_from_the_limits_says_nothing() {
    let mut at = Workplace::new(Kind::Sqlite, VENUES);
    let adds = adds(&at);
    set(&mut at, STORAGE, adds / 0.8);
    set(&mut at, BANDWIDTH, adds / 0.8);
    let ran = at.run(&MIGRATE);
    is_moved(&ran);
    assert!(!ran.stderr.contains("Warning") && !ran.stderr.contains("usage"), "{ran}");
    assert_eq!(alerts(&at), [""; 0]);
}

#[test]
fn c4_a_saved_plan_and_the_months_bandwidth_are_warned_of_too() {
    let mut at = Workplace::new(Kind::Sqlite, VENUES);
    at.run(&["plan", "--country", "PL", "--out", "pl.plan"]).code(0);
    set(&mut at, BANDWIDTH, 0.000_001);
    let ran = at.run(&["migrate", "--plan", "pl.plan", "--yes"]).says("Warning: ").says(BANDWIDTH);
    is_moved(&ran);
    assert!(!ran.stderr.contains(STORAGE), "{ran}");
    assert_eq!(alerts(&at).len(), 1);
}

#[test]
fn c4_a_usage_that_cannot_be_asked_for_holds_nothing_up() {
    let mut at = Workplace::new(Kind::Sqlite, VENUES);
    set(&mut at, STORAGE, 0.000_001);
    at.order("usage=503");
    let ran = at.run(&["migrate", "--country", "PL", "--limit", "1", "--yes"]);
    is_moved(&ran);
    let ran = ran.says("What of ImageKit's plan is used is not known");
    assert!(!ran.stderr.contains("Warning"), "{ran}");
    at.order("usage=none\nusage=stalled:bytes=1");
    let begun = std::time::Instant::now();
    let ran = at.run(&["migrate", "--country", "DE", "--limit", "1", "--yes"]);
    is_moved(&ran.says("is not known"));
    assert!(begun.elapsed() < std::time::Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!(alerts(&at), [""; 0]);
}

#[test]
fn e8_a_usage_that_passes_the_limit_in_a_run_is_an_alert_at_its_end() {
    let mut at = Workplace::new(Kind::Sqlite, VENUES);
    let adds = adds(&at);
    set(&mut at, STORAGE, adds / 2.0);
    // No size is known beforehand, so no forecast can be made.
    at.order("origin_head=503");
    let ran = at.run(&MIGRATE).says("How much this run adds is not known");
    is_moved(&ran);
    assert!(!ran.stderr.contains("Warning"), "{ran}");
    assert_eq!(alerts(&at).len(), 1, "{ran}");
}

#[test]
fn e8_a_run_that_goes_on_near_the_limit_says_so_again() {
    let mut at = Workplace::new(Kind::Sqlite, VENUES);
    at.order("upload=wrong_key:after=3");
    at.run(&MIGRATE).code(11);
    at.order("upload=none");
    assert_eq!(alerts(&at), [""; 0]);
    set(&mut at, STORAGE, 0.000_001);
    for _ in 0..2 {
        at.order("upload=wrong_key:after=1");
        at.run(&["resume", "--yes"]).code(11).says("Alert: ");
        at.order("upload=none");
    }
    assert_eq!(alerts(&at).len(), 2, "once each time");
    at.run(&["rollback", "--country", "PL", "--yes"]).code(0);
    assert_eq!(alerts(&at).len(), 2, "a rollback adds nothing");
}

#[test]
fn e8_a_long_run_hears_of_the_usage_before_its_end() {
    let mut at = Workplace::new(Kind::Sqlite, 310);
    set(&mut at, STORAGE, 0.000_001);
    // Nothing is known beforehand: the usage is asked for again on the way.
    at.order("usage=503x1");
    is_moved(&at.run(&["migrate", "--country", "GB", "--yes"]).says("is not known"));
    let seqs = |sql: &str| at.ask_ledger(sql).unwrap().parse::<u64>().unwrap();
    let alerted = seqs("SELECT CAST(min(seq) AS TEXT) FROM event WHERE body LIKE '%\"about\":\"usage\"%'");
    let last = seqs("SELECT CAST(max(seq) AS TEXT) FROM event WHERE body LIKE '%\"db_updated\"%'");
    assert!(alerted < last, "{alerted} {last}");
    assert_eq!(alerts(&at).len(), 1);
}
