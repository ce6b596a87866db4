//! What other people do to the rows, the files and the origin, between any two calls.

use std::sync::Arc;

use ledger::ids::{CdnPath, ContentHash, Format, VenueId};
use tokio::time::Instant;

use super::cdn::{self, url_of};
use super::faults::Fault;
use super::judge::{self, elements};
use super::pictures;
use super::world::Inner;

/// Lets others act, where the weather has it.
pub fn act(world: &mut Inner) {
    judge::locks(world);
    rows(world);
    files(world);
    if world.strikes(Fault::ClaimLost) {
        let process = world.dice.u64(0..8);
        world.databases.iter_mut().for_each(|database| database.lose_claim(process));
    }
    for (fault, zeroed) in [(Fault::SpoolLost, false), (Fault::SpoolZeroed, true)] {
        if world.strikes(fault) {
            let ledger = world.dice.usize(0..world.spools.len());
            match zeroed {
                false => world.spools[ledger].clear(),
                true => world.spools[ledger].values_mut().for_each(|it| *it = Arc::from(vec![0; it.len()])),
            }
        }
    }
    if world.strikes(Fault::PictureGone)
        && let Some(url) = picture(world)
    {
        world.pictures.remove(&url);
    }
    if world.strikes(Fault::PictureSpoiled)
        && let Some(url) = picture(world)
    {
        let bytes = match world.dice.bool() {
            true => pictures::spoiled(world),
            false => {
                world.count(Fault::PictureChanged.name());
                pictures::drawn(world)
            }
        };
        world.pictures.insert(url, bytes);
    }
    if world.strikes(Fault::ClockJumped) {
        let ms = world.dice.i64(-7_200_000..7_200_000);
        world.tell(|| format!("the clock is set by {} s", ms / 1_000));
        super::clock::set(ms);
    }
    if world.strikes(Fault::PictureChanged)
        && let Some(url) = picture(world)
    {
        let bytes = other_bytes(world, &world.pictures[&url].clone());
        world.pictures.insert(url, bytes);
    }
}

fn rows(world: &mut Inner) {
    for fault in [
        Fault::RowEdited,
        Fault::RowShuffled,
        Fault::EntryAdded,
        Fault::EntryRemoved,
        Fault::RowStale,
        Fault::VenueMoved,
        Fault::VenueGone,
    ] {
        if !world.strikes(fault) {
            continue;
        }
        let of = world.any_database();
        let rows = world.databases[of].rows.iter();
        let ids: Vec<i64> = rows.filter(|(_, row)| !row.is_locked()).map(|it| *it.0).collect();
        let Some(id) = world.one(&ids).copied() else { continue };
        world.tell(|| format!("others: {} ({id})", fault.name()));
        match fault {
            Fault::VenueGone => drop(world.databases[of].rows.remove(&id)),
            Fault::VenueMoved => {
                let city = [Some(1), Some(2), None][world.dice.usize(0..3)];
                if let Some(row) = world.databases[of].rows.get_mut(&id) {
                    row.move_to(city);
                }
            }
            Fault::RowStale => {
                let past = world.databases[of].rows[&id].past.clone();
                let text = world.one(&past).cloned().flatten();
                write(world, of, id, text);
                world.databases[of].rows.get_mut(&id).expect("it is there").is_stale = true;
            }
            _ => {
                let Some(text) = world.databases[of].rows[&id].images.clone() else { continue };
                let mut entries: Vec<String> = elements(&text).into_iter().map(str::to_owned).collect();
                edit(world, fault, &mut entries);
                write(world, of, id, Some(format!("[{}]", entries.join(", "))));
            }
        }
    }
}

