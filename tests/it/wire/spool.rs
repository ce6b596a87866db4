//! What lies in the spool is lost, changed or exchanged at each moment of a run.

use std::path::{Path, PathBuf};

use super::place::{Part, Place, Verb, chosen, each, each_in, faults, held_at};
use crate::kill::hand::Going;
use crate::support::line::{Fault, Harm, Passing};
use crate::support::program::under;
use crate::support::stage::Kind;

/// What happens to each file there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Removed,
    /// Its first half is left.
    Halved,
    /// Zeros in its place.
    Zeroed,
    /// One bit of it, in its place.
    Flipped,
    /// A directory of its name.
    Crowded,
    /// A link of its name to a file that is well.
    Linked,
    /// The whole spool.
    AllGone,
}

const DAMAGES: [Damage; 7] = [
    Damage::Removed,
    Damage::Halved,
    Damage::Zeroed,
    Damage::Flipped,
    Damage::Crowded,
    Damage::Linked,
    Damage::AllGone,
];

fn spool(place: &Place) -> PathBuf {
    place.site.work().join("longshore.production.ledger.spool")
}

/// Damages what is there; how many files that was.
fn damage(spool: &Path, damage: Damage) -> usize {
    let Ok(files) = std::fs::read_dir(spool) else { return 0 };
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    if damage == Damage::AllGone {
        std::fs::rename(spool, spool.with_extension("gone")).unwrap();
        return files.len();
    }
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        // In its place: whoever has it open sees it.
        let in_place = |bytes: &[u8]| {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
            file.write_all(bytes).unwrap();
        };
        match damage {
            Damage::Removed => std::fs::remove_file(file).unwrap(),
            Damage::Halved => {
                let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
                file.set_len(bytes.len() as u64 / 2).unwrap();
            }
            Damage::Zeroed => in_place(&vec![0; bytes.len()]),
            Damage::Flipped => {
                let mut bytes = bytes;
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 1;
                }
                in_place(&bytes);
            }
            Damage::Crowded => {
                std::fs::remove_file(file).unwrap();
                std::fs::create_dir(file).unwrap();
            }
            Damage::Linked => {
                let elsewhere = spool.with_extension("elsewhere");
                std::fs::rename(file, &elsewhere).unwrap();
                std::os::unix::fs::symlink(elsewhere, file).unwrap();
            }
            Damage::AllGone => unreachable!(),
        }
    }
    files.len()
}

/// What is done to files that are sent, sampled or all.
fn cases(some: u64) -> Vec<((Part, Fault), Damage, bool)> {
    let held = [(Passing::ToServer, Harm::Held), (Passing::ToProgram, Harm::Held)];
    let moments = faults(Kind::Sqlite, Verb::Migrate, &[Part::Origin, Part::Upload], &held, some);
    let all = moments.into_iter().flat_map(|moment| DAMAGES.map(|damage| (moment, damage)));
    // Each second time the program is killed as well.
    all.enumerate().map(|(n, (moment, damage))| (moment, damage, n % 2 == 1)).collect()
}

#[test]
fn e7_a_spool_damaged_at_any_moment_costs_downloads_and_nothing_else() {
    let damaged = each(Kind::Sqlite, Verb::Migrate, cases(2), |place, end, (moment, how, is_killed)| {
        let mut damaged = 0;
        let (ran, _) = held_at(place, Verb::Migrate, *moment, |going| {
            damaged = damage(&spool(place), *how);
            if *is_killed {
                going.child().kill().unwrap();
            }
        });
        clear_what_is_not_ours(place);
        place.comes_to(Verb::Migrate, end, &ran, *is_killed);
        damaged > 0
    });
    assert!(damaged >= 14, "{damaged}");
}

/// More than the kernel keeps on the way.
const LARGE: usize = 9_000_000;

#[test]
fn e7_a_large_picture_damaged_while_it_is_sent_costs_a_download_and_nothing_else() {
    let moment = (Part::Upload, Fault::at(Passing::ToServer, 3, Harm::Held));
    let cases = [Damage::Halved, Damage::Zeroed, Damage::Flipped].to_vec();
    let damaged = each_in(
        || Place::larger(Kind::Sqlite, LARGE, 0),
        Verb::Migrate,
        cases,
        |place, end, how| {
            let mut damaged = 0;
            let (ran, _) = held_at(place, Verb::Migrate, moment, |_| damaged = damage(&spool(place), *how));
            place.comes_to(Verb::Migrate, end, &ran, false);
            damaged > 0
        },
    );
    assert_eq!(damaged, 3);
}

/// Half kilobytes that a file may have: each picture's is written up to there, and no further.
#[test]
fn e5_a_spool_whose_files_may_not_grow_pauses_the_run_at_any_piece() {
    let limits: Vec<u64> = chosen(16, 4).into_iter().map(|n| 2_000 + n * 200).collect();
    let struck = each_in(
        || Place::larger(Kind::Sqlite, 3_000_000, 0),
        Verb::Migrate,
        limits,
        |place, end, limit| {
            let args = [Verb::Migrate.args(), vec!["--patience", "1"]].concat();
            let command = under(&format!("ulimit -f {limit}"), &place.site.command(&args));
            let ran = Going::spawn(command, &args).end();
            place.comes_to(Verb::Migrate, end, &ran, false);
            ran.code == Some(11) && ran.stderr.contains("the spool beside the ledger cannot be used")
        },
    );
    assert!(struck >= 3, "{struck}");
}

/// A directory that stands in a file's place is for a person to remove.
fn clear_what_is_not_ours(place: &Place) {
    let Ok(files) = std::fs::read_dir(spool(place)) else { return };
    for file in files.map(|file| file.unwrap().path()).filter(|file| file.is_dir()) {
        std::fs::remove_dir(file).unwrap();
    }
}
