//! `verify` (requirement C7): the real binary on a sandbox whose links are whole, or broken one by one.

mod away;
mod choice;
mod clean;
mod known;
mod looks;
mod planted;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use longshore::sandbox::seed::Awkward;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// Venues in the sandbox: enough for Poland to have each kind of awkward image.
const VENUES: u32 = 120;
const POLAND: [&str; 3] = ["verify", "--country", "Poland"];
const GERMANY: [&str; 3] = ["verify", "--country", "Germany"];

/// What `verify` says is wrong: venue, place and kind.
type Found = BTreeSet<(i64, u64, String)>;

/// A sandbox whose Poland is migrated, but for its awkward images.
fn migrated(kind: Kind) -> Workplace {
    let at = Workplace::new(kind, VENUES);
    at.run(&["migrate", "--country", "Poland", "--yes"]).code(10);
    at
}

/// An entry of ours as it is in its row.
#[derive(Debug, Clone)]
struct Ours {
    venue: i64,
    place: u64,
    members: BTreeMap<String, Box<RawValue>>,
}

impl Ours {
    fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.members.get(key)?.get()).ok()
    }
    fn number(&self, key: &str) -> Option<u64> {
        serde_json::from_str(self.members.get(key)?.get()).ok()
    }
    fn is(&self, status: &str) -> bool {
        self.text("upload_status").as_deref() == Some(status)
    }
    /// The path of its picture on the origin, where it is or was before.
    fn origin_path(&self, at: &Workplace) -> String {
        let url = self.text("original_tigris_url").or_else(|| self.text("url")).unwrap();
        url.strip_prefix(&at.sandbox.origin.base_url()).unwrap().to_owned()
    }
    /// The path of its file on the CDN.
    fn cdn_path(&self, at: &Workplace) -> String {
        let url = self.text("url").unwrap();
        url.strip_prefix(&at.sandbox.imagekit.url_endpoint()).unwrap().to_owned()
    }
    fn found(&self, kind: &str) -> (i64, u64, String) {
        (self.venue, self.place, kind.to_owned())
    }
}

/// The entries of ours in a country, in their order.
fn ours(at: &Workplace, code: &str) -> Vec<Ours> {
    let rows = at.rows();
    let mut all = Vec::new();
    for venue in at.sandbox.world.to_migrate(code) {
        let elements: Vec<&RawValue> =
            serde_json::from_str(rows[&venue.id].images.as_ref().unwrap()).unwrap();
        for (place, raw) in elements.into_iter().enumerate() {
            let Ok(members) = serde_json::from_str(raw.get()) else { continue };
            let ours = Ours { venue: venue.id, place: place as u64, members };
            if ours.text("source").as_deref() == Some("trivia_advisor_migration") {
                all.push(ours);
            }
        }
    }
    all
}

/// Changes one key of an entry as someone else would, to this JSON.
fn edit(at: &Workplace, ours: &Ours, key: &str, json: &str) {
    let rows = at.rows();
    let elements: Vec<&RawValue> = serde_json::from_str(rows[&ours.venue].images.as_ref().unwrap()).unwrap();
    let texts: Vec<String> = elements
        .into_iter()
        .enumerate()
        .map(|(place, raw)| match place as u64 == ours.place {
            true => {
                let mut members = ours.members.clone();
                members.insert(key.to_owned(), RawValue::from_string(json.to_owned()).unwrap());
                serde_json::to_string(&members).unwrap()
            }
            false => raw.get().to_owned(),
        })
        .collect();
    let array = format!("[{}]", texts.join(", ")).replace('\'', "''");
    at.sql(&format!("UPDATE venues SET venue_images = '{array}' WHERE id = {}", ours.venue));
}

/// The findings of an answer.
fn found(ran: &Ran) -> Found {
    told(ran, "findings")
}

/// What was found of images that the ledger knows as not moved.
fn known(ran: &Ran) -> Found {
    told(ran, "known")
}

fn told(ran: &Ran, list: &str) -> Found {
    let answer = ran.json();
    let told = answer[list].as_array().unwrap();
    assert_eq!(answer[format!("{list}_total")], told.len(), "{ran}");
    let read = |finding: &Value| {
        for key in ["expected", "found"] {
            assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{finding}");
        }
        let (venue, image) = (finding["venue"].as_i64().unwrap(), finding["image"].as_u64().unwrap());
        (venue, image, finding["kind"].as_str().unwrap().to_owned())
    };
    told.iter().map(read).collect()
}

/// What is wrong with a country's images from the beginning; a truncated one shows only when it is read whole.
fn awkward(at: &Workplace, code: &str, is_read_whole: bool) -> Found {
    let kind = |ours: &Ours| {
        Some(match at.sandbox.world.image(&ours.origin_path(at))?.awkward? {
            Awkward::Missing => "wrong_status",
            Awkward::Html => "not_an_image",
            Awkward::Truncated if is_read_whole => "not_whole",
            Awkward::Truncated => return None,
            Awkward::Oversized => "too_large",
        })
    };
    ours(at, code).iter().filter_map(|ours| Some(ours.found(kind(ours)?))).collect()
}
