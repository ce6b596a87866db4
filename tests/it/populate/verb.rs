//! The verb itself: targets, scopes, limits, what it needs, and what it refuses.

use std::collections::BTreeSet;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use serde_json::json;

use super::{HEADER, matched, populate, run_of, workplace, write};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Matches of the venues 11 to 16, with two images each.
fn report() -> String {
    HEADER.to_owned() + &(11..=16).map(|ea| matched(ea - 10, ea, "1", 2)).collect::<String>()
}

/// The venues that have images of ours.
pub fn populated(at: &Workplace) -> Vec<i64> {
    let has = |images: &Option<String>| images.as_deref().is_some_and(|text| text.contains("external"));
    at.rows().into_iter().filter(|(_, row)| has(&row.images)).map(|(id, _)| id).collect()
}

#[test]
fn d7_dev_is_where_it_goes_and_nothing_is_asked() {
    let at = workplace(Kind::Sqlite, &report());
    at.run_idle(&["populate", "--matches", "report.csv", "--dry-run"]).code(0).says("Nothing was changed.");
    let ran = at.run(&["populate", "--matches", "report.csv"]).code(0);
    ran.says("This adds 12 images to 6 venues, in the dev database (SQLite /")
        .says("12 images added, 6 venues");
    assert!(at.work().join("longshore.dev.ledger").exists() && !at.ledger().exists());
    assert_eq!(populated(&at), [11, 12, 13, 14, 15, 16]);
    at.run(&["populate", "--matches", "report.csv"]).code(0).says("Nothing is left to populate.\n");
    at.run(&["rollback", "--target", "dev", "--run", "2", "--yes"]).code(0);
    assert!(populated(&at).is_empty());
}

#[test]
fn c4_production_is_not_populated_unasked() {
    let at = workplace(Kind::Sqlite, &report());
    let args = ["populate", "--matches", "report.csv", "--target", "production"];
    let refused = at.run_idle(&args).code(2);
    refused
        .says("in the production database (SQLite /")
        .says("there is no terminal to ask for confirmation at");
    assert!(!at.ledger().exists());
    let ran = populate(&at, &[]).code(0);
    let answer = ran.json();
    assert_eq!(answer["runs"][0]["verb"], "populate", "{ran}");
    assert_eq!(answer["runs"][0]["scope"], json!("everywhere"), "{ran}");
    assert_eq!(answer["runs"][0]["report"], json!(null), "{ran}");
    assert!(at.head().unwrap().starts_with(answer["head"].as_str().unwrap().split(':').next().unwrap()));
}

fn the_next_few(kind: Kind) {
    let at = workplace(kind, &report());
    let dry = at.run_idle(&[
        "populate",
        "--matches",
        "report.csv",
        "--limit",
        "4",
        "--dry-run",
        "--format",
        "json",
    ]);
    assert_eq!(dry.code(0).json()["venues"], 4);
    for (end, code) in [(12, 0), (14, 0), (16, 0)] {
        populate(&at, &["--limit", "2"]).code(code);
        assert_eq!(populated(&at), (11..=end).collect::<Vec<_>>());
    }
    let head = at.head();
    let again = populate(&at, &["--limit", "2"]).code(0);
    assert_eq!((at.head(), again.json()["runs"].clone()), (head, json!([])));
}

#[test]
fn c1_a_limit_takes_the_next_venues_each_time_on_sqlite() {
    the_next_few(Kind::Sqlite);
}

#[test]
fn c1_a_limit_takes_the_next_venues_each_time_through_pgbouncer() {
    the_next_few(Kind::Pgbouncer);
}

#[test]
fn c1_a_limit_counts_venues_that_get_something() {
    let at = workplace(Kind::Sqlite, &report());
    at.sql("UPDATE venues SET slug = 'moved' WHERE id IN (11, 13)");
    populate(&at, &["--limit", "2"]).code(10);
    assert_eq!(populated(&at), [12, 14]);
    populate(&at, &["--limit", "2"]).code(10);
    assert_eq!(populated(&at), [12, 14, 15, 16]);
}

#[test]
fn c1_a_place_is_populated_and_nothing_beside_it() {
    let at = workplace(Kind::Sqlite, &report());
    let world = &at.sandbox.world;
    let city_of = |id: i64| {
        let venue = world.venues.iter().find(|venue| venue.id == id).unwrap();
        world.cities.iter().find(|city| Some(city.id) == venue.city).unwrap()
    };
    let of = |is_it: &dyn Fn(i64) -> bool| (11..=16).filter(|id| is_it(*id)).collect::<BTreeSet<_>>();
    populate(&at, &["--venue-id", "12"]).code(0);
    let mut expected = BTreeSet::from([12]);
    assert_eq!(populated(&at), [12]);

    let country = world.countries.iter().find(|country| country.id == city_of(13).country).unwrap();
    populate(&at, &["--country", &country.code]).code(0);
    expected.extend(of(&|id| city_of(id).country == country.id));
    assert_eq!(populated(&at), expected.iter().copied().collect::<Vec<_>>());
    let again = populate(&at, &["--country", &country.code]).code(0);
    again.says(&format!("Nothing is left to populate in {}.", country.name));

    let rest = (11..=16).find(|id| !expected.contains(id)).expect("six venues are not all in one country");
    let city = city_of(rest);
    let country = world.countries.iter().find(|country| country.id == city.country).unwrap();
    populate(&at, &["--city", &city.slug, "--country", &country.code]).code(0);
    expected.extend(of(&|id| city_of(id).id == city.id));
    assert_eq!(populated(&at), expected.into_iter().collect::<Vec<_>>());
    at.run_idle(&["populate", "--matches", "report.csv", "--country", "Polska"]).code(2);
}

