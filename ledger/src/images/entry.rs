//! One entry of an image array: an object of which only the keys of requirement D3 are ours.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ids::ContentHash;
use crate::timestamp::Timestamp;

/// The keys that are ours (requirement D3), in the order in which new ones are appended.
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
pub(super) const UPLOADED_AT: &str = "imagekit_uploaded_at";
pub(super) const FILE_ID: &str = "imagekit_file_id";
const SOURCE: &str = "trivia_advisor_migration";

/// What a completed entry says about its file on the CDN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdnFacts {
    /// The delivery URL.
    pub url: String,
    /// ImageKit's file id.
    pub file_id: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// When `uploaded` was written down.
    pub uploaded_at: Timestamp,
}

/// A JSON object as its members: decoded keys with values in their own text.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    members: Vec<Member<'a>>,
}

#[derive(Debug, Clone)]
struct Member<'a> {
    key: Cow<'a, str>,
    raw_key: &'a str,
    value: &'a str,
}

impl<'a> Entry<'a> {
    /// An object's members; `None` for anything else, which is then not ours.
    pub fn parse(raw: &'a str) -> Option<Self> {
        let mut json = serde_json::Deserializer::from_str(raw);
        let members = json.deserialize_map(Members).ok()?;
        json.end().ok()?;
        Some(Self { members })
    }

    /// The `url` of one, where it is a string, without the memory that all members take.
    pub(crate) fn url_in(raw: &str) -> Option<String> {
        let mut json = serde_json::Deserializer::from_str(raw);
        let url = json.deserialize_map(Url).ok()?;
        json.end().ok()?;
        serde_json::from_str(url?.get()).ok()
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.members.iter().find(|member| member.key == key).map(|member| member.value)
    }

    fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.get(key)?).ok()
    }

    /// The `url`, where it is a string.
    pub fn url(&self) -> Option<String> {
        self.text("url")
    }

    /// The URLs its picture is or was at: `url` and `original_tigris_url`, where they are strings.
    pub(super) fn pictures(&self) -> impl Iterator<Item = String> + '_ {
        ["url", "original_tigris_url"].into_iter().filter_map(|key| self.text(key))
    }

    /// ImageKit's id of its file, where it says one.
    pub fn file_id(&self) -> Option<String> {
        self.text("imagekit_file_id")
    }

    /// Whether it says that its picture is on the CDN, and is of the populate that this program moves.
    pub fn is_completed(&self) -> bool {
        self.text("upload_status").as_deref() == Some("completed")
            && self.text("source").as_deref() == Some(SOURCE)
    }

    /// Whether it is of the populate that this program moves, whatever its status.
    pub fn is_ours(&self) -> bool {
        self.text("source").as_deref() == Some(SOURCE)
    }

    /// The `upload_status`, where it is a string.
    pub fn status(&self) -> Option<String> {
        self.text("upload_status")
    }

    /// `width` and `height`, where both are whole numbers.
    pub fn size(&self) -> Option<(u32, u32)> {
        Some((self.get("width")?.parse().ok()?, self.get("height")?.parse().ok()?))
    }

    /// `width` and `height`, each in its own text, where they are there and not null.
    pub fn sides(&self) -> [Option<&'a str>; 2] {
        ["width", "height"].map(|side| self.get(side).filter(|text| *text != "null"))
    }

    /// The `original_tigris_url`, where it is a string.
    pub fn original_url(&self) -> Option<String> {
        self.text("original_tigris_url")
    }

    /// Whether it says where its file is on the CDN, as completed ones do.
    pub(super) fn names_file(&self) -> bool {
        self.get("imagekit_file_id").is_some()
    }

    /// Whether `migrate` takes it: external, of our source, and no key of ours twice (which of the two would it be?).
    pub fn is_movable(&self) -> bool {
        self.text("upload_status").as_deref() == Some("external")
            && self.text("source").as_deref() == Some(SOURCE)
            && OURS.iter().all(|key| self.members.iter().filter(|member| member.key == *key).count() <= 1)
    }

    /// The completed entry (requirement D3): a pure function of the entry and of what `uploaded` says.
    pub fn complete(&self, facts: &CdnFacts) -> String {
        let text = |value: &str| serde_json::to_string(value).expect("a string is always JSON");
        let filled = |key, pixels: u32| match self.get(key) {
            Some("null") => Some(pixels.to_string()),
            value => value.map(str::to_owned),
        };
        self.with(|key| match key {
            "url" => Some(text(&facts.url)),
            "upload_status" => Some(text("completed")),
            "width" => filled("width", facts.width),
            "height" => filled("height", facts.height),
            "imagekit_file_id" => Some(text(&facts.file_id)),
            UPLOADED_AT => Some(text(&facts.uploaded_at.to_string())),
            "original_tigris_url" => Some(self.get("url").unwrap_or("null").to_owned()),
            other => self.get(other).map(str::to_owned),
        })
    }

    /// This entry with the keys that are ours as `model` has them, and all other keys as they are here.
    pub(super) fn made_like(&self, model: &Entry<'_>) -> String {
        self.with(|key| model.get(key).map(str::to_owned))
    }

    /// Writes the members out again, ours as `value` says (`None` leaves the key out), new ones behind.
    fn with(&self, value: impl Fn(&str) -> Option<String>) -> String {
        let is_ours = |key: &str| OURS.contains(&key);
        let kept = self.members.iter().filter_map(|member| {
            let value = match is_ours(&member.key) {
                true => value(&member.key)?,
                false => member.value.to_owned(),
            };
            Some(format!("{}: {value}", member.raw_key))
        });
        let added = OURS
            .iter()
            .filter(|key| self.get(key).is_none())
            .filter_map(|key| Some(format!("\"{key}\": {}", value(key)?)));
        format!("{{{}}}", kept.chain(added).collect::<Vec<_>>().join(", "))
    }

    /// Keys and texts of all members, sorted: equal where two entries are equal. Order does not count, since jsonb
    /// keeps an order of its own.
    pub(super) fn members_sorted(&self) -> Vec<Option<&str>> {
        let mut members: Vec<(&str, &str)> =
            self.members.iter().map(|member| (&*member.key, member.value)).collect();
        members.sort_unstable();
        members.into_iter().flat_map(|(key, value)| [Some(key), Some(value)]).collect()
    }

    /// The texts of the keys that are ours, but for some: equal where those agree. A key that stands there twice has two
    /// texts.
    pub(super) fn ours(&self, but: &[&str]) -> Vec<Option<&'a str>> {
        let keys = OURS.iter().filter(|key| !but.contains(key));
        let texts = |key: &&str| {
            let members = self.members.iter().filter(|member| member.key == **key);
            members.map(|member| Some(member.value)).chain([None]).collect::<Vec<_>>()
        };
        keys.flat_map(texts).collect()
    }

    /// All keys, decoded.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| &*member.key)
    }

    /// The texts of a key: several where it stands there more than once.
    pub(super) fn texts(&self, key: &str) -> Vec<&'a str> {
        self.members.iter().filter(|member| member.key == key).map(|member| member.value).collect()
    }

    /// Whether it says when its file was uploaded.
    pub(super) fn is_timed(&self) -> bool {
        self.get(UPLOADED_AT).is_some()
    }

    /// What its picture is known by: URLs and file id, each in its own text. Two entries that share one speak of one
    /// picture.
    pub(super) fn marks(&self) -> impl Iterator<Item = &'a str> {
        let marks = ["url", "original_tigris_url", "imagekit_file_id"].map(|key| self.get(key));
        marks.into_iter().flatten().filter(|mark| *mark != "null")
    }
}

/// Whether two elements are equal as entries; what is no object is compared by its text.
pub fn same(one: &str, other: &str) -> bool {
    one == other
        || matches!((Entry::parse(one), Entry::parse(other)), (Some(one), Some(other)) if one.members_sorted() == other.members_sorted())
}

