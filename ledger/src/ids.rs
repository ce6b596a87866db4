//! The names of things: parsed once at the edge, never strings again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Why a text is not the id it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}")]
pub struct NotAnId {
    /// The text as it came, cut to 80 characters.
    pub text: String,
    /// What was expected, with its article.
    pub what: &'static str,
}

impl NotAnId {
    pub(crate) fn new(text: &str, what: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), what }
    }
}

/// Serialises through `Display` and `FromStr`, so that the wire and people see one spelling.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                String::deserialize(input)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

fn hex_bytes<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], NotAnId> {
    let no = || NotAnId::new(text, what);
    if text.len() != 2 * N || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(no());
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| no())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| no())?;
    }
    Ok(out)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

/// A ledger's own random 128 bits, 32 lower-case hex digits in text. CDN files carry it as the tag `ledger-<id>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LedgerId(pub [u8; 16]);

impl LedgerId {
    /// The tag every file of this ledger carries on the CDN.
    pub fn tag(&self) -> String {
        format!("ledger-{self}")
    }
    /// The tag that a file gets besides when this ledger adopts it: by that it is told from one that this ledger sent, even
    /// where the program dies before it can write down which.
    pub fn adopted_tag(&self) -> String {
        format!("adopted-{self}")
    }
}
impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}
impl fmt::Debug for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for LedgerId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        hex_bytes(text, "a ledger id (32 hex digits)").map(Self)
    }
}

/// 256 bits of BLAKE3: of an image's bytes, or of an event's place in the chain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
    /// The first 16 hex digits: what a CDN file name carries.
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}
impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}
impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for ContentHash {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        hex_bytes(text, "a BLAKE3 hash (64 hex digits)").map(Self)
    }
}

/// An event's place in the ledger: 1, 2, 3 … without gaps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The place behind this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run's number: the seq of its `run_started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Seq);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for RunId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        text.parse().map(|n| Self(Seq(n))).map_err(|_| NotAnId::new(text, "a run number"))
    }
}

/// `venues.id` of the application's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VenueId(pub i64);

impl fmt::Display for VenueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One image of one plan: the seq of the `planned` event that named it and its index there, `412:0` in text.
/// It never changes: a rollback names the forward image's id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId {
    /// The seq of the `planned` event.
    pub planned: Seq,
    /// Its place among that event's entries, from 0.
    pub index: u32,
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.planned, self.index)
    }
}
impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for ImageId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        text.split_once(':')
            .and_then(|(seq, index)| {
                Some(Self { planned: Seq(seq.parse().ok()?), index: index.parse().ok()? })
            })
            .ok_or_else(|| NotAnId::new(text, "an image id (like 412:0)"))
    }
}

/// ImageKit's id of a file: 24 hex digits today, opaque to us; 1 to 128 printable ASCII characters without `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(String);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FileId {
    /// The longest that is taken.
    pub const BYTES_MAX: usize = 128;
}
impl FromStr for FileId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let fits = (1..=Self::BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        fits.then(|| Self(text.to_owned())).ok_or_else(|| NotAnId::new(text, "a file id"))
    }
}

/// A file's place in ImageKit's media library, fixed by content: `/venues/{slug}/{slug}_{16 hex}.{extension}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CdnPath(String);

impl CdnPath {
    /// The path for these bytes under a venue's slug (requirement C4). ASCII letters, digits and `-` of the slug
    /// stay, all else becomes `_`, 64 at most; a venue without a slug is `venue-{id}`.
    pub fn new(slug: Option<&str>, venue: VenueId, content: &ContentHash, format: Format) -> Self {
        let slug = Self::slug_of(slug, venue);
        Self(format!("/venues/{slug}/{slug}_{}.{}", content.short(), format.extension()))
    }
    /// The folder of all paths under a venue's slug.
    pub fn folder_of(slug: Option<&str>, venue: VenueId) -> String {
        format!("/venues/{}", Self::slug_of(slug, venue))
    }
    fn slug_of(slug: Option<&str>, venue: VenueId) -> String {
        match slug {
            Some(slug) if !slug.is_empty() => slug
                .chars()
                .take(64)
                .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
                .collect(),
            _ => format!("venue-{venue}"),
        }
    }
    /// The folder, `/venues/{slug}`.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("/", |(folder, _)| folder)
    }
    /// The file's name without its folder.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for CdnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for CdnPath {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let fits = text.starts_with('/') && text.len() > 1 && !text.ends_with('/');
        fits.then(|| Self(text.to_owned())).ok_or_else(|| NotAnId::new(text, "a CDN path"))
    }
}

/// An image format that browsers show and Longshore moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
}

impl Format {
    /// The file extension of the real format, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }
}

as_text!(LedgerId, ContentHash, ImageId, FileId, CdnPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c4_paths_keep_only_plain_characters_of_a_slug() {
        let path = |slug| CdnPath::new(slug, VenueId(7), &ContentHash([0xab; 32]), Format::Webp).to_string();
        assert_eq!(path(Some("pub-Ż.x/../y")), "/venues/pub-__x____y/pub-__x____y_abababababababab.webp");
        assert_eq!(path(None), "/venues/venue-7/venue-7_abababababababab.webp");
        assert_eq!(path(Some("")), path(None));
        assert_eq!(path(Some(&"a".repeat(900))).len(), "/venues//_abababababababab.webp".len() + 128);
    }

    #[test]
    fn ids_read_back_what_they_write() {
        let image = ImageId { planned: Seq(412), index: 3 };
        assert_eq!(image.to_string().parse(), Ok(image));
        let hash = ContentHash::of(b"x");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!("ABCD".parse::<LedgerId>().is_err());
        assert!("a/b".parse::<FileId>().is_err());
    }
}
