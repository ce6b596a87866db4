//! Outcome to events: every "if" about what an outcome means.

use crate::event::{
    Acquired, Confirmed, DbUpdated, Downloaded, Drifted, Edit, Event, PauseReason, Paused, RolledBack,
    StepName, Stopped, Uploaded,
};
use crate::ids::{CdnPath, ContentHash, FileId, Format, ImageId, VenueId};
use crate::images::{self, Array, Change, Entry, Found};
use crate::order::{Fetch, Order, Put, PutBack, RowOrder, RowWork};
use crate::trouble::{Treatment, TroubleKind};

/// What came of a step in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Checked bytes are in the spool, for a `Download` or because an `Upload` had to fetch them again.
    Fetched(Bytes),
    /// The CDN has the file and serves it.
    Stored(File),
    /// The row was looked at, and rewritten if that was due.
    Row(Row),
    /// It did not come about.
    Trouble(Trouble),
}

/// Bytes in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// BLAKE3 of them.
    pub hash: ContentHash,
    /// How many.
    pub bytes: u64,
    /// Their real format.
    pub format: Format,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Milliseconds of the successful request.
    pub ms: u64,
    /// Requests made.
    pub attempts: u32,
}

/// A file on the CDN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// ImageKit's id.
    pub id: FileId,
    /// Its URL.
    pub url: String,
    /// Milliseconds of the successful request.
    pub ms: u64,
    /// Requests made.
    pub attempts: u32,
    /// How it was come by.
    pub acquired: Acquired,
}

/// A row after a look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it held and holds.
    pub seen: Seen,
    /// Milliseconds of the update.
    pub ms: u64,
}

/// What a row held and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// There is none.
    Missing,
    /// It was left, holding this.
    Left(Option<String>),
    /// It was rewritten.
    Written {
        /// What it held.
        before: Option<String>,
        /// What it holds, in the catalog's own text.
        after: Option<String>,
    },
}

/// Why a step did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// E1's kind.
    pub kind: TroubleKind,
    /// What happened, for people.
    pub message: String,
    /// Tries made.
    pub attempts: u32,
    /// The whole outside part was away for longer than the patience.
    pub outage: bool,
    /// The file that was stored all the same.
    pub file: Option<FileId>,
}

/// What follows from an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// These events; they belong together.
    Events(Vec<Event>),
    /// The run pauses; nothing is said of the image, which is taken up again later.
    Pause(Paused),
    /// Nothing is said yet: the image was uploaded once, and its row may have been updated without a word of it. The row is
    /// looked at first ([`put_back`](crate::order::put_back)), so that none keeps an entry whose image is told as failed.
    PutBack(Box<Put>, Trouble),
}

/// What an outcome means.
///
/// # Panics
/// When the outcome is none that the order can have: a bug of whoever performed it.
pub fn decide(order: &Order, outcome: Outcome) -> Verdict {
    match (order, outcome) {
        (order, Outcome::Trouble(trouble)) => troubled(order, trouble),
        (Order::PutBack(back), Outcome::Row(row)) => Verdict::Events(vec![given_up(back, row)]),
        (Order::Download(Fetch { image, .. }), Outcome::Fetched(b))
        | (Order::Upload(Put { fetch: Fetch { image, .. }, .. }), Outcome::Fetched(b)) => {
            Verdict::Events(vec![Event::Downloaded(Downloaded {
                image: *image,
                hash: b.hash,
                bytes: b.bytes,
                format: b.format,
                width: b.width,
                height: b.height,
                ms: b.ms,
                attempts: b.attempts,
            })])
        }
        (Order::Upload(put), Outcome::Stored(file)) if is_as_uploaded(put, &file) => {
            let (image, File { id: file_id, ms, attempts, .. }) = (put.fetch.image, file);
            Verdict::Events(vec![Event::Confirmed(Confirmed { image, file_id, ms, attempts })])
        }
        (Order::Upload(put), Outcome::Stored(file)) => Verdict::Events(vec![Event::Uploaded(Uploaded {
            image: put.fetch.image,
            file_id: file.id,
            path: put.path.clone(),
            url: file.url,
            bytes: put.bytes,
            width: put.width,
            height: put.height,
            ms: file.ms,
            attempts: file.attempts,
            acquired: file.acquired,
        })]),
        (Order::UpdateRow(order), Outcome::Row(row)) => Verdict::Events(updated(order, row)),
        (Order::RestoreRow(order), Outcome::Row(row)) => Verdict::Events(restored(order, row)),
        (order, outcome) => panic!("{outcome:?} cannot come of {order:?}"),
    }
}

