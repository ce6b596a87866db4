//! What must hold, by rules of the simulation's own: nothing here asks the code that is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ledger::ids::{ContentHash, LedgerId, VenueId};
use longshore::outside::Trouble;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::cdn::{File, url_of};
use super::entries::{self, Values};
use super::process::Process;
use super::reach::{self, Bounds};
use super::runs;
use super::world::Inner;

/// Requests for one picture that one process may send without being given it: so many need the longest patience and all
/// tries.
const ASKED_MAX: u32 = 60;
/// A deletion that is done sooner than this is one that the process still waits for.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What a process has asked for. Numbers are those of moments; 0 is never.
#[derive(Default)]
pub struct Notes {
    /// What its command is limited to.
    pub bounds: Bounds,
    /// Whether it takes back.
    pub is_back: bool,
    /// Whether it only deletes orphans.
    pub only_deletes: bool,
    /// When it last held a claim that it asked for.
    checked: u64,
    /// How often it was told so of each country and has not yet written a row upon it.
    checks: BTreeMap<String, u64>,
    /// When it last looked for uses of files, and at what time.
    looked: u64,
    looked_at: Option<Instant>,
    /// When it last saw all versions of a file.
    saw: BTreeMap<String, u64>,
    /// When it last sent a request to delete.
    sent: u64,
    /// Files that ImageKit has told it of, by their paths.
    pub told: BTreeMap<String, String>,
    /// Files that it has made.
    pub made: BTreeSet<String>,
    /// Files that it has deleted, and was there to be told so.
    pub deleted: BTreeSet<String>,
    /// What it asks for and has not been given: how often.
    asked: BTreeMap<String, u32>,
}

impl Notes {
    /// Whether it is one that may delete files.
    pub fn is_leaving(&self) -> bool {
        self.is_back || self.only_deletes
    }
}

/// Keys of an entry that Longshore may change.
const OURS: [&str; 9] = [
    "url",
    "upload_status",
    "width",
    "height",
    "source",
    "migrated_at",
    "imagekit_file_id",
    "imagekit_uploaded_at",
    "original_tigris_url",
];

/// The elements of an array, each in its own text; none where it is no array.
pub fn elements(text: &str) -> Vec<&str> {
    let each: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    each.into_iter().map(RawValue::get).collect()
}

/// The members of an entry, each value in its own text.
fn members(entry: &str) -> BTreeMap<String, &RawValue> {
    serde_json::from_str(entry).unwrap_or_default()
}

fn text(of: &BTreeMap<String, &RawValue>, key: &str) -> Option<String> {
    serde_json::from_str(of.get(key)?.get()).ok()
}

/// Whether it is an entry of ours.
pub fn is_ours(entry: &str) -> bool {
    text(&members(entry), "source").as_deref() == Some("trivia_advisor_migration")
}

/// The keys of an entry that Longshore may change, and their values.
pub fn ours(entry: &str) -> Values {
    let all = members(entry).into_iter().filter(|(key, _)| OURS.contains(&key.as_str()));
    all.map(|(key, value)| (key, value.get().to_owned())).collect()
}

/// An entry that says that its picture is on the CDN: the file's id and URL.
pub fn completed(entry: &str) -> Option<(String, String)> {
    let of = members(entry);
    let is_completed = text(&of, "upload_status").as_deref() == Some("completed")
        && text(&of, "source").as_deref() == Some("trivia_advisor_migration");
    is_completed
        .then(|| (text(&of, "imagekit_file_id").unwrap_or_default(), text(&of, "url").unwrap_or_default()))
}

/// The URL of an entry that waits to be moved.
pub fn external(entry: &str) -> Option<String> {
    let of = members(entry);
    let is_external = text(&of, "upload_status").as_deref() == Some("external")
        && text(&of, "source").as_deref() == Some("trivia_advisor_migration");
    is_external.then(|| text(&of, "url")).flatten()
}

/// The URL that a completed entry had before.
pub fn original(entry: &str) -> Option<String> {
    text(&members(entry), "original_tigris_url")
}

/// A process is told that it holds a claim.
pub fn checked(world: &mut Inner, process: u64, country: &str) {
    let (moment, notes) = (world.moment(), world.notes(process));
    notes.checked = moment;
    *notes.checks.entry(country.to_owned()).or_default() += 1;
}

