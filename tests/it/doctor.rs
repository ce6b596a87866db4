//! `doctor`: every check, made to fail, with the words that say what to do (requirement C16).

mod cdn;
mod databases;
mod here;
mod settings;

use serde_json::Value;

use crate::support::program::{Ran, Workplace};
use crate::support::site::Site;
use crate::support::stage::Kind;

/// What is asked of the stand-ins when nothing is changed.
const LOOKS: [&str; 6] = ["list", "usage", "delivery", "origin", "origin_head", "other"];

/// The lines of one check.
#[track_caller]
fn lines(ran: &Ran, check: &str) -> Vec<Value> {
    let all = ran.json()["checks"].as_array().unwrap().clone();
    let of: Vec<Value> = all.into_iter().filter(|line| line["check"] == check).collect();
    assert!(!of.is_empty(), "{check} is missing: {ran}");
    of
}

/// Sees that a check is a finding that says this, and what to do about it.
#[track_caller]
fn finds(ran: &Ran, check: &str, found: &str, advice: &str) {
    let says = |line: &&Value| {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        line["state"] == "finding" && text("found").contains(found) && text("advice").contains(advice)
    };
    assert!(lines(ran, check).iter().any(|line| says(&line)), "{check} does not find {found:?}: {ran}");
    assert_eq!(ran.code, Some(13), "{ran}");
}

/// Sees how a check stands.
#[track_caller]
fn stands(ran: &Ran, check: &str, state: &str) {
    let lines = lines(ran, check);
    assert!(lines.iter().all(|line| line["state"] == state), "{check} is not {state}: {ran}");
}

/// The checks that are findings.
fn findings(ran: &Ran) -> Vec<String> {
    let all = ran.json()["checks"].as_array().unwrap().clone();
    let found = all.iter().filter(|line| line["state"] == "finding");
    found.map(|line| line["check"].as_str().unwrap().to_owned()).collect()
}

fn doctor(at: &Workplace) -> Ran {
    at.run_looking(&["doctor", "--format", "json"], &LOOKS)
}

/// The same on a world that a test has filled itself; it has no Trivia Advisor.
fn doctor_of(site: &Site) -> Ran {
    site.run_idle(&["doctor", "--format", "json"])
}

fn all_is_well(kind: Kind) {
    let at = Workplace::new(kind, 12);
    let before = doctor(&at).code(0);
    assert_eq!(findings(&before), [""; 0]);
    assert_eq!(before.json()["findings_total"], 0);
    stands(&before, "ledger", "ok");
    assert!(!at.ledger().exists(), "nothing is made");
    at.run(&["migrate", "--country", "PL", "--yes"]);
    let after = doctor(&at).code(0);
    let said = |ran: &Ran, check: &str| lines(ran, check)[0]["found"].as_str().unwrap().to_owned();
    assert!(said(&before, "endpoint").contains("no file is known"), "{before}");
    assert!(said(&after, "endpoint").contains("delivers"), "{after}");
    assert!(said(&after, "ledger").contains("belongs to this database"), "{after}");
    let people = at.run(&["doctor"]).code(0).says("All is well.");
    // A path is not broken, however deep the test's directory lies.
    let path = people.stdout.split_whitespace().map(str::len).max().unwrap_or(0);
    let others = "trivia_advisor".len() + "State".len() + 6;
    assert!(people.stdout.lines().all(|line| line.chars().count() <= (path + others).max(80)), "{people}");
}

#[test]
fn c16_all_is_well_on_sqlite() {
    all_is_well(Kind::Sqlite);
}

#[test]
fn c16_all_is_well_on_postgres() {
    all_is_well(Kind::Postgres);
}

#[test]
fn c16_all_is_well_through_a_pooler() {
    all_is_well(Kind::Pgbouncer);
}

#[test]
fn c16_people_read_what_to_do_and_every_format_has_it() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    at.settings.remove("IMAGEKIT_PRIVATE_KEY");
    for format in ["table", "csv", "markdown", "html"] {
        at.run(&["doctor", "--format", format, "-o", "answer"]).code(13);
        let answer = std::fs::read_to_string(at.work().join("answer")).unwrap();
        for text in ["IMAGEKIT_PRIVATE_KEY is not set", "imagekit_key", "unseen", "FINDING"] {
            let flat: Vec<&str> = answer.split_whitespace().collect();
            assert!(flat.join(" ").contains(text), "{format} lacks {text}: {answer}");
        }
        assert!(answer.contains("export"), "{format} does not say what to do: {answer}");
    }
}
