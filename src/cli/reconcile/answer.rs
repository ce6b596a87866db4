//! What `reconcile` has found, for people and for programs.

use std::collections::{BTreeMap, HashSet};

use ledger::ids::{CdnPath, FileId, ImageId, VenueId};
use ledger::ledger::Ledger;
use serde::Serialize;

use super::unreadable::Unreadable;
use super::words::{believed_words, entry_words, file_words};
use crate::outside::catalog::search::Texts;
use crate::runner::reconcile::{
    BelievedClass, BelievedJudged, EntryClass, EntryJudged, FileClass, FileJudged, Judged, RowJudged,
};
use crate::runner::{Candidate, Fate};
use crate::show::{self, Cell, Column, Grid, Sheet};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Answer {
    ledger: String,
    head: String,
    target: &'static str,
    files: Files,
    entries: Counted<EntryClass>,
    believed: Counted<BelievedClass>,
    rows: Rows,
    /// Where uses of files were looked for, and where not.
    looks_at: Texts,
    findings: Findings,
    named: Named,
    /// What became of each orphan; null where nothing was to be deleted.
    deleted: Option<Vec<Deleted>>,
}

#[derive(Debug, Serialize)]
struct Files {
    /// All that can be read.
    all: u64,
    bytes: u64,
    /// Those that cannot be read, in no class.
    unreadable: u64,
    classes: BTreeMap<FileClass, FilesOf>,
}

#[derive(Debug, Default, Serialize)]
struct FilesOf {
    files: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Counted<Class: Ord> {
    all: u64,
    classes: BTreeMap<Class, u64>,
}

#[derive(Debug, Serialize)]
struct Rows {
    read: u64,
    bad_array: u64,
    not_read: u64,
}

/// What is wrong.
#[derive(Debug, Serialize)]
struct Findings {
    files: Vec<File>,
    /// Files of the listing that cannot be read.
    unreadable: Vec<Unreadable>,
    entries: Vec<Entry>,
    believed: Vec<BelievedFile>,
    /// Rows that hold more than is read, where the ledger knows the venue or a file may be used by it.
    not_read: Vec<RowJudged>,
}

/// What is worth a name without being wrong.
#[derive(Debug, Serialize)]
struct Named {
    files: Vec<File>,
    believed: Vec<BelievedFile>,
    /// Venues whose `venue_images` is no array: nothing of ours can be in them.
    bad_arrays: Vec<VenueId>,
    /// Other rows that hold more than is read.
    not_read: Vec<RowJudged>,
}

#[derive(Debug, Serialize)]
struct File {
    class: FileClass,
    path: CdnPath,
    file_id: FileId,
    url: String,
    bytes: u64,
    /// Whether the ledger tells of an upload to this path.
    is_known: bool,
    /// The tags of other ledgers on it.
    other_ledgers: Vec<String>,
    /// The venue whose row uses it, where it is one.
    venue_id: Option<VenueId>,
    /// Why it is not ours, or not ours alone; null where it is.
    why: Option<String>,
    /// Where it is used: table, column and row.
    used_by: Option<String>,
}

#[derive(Debug, Serialize)]
struct Entry {
    class: EntryClass,
    venue_id: VenueId,
    /// Its place in the venue's array, from 0.
    place: u64,
    url: Option<String>,
    file_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct BelievedFile {
    class: BelievedClass,
    path: CdnPath,
    file_id: FileId,
    image: ImageId,
    venue_id: VenueId,
    moved_to: Option<CdnPath>,
    replaced_by: Option<FileId>,
}

/// The fate of a file whose deletion was asked for and not answered, and which cannot be looked at since.
const NOT_KNOWN: &str = "not_known";

/// What became of a file that was to be deleted.
#[derive(Debug, Serialize)]
pub struct Deleted {
    path: CdnPath,
    file_id: FileId,
    /// `deleted`, `already_gone`, `kept` or `not_known`.
    fate: &'static str,
    /// Why it was kept, why nobody knows, or that the ledger does not tell of it yet.
    why: Option<String>,
}

impl Deleted {
    /// Of a candidate, and whether the ledger tells of it.
    pub fn new(file: &Candidate, fate: Fate, is_written: bool) -> Self {
        let unwritten = (!is_written).then(|| "the ledger could not write it down".to_owned());
        let (fate, why) = match fate {
            Fate::Deleted => ("deleted", unwritten),
            Fate::Gone => ("already_gone", unwritten),
            Fate::Kept(why) => ("kept", Some(why.to_string())),
            Fate::NotKnown(why) => (NOT_KNOWN, Some(format!("its deletion was not answered: {why}"))),
        };
        Self { path: file.path.clone(), file_id: file.file.clone(), fate, why }
    }

