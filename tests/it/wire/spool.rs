//! What lies in the spool is lost, changed or exchanged at each moment of a run.

use std::path::{Path, PathBuf};

use super::place::{Part, Place, Verb, each, faults, held_at};
use crate::support::line::{Fault, Harm, Passing};
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
                // The picture stays a picture: what is last in it is a comment of its own, or its last pixels.
                if let Some(byte) = bytes.iter_mut().rev().nth(40) {
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
    let damaged = each(Kind::Sqlite, Verb::Migrate, cases(3), |place, end, (moment, how, is_killed)| {
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
    assert!(damaged >= 20, "{damaged}");
}

/// A directory that stands in a file's place is for a person to remove.
fn clear_what_is_not_ours(place: &Place) {
    let Ok(files) = std::fs::read_dir(spool(place)) else { return };
    for file in files.map(|file| file.unwrap().path()).filter(|file| file.is_dir()) {
        std::fs::remove_dir(file).unwrap();
    }
}
