//! An outage is one failure with code 30, not a thousand findings; a rate limit is waited for.

use std::net::TcpListener;

use longshore::sandbox::faults::Fault;

use super::{GERMANY, POLAND, migrated, ours};
use crate::support::program::Workplace;
use crate::support::site::Site;
use crate::support::stage::Kind;

fn answer(status: u16, header: (&str, &str)) -> Fault {
    let headers = vec![(header.0.to_owned(), header.1.to_owned())];
    Fault::Answer { status, headers, body: String::new() }
}

#[test]
fn c7_a_cdn_that_answers_nobody_is_an_outage() {
    let at = migrated(Kind::Sqlite);
    at.sandbox.faults.inject("delivery", 0, u64::MAX, answer(503, ("x", "y")));
    let ran = at.run_json(&[&POLAND[..], &["--concurrency", "32"]].concat()).code(30);
    let ran = ran.says("the CDN is away");
    assert_eq!(ran.stdout, "", "{ran}");
    // So few images that ten in a row cannot come together.
    let venue = ours(&at, "PL").into_iter().find(|ours| ours.is("completed")).unwrap().venue.to_string();
    at.run(&["verify", "--venue-id", &venue]).code(30).says("it answered nothing at all");
}

#[test]
fn c7_an_origin_that_cannot_be_reached_is_an_outage() {
    let mut at = Workplace::new(Kind::Sqlite, 8);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (base, closed) = (at.sandbox.origin.base_url(), format!("http://127.0.0.1:{port}"));
    at.sql(&format!("UPDATE venues SET venue_images = replace(venue_images, '{base}', '{closed}')"));
    at.settings.insert("ORIGIN_BASE_URL".into(), closed);
    at.run(&["verify", "--patience", "0"]).code(30).says("the origin is away").says("cannot be reached");
}

#[test]
fn c7_a_dozen_images_that_alone_are_not_given_are_findings_and_no_outage() {
    let site = Site::new(Kind::Sqlite);
    let paths = |of: &str| (0..12).map(|n| format!("/{of}/{n}.jpg")).collect::<Vec<_>>();
    for (id, of) in [(1, "good"), (2, "bad"), (3, "more")] {
        site.venue(id, 1, &paths(of).iter().map(String::as_str).collect::<Vec<_>>());
    }
    site.stage.order("origin/bad/*=500");
    let answer = site.run_json(&["verify", "--concurrency", "2"]).code(13).json();
    assert_eq!(answer["findings"].as_array().unwrap().len(), 12, "{answer}");
}

#[test]
fn c7_rate_limits_are_waited_for_and_are_no_findings() {
    let at = migrated(Kind::Sqlite);
    let good = ours(&at, "PL").into_iter().filter(|ours| ours.is("completed"));
    let venue = good.map(|ours| ours.venue).next().unwrap().to_string();
    let here = ["verify", "--venue-id", &venue, "--concurrency", "1"];
    let usual = at.run(&here);
    let asked = (at.requests("delivery"), at.requests("origin"));
    let again = at.run(&here);
    let asked = (at.requests("delivery") - asked.0, at.requests("origin") - asked.1);
    assert_eq!((&again.stdout, again.code), (&usual.stdout, usual.code));
    let before = (at.requests("delivery"), at.requests("origin"));
    at.sandbox.faults.inject("delivery", 1, 2, answer(429, ("x-ratelimit-reset", "20")));
    at.sandbox.faults.inject("origin", 1, 2, answer(429, ("retry-after", "0")));
    let limited = at.run(&here);
    assert_eq!((&limited.stdout, limited.code), (&usual.stdout, usual.code), "{limited}");
    let limited = limited.says("Waiting 0.0 s: rate_limited");
    let now = (at.requests("delivery") - before.0, at.requests("origin") - before.1);
    assert_eq!(now, (asked.0 + 2, asked.1 + 2), "{limited}");
}

#[test]
fn c7_content_needs_a_ledger_and_all_else_does_not() {
    let at = Workplace::new(Kind::Sqlite, 8);
    let venue = at.sandbox.world.to_migrate("DE")[0].id.to_string();
    at.run_idle(&["verify", "--venue-id", &venue, "--content"]).code(2).says("`--content` compares");
    assert!(!at.ledger().exists());
    at.run_idle(&["verify", "--country", "Polnd"]).code(2).says("Poland");
    at.run_idle(&["verify", "--rounds", "3"]).code(2);
    at.run_idle(&["verify", "--sample", "0"]).code(2);
    at.run_idle(&["verify", "--site-origin", "example.com"]).code(2).says("https://example.com");
    let germany = at.run(&GERMANY);
    assert!(!at.ledger().exists(), "{germany}");
}
