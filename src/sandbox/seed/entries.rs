//! The texts of image arrays: ours in requirement D3's shape, and what others keep beside them.

use std::fmt::Write;

/// What a venue's `venue_images` holds.
#[derive(Debug, Clone)]
pub enum Images {
    /// SQL NULL.
    Null,
    /// This text, which holds nothing to migrate.
    Text(String),
    /// An array with something to migrate.
    Array(Vec<Element>),
}

impl Images {
    /// The text of the column for an origin at this base URL; `None` is SQL NULL.
    pub fn text(&self, origin_base: &str) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.clone()),
            Self::Array(elements) => Some(array(elements, origin_base)),
        }
    }

    /// The same before `populate` has added ours: what others keep there, in its order.
    pub fn unpopulated(&self, origin_base: &str) -> Option<String> {
        match self {
            Self::Array(elements) => {
                let others = elements.iter().filter(|element| matches!(element, Element::Other(_)));
                Some(array(others, origin_base))
            }
            untouched => untouched.text(origin_base),
        }
    }

    /// The paths of the entries that are to be migrated, in the array's order; a twin entry's comes twice.
    pub fn to_migrate(&self) -> impl Iterator<Item = &str> {
        let elements = if let Self::Array(elements) = self { elements.as_slice() } else { &[] };
        elements.iter().filter_map(|element| match element {
            Element::Ours(entry) => Some(entry.path.as_str()),
            Element::Other(_) => None,
        })
    }
}

fn array<'a>(elements: impl IntoIterator<Item = &'a Element>, origin_base: &str) -> String {
    let texts: Vec<String> = elements.into_iter().map(|element| element.text(origin_base)).collect();
    format!("[{}]", texts.join(", "))
}

/// One element of a venue's array.
#[derive(Debug, Clone)]
pub enum Element {
    /// An external image of ours.
    Ours(Entry),
    /// Someone else's, as JSON text.
    Other(String),
}

impl Element {
    fn text(&self, origin_base: &str) -> String {
        match self {
            Self::Ours(entry) => entry.text(origin_base),
            Self::Other(text) => text.clone(),
        }
    }
}

/// An external image of ours, before the origin's address is known.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The path of its URL.
    pub path: String,
    /// Pixels across, where the entry says.
    pub width: Option<u32>,
    /// Pixels down, where the entry says.
    pub height: Option<u32>,
    /// When it was put there, RFC 3339 in UTC with milliseconds.
    pub migrated_at: String,
    /// A further key with its value, which is nobody's business here, as JSON text.
    pub further: Option<&'static str>,
    /// Whether it is written without spaces and with `\/` for `/`, as other JSON writers do.
    pub is_terse: bool,
}

impl Entry {
    fn text(&self, origin_base: &str) -> String {
        let mut url = quoted(&format!("{}{}", origin_base.trim_end_matches('/'), self.path));
        let (colon, comma) = if self.is_terse { (":", ",") } else { (": ", ", ") };
        if self.is_terse {
            url = url.replace('/', "\\/");
        }
        let pixels = |n: Option<u32>| n.map_or("null".to_owned(), |n| n.to_string());
        let mut text = String::from("{");
        let mut key = |name: &str, value: &str| {
            let gap = if text.len() > 1 { comma } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(text, "{gap}\"{name}\"{colon}{value}");
        };
        key("url", &url);
        key("upload_status", "\"external\"");
        key("width", &pixels(self.width));
        key("height", &pixels(self.height));
        key("source", "\"trivia_advisor_migration\"");
        key("migrated_at", &quoted(&self.migrated_at));
        if let Some(further) = self.further {
            text.push_str(comma);
            text.push_str(further);
        }
        text.push('}');
        text
    }
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A key beside ours that has to survive exactly: numbers no machine word holds, escapes, a deep nest.
pub(super) fn further(rng: &mut fastrand::Rng) -> &'static str {
    const FURTHER: [&str; 7] = [
        r#""attribution_id": 12345678901234567890123"#,
        r#""score": 0.1000000000000000055"#,
        r#""caption": "Caf\u00e9 \ud83c\udf7a \"Zum \/ L\u00f6wen\"\t""#,
        r#""crop": {"x": 1.0, "y": -0.50, "of": [[[[[[[[[[[[{"z": [{}, [], null]}]]]]]]]]]]]]}"#,
        r#""alt": "", "is_cover": true"#,
        r#""position": 3, "Position": 4, "pos\u0131tion": 5"#,
        r#""licence": null, "weights": [1e2, 1E-7, 100, 100.00]"#,
    ];
    FURTHER[rng.usize(..FURTHER.len())]
}

/// An element that another part of the application keeps in the same array.
pub(super) fn other(rng: &mut fastrand::Rng) -> String {
    let id = rng.u64(..);
    match rng.u32(..8) {
        0 | 1 => format!(
            r#"{{"url": "https://lh3.googleusercontent.com/places/{id:016x}=s1600-w800", "source": "google", "width": 800, "height": null, "photo_reference": "{id:x}"}}"#
        ),
        2 => format!(
            r#"{{"url": "https://uploads.eventasaurus.test/u/{id:016x}.jpg", "upload_status": "external", "source": "user_upload", "width": null, "height": null}}"#
        ),
        3 | 4 => format!(
            r#"{{"url": "https://ik.imagekit.io/eventasaurus/users/{id:016x}.jpg", "upload_status": "completed", "source": "user_upload", "imagekit_file_id": "{id:024x}", "width": 1200, "height": 800}}"#
        ),
        5 => format!(r#"{{"source":"foursquare","url":"https:\/\/fsq.test\/{id:x}","rating":{id}00000.10}}"#),
        6 => r#""https://legacy.eventasaurus.test/only-a-url.jpg""#.to_owned(),
        _ => format!(r#"{{"source": "google", "nest": {}{id}{}}}"#, "[".repeat(200), "]".repeat(200)),
    }
}

/// A moment of the year before the migration, RFC 3339 in UTC, with whole seconds.
pub(super) fn moment(rng: &mut fastrand::Rng) -> String {
    let (month, day) = (rng.u32(1..=12), rng.u32(1..=28));
    format!("2025-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rng.u32(..24), rng.u32(..60), rng.u32(..60))
}

/// The same with milliseconds.
pub(super) fn moment_ms(rng: &mut fastrand::Rng) -> String {
    moment(rng).replace('Z', &format!(".{:03}Z", rng.u32(..1000)))
}
