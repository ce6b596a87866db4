//! What becomes of a file at ImageKit between the first look at it and the request that deletes it (requirement S7).

use longshore::sandbox::faults::Fault;
use serde_json::json;

use super::delete::tag;
use crate::kill::hand::Going;
use crate::support::site::Site;
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const ROLLBACK: [&str; 4] = ["rollback", "--country", "PL", "--yes"];
const DELETE: [&str; 5] = ["rollback", "--country", "PL", "--yes", "--delete-cdn-files"];
const ORPHANS: [&str; 3] = ["reconcile", "--delete-orphans", "--yes"];

fn migrated() -> Site {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/1.jpg"]);
    site.one_run(&MIGRATE, 0);
    site
}

#[test]
fn s7_a_file_that_somebody_tags_while_its_bytes_are_compared_stays() {
    let theirs = format!("ledger-{}", "8".repeat(32));
    for args in [&DELETE[..], &ORPHANS] {
        let site = migrated();
        if args == ORPHANS {
            site.one_run(&ROLLBACK, 0);
        }
        let file = site.stage.imagekit.files()[0].clone();
        let asked = site.stage.requests("delivery_original");
        site.stage.order("delivery_original=late:by=2s");
        let mut going = Going::spawn(site.command(args), args);
        going.reach("its bytes are asked for", || site.stage.requests("delivery_original") > asked);
        let tags: Vec<&str> = file.tags.iter().map(String::as_str).chain([theirs.as_str()]).collect();
        tag(&site, &file.path, &tags);
        let ran = going.end().says("somebody has changed it a moment ago");
        assert_eq!(site.paths(), [file.path], "{ran}");
        assert_eq!(site.stage.requests("delete"), 0, "{ran}");
    }
}

#[test]
fn s7_a_tag_of_another_ledger_counts_in_any_case() {
    let site = migrated();
    let file = site.stage.imagekit.files()[0].clone();
    let theirs = format!("Ledger-{}", "8".repeat(32));
    let tags: Vec<&str> = file.tags.iter().map(String::as_str).chain([theirs.as_str()]).collect();
    tag(&site, &file.path, &tags);
    let ran = site.run(&DELETE).code(0).says("its tags name another ledger too");
    assert_eq!(site.paths(), [file.path], "{ran}");
}

#[test]
fn s7_a_deletion_whose_answer_is_lost_is_told_as_one() {
    let site = migrated();
    site.stage.cdn_faults.inject("delete", 0, 1, Fault::DropAfter);
    let run = site.one_run(&DELETE, 0);
    assert_eq!((&run["files_deleted"], site.paths().len()), (&json!(1), 0), "{run}");
    let told = site.events(&["--kind", "cdn_deleted"]);
    assert_eq!(told[0]["event"]["cdn_deleted"]["why"], "rolled back, and no row uses it");
}
