//! A file is deleted only when this ledger proves that it is its own: its own `uploaded` of that very file id, at that
//! path, and the content that was sent (requirement S7). A tag proves nothing. Each attack is tried with both verbs that
//! delete.

mod answers;
mod removal;

use longshore::sandbox::faults::Fault;
use longshore::sandbox::imagekit::File;
use serde_json::{Value, json};

use crate::kill::hand::Going;
use crate::support::site::Site;
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const BACK: [&str; 4] = ["rollback", "--country", "PL", "--yes"];
const BACK_AND_DELETE: [&str; 5] = ["rollback", "--country", "PL", "--yes", "--delete-cdn-files"];
const DELETE_ORPHANS: [&str; 3] = ["reconcile", "--delete-orphans", "--yes"];

/// The ways to have files deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Rollback,
    Reconcile,
}

/// One venue with two pictures.
fn site(kind: Kind) -> Site {
    let site = Site::new(kind);
    site.venue(1, 1, &["/1a.jpg", "/1b.jpg"]);
    site
}

fn files(site: &Site) -> Vec<File> {
    site.stage.imagekit.files()
}

fn file(site: &Site, path: &str) -> File {
    files(site).into_iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is gone"))
}

/// The tags that this ledger's files have, as an upload by hand is given them.
fn tags_of_ours(site: &Site) -> String {
    files(site)[0].tags.join(",")
}

/// Other bytes, as many, of a picture with the same sides: only its comment differs.
fn altered(mut bytes: Vec<u8>) -> Vec<u8> {
    let comment =
        bytes.windows(2).position(|two| two == [0xff, 0xfe]).expect("the sandbox's pictures have one");
    bytes[comment + 4] ^= 1;
    bytes
}

/// Rolls all back and has files deleted by a verb. What was said.
fn sweep(site: &Site, verb: Verb) -> String {
    let ran = match verb {
        Verb::Rollback => site.run(&BACK_AND_DELETE),
        Verb::Reconcile => {
            site.run(&BACK).code(0);
            site.run(&DELETE_ORPHANS)
        }
    };
    assert!(matches!(ran.code, Some(0 | 13)), "{ran}");
    site.run(&["ledger", "verify"]).code(0);
    ran.to_string()
}

/// After a migration, does something at the media library that leaves these paths to somebody; then each verb deletes
/// all of ours, and these stay, named with the reason.
#[track_caller]
fn stays(kind: Kind, attack: impl Fn(&Site) -> Vec<String>, why: &str) {
    for verb in [Verb::Reconcile, Verb::Rollback] {
        let site = site(kind);
        site.one_run(&MIGRATE, 0);
        let theirs = attack(&site);
        let before: Vec<File> = theirs.iter().map(|path| file(&site, path)).collect();
        let said = sweep(&site, verb);
        let left = files(&site);
        assert!(before.iter().all(|file| left.contains(file)), "{verb:?}: {before:?}\n{said}");
        assert_eq!(left.len(), before.len(), "{verb:?}: and nothing else: {left:?}\n{said}");
        let answer = site.run_json(&["reconcile"]).json();
        for path in theirs {
            let named = named(&answer, &path);
            assert_eq!(named["class"], "foreign_tagged", "{verb:?}: {answer}");
            assert!(named["why"].as_str().unwrap().contains(why), "{verb:?}: {answer}");
        }
        let counted = &answer["files"]["classes"]["foreign_tagged"]["files"];
        assert_eq!(counted, &json!(before.len()), "{verb:?}: {answer}");
    }
}

/// What `reconcile` says of a file.
fn named(answer: &Value, path: &str) -> Value {
    let lists = ["findings", "named"].map(|list| answer[list]["files"].as_array().unwrap().clone());
    let mut all = lists.into_iter().flatten();
    all.find(|file| file["path"] == path).unwrap_or_else(|| panic!("{path} is not named: {answer}"))
}

fn a_copy_under_another_name(site: &Site) -> Vec<String> {
    let of = files(site)[0].path.clone();
    site.stage.copy_file(&of, "/venues/colleague");
    let name = of.rsplit('/').next().unwrap();
    site.stage.rename_file(&format!("/venues/colleague/{name}"), "holiday.jpg");
    let path = "/venues/colleague/holiday.jpg".to_owned();
    assert_eq!(file(site, &path).tags, files(site)[1].tags, "tags travel with a copy");
    vec![path]
}

