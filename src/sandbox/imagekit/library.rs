//! The media library: everything stored, in memory, with the log it survives in.
//!
//! A change is one line of JSON, written before memory changes. Nothing is buffered in the process, so a killed sandbox
//! loses at most the request it was working on. Opening replays the lines and writes the log anew without what was
//! overtaken.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clock::{self, Ms};
use super::model::{Folder, Stored, Version};
use super::names;
use crate::sandbox::lag::Lag;

/// A line of the log.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The file is now this.
    File(Box<Stored>),
    /// The file of this id is gone.
    FileGone(String),
    /// The folder exists.
    Folder(Folder),
    /// The folder at this path is gone.
    FolderGone(String),
    /// These bytes were delivered on this day.
    Served(String, u64),
    /// A custom metadata field was defined.
    Field(Value),
}

/// What the list has not noticed yet.
struct Change {
    at: Ms,
    id: String,
    before: Option<Stored>,
}

/// The media library.
pub(super) struct Library {
    dir: PathBuf,
    log: File,
    files: HashMap<String, Stored>,
    ids: BTreeMap<String, String>,
    folders: BTreeMap<String, Folder>,
    served: BTreeMap<String, u64>,
    fields: Vec<Value>,
    bytes: u64,
    lag: Arc<Lag>,
    unnoticed: VecDeque<Change>,
}

impl Library {
    /// Opens the library in `dir`, or begins one there. The list follows changes after the lag.
    ///
    /// # Errors
    /// The disk's, and an unreadable log.
    pub(super) fn open(dir: &Path, lag: Arc<Lag>) -> io::Result<Self> {
        fs::create_dir_all(dir.join("content"))?;
        let log_path = dir.join("library.jsonl");
        let fresh_path = dir.join("library.jsonl.new");
        let mut library = Self {
            dir: dir.to_owned(),
            log: File::create(&fresh_path)?,
            files: HashMap::new(),
            ids: BTreeMap::new(),
            folders: BTreeMap::new(),
            served: BTreeMap::new(),
            fields: Vec::new(),
            bytes: 0,
            lag,
            unnoticed: VecDeque::new(),
        };
        if log_path.exists() {
            library.replay(BufReader::new(File::open(&log_path)?))?;
        }
        library.write_all_lines()?;
        fs::rename(&fresh_path, &log_path)?;
        library.sweep()?;
        // What the log tells of was noticed long ago.
        library.unnoticed.clear();
        Ok(library)
    }

    fn replay(&mut self, mut log: impl BufRead) -> io::Result<()> {
        let mut text = Vec::new();
        while log.read_until(b'\n', &mut text)? > 0 {
            // A last line without its end was being written when the sandbox died.
            if text.ends_with(b"\n") {
                self.apply(serde_json::from_slice(&text)?);
            }
            text.clear();
        }
        Ok(())
    }

