//! Where an answer goes, and in which format.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Sheet, csv, html, markdown, table};
use crate::error::{Exit, Failure};

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
        Format::Json => {
            return deliver(out, |to| {
                serde_json::to_writer_pretty(&mut *to, answer)?;
                writeln!(to)
            });
        }
        Format::Table => table::write,
        Format::Csv => csv::write,
        Format::Markdown => markdown::write,
        Format::Html => html::write,
    };
    deliver(out, |to| to.write_all(write(&sheet()).as_bytes()))
}

/// Lets an answer be written to where it goes, for one that is too long to be held at once.
///
/// # Errors
/// As [`say`].
pub fn deliver(out: &Out, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let Some(file) = &out.file else {
        let mut stdout = BufWriter::new(io::stdout().lock());
        return match write(&mut stdout).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                // What is still in the buffer would be tried again when it is dropped.
                drop(stdout.into_parts());
                Ok(())
            }
            written => Ok(written?),
        };
    };
    let place = place_of(file)?;
    replace(&place, write).map_err(|error| {
        let message = format!("cannot write {}", file.display());
        Failure::new(Exit::CannotGoOn, message).because(error)
    })
}

/// The file that is meant, behind links, or why it cannot be one.
fn place_of(file: &Path) -> Result<PathBuf, Failure> {
    let no_file = |why: &str| {
        Failure::usage(format!("cannot write to {}", file.display()))
            .because(why)
            .hint("`-o` names a file; without it the answer goes to stdout")
    };
    if let Ok(known) = fs::metadata(file) {
        return match known.is_file() {
            true => Ok(fs::canonicalize(file)?),
            false if known.is_dir() => Err(no_file("it is a directory")),
            false => Err(no_file("it is no regular file")),
        };
    }
    let name = file.file_name().ok_or_else(|| no_file("it has no file name"))?;
    match fs::canonicalize(dir_of(file)) {
        Ok(dir) if dir.is_dir() => Ok(dir.join(name)),
        Ok(_) => Err(no_file("what should hold it is no directory")),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(no_file("its directory is not there")),
        Err(error) => Err(no_file(&error.to_string())),
    }
}

fn dir_of(file: &Path) -> &Path {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Puts a new file into the place of whatever is there, whole or not at all, private to the user (requirement S5).
fn replace(place: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let (draft, file) = Draft::beside(place)?;
    let mut file = BufWriter::new(file);
    write(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&draft.0, place)?;
    File::open(dir_of(place))?.sync_all()
}

/// A file on its way to be another. Unless it was renamed it goes when it is dropped.
struct Draft(PathBuf);

impl Draft {
    /// A new private file beside another; one that is there already is never opened, nor is a link followed.
    fn beside(place: &Path) -> io::Result<(Self, File)> {
        let mut number = 0;
        loop {
            let name = format!(".longshore-{}-{number}.draft", std::process::id());
            let path = dir_of(place).join(name);
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                opened => return Ok((Self(path), opened?)),
            }
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _it_was_renamed = fs::remove_file(&self.0);
    }
}
