//! `migrate --plan`: exactly what a saved plan names, or nothing (requirement C3).

use longshore::sandbox::faults::Fault;

use crate::support::site::Site;
use crate::support::stage::Kind;

const RUN: [&str; 4] = ["migrate", "--plan", "agreed.plan", "--yes"];

/// Three venues in Kraków, the first two of them in a saved plan.
fn planned(kind: Kind) -> Site {
    let site = Site::new(kind);
    for id in 1..=3 {
        site.venue(id, 1, &[&format!("/{id}/a.jpg"), &format!("/{id}/b.jpg")]);
    }
    site.run(&["plan", "--country", "PL", "--limit", "2", "--out", "agreed.plan"]).code(0);
    site
}

fn exactly_what_the_plan_names(kind: Kind) {
    let site = planned(kind);
    // A venue that the plan does not name, and a place that does not matter to what is moved.
    site.venue(9, 1, &["/9/a.jpg"]);
    site.stage.sql("UPDATE venues SET city_id = 2 WHERE id = 1");
    let run = site.one_run(&RUN, 0);
    assert_eq!((run["tally"]["venues"].as_u64(), run["tally"]["done"].as_u64()), (Some(2), Some(4)), "{run}");
    let started = site.events(&["--kind", "run_started"]).remove(0);
    let input = &started["event"]["run_started"]["options"]["input"];
    assert!(input["path"].as_str().unwrap().ends_with("agreed.plan"), "{started}");
    for id in [3, 9] {
        assert!(!site.stage.images(id).unwrap().contains("completed"), "venue {id} is in no plan");
    }
    // What was moved is no longer to be moved.
    site.run_idle(&RUN).code(2).says("no longer external").says("Nothing was changed");
}

#[test]
fn c3_a_saved_plan_is_run_exactly_so_on_sqlite() {
    exactly_what_the_plan_names(Kind::Sqlite);
}

#[test]
fn c3_a_saved_plan_is_run_exactly_so_on_postgres() {
    exactly_what_the_plan_names(Kind::Postgres);
}

#[test]
fn c3_a_plan_that_something_has_moved_under_is_refused_by_name() {
    let site = planned(Kind::Sqlite);
    site.stage.sql("UPDATE venues SET slug = 'other' WHERE id = 2");
    site.run_idle(&RUN).code(2).says("venue 2: its slug was").says("is not what the database holds any more");
    site.stage.sql("UPDATE venues SET slug = 'pub-2' WHERE id = 2; DELETE FROM venues WHERE id = 1");
    site.run_idle(&RUN).code(2).says("venue 1: it is gone");
}

#[test]
fn c3_an_edited_plan_and_one_of_another_database_are_refused() {
    let site = planned(Kind::Sqlite);
    let file = site.ledger().with_file_name("agreed.plan");
    let plan = std::fs::read_to_string(&file).unwrap();
    for (from, to) in [("\"limit\": 2", "\"limit\": 3"), ("\"PL\"", "\"FR\""), ("\"production\"", "\"dev\"")]
    {
        let edited = plan.replacen(from, to, 1);
        assert_ne!(edited, plan, "{from}");
        std::fs::write(&file, edited).unwrap();
        site.run_idle(&RUN).code(2).says("it was changed since it was saved");
    }
    std::fs::write(&file, plan).unwrap();
    site.run_idle(&[&RUN[..], &["--target", "dev"]].concat()).code(2).says("was made for production");
    site.run_idle(&["migrate", "--plan", "none.plan", "--yes"]).code(2).says("none.plan cannot be read");
}

#[test]
fn c3_a_plan_that_was_paused_goes_on_with_what_it_names() {
    let site = planned(Kind::Sqlite);
    let body = r#"{"message":"Your account cannot be authenticated."}"#.to_owned();
    let refused = Fault::Answer { status: 403, headers: Vec::new(), body };
    site.stage.cdn_faults.inject("upload", 0, 1, refused);
    site.run(&[&RUN[..], &["--concurrency", "1"]].concat()).code(11);
    site.run_idle(&RUN).code(22).says("holds venues of this plan");
    let run = site.one_run(&["resume", "--yes"], 0);
    assert_eq!((run["tally"]["venues"].as_u64(), run["tally"]["done"].as_u64()), (Some(2), Some(4)), "{run}");
    assert!(!site.stage.images(3).unwrap().contains("completed"));
}