/// A claim that somebody holds is given to somebody else.
pub fn took_over(world: &mut Inner, country: &str, from: &str, by: &str) {
    world.break_promise(format!("{by} takes {country} over, and {from} holds it"));
}

/// A process begins to look for uses of files.
pub fn looked(world: &mut Inner, process: u64) {
    let (moment, notes) = (world.moment(), world.notes(process));
    (notes.looked, notes.looked_at) = (moment, Some(Instant::now()));
}

/// A process sees all versions of a file.
pub fn saw(world: &mut Inner, process: u64, file: &str) {
    let moment = world.moment();
    world.notes(process).saw.insert(file.to_owned(), moment);
}

/// A process asks for something that it may be refused.
pub fn asks(world: &mut Inner, process: u64, what: &str) {
    let asked = world.notes(process).asked.entry(what.to_owned()).or_default();
    *asked += 1;
    if *asked == ASKED_MAX + 1 {
        world.break_promise(format!("process {process} asks more than {ASKED_MAX} times for {what}"));
    }
}

/// It was answered.
pub fn answered<T>(world: &mut Inner, process: u64, what: &str, answer: &Result<T, Trouble>) {
    if answer.is_ok() {
        world.notes(process).asked.remove(what);
    }
}

/// No row stays locked for ever.
pub fn locks(world: &mut Inner) {
    let mut rows = world.databases.iter().flat_map(|database| &database.rows);
    let locked = rows.find(|(_, row)| row.is_locked_for_ever()).map(|(id, _)| *id);
    if let Some(id) = locked {
        world.break_promise(format!("row {id} stays locked"));
    }
}

/// Longshore is about to ask for a row to be written.
pub fn sends_row(world: &mut Inner, by: &Process, id: i64) {
    let countries = world.database(by.ledger).countries_of(id);
    if countries.is_empty() {
        return;
    }
    // It may be lost behind the check: who stands still there writes all the same (see architecture.md).
    let notes = world.notes(by.number);
    let of_it = notes.checks.iter_mut().find(|(country, n)| **n > 0 && countries.contains(&country.as_str()));
    let is_checked = of_it.map(|(_, n)| *n -= 1).is_some();
    if !is_checked && !world.database(by.ledger).has_claim(by.number, &countries) {
        world.break_promise(format!("process {} writes row {id} without a claim on its country", by.number));
    }
    reach::sends_row(world, by, id);
}

/// Longshore writes a row.
pub fn written(world: &mut Inner, by: &Process, id: i64, after: Option<&str>) {
    world.count("row written");
    world.tell(|| format!("process {} writes row {id}: {after:?}", by.number));
    let before = world.database(by.ledger).rows.get(&id).and_then(|row| row.images.clone());
    let before = before.as_deref();
    if before == after {
        return world.break_promise(format!("row {id} is written for nothing"));
    }
    let (before, after) = (before.unwrap_or("[]"), after.unwrap_or("[]"));
    entries::written(world, by.ledger, id, before, after);
    let (mut before, mut after) = (elements(before), elements(after));
    if let Err(why) = runs::sized(world, by, &mut before, &mut after) {
        return world.break_promise(format!("row {id}: {why}"));
    }
    for (old, new) in before.into_iter().zip(after).filter(|(old, new)| old != new) {
        let theirs = |entry| -> Vec<(String, String)> {
            let all = members(entry).into_iter().filter(|(key, _)| !OURS.contains(&key.as_str()));
            all.map(|(key, value)| (key, value.get().to_owned())).collect()
        };
        if !is_ours(old) || !is_ours(new) || theirs(old) != theirs(new) {
            return world.break_promise(format!("row {id}: other people's {old} became {new}"));
        }
        let urls = |entry| external(entry).or_else(|| original(entry));
        if urls(old) != urls(new) {
            return world.break_promise(format!("row {id}: {old} became {new}, which is another picture"));
        }
        let Some((file, url)) = completed(new) else { continue };
        if let Err(why) = runs::may_complete(world, by, id, old) {
            return world.break_promise(format!("row {id}: {why}: {old}"));
        }
        if let Some(why) = external(old).and_then(|old| unfounded(world, by, &old, &url)) {
            return world.break_promise(format!("row {id} came to name {file}: {why}"));
        }
        if let Some(why) = misses(world, &file, &url) {
            let of = world.cdn.files.get(&file);
            // What others did to it since the process made it or asked for it by its id may have come too late to be seen.
            let known = of.and_then(|file| file.known(by.number));
            let touched = of.and_then(|file| file.touched);
            if touched.is_none_or(|touched| known.is_none_or(|known| touched < known)) {
                world.break_promise(format!("row {id} came to name {file}: {why}"));
            }
        }
    }
}

