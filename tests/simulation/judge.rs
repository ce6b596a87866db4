//! What must hold, by rules of the simulation's own: nothing here asks the code that is judged.

use std::collections::BTreeMap;

use ledger::ids::ContentHash;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::cdn::{File, url_of};
use super::process::Process;
use super::runs;
use super::world::Inner;

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

/// Longshore writes a row.
pub fn written(world: &mut Inner, by: &Process, id: i64, before: Option<&str>, after: Option<&str>) {
    world.count("row written");
    world.tell(|| format!("process {} writes row {id}: {after:?}", by.number));
    let (mut before, mut after) = (elements(before.unwrap_or("[]")), elements(after.unwrap_or("[]")));
    if let Err(why) = runs::sized(world, by, &mut before, &mut after) {
        return world.break_promise(format!("row {id}: {why}"));
    }
    for (old, new) in before.into_iter().zip(after).filter(|(old, new)| old != new) {
        let theirs = |entry| -> Vec<(String, String)> {
            let all = members(entry).into_iter().filter(|(key, _)| !OURS.contains(&key.as_str()));
            all.map(|(key, value)| (key, value.get().to_owned())).collect()
        };
        let is_ours = |entry| text(&members(entry), "source").as_deref() == Some("trivia_advisor_migration");
        if !is_ours(old) || !is_ours(new) || theirs(old) != theirs(new) {
            return world.break_promise(format!("row {id}: other people's {old} became {new}"));
        }
        let Some((file, url)) = completed(new) else { continue };
        if let Err(why) = runs::may_complete(world, by, id, old) {
            world.break_promise(format!("row {id}: {why}: {old}"));
        }
        if let Some(why) = misses(world, &file, &url) {
            let touched = world.cdn.files.get(&file).and_then(|file| file.touched);
            if touched.is_none_or(|touched| touched < by.born) {
                world.break_promise(format!("row {id} came to name {file}: {why}"));
            }
        }
    }
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
    let seen = file.seen.get(&by.number).copied();
    let is_touched_since = file.touched.is_some_and(|touched| seen.is_none_or(|seen| touched >= seen));
    let lost = file.tags.iter().find(|tag| !tags.contains(tag));
    if let (Some(lost), false) = (lost, is_touched_since) {
        world.break_promise(format!("{id} loses its tag {lost}"));
    }
}

/// Longshore deletes a file, by a request that was sent then.
pub fn deleted(world: &mut Inner, by: &Process, id: &str, _sent: Instant) {
    world.count("file deleted by us");
    let Some(file) = world.cdn.get(id).cloned() else { return };
    if file.made_by != Some(by.ledger) {
        world.break_promise(format!("ledger {} deletes {id}, which {:?} made", by.ledger, file.made_by));
    }
    let seen = file.seen.get(&by.number).copied();
    let is_touched_since = file.touched.is_some_and(|touched| seen.is_none_or(|seen| touched >= seen));
    let has_others = file.tags.iter().any(|tag| tag == "ledger-ffff");
    if !is_touched_since && (!is_whole(&file) || file.versions > 1 || has_others) {
        world.break_promise(format!("{id} is deleted, and somebody had changed it: {file:?}"));
    }
    let looked = world.cdn.last_look(by.number);
    if let Some(used) = world.database.uses(&file.path)
        && looked.is_none_or(|looked| used < looked)
    {
        world.break_promise(format!("{id} at {} is deleted, and a text uses it", file.path));
    }
}

/// The end: everything was taken up again under fair weather.
pub fn migrated(world: &mut Inner, since: Instant) {
    // Whoever writes an old text back may put an entry back whose file was deleted since (see architecture.md).
    let rows = world.database.rows.iter().filter(|(_, row)| !row.is_stale);
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
    let differ: Vec<String> = world
        .database
        .rows
        .iter()
        .filter_map(|(id, row)| {
            let original = row.original.as_ref()?;
            (*original != row.images).then(|| format!("row {id}: {original:?} came back as {:?}", row.images))
        })
        .collect();
    differ.into_iter().for_each(|what| world.break_promise(what));
}
