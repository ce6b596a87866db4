//! Everything that someone else may do to a row, one thing a venue.

use std::fmt;

use super::elements;
use super::writer::Writer;

/// What someone does.
#[derive(Clone, Copy)]
pub enum Does {
    /// Something to the elements that is theirs to do.
    Harmless(&'static str, fn(&mut Vec<String>)),
    /// A copy of our entry, as it then is, behind all.
    Twin,
    /// Another value for a key of ours in our first entry.
    Key(&'static str),
    /// Our first entry goes.
    Removes,
    /// The row goes.
    Deletes,
    /// The column gets another value altogether.
    Column(&'static str),
    /// The whole array as it was before our update.
    Stale,
}

/// Where our two entries are in every venue's array, as planned.
pub const FIRST: usize = 1;
/// The second of them, which nobody touches alone.
pub const SECOND: usize = 3;

const NEW: &str =
    r#"{"n": 12345678901234567890123456789012345678901, "url": "https://theirs/x.jpg", "source": "google"}"#;

/// All of it.
pub fn all() -> Vec<Does> {
    let mut all = vec![
        Does::Harmless("puts an image in front", |all| all.insert(0, NEW.to_owned())),
        Does::Harmless("appends an image", |all| all.push(NEW.to_owned())),
        Does::Harmless("turns the order around", |all| all.reverse()),
        Does::Harmless("moves our entry to the end", |all| {
            let ours = all.remove(FIRST);
            all.push(ours);
        }),
        Does::Harmless("adds a key to our entry", |all| {
            let at = all[FIRST].len() - 1;
            all[FIRST]
                .insert_str(at, r#", "a_key_that_is_longer_than_any_other": [0.1000000000000000055, 1.0]"#);
        }),
        Does::Harmless("removes a key of theirs from our entry", |all| {
            all[FIRST] = all[FIRST].replace(r#""theirs": [1.50, {}], "#, "");
        }),
        Does::Harmless("removes an image of theirs", |all| drop(all.remove(0))),
        Does::Twin,
        Does::Removes,
        Does::Deletes,
        Does::Column("NULL"),
        Does::Column("'{}'"),
        Does::Column("'[]'"),
        Does::Column("'\"text\"'"),
        Does::Stale,
    ];
    all.extend(
        [
            "url",
            "upload_status",
            "width",
            "height",
            "source",
            "migrated_at",
            "imagekit_file_id",
            "imagekit_uploaded_at",
            "original_tigris_url",
        ]
        .map(Does::Key),
    );
    all
}

impl fmt::Debug for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Harmless(name, _) => write!(f, "someone {name}"),
            Self::Twin => f.write_str("someone appends a twin of our entry"),
            Self::Key(key) => write!(f, "someone changes {key}"),
            Self::Removes => f.write_str("someone removes our entry"),
            Self::Deletes => f.write_str("someone deletes the venue"),
            Self::Column(value) => write!(f, "someone sets the column to {value}"),
            Self::Stale => f.write_str("someone writes the array as it was before"),
        }
    }
}

impl Does {
    /// Does it to a row. `planned` is the array before we came.
    pub fn write(self, writer: &Writer, id: i64, planned: &str) {
        let held = || writer.images(id).flatten().expect("there is an array");
        match self {
            Self::Harmless(_, to) => writer.set(id, &with(&held(), to)),
            Self::Twin => writer.set(id, &with(&held(), |all| all.push(all[FIRST].clone()))),
            Self::Key(key) => {
                writer.set(
                    id,
                    &with(&held(), |all| all[FIRST] = with_key(&all[FIRST], key, &value(key, planned))),
                );
            }
            Self::Removes => writer.set(id, &with(&held(), |all| drop(all.remove(FIRST)))),
            Self::Deletes => writer.sql(&format!("DELETE FROM venues WHERE id = {id}")),
            Self::Column(value) => {
                writer.sql(&format!("UPDATE venues SET venue_images = {value} WHERE id = {id}"));
            }
            Self::Stale => writer.set(id, planned),
        }
    }

    /// How many of the venue's two entries it takes from us.
    pub fn drifted(self) -> usize {
        match self {
            Self::Harmless(..) | Self::Twin | Self::Stale => 0,
            Self::Key(_) | Self::Removes => 1,
            Self::Deletes | Self::Column(_) => 2,
        }
    }
}

/// An array with something done to its elements, written anew as a careless writer would.
pub fn with(text: &str, to: impl Fn(&mut Vec<String>)) -> String {
    let mut all = elements(text);
    to(&mut all);
    format!("[{}]", all.join(", "))
}

/// The other value: for the URL one on the same origin with the same picture, so that it can be moved again.
fn value(key: &str, planned: &str) -> String {
    match key {
        "width" | "height" => "9999".into(),
        "url" => {
            let entry: serde_json::Value = serde_json::from_str(&elements(planned)[FIRST]).unwrap();
            format!("\"{}\"", entry["url"].as_str().unwrap().replace("/a", "/again"))
        }
        _ => "\"theirs\"".into(),
    }
}

/// An entry with a key's value replaced in its text, or the key added.
fn with_key(entry: &str, key: &str, value: &str) -> String {
    let name = format!("\"{key}\": ");
    let Some(start) = entry.find(&name).map(|at| at + name.len()) else {
        return format!("{}, {name}{value}}}", &entry[..entry.len() - 1]);
    };
    // Ours are strings without a comma, numbers and null.
    let end = start + entry[start..].find([',', '}']).unwrap();
    format!("{}{value}{}", &entry[..start], &entry[end..])
}
