//! Where an answer goes, and in which format.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::store::private::{self, Dir, Refused};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::{Sheet, csv, html, json, markdown, table};
use crate::error::{Exit, Failure};

/// How every SQLite file begins.
const SQLITE_HEADER: &[u8] = b"SQLite format 3\0";

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people at a terminal.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
    /// For wikis and pull requests.
    Markdown,
    /// For browsers.
    Html,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Table, Self::Json, Self::Csv, Self::Markdown, Self::Html];

    /// As it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }
}

/// Where an answer goes, and in which format.
#[derive(Debug, Clone)]
pub struct Out {
    /// The format.
    pub format: Format,
    /// The file; stdout without one.
    pub file: Option<PathBuf>,
}

impl Out {
    /// # Errors
    /// When the file cannot be one, as a directory cannot: that is seen before the work and not after it.
    pub fn new(format: Format, file: Option<PathBuf>) -> Result<Self, Failure> {
        // A link to what stdout is; through it the system would open that anew, at its beginning.
        let file = file.filter(|file| file != Path::new("/dev/stdout"));
        if let Some(file) = &file {
            place_of(file)?;
        }
        Ok(Self { format, file })
    }
}

/// Says an answer: the sheet to people, in the format they want, the JSON to programs.
///
/// # Errors
/// When it cannot be written. The file is then what it was before. A reader of stdout who has seen enough is none.
pub fn say(out: &Out, sheet: impl FnOnce() -> Sheet, answer: &impl Serialize) -> Result<(), Failure> {
    let write: fn(&Sheet) -> String = match out.format {
        Format::Json => return deliver(out, |to| json::pretty(to, answer)),
        Format::Table => table::write,
        Format::Csv => csv::write,
        Format::Markdown => markdown::write,
        Format::Html => html::write,
    };
    deliver(out, |to| to.write_all(write(&sheet().with_flags()).as_bytes()))
}

/// Lets an answer be written to where it goes, for one that is too long to be held at once.
///
/// # Errors
/// As [`say`].
pub fn deliver(out: &Out, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let Some(file) = &out.file else { return to_stdout(write) };
    let written = match place_of(file)? {
        Place::File => replace(file, write),
        Place::Stream => open_stream(file).and_then(|stream| match stream {
            Some(to) => self::stream(to, write),
            None => Err(io::Error::other("it is no device and no pipe any more")),
        }),
    };
    written.map_err(|error| cannot(file, error))
}

/// Set when whoever read stdout has gone.
static IS_UNREAD: AtomicBool = AtomicBool::new(false);

/// Whether somebody may still read what is written to stdout. What goes on without an end ends when nobody does.
pub fn is_read() -> bool {
    // What was written last may lie in the pipe unread: only asking tells that the other end has gone meanwhile.
    let stdout = io::stdout();
    let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
    let is_asked = poll(&mut ends, Some(&Timespec::default())).is_ok();
    let is_gone = is_asked && ends[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
    !is_gone && !IS_UNREAD.load(Ordering::Relaxed)
}

/// Writes to stdout. Whoever reads may have seen enough, as `head` does.
pub(super) fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            // What is still in the buffer would be tried again when it is dropped.
            drop(stdout.into_parts());
            IS_UNREAD.store(true, Ordering::Relaxed);
            Ok(())
        }
        written => Ok(written?),
    }
}

/// What is meant by a name.
enum Place {
    /// A file, or none yet, whose place a new one takes.
    File,
    /// A device or a pipe, which is written to.
    Stream,
}

