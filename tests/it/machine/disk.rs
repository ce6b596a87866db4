//! Full disks: the ledger's, the spool's, and files that may not grow.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use longshore::sandbox::faults::Fault;

use super::small::{SmallDisk, where_mounting_is_allowed};
use crate::kill::hand::{Going, Held, VENUES, events, held, ledger, migrate, undisturbed};
use crate::support::program::{Ran, Workplace, under};
use crate::support::stage::Kind;

/// Room for all that such a run needs.
const DISK_BYTES: u64 = 32_000_000;
/// Uploads take so long that a disk can be filled between two of them.
const SLOWLY: Fault = Fault::Delay(Duration::from_millis(30));
const RESUME: [&str; 2] = ["resume", "--yes"];
/// Gives up soon.
const IMPATIENT: [&str; 6] = ["migrate", "--country", "GB", "--yes", "--patience", "1"];

fn spool(work: &Workplace) -> PathBuf {
    work.work().join("longshore.production.ledger.spool")
}

/// The program, started by a shell that sets limits before it becomes the program.
pub fn limited(work: &Workplace, limits: &str, args: &[&str]) -> Command {
    under(limits, &work.command(args))
}

/// Sees that no image is blamed for what this machine lacked: whatever failed or was skipped had asked the world.
#[track_caller]
pub fn nobody_is_blamed(work: &Workplace, told: &Ran) {
    if !work.ledger().exists() {
        return;
    }
    for (seq, record) in events(&ledger(work)) {
        if let ledger::event::Event::Failed(stopped) | ledger::event::Event::Skipped(stopped) = record.event {
            let kind = stopped.error_type.name();
            let is_its_own = ["not_found", "invalid_image", "file_too_large"].contains(&kind);
            assert!(is_its_own, "event {seq}: {kind}: {}: {told}", stopped.message);
        }
    }
}

/// Goes on without any trouble, and sees that the end is that of a run that nothing disturbed.
#[track_caller]
pub fn comes_to_the_end(work: &Workplace, (end, code): &(Held, i32)) {
    work.sandbox.faults.clear();
    let args = if work.ledger().exists() { RESUME.to_vec() } else { migrate() };
    let ran = work.run(&args);
    // Killed before its run began, or with its last line written, it leaves nothing to resume.
    let ran = if ran.stderr.contains("Nothing to resume") { work.run(&migrate()) } else { ran };
    let ran = ran.code(*code);
    held(work).assert_same(end, &ran);
    work.run(&["ledger", "verify"]).code(0);
    assert_eq!(work.run(&RESUME).code(0).stdout, "");
}

#[test]
fn e5_a_full_disk_under_the_ledger_ends_the_process_and_resume_goes_on() {
    where_mounting_is_allowed(
        "machine::disk::e5_a_full_disk_under_the_ledger_ends_the_process_and_resume_goes_on",
        || {
            let end = undisturbed(Kind::Sqlite);
            for uploads in [0, 3, 30] {
                let work = Workplace::new(Kind::Sqlite, VENUES);
                let disk = SmallDisk::mount(&work.work(), DISK_BYTES);
                // The spool lies elsewhere: what it frees would be room for the ledger.
                std::fs::create_dir(spool(&work)).unwrap();
                let _elsewhere = SmallDisk::mount(&spool(&work), DISK_BYTES);
                work.sandbox.faults.inject("upload", 0, 1_000, SLOWLY);
                if uploads == 0 {
                    disk.fill();
                }
                let mut going = Going::start(&work, &migrate());
                going.reaches(|| work.requests("upload") >= uploads);
                disk.fill();
                let ran = going.end().code(30).says("Make room on its disk");
                let is_there = work.ledger().exists();
                assert_eq!(is_there, uploads > 0, "no ledger is half made: {ran}");
                if is_there {
                    // Still full, it cannot go on, and readers are welcome all the same.
                    work.run(&RESUME).code(30).says("Make room on its disk");
                    work.run(&["status"]).code(0).says("United Kingdom");
                    work.run(&["report"]).code(0);
                }
                disk.make_room();
                nobody_is_blamed(&work, &ran);
                comes_to_the_end(&work, &end);
            }
        },
    );
}

#[test]
fn e5_a_full_disk_under_the_spool_pauses_the_run_and_blames_no_image() {
    where_mounting_is_allowed(
        "machine::disk::e5_a_full_disk_under_the_spool_pauses_the_run_and_blames_no_image",
        || {
            let end = undisturbed(Kind::Sqlite);
            for uploads in [0, 8] {
                let work = Workplace::new(Kind::Sqlite, VENUES);
                std::fs::create_dir(spool(&work)).unwrap();
                let disk = SmallDisk::mount(&spool(&work), DISK_BYTES);
                work.sandbox.faults.inject("upload", 0, 1_000, SLOWLY);
                if uploads == 0 {
                    disk.fill();
                }
                let mut going = Going::start(&work, &IMPATIENT);
                going.reaches(|| work.requests("upload") >= uploads);
                // What a finished upload frees is taken too.
                going.reaches(|| {
                    disk.fill();
                    false
                });
                let ran = going.end();
                match ran.code {
                    // It may be faster than the filler: each upload makes room for one more.
                    code if uploads > 0 && code == Some(end.1) => continue,
                    _ => assert_eq!(ran.code, Some(11), "{ran}"),
                }
                let ran = ran.says("No space left on device").says("make room on the ledger's disk");
                assert!(uploads > 0 || work.requests("upload") == 0, "{ran}");
                nobody_is_blamed(&work, &ran);
                disk.make_room();
                comes_to_the_end(&work, &end);
            }
        },
    );
}

#[test]
fn e5_files_that_may_not_grow_stop_the_run_and_resume_goes_on() {
    let end = undisturbed(Kind::Sqlite);
    // Half kilobytes: the ledger cannot be made, its log cannot grow, pictures cannot be spooled.
    for blocks in [4, 100, 400] {
        let work = Workplace::new(Kind::Sqlite, VENUES);
        let limits = format!("ulimit -f {blocks}");
        let ran = Going::spawn(limited(&work, &limits, &IMPATIENT), &IMPATIENT).end();
        assert!(matches!(ran.code, Some(30 | 11)), "{blocks}: {ran}");
        assert!(ran.stderr.contains("ulimit -f"), "{blocks}: {ran}");
        nobody_is_blamed(&work, &ran);
        comes_to_the_end(&work, &end);
    }
}

#[test]
fn e7_a_damaged_spool_costs_downloads_and_nothing_else() {
    let end = undisturbed(Kind::Sqlite);
    let work = Workplace::new(Kind::Sqlite, VENUES);
    work.sandbox.faults.inject("upload", 0, 1_000, Fault::Delay(Duration::from_secs(3_600)));
    let mut going = Going::start(&work, &migrate());
    going.reach("uploads of what it has downloaded", || work.requests("upload") >= 6);
    let _killed = going.kill();
    let files = std::fs::read_dir(spool(&work)).unwrap().map(|file| file.unwrap().path());
    let mut damaged = 0;
    for (n, file) in files.enumerate() {
        let mut bytes = std::fs::read(&file).unwrap();
        match n % 4 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => bytes.iter_mut().for_each(|byte| *byte = !*byte),
            2 => bytes.clear(),
            _ => continue,
        }
        std::fs::write(&file, bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged > 2, "{damaged}");
    comes_to_the_end(&work, &end);
}
