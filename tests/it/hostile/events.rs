//! What earlier versions wrote into a ledger before rows had a bound: it is still read, and such a run still ends.

use ledger::chain;
use ledger::event::{
    Country, Event, Opened, Operator, Options, Planned, PlanningDone, Record, RunStarted, Scope, Target,
    Verb, Work,
};
use ledger::ids::{LedgerId, VenueId};
use ledger::images::movable;
use ledger::ledger::Ledger;
use ledger::timestamp::Timestamp;
use ledger::wire;

use super::place::{CODE, Place};
use super::rows::{bounded, failures, venue};
use super::texts::{COUNTRY, COUNTRY_SLUG};
use super::world::{Fate, Held};
use crate::support::stage::Kind;

/// Bytes of the event, about; its array and its entries are each half of it.
const EVENT: usize = 31_000_000;

/// A venue of these elements in the database, and a run that has planned it, cut off before anything else.
fn planned(place: &Place, elements: Vec<(String, Fate)>) {
    let venue = venue(1, "planned", elements);
    place.fill(std::slice::from_ref(&venue));
    let Held::Text(array) = &venue.body.held else { panic!("it holds a text") };
    let country = Country { code: CODE.into(), name: COUNTRY.into(), slug: Some(COUNTRY_SLUG.into()) };
    let url = place.site.stage.url();
    let file = std::fs::canonicalize(url.strip_prefix("sqlite:").unwrap()).unwrap();
    let (name, kind, database) = ("production".into(), "sqlite".into(), file.to_str().unwrap().into());
    let target = Target { name, kind, system: None, database, host: None };
    let opened = Opened { format: 1, ledger: LedgerId([7; 16]), shard: None, target };
    let at = Timestamp::from_millis(1_795_362_000_000);
    let mut ledger = Ledger::create(&place.site.ledger(), opened, at, "a test").unwrap();
    let run = Some(ledger.next_run(0));
    let record = |event| Record { at, run, event };
    let operator = Operator { user: "tester".into(), host: "desk".into(), version: "0.3.0".into() };
    let (scope, options) = (Scope::Country(country.clone()), Options::new(8, 25_000_000, 1_000));
    let started = RunStarted { verb: Verb::Migrate, scope, options, operator };
    ledger.append(&[record(Event::RunStarted(started))]).unwrap();
    let head = ledger.head();
    drop(ledger);

    let entries: Vec<String> = movable(array).unwrap().into_iter().map(str::to_owned).collect();
    let done = PlanningDone { venues: 1, images: entries.len() as u64 };
    let planned = Planned {
        venue: VenueId(1),
        slug: venue.slug,
        name: venue.name,
        city: None,
        country: Some(country),
        array: Some(array.clone()),
        work: Work::Move(entries),
    };
    let body = wire::encode(&record(Event::Planned(planned))).replacen("{\"v\":4", "{\"v\":3", 1);
    assert!(body.starts_with("{\"v\":3") && body.len() > EVENT, "{}", body.len());
    let hash = chain::link(head.hash, head.seq.next(), &body);
    let file = rusqlite::Connection::open(place.site.ledger()).unwrap();
    let event = rusqlite::params![head.seq.next().0 as i64, body, hash.0];
    file.execute("INSERT INTO event (seq, body, hash) VALUES (?1, ?2, ?3)", event).unwrap();
    drop(file);
    let mut ledger = Ledger::open(&place.site.ledger(), "a test").unwrap();
    ledger.append(&[record(Event::PlanningDone(done))]).unwrap();
}

/// A ledger whose third event is this text, behind a chain that holds.
fn ending_in(place: &Place, body: &str) {
    let target = Target {
        name: "production".into(),
        kind: "sqlite".into(),
        system: None,
        database: "/x".into(),
        host: None,
    };
    let opened = Opened { format: 1, ledger: LedgerId([7; 16]), shard: None, target };
    let at = Timestamp::from_millis(1_795_362_000_000);
    let path = place.site.ledger();
    let mut ledger = Ledger::create(&path, opened, at, "a test").unwrap();
    let run = Some(ledger.next_run(0));
    let operator = Operator { user: "tester".into(), host: "desk".into(), version: "0.3.0".into() };
    let (scope, options) = (Scope::Everywhere, Options::new(8, 25_000_000, 1_000));
    let started = RunStarted { verb: Verb::Migrate, scope, options, operator };
    ledger.append(&[Record { at, run, event: Event::RunStarted(started) }]).unwrap();
    let head = ledger.head();
    drop(ledger);
    let hash = chain::link(head.hash, head.seq.next(), body);
    let file = rusqlite::Connection::open(&path).unwrap();
    let event = rusqlite::params![head.seq.next().0 as i64, body, hash.0];
    file.execute("INSERT INTO event (seq, body, hash) VALUES (?1, ?2, ?3)", event).unwrap();
}