#[test]
fn s7_a_copy_with_our_tags_stays_on_sqlite() {
    stays(Kind::Sqlite, a_copy_under_another_name, "no upload of this ledger");
}

#[test]
fn s7_a_copy_with_our_tags_stays_on_postgres() {
    stays(Kind::Postgres, a_copy_under_another_name, "no upload of this ledger");
}

#[test]
fn s7_a_file_uploaded_by_hand_with_our_tags_stays() {
    let by_hand = |site: &Site| {
        let (ours, tags) = (files(site)[0].path.clone(), tags_of_ours(site));
        let same = site.stage.file_bytes(&ours);
        site.stage.upload_file("/venues/pub-1/same.jpg", same.clone(), &tags);
        site.stage.upload_file("/venues/pub-1/other.jpg", altered(same), &tags);
        vec!["/venues/pub-1/same.jpg".to_owned(), "/venues/pub-1/other.jpg".to_owned()]
    };
    stays(Kind::Sqlite, by_hand, "no upload of this ledger");
}

#[test]
fn s7_a_file_put_by_hand_where_ours_was_stays() {
    // With the same bytes and with others: the file id is what differs.
    for change in [|bytes| bytes, altered] {
        let replaced = |site: &Site| {
            let (ours, tags) = (files(site)[0].path.clone(), tags_of_ours(site));
            let bytes = site.stage.file_bytes(&ours);
            site.stage.delete_file(&ours);
            site.stage.upload_file(&ours, change(bytes), &tags);
            vec![ours]
        };
        stays(Kind::Sqlite, replaced, "no upload of this ledger");
    }
}

#[test]
fn s7_an_editors_new_version_stays() {
    let bigger = |site: &Site| {
        let path = files(site)[0].path.clone();
        site.stage.edit_file(&path, [&site.stage.file_bytes(&path)[..], b"edited"].concat());
        vec![path]
    };
    stays(Kind::Sqlite, bigger, "it is not what was sent any more");
    let alike = |site: &Site| {
        let path = files(site)[0].path.clone();
        let before = file(site, &path);
        site.stage.edit_file(&path, altered(site.stage.file_bytes(&path)));
        let now = file(site, &path);
        assert_eq!((&before.id, before.bytes, &before.tags), (&now.id, now.bytes, &now.tags));
        assert_ne!(before.content, now.content);
        vec![path]
    };
    stays(Kind::Sqlite, alike, "it is not what was sent any more");
}

/// As many bytes of the same sides, and ImageKit tells of no change: only comparing the bytes finds it.
fn what_has_other_bytes_stays(kind: Kind) {
    for verb in [Verb::Reconcile, Verb::Rollback] {
        let site = site(kind);
        site.one_run(&MIGRATE, 0);
        let told = files(&site);
        let changed = told[0].clone();
        let bytes = site.stage.file_bytes(&changed.path);
        site.stage.exchange_bytes(&changed.path, altered(bytes.clone()));
        assert_ne!(site.stage.file_bytes(&changed.path), bytes);
        assert_eq!(files(&site), told, "ImageKit tells the same of it");
        let said = sweep(&site, verb);
        assert_eq!(files(&site), std::slice::from_ref(&changed), "{verb:?}: {said}");
        let is_reason = |line: &str| line.contains(&changed.path) && line.contains("its bytes differ");
        assert!(said.lines().any(is_reason), "{verb:?}: {said}");
        assert_eq!(site.stage.requests("delete"), 1, "only the other file: {verb:?}: {said}");
    }
}

#[test]
fn s7_a_file_with_other_bytes_of_the_same_size_stays_on_sqlite() {
    what_has_other_bytes_stays(Kind::Sqlite);
}

#[test]
fn s7_a_file_with_other_bytes_of_the_same_size_stays_on_postgres() {
    what_has_other_bytes_stays(Kind::Postgres);
}