    fn write_all_lines(&mut self) -> io::Result<()> {
        let mut out = BufWriter::new(&self.log);
        let files = self.files.values().cloned().map(|file| Line::File(Box::new(file)));
        let folders = self.folders.values().cloned().map(Line::Folder);
        let served = self.served.iter().map(|(day, bytes)| Line::Served(day.clone(), *bytes));
        let fields = self.fields.iter().cloned().map(Line::Field);
        for line in files.chain(folders).chain(served).chain(fields) {
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Removes bytes that no version owns: a kill fell between storing them and the line that tells of them.
    fn sweep(&self) -> io::Result<()> {
        let owned: HashSet<PathBuf> = self
            .files
            .values()
            .flat_map(|file| file.versions.iter().map(|version| self.content(&file.id, version)))
            .collect();
        for entry in fs::read_dir(self.dir.join("content"))? {
            let path = entry?.path();
            if !owned.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, line: Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        self.log.write_all(&text)?;
        self.apply(line);
        Ok(())
    }

    fn apply(&mut self, line: Line) {
        match line {
            Line::File(file) => {
                let before = self.files.remove(&file.id);
                if let Some(before) = &before {
                    self.ids.remove(&before.path);
                    self.bytes -= before.bytes();
                }
                self.bytes += file.bytes();
                self.ids.insert(file.path.clone(), file.id.clone());
                self.unnoticed(&file.id, before);
                self.files.insert(file.id.clone(), *file);
            }
            Line::FileGone(id) => {
                if let Some(before) = self.files.remove(&id) {
                    self.ids.remove(&before.path);
                    self.bytes -= before.bytes();
                    self.unnoticed(&id, Some(before));
                }
            }
            Line::Folder(folder) => drop(self.folders.insert(folder.path.clone(), folder)),
            Line::FolderGone(path) => drop(self.folders.remove(&path)),
            Line::Served(day, bytes) => *self.served.entry(day).or_default() += bytes,
            Line::Field(field) => self.fields.push(field),
        }
    }

    fn unnoticed(&mut self, id: &str, before: Option<Stored>) {
        if self.lag.ms() > 0 {
            self.unnoticed.push_back(Change { at: clock::now(), id: id.to_owned(), before });
        }
    }

    /// Stores or replaces a file's record and makes its folders.
    pub(super) fn put(&mut self, file: Stored) -> io::Result<()> {
        self.make_folders(file.folder())?;
        self.record(Line::File(Box::new(file)))
    }

    /// Forgets a file and removes the bytes of all its versions.
    pub(super) fn remove(&mut self, id: &str) -> io::Result<()> {
        let Some(file) = self.files.get(id).cloned() else { return Ok(()) };
        self.record(Line::FileGone(file.id.clone()))?;
        file.versions.iter().try_for_each(|version| self.drop_content(&file.id, version))
    }

    /// Removes the bytes of one version. Bytes that are gone already are no trouble.
    pub(super) fn drop_content(&self, file: &str, version: &Version) -> io::Result<()> {
        match fs::remove_file(self.content(file, version)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes a folder and those above it. The root is always there.
    pub(super) fn make_folders(&mut self, path: &str) -> io::Result<()> {
        let mut end = 0;
        while end < path.len() {
            end = path[end + 1..].find('/').map_or(path.len(), |next| end + 1 + next);
            if end > 1 && !self.folders.contains_key(&path[..end]) {
                let folder =
                    Folder { id: names::new_id(), path: path[..end].to_owned(), created_at: clock::now() };
                self.record(Line::Folder(folder))?;
            }
        }
        Ok(())
    }

    /// Removes a folder with all that is in it; `false` when there is none.
    pub(super) fn remove_folder(&mut self, path: &str) -> io::Result<bool> {
        if !self.folders.contains_key(path) {
            return Ok(false);
        }
        let below = format!("{path}/");
        let files: Vec<String> = self.below(&below).map(|file| file.id.clone()).collect();
        let folders: Vec<String> =
            self.folders.keys().filter(|one| *one == path || one.starts_with(&below)).cloned().collect();
        files.iter().try_for_each(|id| self.remove(id))?;
        folders.into_iter().try_for_each(|path| self.record(Line::FolderGone(path)))?;
        Ok(true)
    }

    /// Counts delivered bytes.
    pub(super) fn serve(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > 0 { self.record(Line::Served(clock::day(clock::now()), bytes)) } else { Ok(()) }
    }

    /// Defines a custom metadata field.
    pub(super) fn define(&mut self, field: Value) -> io::Result<()> {
        self.record(Line::Field(field))
    }

    /// The defined custom metadata fields.
    pub(super) fn fields(&self) -> &[Value] {
        &self.fields
    }

    /// A file by its id, as it is now.
    pub(super) fn get(&self, id: &str) -> Option<&Stored> {
        self.files.get(id)
    }

    /// A file by its exact path, as it is now.
    pub(super) fn at(&self, path: &str) -> Option<&Stored> {
        self.ids.get(path).and_then(|id| self.files.get(id))
    }

    /// All files whose path begins so, by path, as they are now.
    pub(super) fn below(&self, prefix: &str) -> impl Iterator<Item = &Stored> {
        let from = self.ids.range(prefix.to_owned()..).take_while(move |(path, _)| path.starts_with(prefix));
        from.filter_map(|(_, id)| self.files.get(id))
    }

    /// The same as the list sees them: without the changes that the lag hides.
    pub(super) fn listed(&mut self, prefix: &str) -> Vec<&Stored> {
        let noticed = clock::now().saturating_sub(self.lag.ms());
        while self.unnoticed.front().is_some_and(|change| change.at <= noticed) {
            self.unnoticed.pop_front();
        }
        let mut earlier: HashMap<&str, Option<&Stored>> = HashMap::new();
        for change in &self.unnoticed {
            earlier.entry(&change.id).or_insert(change.before.as_ref());
        }
        let mut seen: Vec<&Stored> =
            self.below(prefix).filter(|file| !earlier.contains_key(&*file.id)).collect();
        seen.extend(earlier.into_values().flatten().filter(|file| file.path.starts_with(prefix)));
        seen
    }

    /// All folders by path.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Folder> {
        self.folders.values()
    }

    /// Bytes of all versions of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes delivered from one day to another, both included.
    pub(super) fn served(&self, from: &str, to: &str) -> u64 {
        self.served
            .range::<str, _>((std::ops::Bound::Included(from), std::ops::Bound::Included(to)))
            .map(|(_, b)| b)
            .sum()
    }

    /// Where the bytes of a version lie.
    pub(super) fn content(&self, file: &str, version: &Version) -> PathBuf {
        self.dir.join("content").join(format!("{file}.{}", version.id))
    }
}