fn edit(world: &mut Inner, fault: Fault, entries: &mut Vec<String>) {
    let n = world.dice.u32(0..1_000);
    let at = world.dice.usize(0..entries.len().max(1));
    match fault {
        Fault::EntryAdded => {
            let url = format!("https://elsewhere.example/{n}.jpg");
            entries.insert(at.min(entries.len()), format!(r#"{{"url": "{url}", "n": {n}.000e+1}}"#));
        }
        Fault::EntryRemoved if !entries.is_empty() => drop(entries.remove(at)),
        Fault::RowShuffled => world.dice.shuffle(entries),
        Fault::RowEdited if !entries.is_empty() => {
            entries[at] = match world.dice.u32(0..3) {
                // A key of theirs.
                0 => entries[at].replacen('{', &format!(r#"{{"note": {n}.50, "#), 1),
                // Another order of keys, and so another text.
                1 => entries[at].replacen(r#", "source""#, r#",  "source""#, 1),
                // A key of ours, of an entry that waits or of one that is done.
                _ => match entries[at].contains(r#""height": 80,"#) {
                    true => entries[at].replacen(r#""height": 80,"#, &format!(r#""height": {n},"#), 1),
                    false => entries[at].replacen(r#""height": null"#, &format!(r#""height": {n}"#), 1),
                },
            };
        }
        _ => {}
    }
}

fn write(world: &mut Inner, of: usize, id: i64, text: Option<String>) {
    world.databases[of].write(id, text);
    let row = world.databases[of].rows.get_mut(&id).expect("it is there");
    row.original = None;
}

fn files(world: &mut Inner) {
    let ids: Vec<String> =
        world.cdn.files.values().filter(|file| file.deleted.is_none()).map(|file| file.id.clone()).collect();
    for fault in
        [Fault::FileUsed, Fault::FileDeleted, Fault::FileReplaced, Fault::FileRetagged, Fault::FileUntagged]
    {
        if !world.strikes(fault) {
            continue;
        }
        let Some(id) = world.one(&ids).cloned() else { continue };
        let Some(file) = world.cdn.get(&id).cloned() else { continue };
        world.tell(|| format!("others: {} ({id})", fault.name()));
        let bytes = other_bytes(world, &file.bytes);
        let tag = ["ledger-ffff", "press"][world.dice.usize(0..2)].to_owned();
        if fault == Fault::FileUsed {
            let url = url_of(&file.path);
            // As a site says it that has another program make its pictures small.
            let is_spelled = file.id.ends_with(['1', '4', '7', 'a', 'd']);
            let of = world.any_database();
            world.databases[of].say(match is_spelled {
                true => format!("<img src='/image?url={}'>", url.replace(':', "%3A").replace('/', "%2F")),
                false => format!("<img src='{url}?tr=w-300'>"),
            });
            continue;
        }
        // Somebody has looked at it just before.
        if fault == Fault::FileReplaced && world.weather.rate(Fault::Cached) > 0 {
            cdn::keep(world, &url_of(&file.path));
        }
        let Some(file) = world.cdn.get_mut(&id) else { continue };
        file.touched = Some(Instant::now());
        match fault {
            Fault::FileDeleted => file.deleted = Some(Instant::now()),
            Fault::FileReplaced => (file.bytes, file.versions) = (bytes, file.versions + 1),
            Fault::FileUntagged => {
                file.tags.clear();
                file.was_untagged = true;
            }
            _ => file.tags.push(tag),
        }
    }
    if world.strikes(Fault::FilePlanted)
        && let Some((path, bytes)) = path_of_ours(world)
        && world.cdn.at(&path).is_none()
    {
        // With the same bytes, or with others of the same size.
        let bytes = if world.dice.bool() { bytes } else { other_bytes(world, &bytes) };
        world.cdn.put(&path, bytes, vec!["press".to_owned()], None);
    }
    // A browser asks for a picture, or for one that is not there yet.
    if world.weather.rate(Fault::Cached) > 0
        && world.dice.u32(0..50) == 0
        && let Some((path, _)) = path_of_ours(world)
    {
        cdn::delivered(world, &url_of(&path));
    }
}

/// Where a file of ours is or may go, and the picture that goes there.
fn path_of_ours(world: &mut Inner) -> Option<(String, Arc<[u8]>)> {
    let bytes = picture(world).map(|url| world.pictures[&url].clone())?;
    let of = world.any_database();
    let rows: Vec<(String, i64)> =
        world.databases[of].rows.iter().map(|(id, row)| (row.slug.clone(), *id)).collect();
    let (slug, id) = world.one(&rows).cloned()?;
    let path = CdnPath::new(Some(&slug), VenueId(id), &ContentHash::of(&bytes), Format::Jpeg);
    Some((path.to_string(), bytes))
}

/// Where the weather has it, the process that has just updated a row ends: the file that the row names since goes before
/// anybody else comes, and the origin has its picture, another one, or none.
pub fn act_behind_row(world: &mut Inner, before: Option<&str>, after: Option<&str>) -> bool {
    let before = elements(before.unwrap_or("[]"));
    let new = elements(after.unwrap_or("[]")).into_iter().filter(|entry| !before.contains(entry));
    let new: Vec<(String, String)> =
        new.filter_map(|entry| Some((judge::completed(entry)?.0, judge::original(entry)?))).collect();
    let Some((id, url)) = world.one(&new).cloned() else { return false };
    if !world.strikes(Fault::GoneBehindRow) {
        return false;
    }
    world.tell(|| format!("others: {} ({id})", Fault::GoneBehindRow.name()));
    if let Some(file) = world.cdn.get_mut(&id) {
        (file.deleted, file.touched) = (Some(Instant::now()), Some(Instant::now()));
    }
    match (world.dice.u32(0..4), world.pictures.get(&url).cloned()) {
        (0..2, Some(_)) => {
            world.count(Fault::PictureGone.name());
            world.pictures.remove(&url);
        }
        (2, Some(bytes)) => {
            world.count(Fault::PictureChanged.name());
            let bytes = other_bytes(world, &bytes);
            world.pictures.insert(url, bytes);
        }
        _ => {}
    }
    true
}

fn picture(world: &mut Inner) -> Option<String> {
    let urls: Vec<String> = world.pictures.keys().cloned().collect();
    world.one(&urls).cloned()
}

/// Another picture with the same size and sides.
fn other_bytes(world: &mut Inner, bytes: &[u8]) -> Arc<[u8]> {
    let mut bytes = bytes.to_vec();
    let last = bytes.len() - 1;
    bytes[last] = bytes[last].wrapping_add(world.dice.u8(1..=255));
    bytes.into()
}
