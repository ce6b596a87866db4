//! What a file has on the disk for sure, and what the system may still lose.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The part of a write that reaches the disk whole or not at all.
const SECTOR: usize = 512;

/// A change that no sync has made sure yet.
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { to: usize },
}

/// One file of a database.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    sure: Vec<u8>,
    unsure: Vec<Change>,
    /// Made by SQLite and not synced yet: its very name may be lost.
    pub(crate) is_new: bool,
}

impl File {
    /// A file as it is found: what was there before counts as sure.
    pub(crate) fn found(path: &Path, sure: Vec<u8>, is_new: bool) -> Self {
        Self { path: path.to_owned(), sure, unsure: Vec::new(), is_new }
    }

    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.unsure.push(Change::Write { at, bytes: bytes.to_owned() });
    }

    pub(crate) fn truncate(&mut self, to: usize) {
        self.unsure.push(Change::Truncate { to });
    }

    pub(crate) fn sync(&mut self) {
        self.is_new = false;
        for change in self.unsure.drain(..) {
            change.applied(&mut self.sure, |_| true);
        }
    }

    /// Whether a power cut could change anything.
    pub(crate) fn has_unsure(&self) -> bool {
        self.is_new || !self.unsure.is_empty()
    }

    /// The power is cut: some changes are lost, some whole, some torn, in any combination.
    pub(crate) fn lose(mut self, dice: &mut Dice) {
        // A name that is lost takes everything with it.
        if self.is_new && dice.coin() {
            let _it_may_be_gone = std::fs::remove_file(&self.path);
            return;
        }
        for change in self.unsure.drain(..) {
            match dice.roll(4) {
                0 => {}
                1 => change.applied(&mut self.sure, |_| dice.coin()),
                _ => change.applied(&mut self.sure, |_| true),
            }
        }
        self.put();
    }

    /// The file as it is after a power cut. A file that was deleted without a sync of its directory comes back so.
    fn put(&self) {
        let mut file = std::fs::OpenOptions::new();
        file.write(true).create(true).truncate(true).mode(0o600);
        let mut file = file.open(&self.path).expect("a file of the database can be opened");
        std::io::Write::write_all(&mut file, &self.sure).expect("a file of the database can be written");
    }
}

impl Change {
    /// Does it to the sectors that `reaches` says yes to.
    fn applied(self, to: &mut Vec<u8>, mut reaches: impl FnMut(usize) -> bool) {
        match self {
            Self::Truncate { to: length } => {
                if reaches(0) {
                    to.resize(length, 0);
                }
            }
            Self::Write { at, bytes } => {
                let mut from = 0;
                while from < bytes.len() {
                    let until = bytes.len().min(from + SECTOR - (at + from) % SECTOR);
                    if reaches(at + from) {
                        if to.len() < at + until {
                            to.resize(at + until, 0);
                        }
                        to[at + from..at + until].copy_from_slice(&bytes[from..until]);
                    }
                    from = until;
                }
            }
        }
    }
}

/// Chance that is the same for the same seed (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.roll(2) == 0
    }
}