    /// Of a candidate that was not looked at again.
    pub fn kept(file: &Candidate, why: &str) -> Self {
        let why = Some(why.to_owned());
        Self { path: file.path.clone(), file_id: file.file.clone(), fate: "kept", why }
    }

    /// Whether it may still be there.
    fn may_be_there(&self) -> bool {
        matches!(self.fate, "kept" | NOT_KNOWN)
    }
}

impl Answer {
    /// Of what was judged.
    pub fn new(target: &'static str, ledger: &Ledger, judged: &Judged, texts: &Texts) -> Self {
        let mut files: BTreeMap<_, FilesOf> =
            FileClass::ALL.into_iter().map(|class| (class, FilesOf::default())).collect();
        for file in &judged.files {
            let of = files.entry(file.class).or_default();
            of.files += 1;
            of.bytes += file.file.bytes;
        }
        let mut entries = counted(EntryClass::ALL, judged.entries.iter().map(|entry| entry.class));
        entries.all += judged.external;
        *entries.classes.entry(EntryClass::External).or_default() += judged.external;
        let gone = |file: &&BelievedJudged| file.class == BelievedClass::GoneUnneeded;
        Self {
            ledger: ledger.store().id().to_string(),
            head: ledger.head().to_string(),
            target,
            files: Files {
                all: judged.files.len() as u64,
                bytes: judged.files.iter().map(|file| file.file.bytes).sum(),
                unreadable: judged.unreadable,
                classes: files,
            },
            entries,
            believed: counted(BelievedClass::ALL, judged.believed.iter().map(|file| file.class)),
            rows: Rows {
                read: judged.rows,
                bad_array: judged.bad_rows.len() as u64,
                not_read: judged.unread.len() as u64,
            },
            looks_at: texts.clone(),
            findings: Findings {
                files: judged.files.iter().filter(|file| file.class.is_finding()).map(File::of).collect(),
                unreadable: judged.unreadable_named.iter().map(Unreadable::of).collect(),
                entries: judged.entries.iter().filter(|e| e.class.is_finding()).map(Entry::of).collect(),
                believed: judged
                    .believed
                    .iter()
                    .filter(|file| file.class.is_finding())
                    .map(BelievedFile::of)
                    .collect(),
                not_read: not_read(judged, true),
            },
            named: Named {
                files: judged.files.iter().filter(|file| file.class.is_named()).map(File::of).collect(),
                believed: judged.believed.iter().filter(gone).map(BelievedFile::of).collect(),
                bad_arrays: judged.bad_rows.clone(),
                not_read: not_read(judged, false),
            },
            deleted: None,
        }
    }

    /// After files were deleted: they are no finding any more. The counts stay those of what was found.
    pub fn deleted(&mut self, ledger: &Ledger, deleted: Vec<Deleted>) {
        let gone: HashSet<&FileId> =
            deleted.iter().filter(|file| !file.may_be_there()).map(|file| &file.file_id).collect();
        self.findings.files.retain(|file| !gone.contains(&file.file_id));
        self.named.believed.retain(|file| !gone.contains(&file.file_id));
        self.head = ledger.head().to_string();
        self.deleted = Some(deleted);
    }

