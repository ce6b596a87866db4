//! The lines to the origin and to ImageKit, and bodies that are not what their heads say.

use std::time::Duration;

use longshore::sandbox::faults::Fault as Answered;

use super::database::BREAKS;
use super::place::{Part, Verb, chosen, each, each_is_harmed};
use crate::support::line::{Harm, Passing};
use crate::support::stage::Kind;

/// The lines on which an image passes on its way.
const FORWARD: [Part; 3] = [Part::Origin, Part::Upload, Part::Delivery];

#[test]
fn e3_a_migration_outlasts_each_break_of_its_lines_to_the_origin_and_to_imagekit() {
    let struck = each_is_harmed(Kind::Sqlite, Verb::Migrate, &FORWARD, &BREAKS, 2);
    assert!(struck >= 40, "{struck}");
}

#[test]
fn e3_a_resumed_migration_outlasts_each_break_of_its_lines_to_imagekit() {
    let parts = [Part::Upload, Part::Api, Part::Delivery];
    let struck = each_is_harmed(Kind::Sqlite, Verb::Resume, &parts, &BREAKS, 1);
    assert!(struck >= 22, "{struck}");
}

#[test]
fn s7_a_rollback_that_deletes_outlasts_each_break_of_its_line_to_imagekit() {
    let struck = each_is_harmed(Kind::Sqlite, Verb::RollbackAndDelete, &[Part::Api], &BREAKS, 3);
    assert!(struck >= 22, "{struck}");
}

#[test]
fn e1_a_migration_outlasts_pieces_that_come_late() {
    let late = Harm::Late(Duration::from_millis(400));
    let ways = [(Passing::Opened, late), (Passing::ToServer, late), (Passing::ToProgram, late)];
    let parts = [Part::Database, Part::Origin, Part::Upload, Part::Delivery];
    let struck = each_is_harmed(Kind::Postgres, Verb::Migrate, &parts, &ways, 1);
    assert!(struck >= 16, "{struck}");
}

/// What the answers of an operation may be instead of themselves. A picture of the origin's that is cut short with the
/// length that it has then is whole as far as anybody can know, and no picture.
fn bodies(op: &str) -> Vec<Answered> {
    let mut all = vec![
        Answered::DropAfter,
        Answered::CutBody { after_bytes: 0 },
        Answered::CutBody { after_bytes: 40 },
        Answered::LongLength,
    ];
    if op != "origin" {
        all.push(Answered::ShortLength);
    }
    all
}

#[test]
fn e1_each_answer_that_is_cut_short_costs_another_try_whatever_its_length_says() {
    let mut cases = Vec::new();
    for op in ["origin", "upload", "delivery"] {
        for body in bodies(op) {
            // So many requests a run makes of each at least.
            cases.extend(chosen(4, 1).into_iter().map(|nth| (op, nth, body.clone())));
        }
    }
    let struck = each(Kind::Sqlite, Verb::Migrate, cases, |place, end, (op, nth, body)| {
        let stage = &place.site.stage;
        let faults = if *op == "origin" { &stage.origin_faults } else { &stage.cdn_faults };
        let before = stage.requests(op);
        faults.inject(op, *nth, 1, body.clone());
        let ran = place.site.run(&Verb::Migrate.args());
        let has_struck = stage.requests(op) > before + nth;
        faults.clear();
        place.comes_to(Verb::Migrate, end, &ran, false);
        has_struck
    });
    assert!(struck >= 14, "{struck}");
}
