//! `rollback --delete-cdn-files`: what may be deleted is, and nothing else (requirements C6, S7).

use longshore::outside::imagekit::{Cdn, ImageKit, ImageKitOptions};
use longshore::sandbox::faults::Fault;
use serde_json::{Value, json};

use crate::kill::hand::Going;
use crate::support::site::Site;
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const DELETE: [&str; 5] = ["rollback", "--country", "PL", "--yes", "--delete-cdn-files"];

fn site(kind: Kind) -> Site {
    let site = Site::new(kind);
    site.venue(1, 1, &["/1a.jpg", "/1b.jpg"]);
    site.venue(2, 1, &["/2.jpg"]);
    site
}

/// The events that tell of deleted files, by path.
fn deleted(site: &Site) -> Vec<String> {
    let events = site.events(&["--kind", "cdn_deleted"]);
    events.iter().map(|line| line["event"]["cdn_deleted"]["path"].as_str().unwrap().to_owned()).collect()
}

/// Gives a file on the CDN other tags, as somebody at its media library would.
pub(super) fn tag(site: &Site, path: &str, tags: &[&str]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = |text: String| text.parse().unwrap();
    let api = || url(site.stage.imagekit.api_url());
    let endpoint = url(site.stage.imagekit.url_endpoint());
    let cdn = ImageKit::new(ImageKitOptions::new("private_sandbox", endpoint, api(), api())).unwrap();
    let file = site.stage.imagekit.files().into_iter().find(|file| file.path == path).unwrap();
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    runtime.block_on(cdn.set_tags(&file.id.parse().unwrap(), &tags)).unwrap();
}

fn only_what_nothing_needs_is_deleted(kind: Kind) {
    let site = site(kind);
    let before = site.stage.rows();
    site.one_run(&MIGRATE, 0);
    let all = site.paths();
    assert_eq!(all.len(), 3);
    site.run_idle(&["rollback", "--venue-id", "1", "--delete-cdn-files", "--dry-run"])
        .code(0)
        .says("are deleted");
    let run = site.one_run(&["rollback", "--venue-id", "1", "--delete-cdn-files", "--yes"], 0);
    assert_eq!((&run["files_deleted"], &run["tally"]["done"]), (&json!(2), &json!(2)), "{run}");
    let left = site.paths();
    assert!(left.len() == 1 && left[0].starts_with("/venues/pub-2/"), "{left:?}");
    let mut told = deleted(&site);
    told.sort();
    let gone: Vec<String> = all.into_iter().filter(|path| !left.contains(path)).collect();
    assert_eq!(told, gone);
    // What was deleted is uploaded again; what was not, is not.
    let uploads = site.stage.requests("upload");
    site.one_run(&MIGRATE, 0);
    assert_eq!((site.stage.requests("upload"), site.paths().len()), (uploads + 2, 3));
    let run = site.run(&DELETE).code(0).says("3 files deleted from the CDN.");
    assert!(site.paths().is_empty(), "{run}");
    assert_eq!(site.stage.rows(), before);
    site.run_idle(&DELETE).code(0).says("Nothing is left to roll back in Poland.");
    site.run(&["ledger", "verify"]).code(0);
}

#[test]
fn s7_only_files_that_nothing_needs_are_deleted_on_sqlite() {
    only_what_nothing_needs_is_deleted(Kind::Sqlite);
}

#[test]
fn s7_only_files_that_nothing_needs_are_deleted_on_postgres() {
    only_what_nothing_needs_is_deleted(Kind::Postgres);
}