    /// Whether anything is wrong (still).
    pub fn has_findings(&self) -> bool {
        let Findings { files, unreadable, entries, believed, not_read } = &self.findings;
        let of_files = files.is_empty() && unreadable.is_empty() && believed.is_empty();
        !(of_files && entries.is_empty() && not_read.is_empty())
    }

    /// For people.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("Ledger, database and CDN compared");
        let mut files = Grid::new([
            Column::text("Files on the CDN"),
            Column::number("Files"),
            Column::bytes("Size"),
            Column::text("What they are"),
        ]);
        for (class, of) in &self.files.classes {
            files.row([
                show::word(class).into(),
                of.files.into(),
                Cell::Bytes(of.bytes),
                file_words(*class).into(),
            ]);
        }
        if self.files.unreadable > 0 {
            let words = "in the listing, and cannot be read";
            files.row(["unreadable".into(), self.files.unreadable.into(), Cell::Unknown, words.into()]);
        }
        files.total(["Total".into(), self.files.all.into(), Cell::Bytes(self.files.bytes), Cell::Empty]);
        sheet.table(files);
        sheet.table(table("Entries in the rows", "Entries", &self.entries, entry_words));
        sheet.table(table("Files in the ledger", "Files", &self.believed, believed_words));
        self.name(&mut sheet);
        if let Some(deleted) = &self.deleted {
            let left = deleted.iter().filter(|file| file.may_be_there());
            let of = |fate| deleted.iter().filter(|file| file.fate == fate).count() as u64;
            sheet.line(format!("{} deleted.", show::count(of("deleted"), "file")));
            if let gone @ 1.. = of("already_gone") {
                sheet.line(format!("{} gone already, and written off.", show::count(gone, "file")));
            }
            let gone = deleted.iter().filter(|file| !file.may_be_there());
            for (file, why) in gone.filter_map(|file| Some((file, file.why.as_ref()?))) {
                sheet.line(format!("{} is gone, and {why}.", file.path));
            }
            left.for_each(|file| {
                let why = file.why.as_deref().unwrap_or_default();
                let fate = if file.fate == NOT_KNOWN { "may still be there" } else { "stays" };
                sheet.line(format!("{} {fate}: {why}.", file.path));
            });
        }
        let rows = show::count(self.rows.read, "row");
        sheet.line(match self.has_findings() {
            true => format!("{rows} looked at. Something does not fit; see above."),
            false => {
                let of = |n: u64, what: &str| match n {
                    0 => String::new(),
                    n => format!(" {} {what}: see above.", show::count(n, "row")),
                };
                let bad = of(self.rows.bad_array, "without an array");
                let large = of(self.rows.not_read, "too large to be read");
                format!("{rows} looked at. Everything fits.{bad}{large}")
            }
        });
        sheet.line(format!("Ledger head {}", self.head));
        sheet
    }

