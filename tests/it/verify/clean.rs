//! Where nothing was broken on purpose: the awkward images are found before a migration, known after it, and nothing else
//! is found.

use super::{Found, POLAND, awkward, found, known, migrated, ours};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

const SITE: [&str; 3] = ["--content", "--site-origin", "https://example.com"];

fn only_the_awkward_are_known(at: &Workplace) {
    let (rows, head, files) = (at.rows(), at.head(), at.sandbox.imagekit.files());
    let quick = at.run_json(&POLAND).code(0);
    assert_eq!((found(&quick), known(&quick)), (Found::new(), awkward(at, "PL", false)), "{quick}");
    let whole = at.run_json(&[&POLAND[..], &SITE].concat()).code(0);
    let wrong = awkward(at, "PL", true);
    assert_eq!((found(&whole), known(&whole)), (Found::new(), wrong.clone()), "{whole}");
    let kinds: Vec<_> = wrong.iter().map(|(.., kind)| kind.as_str()).collect();
    for kind in ["wrong_status", "not_an_image", "not_whole", "too_large"] {
        assert!(kinds.contains(&kind), "the sandbox has each kind: {kinds:?}");
    }
    let answer = whole.json();
    let count = |status| ours(at, "PL").iter().filter(|ours| ours.is(status)).count();
    for images in [&answer["images"], &answer["checked"]] {
        assert_eq!(images["external"], count("external"), "{whole}");
        assert_eq!(images["completed"], count("completed"), "{whole}");
    }
    assert!(at.rows() == rows, "verifying changes no row");
    assert_eq!((at.head(), at.sandbox.imagekit.files()), (head, files), "and nothing else");
}

fn before_and_after(kind: Kind) {
    let at = Workplace::new(kind, super::VENUES);
    let before = at.run_json(&POLAND).code(13);
    assert_eq!((found(&before), known(&before)), (awkward(&at, "PL", false), Found::new()), "{before}");
    at.run(&["migrate", "--country", "Poland", "--yes"]).code(10);
    only_the_awkward_are_known(&at);
    // Germany was not migrated. What the ledger knows is not needed for external images, but it has to be this one.
    let germany = at.run_json(&[&super::GERMANY[..], &SITE].concat());
    let wrong = awkward(&at, "DE", true);
    let germany = germany.code(if wrong.is_empty() { 0 } else { 13 });
    assert_eq!(found(&germany), wrong, "{germany}");
    assert_eq!(germany.json()["checked"]["completed"], 0, "{germany}");
}

#[test]
fn c7_a_migrated_country_has_no_findings_and_the_awkward_are_known_on_sqlite() {
    before_and_after(Kind::Sqlite);
}

#[test]
fn c7_a_migrated_country_has_no_findings_and_the_awkward_are_known_on_postgres() {
    before_and_after(Kind::Postgres);
}

#[test]
fn c7_a_venue_without_findings_ends_with_0() {
    let at = migrated(Kind::Sqlite);
    let awkward: Vec<i64> = awkward(&at, "PL", true).into_iter().map(|(venue, ..)| venue).collect();
    let good = ours(&at, "PL").into_iter().find(|ours| !awkward.contains(&ours.venue)).unwrap();
    at.run(&["verify", "--venue-id", &good.venue.to_string(), "--content"]).code(0).says("No findings.");
}