/// A person leaves pictures of a venue: its row has none of them completed that no ledger tells of.
pub fn left<'a>(world: &mut Inner, ledger: usize, venue: VenueId, urls: impl Iterator<Item = &'a String>) {
    // An older ledger has forgotten what it did, and who writes an old text back may put anything back.
    if world.people.forgot.contains(&true) {
        return;
    }
    let row = world.database(ledger).rows.get(&venue.0).filter(|row| !row.is_stale);
    let Some(row) = row.and_then(|row| row.images.clone()) else { return };
    // What somebody has edited since stays as it is, and so does what another ledger has written.
    let done = elements(&row).into_iter().filter(|entry| {
        completed(entry).is_some() && entries::has_written(world, ledger, venue.0, &ours(entry))
    });
    let done: Vec<String> = done.filter_map(original).collect();
    for url in urls.filter(|url| done.contains(url)) {
        if !world.books.iter().any(|book| book.done.contains(url)) {
            world.break_promise(format!(
                "{url} is left in row {}, which has it completed, and no event tells so",
                venue.0
            ));
        }
    }
}

/// Why an entry may not come to name what is at a URL.
fn unfounded(world: &Inner, by: &Process, old: &str, url: &str) -> Option<String> {
    if !world.books[by.ledger].has_planned(old) {
        return Some(format!("ledger {} has not planned to move {old}", by.ledger));
    }
    let given = world.given.get(old).into_iter().flatten();
    let is_given = given.map(ContentHash::to_string).any(|hash| url.contains(&hash[..16]));
    (!is_given).then(|| format!("the origin never gave that picture for {old}"))
}

/// What is wrong with a file that an entry names.
fn misses(world: &Inner, file: &str, url: &str) -> Option<String> {
    let Some(file) = world.cdn.get(file) else { return Some("there is no such file".to_owned()) };
    if url_of(&file.path) != url {
        return Some(format!("it is at {}, and the entry says {url}", file.path));
    }
    (!is_whole(file)).then(|| "its bytes are not those that its name is made of".to_owned())
}

/// Whether a file has the bytes that its name is made of.
pub fn is_whole(file: &File) -> bool {
    file.path.contains(&ContentHash::of(&file.bytes).to_string()[..16])
}

/// Longshore sets a file's tags.
pub fn tagged(world: &mut Inner, by: &Process, id: &str, tags: &[String]) {
    let Some(file) = world.cdn.get(id).cloned() else { return };
    if world.has_two_databases() && file.made_by.is_some_and(|made_by| made_by != by.ledger) {
        world.count("file of two databases");
    }
    let seen = file.seen(by.number);
    let is_touched_since = file.touched.is_some_and(|touched| seen.is_none_or(|seen| touched >= seen));
    let lost = file.tags.iter().find(|tag| !tags.contains(tag));
    if let (Some(lost), false) = (lost, is_touched_since) {
        world.break_promise(format!("{id} loses its tag {lost}"));
    }
}

/// Longshore stores a file where there is one.
pub fn overwritten(world: &mut Inner, by: &Process, id: &str) {
    world.break_promise(format!("an upload of ledger {} changes {id}", by.ledger));
}

/// A request to delete a file, as it was sent. It may have its effect late, when its process has asked for more since, or has
/// even given it up.
#[derive(Clone, Copy)]
pub struct Sent {
    /// When it was sent.
    at: Instant,
    /// When its process had last begun to look for uses of files.
    looked: Option<Instant>,
}