fn a_file_that_another_row_uses_stays(kind: Kind) {
    let site = site(kind);
    site.one_run(&MIGRATE, 0);
    let endpoint = site.stage.imagekit.url_endpoint();
    let files = site.stage.imagekit.files();
    let of = |venue| files.iter().filter(move |file| file.path.split('/').nth(2) == Some(venue));
    let mut first = of("pub-1");
    let plain = format!("{endpoint}{}?tr=w-400", first.next().unwrap().path);
    let escaped = format!("{endpoint}{}", first.next().unwrap().path)
        .replace('/', "\\/")
        .replace("pub-1_", "\\u0070ub-1%5f");
    let id = of("pub-2").next().unwrap().id.clone();
    site.stage.venue(7, "other", 2, &format!(r#"[{{"source": "user", "url": "{plain}"}}]"#));
    site.stage.venue(8, "third", 2, &format!(r#"{{"cover": "{escaped}"}}"#));
    site.stage.venue(9, "fourth", 2, &format!(r#"[{{"imagekit_file_id": "{id}", "source": "user"}}]"#));
    let run = site.run(&DELETE).code(0);
    let run = run
        .says("in the row of venue 7 uses it")
        .says("in the row of venue 8 uses it")
        .says("in the row of venue 9 uses it");
    assert_eq!((site.paths().len(), deleted(&site).len()), (3, 0), "{run}");
    // Once the rows are gone, the same command deletes them.
    site.stage.sql("DELETE FROM venues WHERE id IN (7, 8)");
    let run = site.one_run(&DELETE, 0);
    assert_eq!((&run["files_deleted"], site.paths().len()), (&json!(2), 1), "{run}");
}

#[test]
fn s7_a_file_that_another_row_uses_stays_on_sqlite() {
    a_file_that_another_row_uses_stays(Kind::Sqlite);
}

#[test]
fn s7_a_file_that_another_row_uses_stays_on_postgres() {
    a_file_that_another_row_uses_stays(Kind::Postgres);
}

#[test]
fn s7_a_file_whose_tags_name_another_ledger_or_not_ours_stays() {
    let site = site(Kind::Sqlite);
    site.one_run(&MIGRATE, 0);
    let files = site.stage.imagekit.files();
    let ours = files[0].tags.iter().find(|tag| tag.starts_with("ledger-")).unwrap().clone();
    let theirs = format!("ledger-{}", "8".repeat(32));
    tag(&site, &files[0].path, &["longshore", &ours, &theirs]);
    tag(&site, &files[1].path, &["longshore", "PL"]);
    let run = site.run(&DELETE).code(0);
    let run = run.says(&theirs).says("its tags do not name this ledger");
    assert_eq!(
        (site.paths(), deleted(&site)),
        (vec![files[0].path.clone(), files[1].path.clone()], vec![files[2].path.clone()]),
        "{run}"
    );
}

#[test]
fn s7_twins_that_share_a_file_keep_it_until_the_last_is_back() {
    let site = Site::new(Kind::Sqlite);
    for id in [1, 2] {
        let entry = site.stage.external(&format!("/{id}.jpg"), "the same picture");
        site.stage.venue(id, "twin", 1, &format!("[{entry}]"));
    }
    site.one_run(&MIGRATE, 0);
    assert_eq!(site.paths().len(), 1);
    let back = |id| site.one_run(&["rollback", "--venue-id", id, "--delete-cdn-files", "--yes"], 0);
    assert_eq!((back("1")["files_deleted"].clone(), site.paths().len()), (json!(0), 1));
    assert_eq!((back("2")["files_deleted"].clone(), site.paths().len()), (json!(1), 0));
}

#[test]
fn s7_an_entry_that_drifted_keeps_its_file() {
    let site = site(Kind::Sqlite);
    site.one_run(&MIGRATE, 0);
    let changed = site.stage.images(2).unwrap().replace("\"completed\"", "\"reviewed\"");
    site.stage.set_images(2, &changed);
    let run = site.one_run(&DELETE, 12);
    assert_eq!((&run["files_deleted"], site.paths().len()), (&json!(2), 1), "{run}");
    assert_eq!(site.stage.images(2).unwrap(), changed);
}

#[test]
fn c6_files_of_an_earlier_rollback_are_deleted_by_a_later_one() {
    let mut site = site(Kind::Sqlite);
    site.one_run(&MIGRATE, 0);
    let key = site.settings.remove("IMAGEKIT_PRIVATE_KEY").unwrap();
    site.run_idle(&DELETE).code(2).says("IMAGEKIT_PRIVATE_KEY");
    // Whoever deletes nothing needs no key.
    let run = site.one_run(&["rollback", "--country", "PL", "--yes"], 0);
    assert_eq!((&run["files_deleted"], site.paths().len()), (&json!(0), 3), "{run}");
    site.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), key);
    let run = site.one_run(&DELETE, 0);
    assert_eq!((&run["files_deleted"], &run["tally"]["images"]), (&json!(3), &json!(0)), "{run}");
    assert!(site.paths().is_empty());
}

/// A rollback whose rows are all back, and that could not delete: the run as it says it, and the rows before.
fn stopped(site: &Site, op: &str, fault: Fault) -> Value {
    site.one_run(&MIGRATE, 0);
    site.stage.cdn_faults.inject(op, 1, 1_000, fault);
    let paused = site.one_run(&[&DELETE[..], &["--patience", "1"]].concat(), 11);
    site.stage.cdn_faults.clear();
    assert_eq!((&paused["files_deleted"], &paused["tally"]["done"]), (&json!(1), &json!(3)), "{paused}");
    paused
}

#[test]
fn e3_c6_a_cdn_that_is_away_pauses_the_deleting_and_resume_goes_on() {
    let site = site(Kind::Sqlite);
    let before = site.stage.rows();
    // It answers nothing else either, or it would be taken for these files' own trouble.
    site.stage.cdn_faults.inject("list", 0, 1_000, Fault::DropBefore);
    let paused = stopped(&site, "details", Fault::DropBefore);
    assert_eq!(paused["paused"]["reason"], "outage", "{paused}");
    assert_eq!(site.stage.rows(), before, "all rows are back");
    // An unfinished rollback goes on by `resume` or `rollback` only.
    site.run_idle(&MIGRATE).code(22).says(&format!("`longshore resume --run {}` finishes it", paused["run"]));
    let done = site.one_run(&["resume"], 0);
    assert_eq!((&done["files_deleted"], &done["run"]), (&json!(3), &paused["run"]), "{done}");
    assert!(site.paths().is_empty());
    site.one_run(&MIGRATE, 0);
}

#[test]
fn e1_c6_a_key_that_may_not_delete_pauses_and_the_rollback_can_be_repeated() {
    let site = site(Kind::Sqlite);
    let no = Fault::Answer { status: 403, headers: Vec::new(), body: r#"{"message": "no"}"#.to_owned() };
    let paused = stopped(&site, "delete", no);
    assert_eq!(paused["paused"]["reason"], "unauthorized", "{paused}");
    let done = site.one_run(&DELETE, 0);
    assert_eq!((&done["files_deleted"], site.paths().len()), (&json!(2), 0), "{done}");
    site.run_idle(&["resume"]).code(0).says("Nothing to resume");
}

#[test]
fn e5_killed_between_a_deletion_and_its_event_resume_gets_to_the_same_end() {
    for again in [&["resume"][..], &DELETE[..]] {
        let site = site(Kind::Sqlite);
        let before = site.stage.rows();
        site.one_run(&MIGRATE, 0);
        // The file goes, the answer does not come: the program is killed while it asks again.
        site.stage.cdn_faults.inject("delete", 1, 1_000, Fault::DropAfter);
        let mut going = Going::spawn(site.command(&DELETE), &DELETE);
        going.reach("the second file was gone", || site.paths().len() == 1);
        going.kill();
        site.stage.cdn_faults.clear();
        assert_eq!((deleted(&site).len(), site.paths().len()), (1, 1));
        let done = site.one_run(again, 0);
        assert!(site.paths().is_empty(), "{done}");
        assert_eq!(deleted(&site).len(), 3, "what was gone is told too");
        assert_eq!(site.stage.rows(), before);
        site.run(&["ledger", "verify"]).code(0);
        site.one_run(&MIGRATE, 0);
        assert!(site.stage.imagekit.files().iter().all(|file| file.versions == 1));
    }
}

#[test]
fn e4_ctrl_c_pauses_the_deleting_and_resume_goes_on() {
    let site = site(Kind::Sqlite);
    let before = site.stage.rows();
    site.one_run(&MIGRATE, 0);
    site.stage.cdn_faults.clear();
    site.stage.cdn_faults.inject("details", 1, 1_000, Fault::DropBefore);
    let mut going = Going::spawn(site.command(&DELETE), &DELETE);
    going.reach("it waits for the second file", || site.stage.requests("details") >= 2);
    going.signal("INT");
    going.end().code(11).says("`longshore resume` goes on");
    site.stage.cdn_faults.clear();
    assert_eq!((deleted(&site).len(), site.paths().len()), (1, 2));
    let done = site.one_run(&["resume"], 0);
    assert_eq!((&done["files_deleted"], site.paths().len()), (&json!(3), 0), "{done}");
    assert_eq!(site.stage.rows(), before);
}