/// What is meant by a name, or why it cannot be written. A link is not followed: others may have put it there. Nor is one on
/// the way in which others have a hand.
fn place_of(file: &Path) -> Result<Place, Failure> {
    let no_file = |why: &str| {
        Failure::usage(format!("cannot write to {}", file.display()))
            .because(why)
            .hint("`-o` names a file; without it the answer goes to stdout")
    };
    if private::is_handed(file) {
        return Ok(Place::Stream);
    }
    if let Err(error) = private::check_way(file)
        && let Some(refused) = Refused::of(&error)
    {
        return Err(Failure::usage(format!("cannot write to {}", file.display()))
            .because(refused)
            .hint(refused.advice()));
    }
    if private::is_stream(file) {
        return Ok(Place::Stream);
    }
    match fs::symlink_metadata(file) {
        Ok(known) if known.is_dir() => return Err(no_file("it is a directory")),
        Ok(known) if known.is_symlink() => {
            let failure = Failure::usage(format!("cannot write to {}", file.display()))
                .because("it is a symbolic link, which is not followed");
            let Some(to) = private::leads_to(file, private::is_own_file) else {
                return Err(failure.hint("`-o` names another file; without it the answer goes to stdout"));
            };
            return Err(failure
                .because(format!("it leads to {}", to.display()))
                .hint(format!("`-o {}` names what it leads to itself", private::quoted(&to))));
        }
        Ok(known) if known.uid() != rustix::process::geteuid().as_raw() => {
            return Err(no_file("it belongs to another user"));
        }
        Ok(known) if !known.is_file() => return Err(no_file("it is no regular file")),
        Ok(_) if is_database(file).map_err(|error| cannot(file, error))? => {
            return Err(no_file("it is a database, which may be a ledger, and is not replaced"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(no_file("what should hold it is no directory"));
        }
        Err(error) => return Err(cannot(file, error)),
    }
    if file.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(no_file("it is a directory that is not there"));
    }
    let name = file.file_name().ok_or_else(|| no_file("it has no file name"))?;
    match fs::canonicalize(dir_of(file)) {
        Ok(dir) if is_anothers(&dir.join(name)) => Err(no_file(ANOTHERS)),
        Ok(_) => Ok(Place::File),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(no_file("its directory is not there")),
        Err(error) => Err(cannot(file, error)),
    }
}

const ANOTHERS: &str = "that name belongs to a database, a lock, the spool or the settings";

/// Names that mean something to someone else: what SQLite keeps beside a database holds its newest events, a lock that is
/// replaced is no lock any more, and the settings hold the key.
fn is_anothers(file: &Path) -> bool {
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().to_lowercase();
    let (name, dir) = (text(file.file_name()), text(file.parent().and_then(Path::file_name)));
    let ends = ["-wal", "-shm", "-journal", ".lock", ".spool"];
    name == ".env" || dir.ends_with(".spool") || ends.iter().any(|end| name.ends_with(end))
}

/// A slip of the hand must not put a report into the place of the one file that cannot be made again.
fn is_database(file: &Path) -> io::Result<bool> {
    let mut first = Vec::new();
    private::open_to_replace(file)?.take(SQLITE_HEADER.len() as u64).read_to_end(&mut first)?;
    Ok(first == SQLITE_HEADER)
}

fn cannot(file: &Path, error: io::Error) -> Failure {
    let failure = Failure::new(Exit::CannotGoOn, format!("cannot write {}", file.display()));
    let hint = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "Make room on its disk",
        _ => "`-o` names a file in a directory that you may write to; without it the answer goes to stdout",
    };
    failure.because(error).hint(hint)
}

fn dir_of(file: &Path) -> &Path {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Puts a new file into the place of whatever is there, whole or not at all, private to the user (requirement S5).
/// By the directory's handle: its name may lead elsewhere before the answer is made.
fn replace(file: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let (dir, name) = Dir::of(file)?;
    let (draft, to) = Draft::new(&dir)?;
    let mut to = BufWriter::new(to);
    write(&mut to)?;
    to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    dir.rename(&draft.name, name)?;
    dir.sync()
}

/// Opens a device or a pipe of this user, or what is open for this program already, to write at its end; `None` where a
/// name is that of none of them.
///
/// # Errors
/// Those of the file system; a refusal where something else has come there meanwhile.
pub fn open_stream(file: &Path) -> io::Result<Option<File>> {
    let twin = |of: BorrowedFd<'_>| Ok(Some(File::from(of.try_clone_to_owned()?)));
    match file.to_str() {
        // By their names they would be opened anew, which a socket does not bear.
        Some("/dev/stdout") => twin(io::stdout().as_fd()),
        Some("/dev/stderr") => twin(io::stderr().as_fd()),
        _ if private::is_handed(file) => OpenOptions::new().append(true).open(file).map(Some),
        _ if private::is_stream(file) => private::open_stream(file).map(Some),
        _ => Ok(None),
    }
}

/// Writes to what is no file. Whoever reads a pipe may have seen enough.
fn stream(to: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    match write(&mut to).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            drop(to.into_parts());
            Ok(())
        }
        written => written,
    }
}

/// A file on its way to be another. Unless it was renamed it goes when it is dropped.
struct Draft<'a> {
    dir: &'a Dir,
    name: String,
}

impl<'a> Draft<'a> {
    /// A new private file in a directory; one that is there already is never opened, nor is a link followed.
    fn new(dir: &'a Dir) -> io::Result<(Self, File)> {
        let mut number = 0;
        loop {
            let name = format!(".longshore-{}-{number}.draft", std::process::id());
            match dir.create(&name) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                opened => return Ok((Self { dir, name }, opened?)),
            }
        }
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let _it_was_renamed = self.dir.remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::hostile;
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn to(file: &Path) -> Out {
        Out::new(Format::Json, Some(file.to_owned())).unwrap()
    }