/// Longshore is about to ask for a file to be deleted: it must just have asked for its claim, for uses of the file, and for
/// its versions, in this order.
pub fn sends_delete(world: &mut Inner, process: u64, id: &str) -> Sent {
    let moment = world.moment();
    let notes = world.notes(process);
    let before = std::mem::replace(&mut notes.sent, moment);
    let sent = Sent { at: Instant::now(), looked: notes.looked_at };
    // What an upload has just stored otherwise than it was sent, nobody can know of.
    if notes.made.contains(id) {
        return sent;
    }
    let saw = notes.saw.get(id).copied().unwrap_or_default();
    let missed = match (before < notes.checked, notes.checked < notes.looked, notes.looked < saw) {
        (false, ..) => "asking for its claim",
        (_, false, _) => "looking for uses",
        (.., false) => "looking at versions and tags",
        _ => return sent,
    };
    world.break_promise(format!("process {process} deletes {id} without {missed} right before"));
    sent
}

/// Longshore deletes a file, by a request that was sent so.
pub fn deleted(world: &mut Inner, by: &Process, id: &str, sent: Sent) {
    world.count("file deleted by us");
    if !world.weather.is_fair() {
        world.count("file deleted by us in bad weather");
    }
    let Some(file) = world.cdn.get(id).cloned() else { return };
    if file.made_by != Some(by.ledger) {
        world.break_promise(format!("ledger {} deletes {id}, which {:?} made", by.ledger, file.made_by));
    }
    let seen = file.seen(by.number);
    // A request that arrives late was sent before what was asked for again since.
    let is_since =
        |at: Option<Instant>| at.is_some_and(|at| at >= sent.at || seen.is_none_or(|seen| at >= seen));
    let is_touched_since = is_since(file.touched);
    let other = LedgerId([2 - by.ledger as u8; 16]).tag();
    let has = |other: &str| file.tags.iter().any(|tag| tag == other);
    let has_others = has("ledger-ffff") || has(&other) && !is_since(file.tagged);
    if world.has_two_databases() && has(&other) {
        // It has come to use it since it was looked at, and may find it gone (see reliability.md).
        world.count("lost to another database");
        world.cdn.get_mut(id).expect("it is there").touched = Some(Instant::now());
    }
    // The ledger of another database puts its tag on a file before a row there names it.
    let place = world.place(by.ledger);
    let databases = world.databases.iter().enumerate().filter(|(database, _)| *database != place);
    let named = databases.filter_map(|(_, database)| database.names(id)).min();
    if named.is_some() && !is_since(named) && !file.was_untagged {
        world.break_promise(format!("{id} is deleted, and a row of another database names it"));
    }
    if !is_touched_since && (!is_whole(&file) || file.versions > 1 || has_others) {
        world.break_promise(format!("{id} is deleted, and somebody had changed it: {file:?}"));
    }
    if let Some(used) = world.database(by.ledger).uses(&file.path)
        && sent.looked.is_none_or(|looked| used < looked)
    {
        world.break_promise(format!("{id} at {} is deleted, and a text uses it", file.path));
    }
    let notes = world.notes(by.number);
    // Who has waited too long for an answer does not wait any more.
    if sent.at.elapsed() < ANSWER_MAX && !notes.made.contains(id) {
        notes.deleted.insert(id.to_owned());
    }
}

/// The end: everything was taken up again under fair weather.
pub fn migrated(world: &mut Inner, since: Instant) {
    // Whoever writes an old text back may put an entry back whose file was deleted since (see architecture.md).
    let rows = world.databases.iter().flat_map(|database| &database.rows);
    let rows = rows.filter(|(_, row)| !row.is_stale);
    let rows: Vec<(i64, String)> = rows.filter_map(|(id, row)| Some((*id, row.images.clone()?))).collect();
    for (id, row) in rows {
        for (file, url) in elements(&row).into_iter().filter_map(completed) {
            let Some(why) = misses(world, &file, &url) else { continue };
            let touched = world.cdn.files.get(&file).and_then(|file| file.touched);
            // What others did to a file after its row was done, only `reconcile` tells.
            if touched.is_none_or(|touched| touched > since) {
                world.break_promise(format!("at the end row {id} names {file}: {why}"));
            }
        }
    }
}

/// After everything was rolled back: rows that nobody else wrote to hold what they held.
pub fn restored(world: &mut Inner) {
    let rows = world.databases.iter().flat_map(|database| &database.rows);
    let differ = rows.filter_map(|(id, row)| {
        let original = row.original.as_ref()?;
        (*original != row.images).then(|| format!("row {id}: {original:?} came back as {:?}", row.images))
    });
    let differ: Vec<String> = differ.collect();
    differ.into_iter().for_each(|what| world.break_promise(what));
}