/// Whether it is the file that the image's own `uploaded` tells of.
fn is_as_uploaded(put: &Put, file: &File) -> bool {
    put.uploaded.as_ref().is_some_and(|(id, url)| (id, url) == (&file.id, &file.url))
}

/// Whether what ImageKit says it has is what was sent: path, size, and dimensions in either order (it may turn a
/// picture by its EXIF orientation).
///
/// # Errors
/// What differs, in words.
pub fn check_stored(put: &Put, path: &CdnPath, bytes: u64, pixels: Option<(u32, u32)>) -> Result<(), String> {
    if *path != put.path {
        return Err(format!("it was stored as {path} instead of {}", put.path));
    }
    if bytes != put.bytes {
        return Err(format!("{bytes} bytes were stored instead of {}", put.bytes));
    }
    let fits = |(w, h)| (w, h) == (put.width, put.height) || (h, w) == (put.width, put.height);
    match pixels {
        Some((w, h)) if !fits((w, h)) => {
            Err(format!("it was stored as {w}×{h} instead of {}×{}", put.width, put.height))
        }
        _ => Ok(()),
    }
}

fn troubled(order: &Order, trouble: Trouble) -> Verdict {
    let pause = |reason, advice: &str| {
        let message = trouble.message.clone();
        Verdict::Pause(Paused { reason, message, advice: advice.to_owned() })
    };
    match trouble.kind {
        TroubleKind::Unauthorized if is_about_row(order) => {
            return pause(
                PauseReason::Unauthorized,
                "Give the database's URL a role that may update venues, then `longshore resume`",
            );
        }
        TroubleKind::Unauthorized => {
            return pause(
                PauseReason::Unauthorized,
                "Set IMAGEKIT_PRIVATE_KEY to a key that may upload, then `longshore resume`",
            );
        }
        TroubleKind::QuotaExceeded => {
            return pause(
                PauseReason::QuotaExceeded,
                "Make room in the ImageKit plan, or enlarge it, then `longshore resume`",
            );
        }
        _ if trouble.outage => {
            return pause(PauseReason::Outage, "When that is over, `longshore resume` goes on");
        }
        _ => {}
    }
    let stopped = |venue, image, step| stopped(venue, image, step, &trouble);
    Verdict::Events(match order {
        Order::Download(fetch) => vec![stopped(fetch.venue, Some(fetch.image), StepName::Download)],
        Order::Upload(put) if put.uploaded.is_some() => {
            return Verdict::PutBack(Box::new(put.clone()), trouble);
        }
        Order::Upload(put) => vec![stopped(put.fetch.venue, Some(put.fetch.image), StepName::Upload)],
        Order::UpdateRow(row) => {
            let each = row.images.iter().map(|image| stopped(row.venue, Some(*image), StepName::UpdateRow));
            each.collect()
        }
        Order::RestoreRow(row) => vec![stopped(row.venue, None, StepName::RestoreRow)],
        // The row's trouble is told as the image's: once that is over, both can be tried again.
        Order::PutBack(back) => {
            let PutBack { put: Put { fetch, .. }, trouble: first, .. } = &**back;
            let message =
                format!("{}; its row could not be looked at or put back: {}", first.message, trouble.message);
            let trouble = Trouble { message, file: first.file.clone(), ..trouble };
            vec![self::stopped(fetch.venue, Some(fetch.image), StepName::UpdateRow, &trouble)]
        }
    })
}

fn is_about_row(order: &Order) -> bool {
    match order {
        Order::Download(_) | Order::Upload(_) => false,
        Order::UpdateRow(_) | Order::RestoreRow(_) | Order::PutBack(_) => true,
    }
}

fn stopped(venue: VenueId, image: Option<ImageId>, step: StepName, trouble: &Trouble) -> Event {
    let stopped = Stopped {
        venue,
        image,
        step,
        error_type: trouble.kind,
        message: trouble.message.clone(),
        attempts: trouble.attempts,
        passing: trouble.kind.is_passing(),
        file_id: trouble.file.clone(),
    };
    match trouble.kind.treatment() {
        Treatment::Skip => Event::Skipped(stopped),
        _ => Event::Failed(stopped),
    }
}