/// Everything that reads a ledger.
fn read(place: &Place) {
    bounded(place, &["status"], 0);
    bounded(place, &["report"], 0);
    bounded(place, &["audit"], 0);
    bounded(place, &["log", "--format", "json"], 0);
    bounded(place, &["ledger", "verify"], 0);
}

/// Few entries, each of them large: their pictures are moved, and the row is too large to be rewritten.
#[test]
fn e1_a_venue_of_31_mb_that_an_earlier_version_planned_ends_as_bad_data() {
    let place = Place::new(Kind::Sqlite);
    let base = place.base();
    let (good, fate) = place.forge(&base).fine();
    let wide = good.replace("\"width\"", &format!("\"theirs\": \"{}\", \"width\"", "x".repeat(EVENT / 40)));
    planned(&place, vec![(wide, fate); 20]);
    let before = place.rows();
    read(&place);
    bounded(&place, &["resume"], 10);
    let failed = failures(&place);
    assert_eq!(failed.len(), 20);
    for (venue, kind, message) in &failed {
        assert_eq!((*venue, kind.as_str()), (1, "bad_data"));
        assert!(message.contains("the row is left as it is"), "{message}");
    }
    assert!(place.rows() == before);
    read(&place);
    bounded(&place, &["rollback", "--country", CODE, "--yes"], 10);
    assert!(place.rows() == before);
}

/// Very many small entries.
#[test]
fn e1_an_event_of_very_many_entries_that_an_earlier_version_wrote_is_read() {
    let place = Place::new(Kind::Sqlite);
    let base = place.base();
    let good = place.forge(&base).fine();
    let each = 2 * good.0.len() + 40;
    planned(&place, vec![good; EVENT / each]);
    read(&place);
}

/// Very many small values, where no event has any, or not so many.
#[test]
fn e7_an_event_made_of_very_many_values_takes_no_memory() {
    const VALUES: usize = 10_000_000;
    let list = |value: &str| format!("[{}{value}]", format!("{value},").repeat(VALUES));
    let members = || format!("{{{}\"a\":0}}", "\"a\":0,".repeat(VALUES / 2));
    let planned = |city: &str, more: &str, work: &str| {
        let place = format!("\"slug\":null,\"name\":null,\"city\":{city},\"country\":null");
        format!("{{\"planned\":{{\"venue\":1,{place},\"array\":null,{more}\"work\":{{{work}}}}}}}")
    };
    let started = |options: &str| {
        let operator = r#"{"user":"a","host":"b","version":"c"}"#;
        let rest = format!("\"verb\":\"migrate\",\"scope\":\"everywhere\",\"operator\":{operator}");
        format!("{{\"run_started\":{{{rest},\"options\":{options}}}}}")
    };
    let zeros = list("0");
    let events = [
        (1, planned("null", &format!("\"x\":{zeros},"), "\"move\":[]")),
        (1, planned(&members(), "", "\"move\":[]")),
        (2, started(&format!("{{\"x\":{zeros}}}"))),
        (3, format!("{{\"uploaded\":{}}}", members())),
        (4, planned("null", "", &format!("\"move\":{}", list("\"\"")))),
        (1, planned("null", "", &format!("\"add\":{{\"left_out\":[],\"entries\":{}}}", list("\"\"")))),
        (4, started(&format!("{{\"skip_tables\":{}}}", list("\"\"")))),
    ];
    // One entry, of which only its URL is looked at when a ledger is opened.
    let entry = serde_json::Value::from(members()).to_string();
    let last = (4, planned("null", "", &format!("\"move\":[{entry}]")));
    for (code, (version, event)) in [20; 7].into_iter().zip(events).chain([(0, last)]) {
        let place = Place::new(Kind::Sqlite);
        let head = format!("\"v\":{version},\"at\":\"2026-11-22T15:40:00.007Z\",\"run\":2");
        ending_in(&place, &format!("{{{head},\"event\":{event}}}"));
        let ran = bounded(&place, &["ledger", "verify"], code);
        assert!(code == 0 || ran.stderr.contains("at event 3"), "{ran}");
    }
}
