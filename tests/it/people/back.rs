//! `rollback` of a city, a venue, a run and a country, over all that may have come between (requirement C6).

use longshore::sandbox::faults::Fault;
use serde_json::{Value, json};

use crate::support::site::Site;
use crate::support::stage::{Kind, Rows};

/// Kraków has venues 1 and 2, Łódź 3, Köln 4.
fn site(kind: Kind) -> Site {
    let site = Site::new(kind);
    site.stage.sql("INSERT INTO cities VALUES (3, 'Łódź', 'lodz', 1)");
    site.venue(1, 1, &["/1a.jpg", "/1b.jpg"]);
    site.venue(2, 1, &["/2.jpg"]);
    site.venue(3, 3, &["/3.jpg"]);
    site.venue(4, 2, &["/4.jpg"]);
    site
}

fn migrate(site: &Site, scope: &[&str], code: i32) -> String {
    site.one_run(&[&["migrate", "--yes"], scope].concat(), code)["run"].to_string()
}

/// Takes a scope back, and sees that what was said before is what was done.
#[track_caller]
fn back(site: &Site, scope: &[&str]) -> Value {
    let dry = [&["rollback", "--dry-run", "--format", "json"], scope].concat();
    let dry = site.run_idle(&dry).code(0).json();
    let done = site.one_run(&[&["rollback", "--yes"], scope].concat(), 0);
    assert_eq!(
        (&dry["images"], &dry["venues"]),
        (&done["tally"]["done"], &done["venues_restored"]),
        "{dry} {done}"
    );
    let again = [&["rollback", "--yes"], scope].concat();
    site.run_idle(&again).code(0).says("Nothing is left to roll back in");
    done
}

/// The venues whose rows differ.
fn changed(before: &Rows, after: &Rows) -> Vec<i64> {
    before.keys().copied().filter(|id| before[id] != after[id]).collect()
}

fn each_scope_takes_back_its_own(kind: Kind) {
    let site = site(kind);
    let before = site.stage.rows();
    let left = || changed(&before, &site.stage.rows());
    let poland = migrate(&site, &["--country", "Poland"], 0);
    let germany = migrate(&site, &["--country", "Germany"], 0);
    assert_eq!(left(), [1, 2, 3, 4]);
    let city = back(&site, &["--city", "LODZ"]);
    assert_eq!((left(), &city["tally"]["done"]), (vec![1, 2, 4], &json!(1)));
    let venue = back(&site, &["--venue-id", "1"]);
    assert_eq!((left(), &venue["tally"]["done"]), (vec![2, 4], &json!(2)));
    back(&site, &["--run", &poland]);
    assert_eq!(left(), [4]);
    site.run_idle(&["rollback", "--country", "PL", "--yes"])
        .code(0)
        .says("Nothing is left to roll back in Poland.");
    back(&site, &["--country", "germany"]);
    assert!(left().is_empty());
    site.run_idle(&["rollback", "--run", &germany, "--yes"])
        .code(0)
        .says("Nothing is left to roll back in run");
    // And forward again, with one look at each file and no upload.
    let uploads = site.stage.requests("upload");
    migrate(&site, &["--country", "Poland"], 0);
    assert_eq!((left(), site.stage.requests("upload")), (vec![1, 2, 3], uploads));
    site.run(&["ledger", "verify"]).code(0);
}

#[test]
fn c6_each_scope_takes_back_its_own_on_sqlite() {
    each_scope_takes_back_its_own(Kind::Sqlite);
}

#[test]
fn c6_each_scope_takes_back_its_own_on_postgres() {
    each_scope_takes_back_its_own(Kind::Postgres);
}

/// Poland half-way: venue 1 is done, then the key was wrong.
fn half_way(site: &mut Site) -> (Rows, String) {
    let before = site.stage.rows();
    migrate(site, &["--venue-id", "1"], 0);
    let right = site.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_wrong".into()).unwrap();
    let run = migrate(site, &["--country", "PL"], 11);
    site.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), right);
    (before, run)
}