/// An image that was uploaded once is given up, and its row has its before-image again, unless somebody changed it.
fn given_up(back: &PutBack, row: Row) -> Event {
    let mut trouble = back.trouble.clone();
    let image = back.put.fetch.image;
    if let Some(left) = row_left(&settle(&back.row, row.seen), image) {
        trouble.message.extend(["; ", &left.told]);
    }
    stopped(back.put.fetch.venue, Some(image), StepName::Upload, &trouble)
}

/// What the row of an image that a run gives up, or a person leaves, held of it, though no event told so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLeft {
    /// Whether it has the entry from before again; `false` where others have changed that since.
    pub is_put_back: bool,
    /// What it held and holds, in words.
    pub told: String,
}

/// What the rows of images that a person leaves held of them; nothing of those that they did not hold.
pub fn left(order: &RowOrder, row: Row) -> Vec<(ImageId, RowLeft)> {
    let settled = settle(order, row.seen);
    order.images.iter().filter_map(|image| Some((*image, row_left(&settled, *image)?))).collect()
}

fn row_left(settled: &Settled, image: ImageId) -> Option<RowLeft> {
    let file_of = |raw: &str| Entry::parse(raw)?.file_id();
    let Some(edit) = settled.edits.iter().find(|edit| edit.image == image) else {
        let drifted = settled.drifted.iter().find(|drifted| drifted.image == image)?;
        let file = file_of(drifted.found.as_deref()?)?;
        let told = format!("its row was changed by others and is left, naming the file {file}");
        return Some(RowLeft { is_put_back: false, told });
    };
    let mut told = "its row, updated without an event, ".to_owned();
    match edit.before.as_deref().and_then(file_of) {
        None => told.push_str("had its entry, and has it no more"),
        Some(file) => {
            told.push_str(&format!("named the file {file}, and has the entry from before again"));
            let after = settled.after.as_deref().and_then(|text| Array::parse(text).ok());
            if after.is_some_and(|array| array.elements().filter_map(file_of).any(|other| other == file)) {
                told.push_str("; another entry of it names that file still");
            }
        }
    }
    Some(RowLeft { is_put_back: true, told })
}

/// What the changes of an order came to in a row.
struct Settled {
    edits: Vec<Edit>,
    /// Found done, with the entry that is there.
    held: Vec<(usize, Option<String>)>,
    drifted: Vec<Drifted>,
    /// Changes that met what an earlier upload of their image had left in the row.
    put_right: Vec<Change>,
    before: Option<String>,
    after: Option<String>,
}

fn settle(order: &RowOrder, seen: Seen) -> Settled {
    let is_there = seen != Seen::Missing;
    let (before, after) = match seen {
        Seen::Missing => (None, None),
        Seen::Left(held) => (held.clone(), held),
        Seen::Written { before, after } => (before, after),
    };
    let stored = after.as_deref().and_then(|text| Array::parse(text).ok());
    let mut settled =
        Settled { edits: vec![], held: vec![], drifted: vec![], put_right: vec![], before, after: None };
    let array = order.array_in(settled.before.as_deref()).filter(|_| is_there);
    for (index, found) in found(order, array).into_iter().enumerate() {
        let image = order.images[index];
        match found {
            Found::Changed { place, before, after } => {
                // The catalog's own text of the entry, as jsonb orders keys in its own way.
                let stored = stored.as_ref().and_then(|array| array.get(place));
                let is_it =
                    |stored: &&str| after.as_ref().is_some_and(|after| images::same_entry(stored, after));
                let after = stored.filter(is_it).map(str::to_owned).or(after);
                let before = match (&order.work, before) {
                    (RowWork::Replace(changes), Some(met)) if changes[index].puts_right(&met) => {
                        settled.put_right.push(changes[index].clone());
                        Some(images::before(&met, &changes[index]))
                    }
                    (_, before) => before,
                };
                settled.edits.push(Edit { image, before, after });
            }
            Found::Held { found } => settled.held.push((index, found)),
            Found::Drifted { found } => settled.drifted.push(Drifted {
                venue: order.venue,
                image,
                expected: order.work.expected(index).to_owned(),
                found,
            }),
        }
    }
    settled.after = after;
    settled
}

