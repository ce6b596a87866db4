//! What a reader does beside a writer: reads on, compares heads, and copies the file while it is being written.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{LedgerError, Store, private};
use crate::chain::{self, Head};
use crate::event::Placed;
use crate::ids::Seq;

impl Store {
    /// Reads and verifies what was appended behind the head, as [`Store::replay`] does from the first event on. The
    /// head itself is looked at again: a file whose tail was cut or written anew meanwhile is another story.
    ///
    /// # Errors
    /// As [`Store::replay`], which must have come first.
    pub fn catch_up(
        &mut self,
        mut each: impl FnMut(Placed) -> Result<(), String>,
    ) -> Result<Head, LedgerError> {
        let known = self.head;
        if self.is_immutable {
            // Somebody may write to it by now.
            let again = Self::read(&self.path)?;
            (self.file, self.is_immutable) = (again.file, again.is_immutable);
        }
        let mut head = Head { seq: Seq(0), hash: chain::genesis(self.id) };
        self.scan("seq >= ?1", Some(known.seq), known.seq, |row| {
            let expected = if head.seq == Seq(0) { known.seq } else { head.seq.next() };
            let damaged = |what: &str| LedgerError::damaged(&self.path, expected, what);
            if row.seq != expected {
                return Err(damaged("it is missing"));
            }
            if head.seq == Seq(0) {
                if row.hash != known.hash {
                    return Err(damaged("it says something else than when it was read before"));
                }
            } else {
                if chain::link(head.hash, row.seq, row.body) != row.hash {
                    return Err(damaged("its hash is not that of what it says behind the one before"));
                }
                let record = self.decode(row.seq, row.body)?;
                each((row.seq, record)).map_err(|what| damaged(&what))?;
            }
            head = Head { seq: row.seq, hash: row.hash };
            Ok(())
        })?;
        if head.seq == Seq(0) {
            return Err(LedgerError::damaged(&self.path, known.seq, "it was there before and is missing"));
        }
        self.head = head;
        Ok(head)
    }

    /// Where the chain was at an event that was verified when the ledger was opened; `None` behind its end.
    ///
    /// # Errors
    /// When the file cannot be read, or an event is not found that is there.
    pub fn head_at(&self, seq: Seq) -> Result<Option<Head>, LedgerError> {
        let mut head = None;
        self.scan("seq = ?1", Some(seq), seq, |row| {
            head = Some(Head { seq: row.seq, hash: row.hash });
            Ok::<_, LedgerError>(())
        })?;
        match head {
            None if (Seq(1)..=self.head.seq).contains(&seq) => {
                Err(LedgerError::damaged(&self.path, seq, "it is missing where its number leads"))
            }
            head => Ok(head),
        }
    }

    /// Reads every event once more, for nothing but to see that it can be read.
    fn whole(&self) -> Result<(), LedgerError> {
        self.scan("seq >= ?1", Some(Seq(1)), Seq(1), |_| Ok(()))
    }

    /// Copies the ledger as it is at this moment into a new file, private and on the disk when this returns; a writer
    /// goes on beside it. The copy is to be verified, and after an error removed, by whoever asked for it.
    ///
    /// # Errors
    /// When there is such a file already, the disk refuses, or the ledger is damaged.
    pub fn copy_to(&self, file: &Path) -> Result<(), LedgerError> {
        let disk = |source| LedgerError::Disk { path: file.to_owned(), source };
        // SQLite opens it by its name again.
        private::check_exclusive(file).and_then(|()| private::create(file)).map_err(disk)?;
        let name = file.to_str().ok_or_else(|| disk(std::io::ErrorKind::InvalidFilename.into()))?;
        drop(self.file.reading()?);
        let copied = self.file.copy_to(name);
        copied.map_err(|error| match LedgerError::from_sqlite(&self.path, self.head.seq, error) {
            // The disk of the copy, most likely; what is wrong with what is read is wrong with the ledger.
            LedgerError::Disk { source, .. } => disk(source),
            damaged => damaged.after(|| self.whole()),
        })?;
        File::open(file).and_then(|copy| copy.sync_all()).map_err(disk)
    }
}

/// Whether all of a ledger is in its one file: nobody writes to it, and whoever did has left in order.
pub(super) fn is_at_rest(path: &Path) -> bool {
    // SQLite keeps its log beside the file itself, not beside a link to it.
    let Ok(path) = path.canonicalize() else { return false };
    let mut log = path.into_os_string();
    log.push("-wal");
    match std::fs::metadata(log) {
        Ok(log) => log.len() == 0,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The name under which SQLite takes a file for one that nobody changes, and so needs nothing beside it.
pub(super) fn immutable(path: &Path) -> PathBuf {
    let mut name = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'/' | b'.' | b'_' | b'-' => {
                name.push(char::from(*byte))
            }
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name.push_str("?immutable=1");
    name.into()
}