#[test]
fn s7_a_version_that_an_editor_put_aside_stays() {
    for verb in [Verb::Rollback, Verb::Reconcile] {
        let site = site(Kind::Sqlite);
        site.one_run(&MIGRATE, 0);
        let path = files(&site)[0].path.clone();
        site.stage.edit_file(&path, altered(site.stage.file_bytes(&path)));
        site.stage.restore_file(&path);
        let before = file(&site, &path);
        assert_eq!(before.versions, 2, "ours is the current one again, and theirs is behind it");
        let said = sweep(&site, verb);
        assert!(said.contains("it has 2 versions"), "{verb:?}: {said}");
        assert_eq!(files(&site), [before], "{verb:?}: {said}");
    }
}

/// Puts the bytes of a picture where its file goes, as somebody else, before anything is migrated.
fn somebody_was_first(site: &Site) -> (String, File) {
    // Where it goes is known from a sandbox in which it was migrated.
    let elsewhere = self::site(Kind::Sqlite);
    elsewhere.one_run(&MIGRATE, 0);
    let path = files(&elsewhere)[0].path.clone();
    site.stage.upload_file(&path, elsewhere.stage.file_bytes(&path), "holiday");
    let theirs = file(site, &path);
    (path, theirs)
}

/// Whether the file is still somebody's, with all that it was.
#[track_caller]
fn is_still_theirs(site: &Site, path: &str, before: &File, said: &str) {
    let now = files(site).into_iter().find(|file| file.path == path);
    let now = now.unwrap_or_else(|| panic!("it was deleted: {said}"));
    assert_eq!((&now.id, &now.content, now.versions), (&before.id, &before.content, 1));
    assert!(now.tags.contains(&"holiday".to_owned()));
}

fn what_was_adopted_stays(kind: Kind) {
    for verb in [Verb::Rollback, Verb::Reconcile] {
        let site = site(kind);
        let (path, theirs) = somebody_was_first(&site);
        // Also when it is found once more, and then carries the tags that the first adoption gave it.
        for round in 0..2 {
            site.one_run(&MIGRATE, 0);
            assert_eq!((file(&site, &path).id, files(&site).len()), (theirs.id.clone(), 2));
            let said = sweep(&site, verb);
            is_still_theirs(&site, &path, &theirs, &said);
            assert_eq!(files(&site).len(), 1, "ours went: {verb:?} {round} {said}");
            let answer = site.run_json(&["reconcile"]).code(0).json();
            let named = named(&answer, &path);
            assert_eq!(named["class"], "foreign_tagged", "{answer}");
            assert!(named["why"].as_str().unwrap().contains("somebody else's"), "{answer}");
        }
        let acquired = acquired(&site, &path);
        assert_eq!(acquired, ["adopted", "adopted"]);
    }
}

#[test]
fn s7_a_file_that_was_adopted_is_never_deleted_on_sqlite() {
    what_was_adopted_stays(Kind::Sqlite);
}

#[test]
fn s7_a_file_that_was_adopted_is_never_deleted_on_postgres() {
    what_was_adopted_stays(Kind::Postgres);
}

/// How the ledger says that it came by the file at a path, each time.
fn acquired(site: &Site, path: &str) -> Vec<String> {
    let events = site.events(&["--kind", "uploaded"]);
    let uploaded = events.iter().map(|line| &line["event"]["uploaded"]).filter(|it| it["path"] == path);
    uploaded.map(|it| it["acquired"].as_str().unwrap_or("unsaid").to_owned()).collect()
}

#[test]
fn s7_an_adoption_that_was_cut_off_is_one_all_the_same() {
    for verb in [Verb::Rollback, Verb::Reconcile] {
        let site = site(Kind::Sqlite);
        let (path, theirs) = somebody_was_first(&site);
        // The tags are set, nobody hears of it, and the program is killed: the file carries our tag, and no event tells of
        // it.
        site.stage.cdn_faults.inject("update", 0, 1_000, Fault::DropAfter);
        let mut going = Going::spawn(site.command(&MIGRATE), &MIGRATE);
        going.reach("it was tagged", || file(&site, &path).tags.len() > 1);
        going.kill();
        site.stage.cdn_faults.clear();
        site.one_run(&["resume"], 0);
        assert_eq!(acquired(&site, &path), ["adopted"]);
        let said = sweep(&site, verb);
        is_still_theirs(&site, &path, &theirs, &said);
    }
}

