//! Answers that are lost after the file was stored, and files that are stored and not served.

use super::{Trouble, VENUES, undisturbed};
use crate::support::program::Ran;

fn once_each(it: &Trouble, ran: Ran) {
    it.is_the_same_end(ran);
    let files = it.work.sandbox.imagekit.files();
    assert!(files.iter().all(|file| file.versions == 1), "{files:?}");
    let found = it.uploaded().iter().filter(|it| it.found_done()).count();
    assert!(found > 0, "what was stored unseen is recognised");
    assert!(it.failed().is_empty());
}

#[test]
fn e1_answers_lost_after_storing_make_no_second_file_and_no_second_version() {
    let it = Trouble::of("upload=lostx30%");
    once_each(&it, it.migrate(&[]));
}

#[test]
fn e1_the_same_with_a_list_that_does_not_know_of_them_yet() {
    let it = Trouble::of("upload=lostx20%\nlist=lag:by=800");
    once_each(&it, it.migrate(&["--patience", "60"]));
}

#[test]
fn e1_what_is_stored_and_not_served_never_reaches_its_row() {
    let (end, _) = undisturbed(VENUES);
    // The one that is alone at its path in a row, so that the failures are one.
    let path = end
        .files
        .keys()
        .find(|path| end.rows.values().flatten().filter(|row| row.contains(*path)).count() == 1);
    let path = path.unwrap().clone();
    let it = Trouble::of(&format!("delivery{path}=404"));
    // The sandbox's own missing image is the second of so few, and would pause the run.
    let ran = it.migrate(&["--max-error-rate", "50"]).code(10);
    let failed = it.failed();
    assert!(!failed.is_empty() && failed.iter().all(|it| it.error_type.name() == "not_served"), "{ran}");
    assert!(failed.iter().all(|it| it.attempts == 4 && it.passing && it.file_id.is_some()), "{failed:?}");
    assert!(it.work.sandbox.imagekit.files().iter().any(|file| file.path == path), "it is stored");
    let rows = it.work.rows();
    assert!(
        !rows.values().any(|row| row.images.as_ref().is_some_and(|images| images.contains(&path))),
        "{ran}"
    );
    // Once it is served it is recognised, and is no second version.
    it.work.order("all=none");
    it.is_the_same_end(it.work.run(&["resume", "--retry-failed"]));
    assert!(it.uploaded().iter().any(|it| it.found_done() && it.path.to_string() == path));
}