/// One number for all texts of an entry that are the same by [`same_entry`], so that one of many is found at once.
pub(crate) fn number_of(raw: &str) -> u128 {
    let mut bytes = Vec::with_capacity(raw.len() + 64);
    match Entry::parse(raw) {
        Some(entry) => {
            for text in entry.members_sorted().into_iter().flatten() {
                bytes.extend((text.len() as u64).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
        }
        None => bytes.extend(raw.as_bytes()),
    }
    let hash = ContentHash::of(&bytes).0;
    u128::from_le_bytes(*hash.first_chunk().expect("a hash is longer"))
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            // A key that is no valid Unicode cannot be one of ours; its raw text, quotes included, names it.
            let decoded = || serde_json::from_str(key.get()).unwrap_or_else(|_| key.get().to_owned());
            // Only a key with escapes is another text than its own.
            let plain = serde_json::from_str(key.get()).map(Cow::Borrowed);
            let decoded = plain.unwrap_or_else(|_| Cow::Owned(decoded()));
            members.push(Member { key: decoded, raw_key: key.get(), value: value.get() });
        }
        Ok(members)
    }
}

/// The first `url`.
struct Url;

impl<'de> Visitor<'de> for Url {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut url = None;
        while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            let is_url = || serde_json::from_str::<String>(key.get()).is_ok_and(|key| key == "url");
            if url.is_none() && is_url() {
                url = Some(value);
            }
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTERNAL: &str = r#"{"url":"https://o/\u0061.jpg","k":1.50,"upload_status":"external","width":null,"height":80,"source":"trivia_advisor_migration","migrated_at":"2026-01-01T00:00:00.000Z","\ud800":12345678901234567890123}"#;

    fn facts() -> CdnFacts {
        CdnFacts {
            url: "https://ik/x.jpg".into(),
            file_id: "f1".into(),
            width: 100,
            height: 90,
            uploaded_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn e7_a_url_is_found_without_the_other_members_as_with_them() {
        for entry in [
            EXTERNAL,
            r#"{"\u0075rl":"a","url":"b"}"#,
            r#"{"url":1,"url":"b"}"#,
            r#"{"url":"\ud800"}"#,
            r#"{"\ud800":1,"url":"a"}"#,
            r#"{"url":"a"} x"#,
            r#"{"url":"a","x":}"#,
            "{}",
            "[]",
            "\"url\"",
        ] {
            let with = Entry::parse(entry).and_then(|entry| entry.url());
            assert_eq!(Entry::url_in(entry), with, "{entry}");
        }
    }

    #[test]
    fn d3_completing_touches_our_keys_only() {
        let entry = Entry::parse(EXTERNAL).unwrap();
        assert!(entry.is_movable());
        assert_eq!(
            entry.complete(&facts()),
            r#"{"url": "https://ik/x.jpg", "k": 1.50, "upload_status": "completed", "width": 100, "height": 80, "source": "trivia_advisor_migration", "migrated_at": "2026-01-01T00:00:00.000Z", "\ud800": 12345678901234567890123, "imagekit_file_id": "f1", "imagekit_uploaded_at": "1970-01-01T00:00:00.000Z", "original_tigris_url": "https://o/\u0061.jpg"}"#
        );
        assert!(!Entry::parse(&entry.complete(&facts())).unwrap().is_movable());
    }

    #[test]
    fn made_like_walks_back() {
        let external = Entry::parse(EXTERNAL).unwrap();
        let completed = external.complete(&facts()).replace("\"k\": 1.50", "\"k\": 1.50, \"theirs\": [ 1 ]");
        let back = Entry::parse(&completed).unwrap().made_like(&external);
        assert_eq!(Entry::parse(&back).unwrap().get("theirs"), Some("[ 1 ]"));
        assert!(same(&back.replace(", \"theirs\": [ 1 ]", ""), EXTERNAL));
    }

    #[test]
    fn what_is_not_ours_is_not_taken() {
        for other in [
            "7",
            "[]",
            "null",
            r#"{"url":"u","upload_status":"external","source":"google"}"#,
            r#"{"url":"u","upload_status":"completed","source":"trivia_advisor_migration"}"#,
            r#"{"url":"u","url":"v","upload_status":"external","source":"trivia_advisor_migration"}"#,
        ] {
            assert!(!Entry::parse(other).is_some_and(|entry| entry.is_movable()), "{other}");
        }
    }
}