fn serve_nothing(site: &Site) {
    let no = Fault::Answer { status: 404, headers: vec![], body: "Not Found".into() };
    site.stage.cdn_faults.inject("delivery", 0, 1_000, no);
}

#[test]
fn s7_what_was_adopted_and_not_served_stays_after_it_is_retried() {
    for verb in [Verb::Rollback, Verb::Reconcile] {
        let site = site(Kind::Sqlite);
        let (path, theirs) = somebody_was_first(&site);
        // Its untouched bytes can be compared.
        serve_nothing(&site);
        let ran = site.run(&MIGRATE);
        site.stage.cdn_faults.clear();
        assert_eq!(ran.code, Some(10), "{ran}");
        let said = sweep(&site, verb);
        is_still_theirs(&site, &path, &theirs, &said);
        site.one_run(&MIGRATE, 0);
        let said = sweep(&site, verb);
        is_still_theirs(&site, &path, &theirs, &said);
    }
}

#[test]
fn s7_what_failed_after_it_was_stored_is_named_and_left() {
    let site = site(Kind::Sqlite);
    serve_nothing(&site);
    let ran = site.run(&MIGRATE).code(10);
    site.stage.cdn_faults.clear();
    let stored = files(&site);
    assert_eq!(stored.len(), 2, "{ran}");
    let answer = site.run_json(&DELETE_ORPHANS).code(0).json();
    assert_eq!(files(&site), stored, "{answer}");
    let named = named(&answer, &stored[0].path);
    assert_eq!(named["class"], "foreign_tagged", "{answer}");
    assert!(named["why"].as_str().unwrap().contains("failed"), "{answer}");
    // Once it is taken up again it is our own, and goes with all that is ours.
    site.one_run(&["resume", "--retry-failed"], 0);
    assert_eq!(acquired(&site, &stored[0].path), ["recognised"]);
    let said = sweep(&site, Verb::Rollback);
    assert!(files(&site).is_empty(), "{said}");
}

#[test]
fn s7_what_is_ours_goes_however_often_it_was_found_again() {
    for verb in [Verb::Rollback, Verb::Reconcile] {
        let site = site(Kind::Sqlite);
        // Stored, and killed before it was written down; then found by the resumed run, and by two later ones.
        site.stage.cdn_faults.inject("delivery", 0, 1_000, Fault::DropBefore);
        let mut going = Going::spawn(site.command(&MIGRATE), &MIGRATE);
        going.reach("both are stored", || files(&site).len() == 2);
        going.kill();
        site.stage.cdn_faults.clear();
        site.one_run(&["resume"], 0);
        let path = files(&site)[0].path.clone();
        assert_eq!(acquired(&site, &path), ["recognised"]);
        for _ in 0..2 {
            site.run(&BACK).code(0);
            site.one_run(&MIGRATE, 0);
        }
        let said = sweep(&site, verb);
        assert!(files(&site).is_empty(), "{verb:?}: {said}");
    }
}

#[test]
fn s7_a_file_that_was_moved_away_stays_and_one_that_came_back_goes() {
    for verb in [Verb::Rollback, Verb::Reconcile] {
        let site = site(Kind::Sqlite);
        site.one_run(&MIGRATE, 0);
        let [first, second] = [0, 1].map(|n| files(&site)[n].path.clone());
        let away = |path: &str| format!("/venues/archive/{}", path.rsplit('/').next().unwrap());
        site.stage.move_file(&first, "/venues/archive");
        site.stage.move_file(&second, "/venues/archive");
        site.stage.move_file(&away(&second), "/venues/pub-1");
        let said = sweep(&site, verb);
        assert_eq!(site.paths(), [away(&first)], "{verb:?}: {said}");
        if matches!(verb, Verb::Rollback) {
            let words = format!("{first} stays on the CDN: it lies at {} now", away(&first));
            assert!(said.contains(&words), "{said}");
        }
        let answer = site.run_json(&["reconcile"]).json();
        let why = named(&answer, &away(&first));
        assert!(why["why"].as_str().unwrap().contains(&format!("sent to {first}")), "{answer}");
        let again = sweep(&site, Verb::Reconcile);
        assert!(!again.contains("This deletes") && again.contains("moved to"), "{again}");
    }
}