/// What became of each entry in an array; `None` is a row that is gone, or that holds NULL where there is nothing to
/// append.
fn found(order: &RowOrder, array: Option<&str>) -> Vec<Found> {
    let drifted = || Found::Drifted { found: None };
    let in_none = |index: usize| match &order.work {
        // Nothing there, nothing to take out. A `populate`'s rollback may have brought NULL back.
        RowWork::Remove { .. } => Found::Held { found: None },
        RowWork::Replace(changes) if changes[index].may_be_gone => Found::Held { found: None },
        RowWork::Replace(_) | RowWork::Append(_) => drifted(),
    };
    let images = 0..order.images.len();
    match array {
        None => images.map(in_none).collect(),
        Some(array) => match order.edit(array) {
            Ok(edited) => edited.found,
            Err(images::NotAnArray) => images.map(|_| drifted()).collect(),
        },
    }
}

fn updated(order: &RowOrder, row: Row) -> Vec<Event> {
    let mut settled = settle(order, row.seen);
    let mut events: Vec<Event> = settled.drifted.drain(..).map(Event::Drifted).collect();
    let found_done = settled.edits.is_empty();
    let mut held = Held { changes: settled.put_right, ..Held::default() };
    for (index, found) in settled.held {
        let before = match (&order.work, &found) {
            (RowWork::Replace(changes), Some(found)) => {
                held.changes.push(changes[index].clone());
                Some(images::before(found, &changes[index]))
            }
            _ => {
                held.appended.extend(found.clone());
                None
            }
        };
        settled.edits.push(Edit { image: order.images[index], before, after: found });
    }
    if let (false, Some(after)) = (settled.edits.is_empty(), settled.after) {
        settled.edits.sort_by_key(|edit| edit.image);
        let array_before = match settled.before {
            Some(found) if found_done => unwritten(order, &found, &settled.edits, &held),
            Some(found) => Some(held.taken_back_from(&found)),
            None => None,
        };
        let (venue, edits, ms) = (order.venue, settled.edits, row.ms);
        events.push(Event::DbUpdated(DbUpdated {
            venue,
            edits,
            array_before,
            array_after: after,
            ms,
            found_done,
        }));
    }
    events
}

/// What of an order's work the row held already.
#[derive(Default)]
struct Held {
    changes: Vec<Change>,
    /// As they stand in the row.
    appended: Vec<String>,
}

impl Held {
    fn taken_back_from(&self, found: &str) -> String {
        let without = images::take_back(found, &self.changes);
        let without = without.and_then(|array| Ok(images::remove(&array, &self.appended)?.text));
        without.unwrap_or_else(|images::NotAnArray| found.to_owned())
    }
}

/// What a row held before an update that was found done: the planned array if the edits, as they were found, give on
/// it what is found, else what is found with the edits taken back.
fn unwritten(order: &RowOrder, found: &str, edits: &[Edit], held: &Held) -> Option<String> {
    let redone = |planned: &str| match order.work {
        RowWork::Replace(_) => {
            let both = |edit: &Edit| edit.before.clone().zip(edit.after.clone());
            let changes = edits.iter().filter_map(both);
            let changes: Vec<_> = changes.map(|(from, to)| Change::exact(from, to)).collect();
            images::edit(planned, &changes)
        }
        RowWork::Append(_) | RowWork::Remove { .. } => images::append(planned, &held.appended),
    };
    let is_it = |planned: &str| {
        redone(planned).is_ok_and(|redone| redone.is_changed() && images::same(&redone.text, found))
    };
    match order.array_in(order.array.as_deref()).filter(|planned| is_it(planned)) {
        Some(_) => order.array.clone(),
        None => Some(held.taken_back_from(found)),
    }
}

fn restored(order: &RowOrder, row: Row) -> Vec<Event> {
    let settled = settle(order, row.seen);
    let left: Vec<ImageId> = settled.drifted.iter().map(|drifted| drifted.image).collect();
    let mut events: Vec<Event> = settled.drifted.into_iter().map(Event::Drifted).collect();
    events.push(Event::RolledBack(RolledBack {
        venue: order.venue,
        found_done: settled.edits.is_empty(),
        edits: settled.edits,
        held: settled.held.iter().map(|(index, _)| order.images[*index]).collect(),
        left,
        array_before: settled.before,
        array_after: settled.after,
        ms: row.ms,
    }));
    events
}