#[test]
fn c6_an_unfinished_run_inside_the_scope_is_closed_first_and_never_resumed() {
    for scope in ["country", "run"] {
        let mut site = site(Kind::Sqlite);
        let (before, run) = half_way(&mut site);
        let scope = if scope == "country" { ["--country", "PL"] } else { ["--run", &run] };
        let args = [&["rollback", "--dry-run"], &scope[..]].concat();
        site.run_idle(&args).code(0).says(&format!("Run {run} is unfinished; it would be closed first"));
        let args = [&["rollback", "--yes"], &scope[..]].concat();
        site.run(&args)
            .code(0)
            .says(&format!("Run {run} is unfinished; it is closed first and never resumed."));
        site.run_idle(&["resume"]).code(0).says("Nothing to resume");
        site.run_idle(&["resume", "--run", &run]).code(2).says("is finished");
        site.run_idle(&["resume", "--run", &run, "--retry-failed"]).code(0).says("Nothing to take up again");
        let still = if scope[0] == "--run" { vec![1] } else { vec![] };
        assert_eq!(changed(&before, &site.stage.rows()), still, "venue 1 was another run's");
        migrate(&site, &["--country", "PL"], 0);
    }
}

#[test]
fn c6_of_a_wider_unfinished_run_only_the_venues_of_the_scope_are_taken() {
    for (scope, rest) in [(["--city", "Kraków"], vec![3]), (["--venue-id", "3"], vec![1, 2])] {
        let mut site = site(Kind::Sqlite);
        let (before, run) = half_way(&mut site);
        let args = [&["rollback", "--yes"], &scope[..]].concat();
        let took = site.run(&args).code(0);
        assert!(!took.stderr.contains("closed first"), "{took}");
        let on = site.one_run(&["resume"], 0);
        assert_eq!(on["run"].to_string(), run);
        assert_eq!(changed(&before, &site.stage.rows()), rest, "never resumed over a rollback");
    }
}

#[test]
fn c6_an_older_run_is_taken_back_under_one_that_stands_on_it() {
    for first in ["older", "newer"] {
        let site = site(Kind::Sqlite);
        let older = migrate(&site, &["--country", "PL"], 0);
        site.lost(1, "/new.jpg");
        site.found("/new.jpg");
        let grown = site.stage.rows();
        let newer = migrate(&site, &["--country", "PL"], 0);
        let order = if first == "older" { [&older, &newer] } else { [&newer, &older] };
        let done = back(&site, &["--run", order[0]]);
        let count = if first == "older" { 4 } else { 1 };
        assert_eq!(done["tally"]["done"], count, "{done}");
        let (images, rows) = (site.stage.images(1).unwrap(), site.stage.rows());
        assert_eq!(
            images.matches("imagekit_file_id").count(),
            if first == "older" { 1 } else { 2 },
            "{images}"
        );
        assert_eq!(changed(&grown, &rows).is_empty(), first == "newer");
        back(&site, &["--run", order[1]]);
        let rows = site.stage.rows();
        assert!(!rows.values().flatten().any(|text| text.contains("imagekit_file_id")));
        assert!(rows[&1].as_ref().unwrap().contains("/new.jpg"), "what others added stays");
    }
}

/// Closed by its own number, a rollback would leave the rows that it had not come to.
#[test]
fn c6_a_rollback_is_finished_by_resume_and_not_rolled_back() {
    let site = site(Kind::Sqlite);
    let before = site.stage.rows();
    migrate(&site, &["--country", "PL"], 0);
    site.stage.cdn_faults.inject("list", 0, 1_000, Fault::DropBefore);
    site.stage.cdn_faults.inject("details", 0, 1_000, Fault::DropBefore);
    let cut_off = ["rollback", "--country", "PL", "--yes", "--delete-cdn-files", "--patience", "1"];
    let run = site.one_run(&cut_off, 11)["run"].to_string();
    site.stage.cdn_faults.clear();
    for args in [&["--dry-run"][..], &["--yes"]] {
        let again = [&["rollback", "--run", &run], args].concat();
        site.run_idle(&again).code(2).says(&format!("`longshore resume --run {run}` finishes it"));
    }
    assert_eq!(site.one_run(&["resume"], 0)["files_deleted"], json!(4));
    assert_eq!(site.stage.rows(), before);
    site.run_idle(&["rollback", "--run", &run, "--yes"])
        .code(2)
        .says("is a rollback itself")
        .says("`longshore migrate` moves again what it put back");
}