/// A claim's file that another user left is told before anything is asked or begun, whatever names the place.
#[test]
fn s5_a_claims_file_of_another_user_is_told_before_the_question() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("NOT RUN: only root can give a file away");
    }
    let at = workplace(Kind::Sqlite, &report());
    let run = run_of(&populate(&at, &[]).code(0));
    at.run(&["rollback", "--run", &run, "--yes"]).code(0);
    let files = std::fs::read_dir(at.sandbox_dir()).unwrap().map(|file| file.unwrap().path());
    let is_claim = |file: &PathBuf| file.to_string_lossy().contains(".longshore-");
    let claims: Vec<PathBuf> = files.filter(is_claim).collect();
    assert!(!claims.is_empty());
    claims.iter().for_each(|claim| chown(claim, Some(65_534), None).unwrap());
    let args = ["populate", "--matches", "report.csv", "--target", "production"];
    for more in [&[][..], &["--country", "GB"]] {
        let ran = at.run_idle(&[&args[..], more].concat()).code(30).says("rm ");
        assert!(!ran.stderr.contains("This adds"), "{ran}");
    }
}

#[test]
fn d6_what_is_missing_is_named_and_nothing_is_guessed() {
    let mut at = workplace(Kind::Sqlite, &report());
    at.run_idle(&["populate", "--dry-run"]).code(2).says("temp/migration_recon/matching_report.csv");
    at.run_idle(&["populate", "--matches", "none.csv"]).code(2).says("none.csv").says("--matches FILE");
    std::fs::write(at.work().join("odd.csv"), "ta_id,ea_id\n1,2\n").unwrap();
    at.run_idle(&["populate", "--matches", "odd.csv"]).code(2).says("column");

    let url = at.settings.remove("TRIVIA_ADVISOR_DATABASE_URL").unwrap();
    at.run_idle(&["populate", "--matches", "report.csv"]).code(2).says("TRIVIA_ADVISOR_DATABASE_URL");
    at.settings.insert("TRVIA_ADVISOR_DATABASE_URL".into(), url.clone());
    at.run_idle(&["populate", "--matches", "report.csv", "--dry-run"]).code(0);
    at.settings.insert("TRVIA_ADVISOR_DATABASE_URL".into(), format!("{url}.gone"));
    let gone = at.run_idle(&["populate", "--matches", "report.csv"]);
    gone.code(30).says("the Trivia Advisor database cannot be used");
    assert!(populated(&at).is_empty());
}

#[test]
fn c5_a_populate_cut_off_while_it_plans_goes_on_only_with_the_report_it_had() {
    let at = workplace(Kind::Sqlite, &report());
    let before = at.rows();
    let first = run_of(&populate(&at, &["--venue-id", "11"]).code(0));
    let cut_off = leave_planning(&at, &first);

    // While it plans it holds everything, for either direction.
    for other in [&["populate", "--matches", "report.csv"][..], &["migrate", "--country", "GB"]] {
        let args = [other, &["--target", "production", "--yes"]].concat();
        let refused =
            at.run_idle(&args).code(22).says(&format!("the unfinished run {cut_off} (populate) holds"));
        refused.says(&format!("`longshore resume --run {cut_off}`"));
    }

    write(&at, &report().replace(",1,", ",2,"));
    let refused = at.run_idle(&["resume"]).code(2).says("is another one now");
    refused.says("Put the report back as it was");
    std::fs::rename(at.work().join("report.csv"), at.work().join("elsewhere.csv")).unwrap();
    at.run_idle(&["resume"]).code(2).says("report.csv cannot be read");

    write(&at, &report());
    at.run(&["resume"]).code(0).says(&format!("Run {cut_off} (populate everywhere) goes on."));
    assert_eq!(populated(&at), [11, 12, 13, 14, 15, 16]);
    for run in [&cut_off, &first] {
        at.run(&["rollback", "--run", run, "--yes"]).code(0);
    }
    for (id, row) in before {
        assert_eq!(at.rows()[&id].images, row.images, "venue {id}");
    }
}

/// Leaves the ledger as a `populate` everywhere does that is killed as soon as it has begun: what a run before it wrote
/// down of itself, once more. Its number.
pub fn leave_planning(at: &Workplace, like: &str) -> String {
    use ledger::event::{Event, Options, Record, RunStarted, Scope};
    let mut ledger = ledger::ledger::Ledger::open(&at.ledger(), "a test").unwrap();
    let like = ledger.state().run(like.parse().unwrap()).unwrap();
    // As it was before there was a limit.
    let options = Options { distance_max_m: None, ..like.options().clone() };
    let operator = like.started.operator.clone();
    let verb = like.started.verb;
    let run = ledger.next_run(0);
    let event = Event::RunStarted(RunStarted { verb, scope: Scope::Everywhere, options, operator });
    let at = ledger::timestamp::Timestamp::from_millis(1_700_000_000_000);
    ledger.append(&[Record { at, run: Some(run), event }]).unwrap();
    run.to_string()
}
