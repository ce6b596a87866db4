//! The photographs of the sandbox: real, decodable, each with bytes of its own, and cheap.
//!
//! Encoding a picture takes tens of milliseconds, so that three thousand of them would keep a demonstration waiting.
//! Hence a template is encoded once per process for each of several dozen looks, and a picture is its template with
//! a comment of its own, which every format has a place for.

mod comment;
mod templates;

use std::fmt;
use std::str::FromStr;

use ledger::ids::Format;
use serde::{Deserialize, Serialize};

/// Which pictures a world has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pictures {
    /// Of some 20,000 pixels: quickly made and looked at.
    #[default]
    Small,
    /// Of 0.5 to 12 megapixels, a quarter of the JPEGs progressive: as large as what people upload.
    Photos,
}

impl FromStr for Pictures {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "small" => Ok(Self::Small),
            "photos" => Ok(Self::Photos),
            _ => Err("it is `small` or `photos`"),
        }
    }
}

impl fmt::Display for Pictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "small pictures",
            Self::Photos => "photos",
        })
    }
}

impl Pictures {
    /// The picture of a key in the world of a seed. Two keys never share bytes.
    pub fn picture(self, seed: u64, key: &str) -> Picture {
        Picture { seed, key: key.to_owned(), template: templates::pick(self, &mut rng(seed, key)) }
    }
}

/// One picture: what it looks like is drawn from its seed and key, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Picture {
    seed: u64,
    key: String,
    template: usize,
}

impl Picture {
    /// A small one, see [`Pictures::picture`].
    pub fn new(seed: u64, key: &str) -> Self {
        Pictures::Small.picture(seed, key)
    }

    /// The real format, whatever the extension of its URL.
    pub fn format(&self) -> Format {
        templates::look_of(self.template).format
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        templates::look_of(self.template).width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        templates::look_of(self.template).height
    }

    /// The whole file: 20 KB to 1 MB of a small picture, up to some 2 MB of a photo.
    pub fn bytes(&self) -> Vec<u8> {
        let key = format!("seed {}, {}", self.seed, self.key);
        with_comment(self.format(), templates::encoded(self.template), &key)
    }
}

/// A photo of these sides, encoded anew: no two calls need share a template.
pub fn photo(format: Format, width: u32, height: u32, is_progressive: bool) -> Vec<u8> {
    templates::encode(templates::photo(format, width, height, is_progressive), 0)
}

/// A picture without comment as a file of its own.
pub fn with_comment(format: Format, picture: &[u8], key: &str) -> Vec<u8> {
    comment::insert(format, picture, &format!("{}{key}", comment::BEGINS))
}

/// Says of a JPEG or PNG which template it was made from: the same for all of that template, and nothing for what has
/// no comment of the sandbox.
pub(super) fn fingerprint(file: &[u8]) -> Option<blake3::Hash> {
    let (before, behind) = comment::around(file)?;
    Some(blake3::Hasher::new().update(before).update(behind).finalize())
}

/// A generator that depends on nothing but a seed and a word.
pub(super) fn rng(seed: u64, word: &str) -> fastrand::Rng {
    let hash = blake3::Hasher::new().update(&seed.to_le_bytes()).update(word.as_bytes()).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    fastrand::Rng::with_seed(u64::from_le_bytes(first))
}