/// What a rollback could not do is taken up by its own number; where a later one closed it, by the place.
#[test]
fn c6_of_a_rollback_that_left_something_it_is_told_what_takes_that_up() {
    let site = site(Kind::Sqlite);
    let before = site.stage.rows();
    migrate(&site, &["--country", "PL"], 0);
    site.stage.sql(
        "CREATE TRIGGER frozen BEFORE UPDATE ON venues WHEN old.id = 1 BEGIN SELECT RAISE(ABORT, 'frozen'); END",
    );
    let run = site.one_run(&["rollback", "--country", "PL", "--yes"], 10)["run"].to_string();
    let again = format!("longshore resume --run {run} --retry-failed");
    site.run_idle(&["rollback", "--run", &run, "--yes"]).code(2).says(&again);
    site.stage.sql("DROP TRIGGER frozen");
    site.one_run(&["resume", "--run", &run, "--retry-failed"], 0);
    assert_eq!(site.stage.rows(), before);
    migrate(&site, &["--country", "PL"], 0);
    site.stage.cdn_faults.inject("list", 0, 1_000, Fault::DropBefore);
    site.stage.cdn_faults.inject("details", 0, 1_000, Fault::DropBefore);
    let cut_off = ["rollback", "--country", "PL", "--yes", "--delete-cdn-files", "--patience", "1"];
    let run = site.one_run(&cut_off, 11)["run"].to_string();
    site.stage.cdn_faults.clear();
    site.run(&["rollback", "--country", "PL", "--yes"]).code(0).says(&format!("Run {run} is unfinished"));
    site.run_idle(&["rollback", "--run", &run, "--yes"]).code(2).says("longshore rollback --country PL");
}

#[test]
fn c6_what_was_taken_back_and_migrated_again_is_the_later_runs() {
    let site = site(Kind::Sqlite);
    let before = site.stage.rows();
    let first = migrate(&site, &["--venue-id", "1"], 0);
    back(&site, &["--venue-id", "1"]);
    let second = migrate(&site, &["--venue-id", "1"], 0);
    let rows = site.stage.rows();
    let nothing = ["rollback", "--run", &first, "--yes", "--delete-cdn-files"];
    site.run_idle(&nothing).code(0).says("Nothing is left to roll back in run");
    assert_eq!(site.stage.rows(), rows);
    let done = back(&site, &["--run", &second]);
    assert_eq!((&done["tally"]["done"], site.stage.rows()), (&json!(2), before));
}

#[test]
fn c6_what_others_did_since_stays_and_is_told() {
    let site = site(Kind::Sqlite);
    let before = site.stage.rows();
    migrate(&site, &["--city", "krakow"], 0);
    // One entry is changed in what is ours, a key is added to the other, and an image of theirs beside them.
    let images = site.stage.images(1).unwrap();
    let (one, other) = images.split_once("}, {").unwrap();
    let one = one.replace("\"completed\"", "\"reviewed\"");
    let changed = format!(
        "{one}}}, {{\"caption\": \"The bar\", {}",
        other.replacen(']', ", {\"source\": \"user\"}]", 1)
    );
    site.stage.set_images(1, &changed);
    let done = site.one_run(&["rollback", "--city", "krakow", "--yes"], 12);
    assert_eq!((&done["tally"]["done"], &done["tally"]["drifted"]), (&json!(2), &json!(1)), "{done}");
    assert_eq!(done["venues_restored"], 1, "{done}");
    let after = site.stage.images(1).unwrap();
    assert!(after.contains("\"reviewed\"") && after.contains("\"caption\": \"The bar\""), "{after}");
    assert!(
        after.contains("{\"source\": \"user\"}") && after.matches("imagekit_file_id").count() == 1,
        "{after}"
    );
    assert_eq!(site.stage.rows()[&2], before[&2]);
    // It stays reported as long as it is so, and goes back once it is as it was.
    site.one_run(&["rollback", "--city", "krakow", "--yes"], 12);
    site.stage.set_images(1, &after.replace("\"reviewed\"", "\"completed\""));
    let done = site.one_run(&["rollback", "--city", "krakow", "--yes"], 0);
    assert_eq!(done["tally"]["done"], 1, "{done}");
}
