//! What the media library holds, as it is kept in memory and in the log.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::clock::Ms;
use super::names;

/// A file with all its versions.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Stored {
    /// 24 hexadecimal digits; the same through all versions.
    pub(super) id: String,
    /// Folder and name.
    pub(super) path: String,
    /// Oldest first; the last is the current one. Never empty.
    pub(super) versions: Vec<Version>,
    /// `None` when never set or dropped.
    pub(super) tags: Option<Vec<String>>,
    /// `x,y,width,height`.
    pub(super) custom_coordinates: Option<String>,
    /// Values of fields that were defined before.
    pub(super) custom_metadata: Map<String, Value>,
    /// Free text.
    pub(super) description: Option<String>,
    /// Served to signed URLs only.
    pub(super) is_private: bool,
    /// Served at all.
    pub(super) is_published: bool,
    /// When the first version came.
    pub(super) created_at: Ms,
    /// When anything last changed.
    pub(super) updated_at: Ms,
}

/// One version of a file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Version {
    /// The file's id for the first version, one of its own for every other.
    pub(super) id: String,
    /// `Version 1`, `Version 2`, …
    pub(super) name: String,
    /// Bytes.
    pub(super) size: u64,
    /// BLAKE3 of the bytes in hexadecimal. ImageKit tells nobody; tests want it.
    pub(super) content: String,
    /// When it came.
    pub(super) created_at: Ms,
    /// What the bytes are.
    #[serde(flatten)]
    pub(super) probe: Probe,
}

/// What looking at the bytes told.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Probe {
    /// Media type.
    pub(super) mime: String,
    /// Pixels across and down; `None` for what is no image.
    pub(super) dimensions: Option<(u32, u32)>,
    /// Whether the pixels have an alpha channel.
    pub(super) has_alpha: bool,
}

impl Probe {
    /// `image` or `non-image`.
    pub(super) fn file_type(&self) -> &'static str {
        if self.mime.starts_with("image/") { "image" } else { "non-image" }
    }

    /// `jpg`, `png`, …: the last part of the media type as ImageKit abbreviates it.
    pub(super) fn format(&self) -> &str {
        match self.mime.rsplit_once('/').map_or("", |(_, kind)| kind) {
            "jpeg" => "jpg",
            "svg+xml" => "svg",
            kind => kind,
        }
    }
}

impl Stored {
    /// The current version.
    pub(super) fn current(&self) -> &Version {
        self.versions.last().expect("a stored file has at least one version")
    }

    /// The version of this id.
    pub(super) fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// The number of the version after the newest there ever was among those kept.
    pub(super) fn number_next(&self) -> u32 {
        let number =
            |version: &Version| version.name.rsplit(' ').next().and_then(|number| number.parse().ok());
        self.versions.iter().filter_map(number).max().unwrap_or(0) + 1
    }

    /// The name without the folder.
    pub(super) fn name(&self) -> &str {
        names::split(&self.path).1
    }

    /// The folder.
    pub(super) fn folder(&self) -> &str {
        names::split(&self.path).0
    }

    /// Bytes of all versions: they all count as storage.
    pub(super) fn bytes(&self) -> u64 {
        self.versions.iter().map(|version| version.size).sum()
    }
}

/// A folder; the root has none.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Folder {
    /// 24 hexadecimal digits.
    pub(super) id: String,
    /// Without a trailing slash.
    pub(super) path: String,
    /// When it came.
    pub(super) created_at: Ms,
}
