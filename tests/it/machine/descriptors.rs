//! Too few file descriptors.

use super::disk::{comes_to_the_end, limited, nobody_is_blamed};
use crate::kill::hand::{Going, VENUES, undisturbed};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

const IMPATIENT: [&str; 6] = ["migrate", "--country", "GB", "--yes", "--patience", "1"];

#[test]
fn e5_with_too_few_file_descriptors_it_stops_blaming_no_image_and_resume_goes_on() {
    let end = undisturbed(Kind::Sqlite);
    let work = Workplace::new(Kind::Sqlite, VENUES);
    let with = |descriptors: u32, args: &[&str]| {
        let ran = Going::spawn(limited(&work, &format!("ulimit -n {descriptors}"), args), args).end();
        nobody_is_blamed(&work, &ran);
        ran
    };
    // Too few for anything: said before anything is begun.
    for descriptors in [4, 8, 12, 20] {
        with(descriptors, &IMPATIENT).code(30).says("may open too few files").says("ulimit -n");
    }
    assert!(!work.ledger().exists());
    // Enough to begin with, and too few for so much at once.
    for descriptors in [26, 30, 34] {
        let ran = with(descriptors, &IMPATIENT);
        match ran.code {
            Some(11) => drop(ran.says("let the program open more files")),
            Some(30) => {}
            // With luck they were just enough, one after the other.
            _ => drop(ran.code(end.1)),
        }
    }
    comes_to_the_end(&work, &end);
}