    #[test]
    fn s5_a_file_is_written_whole_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("answer");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        for format in Format::ALL {
            let out = Out::new(format, Some(file.clone())).unwrap();
            say(&out, hostile::sheet, &["an answer"]).unwrap();
            let expected = match format {
                Format::Table => table::write(&hostile::sheet()),
                Format::Json => "[\n  \"an answer\"\n]\n".to_owned(),
                Format::Csv => csv::write(&hostile::sheet()),
                Format::Markdown => markdown::write(&hostile::sheet()),
                Format::Html => html::write(&hostile::sheet()),
            };
            assert_eq!(fs::read_to_string(&file).unwrap(), expected, "{format:?}");
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(names(dir.path()), ["answer"]);
    }

    #[test]
    fn c10_the_old_file_stays_whole_when_writing_fails() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("answer");
        fs::write(&file, "old").unwrap();
        let failed = deliver(&to(&file), |to| {
            to.write_all(&[b'x'; 100_000])?;
            Err(io::Error::from(ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert_eq!(failed.exit, Exit::CannotGoOn);
        assert_eq!(failed.message, format!("cannot write {}", file.display()));
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(names(dir.path()), ["answer"], "no draft is left");
    }

    #[test]
    fn s5_a_link_is_not_followed_and_a_draft_of_someone_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        let draft = format!(".longshore-{}-0.draft", std::process::id());
        fs::write(&file, "old").unwrap();
        fs::write(dir.path().join(&draft), "someone's").unwrap();
        symlink(&file, &link).unwrap();
        let refused = Out::new(Format::Json, Some(link.clone())).unwrap_err();
        let there = file.canonicalize().unwrap();
        let leads = format!("it leads to {}", there.display());
        assert_eq!(refused.causes, ["it is a symbolic link, which is not followed", &leads]);
        assert_eq!(refused.hints, [format!("`-o {}` names what it leads to itself", there.display())]);
        let out = to(&file);
        // It comes into the place while the answer is made.
        fs::remove_file(&file).unwrap();
        fs::write(dir.path().join("other"), "other").unwrap();
        symlink(dir.path().join("other"), &file).unwrap();
        deliver(&out, |to| to.write_all(b"new")).unwrap_err();
        fs::remove_file(&file).unwrap();
        deliver(&out, |to| to.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_to_string(dir.path().join("other")).unwrap(), "other");
        assert_eq!(fs::read_to_string(dir.path().join(&draft)).unwrap(), "someone's");
        assert_eq!(names(dir.path()), [draft.as_str(), "file", "link", "other"]);
    }

    #[test]
    fn s5_an_answer_goes_to_the_directory_that_was_named_though_it_is_exchanged_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["named", "other"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("other/answer"), "mine").unwrap();
        let draft = format!(".longshore-{}-0.draft", std::process::id());
        fs::write(at("other").join(&draft), "planted").unwrap();
        deliver(&to(&at("named/answer")), |to| {
            fs::rename(at("named"), at("moved"))?;
            symlink(at("other"), at("named"))?;
            to.write_all(b"new")
        })
        .unwrap();
        assert_eq!(fs::read_to_string(at("moved/answer")).unwrap(), "new");
        assert_eq!(fs::read_to_string(at("other/answer")).unwrap(), "mine");
        assert_eq!(names(&at("other")), [draft.as_str(), "answer"]);
    }

    #[test]
    fn c10_devices_and_pipes_are_written_to() {
        let dir = tempfile::tempdir().unwrap();
        deliver(&to(Path::new("/dev/null")), |to| to.write_all(b"nothing")).unwrap();
        assert_eq!(to(Path::new("/dev/stdout")).file, None);
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        deliver(&to(&pipe), |to| to.write_all(b"an answer")).unwrap();
        assert_eq!(reader.join().unwrap(), "an answer");
    }

    #[test]
    fn c10_what_cannot_be_a_file_is_refused_before_the_work() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        for (name, why) in [
            ("", "it is a directory"),
            ("new/", "it is a directory that is not there"),
            ("missing/answer", "its directory is not there"),
            ("file/answer", "what should hold it is no directory"),
        ] {
            let refused = Out::new(Format::Table, Some(dir.path().join(name))).unwrap_err();
            assert_eq!((refused.exit, refused.causes), (Exit::Usage, vec![why.to_owned()]), "{name}");
        }
        fs::write(dir.path().join("ledger"), [SQLITE_HEADER, b"and more"].concat()).unwrap();
        let refused = Out::new(Format::Table, Some(dir.path().join("ledger"))).unwrap_err();
        assert_eq!(refused.causes, ["it is a database, which may be a ledger, and is not replaced"]);
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        let refused = Out::new(Format::Table, Some(dir.path().join("socket"))).unwrap_err();
        assert_eq!(refused.causes, ["it is no regular file"]);
    }
}