    /// Names what is wrong, then what is not ours.
    fn name(&self, sheet: &mut Sheet) {
        let all = self.findings.files.iter().chain(&self.named.files);
        let mut files =
            Grid::apart(["Class", "Path", "File id", "Of which ledgers", "Used by"].map(Column::text));
        let mut reasons = Grid::apart(["Path", "Why it is not ours, or not ours alone"].map(Column::text));
        for file in all {
            if let Some(why) = &file.why {
                reasons.row([file.path.as_str().into(), Cell::Text(why.clone())]);
            }
            files.row([
                show::word(&file.class).into(),
                file.path.as_str().into(),
                file.file_id.to_string().into(),
                file.other_ledgers.join(" ").into(),
                file.used_by.clone().map_or(Cell::Empty, Cell::Text),
            ]);
        }
        let mut entries = Grid::apart(["Class", "Venue", "Place", "URL", "File id"].map(Column::text));
        for entry in &self.findings.entries {
            entries.row([
                show::word(&entry.class).into(),
                Cell::Id(entry.venue_id.0),
                entry.place.into(),
                entry.url.clone().into(),
                entry.file_id.clone().into(),
            ]);
        }
        for venue in &self.named.bad_arrays {
            let bad = ["bad_array".into(), Cell::Id(venue.0), Cell::Unknown, Cell::Unknown, Cell::Unknown];
            entries.row(bad);
        }
        let mut believed = Grid::apart(["Class", "Path", "File id", "Venue", "Instead"].map(Column::text));
        for file in self.findings.believed.iter().chain(&self.named.believed) {
            let moved = file.moved_to.as_ref().map(|path| format!("moved to {path}"));
            let replaced = file.replaced_by.as_ref().map(|id| format!("file {id} is there"));
            believed.row([
                show::word(&file.class).into(),
                file.path.as_str().into(),
                file.file_id.to_string().into(),
                Cell::Id(file.venue_id.0),
                moved.or(replaced).map_or(Cell::Empty, Cell::Text),
            ]);
        }
        let mut unread = Grid::new(["Class", "Venue", "Its images"].map(Column::text));
        for RowJudged { venue_id, why, .. } in self.findings.not_read.iter().chain(&self.named.not_read) {
            unread.row(["not_read".into(), Cell::Id(venue_id.0), why.clone().into()]);
        }
        let unreadable = Unreadable::grid(&self.findings.unreadable);
        let tables = [
            ("Files", files),
            ("Files of the listing that cannot be read", unreadable),
            ("Files that are never touched", reasons),
            ("Entries and rows", entries),
            ("Rows that are not read", unread),
            ("The ledger's files that are gone", believed),
        ];
        for (heading, grid) in tables.into_iter().filter(|(_, grid)| !grid.rows.is_empty()) {
            sheet.heading(heading);
            sheet.table(grid);
        }
    }
}

fn not_read(judged: &Judged, is_finding: bool) -> Vec<RowJudged> {
    judged.unread.iter().filter(|row| row.is_finding == is_finding).cloned().collect()
}

fn counted<C: Ord + Copy>(all: impl IntoIterator<Item = C>, found: impl Iterator<Item = C>) -> Counted<C> {
    let mut counted = Counted { all: 0, classes: all.into_iter().map(|class| (class, 0)).collect() };
    for class in found {
        counted.all += 1;
        *counted.classes.entry(class).or_default() += 1;
    }
    counted
}

fn table<C: Ord + Copy + Serialize>(
    name: &'static str,
    what: &'static str,
    counted: &Counted<C>,
    words: impl Fn(C) -> &'static str,
) -> Grid {
    let mut grid = Grid::new([Column::text(name), Column::number(what), Column::text("What they are")]);
    for (class, n) in &counted.classes {
        grid.row([show::word(class).into(), (*n).into(), words(*class).into()]);
    }
    grid.total(["Total".into(), counted.all.into(), Cell::Empty]);
    grid
}

impl File {
    fn of(judged: &FileJudged) -> Self {
        Self {
            class: judged.class,
            path: judged.file.path.clone(),
            file_id: judged.file.id.clone(),
            url: judged.file.url.clone(),
            bytes: judged.file.bytes,
            is_known: judged.is_known,
            other_ledgers: judged.others.clone(),
            venue_id: judged.used_by.as_ref().and_then(|spot| spot.venue),
            used_by: judged.used_by.as_ref().map(ToString::to_string),
            why: judged.why.as_ref().map(ToString::to_string),
        }
    }
}

impl Entry {
    fn of(judged: &EntryJudged) -> Self {
        Self {
            class: judged.class,
            venue_id: judged.venue,
            place: judged.place,
            url: judged.url.as_deref().map(show::address),
            file_id: judged.file.clone(),
        }
    }
}

impl BelievedFile {
    fn of(judged: &BelievedJudged) -> Self {
        Self {
            class: judged.class,
            path: judged.path.clone(),
            file_id: judged.file.clone(),
            image: judged.image,
            venue_id: judged.venue,
            moved_to: judged.moved_to.clone(),
            replaced_by: judged.replaced_by.clone(),
        }
    }
}
