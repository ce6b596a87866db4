//! Whether a file on the CDN is this ledger's own, which it must be to be deleted (requirement S7): an `uploaded` of this
//! ledger says that it sent that very file to that path, and the file is still what was sent.

use std::fmt;

use ledger::ids::{CdnPath, LedgerId};
use ledger::report::{Content, Provenance};

use super::parts::Outside;
use super::retry::{Halt, Retry};
use crate::outside::Trouble;
use crate::outside::imagekit::{Cdn, CdnFile};

/// Why a file is not this ledger's own, or not its alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotOurs {
    /// Its tags do not name this ledger.
    Untagged,
    /// No event tells of it, whatever its tags say: somebody has copied or uploaded it.
    Unrecorded,
    /// The only event that tells of it is that of an image that failed.
    OfFailed,
    /// It was there before this ledger made use of it.
    Adopted,
    /// This ledger sent it there, and what content it then had is not known.
    WithoutContent,
    /// This ledger sent it to another path, and somebody has moved it.
    SentTo(CdnPath),
    /// It differs from what was sent, and how.
    Changed(String),
    /// There are so many versions of it, and this ledger sent one.
    Versions(usize),
    /// Its tags name other ledgers too.
    Shared(Vec<String>),
}

/// A ledger's tag among a file's: what those of another look like too.
pub fn is_ledger_tag(tag: &str) -> bool {
    tag.trim().to_ascii_lowercase().starts_with("ledger-")
}

/// Whether a file, as ImageKit describes it, is the ledger's own and nobody else's, by all that can be told without its
/// bytes: the content that it must then have.
///
/// # Errors
/// Why it is not.
pub fn described(file: &CdnFile, ledger: LedgerId, said: &Provenance) -> Result<Content, NotOurs> {
    let ours = ledger.tag();
    if !file.tags.contains(&ours) {
        return Err(NotOurs::Untagged);
    }
    let others: Vec<String> = others(file, ledger).cloned().collect();
    if !others.is_empty() {
        return Err(NotOurs::Shared(others));
    }
    let content = match said {
        Provenance::Own(content) => *content,
        Provenance::Adopted => return Err(NotOurs::Adopted),
        Provenance::WithoutContent => return Err(NotOurs::WithoutContent),
        Provenance::SentTo(path) => return Err(NotOurs::SentTo(path.clone())),
        Provenance::Failed => return Err(NotOurs::OfFailed),
        Provenance::Unknown => return Err(NotOurs::Unrecorded),
    };
    if file.bytes != content.bytes {
        return Err(NotOurs::Changed(format!("it has {} bytes instead of {}", file.bytes, content.bytes)));
    }
    // ImageKit may turn a picture by its EXIF orientation.
    let sent = (content.width, content.height);
    let fits = |(width, height)| (width, height) == sent || (height, width) == sent;
    match file.width.zip(file.height) {
        Some((width, height)) if !fits((width, height)) => {
            let (w, h) = sent;
            return Err(NotOurs::Changed(format!("it is {width}×{height} instead of {w}×{h}")));
        }
        _ => {}
    }
    if !file.is_first_version() {
        return Err(NotOurs::Changed("it has a new version".to_owned()));
    }
    Ok(content)
}

/// The tags of other ledgers on a file.
pub fn others(file: &CdnFile, ledger: LedgerId) -> impl Iterator<Item = &String> {
    let ours = ledger.tag();
    file.tags.iter().filter(move |tag| is_ledger_tag(tag) && **tag != ours)
}

/// Whether a file's untouched bytes are those that were sent.
///
/// # Errors
/// When they cannot be read.
pub async fn has_content(
    cdn: &dyn Cdn,
    retry: &Retry,
    file: &CdnFile,
    content: Content,
) -> Result<bool, Halt> {
    let read = || cdn.original_hash(&file.url, content.bytes);
    Ok(retry.run(Outside::Delivery, read).await?.value == content.hash)
}

/// Looks once more, as the last thing before a deletion, which takes all versions with it: whether the file is still as it
/// was described, tags included, and has no other version. `None` when it is gone. It is asked once, as whoever waits has to
/// ask who uses the file again too.
///
/// # Errors
/// When ImageKit cannot be asked.
pub async fn is_still(cdn: &dyn Cdn, file: &CdnFile) -> Result<Option<Result<(), NotOurs>>, Trouble> {
    let versions = cdn.versions(&file.id).await?;
    let [now] = &versions[..] else {
        return Ok((!versions.is_empty()).then_some(Err(NotOurs::Versions(versions.len()))));
    };
    let is_same = (&now.path, now.bytes, &now.tags) == (&file.path, file.bytes, &file.tags);
    Ok(Some(match is_same && now.is_first_version() {
        true => Ok(()),
        false => Err(NotOurs::Changed("somebody has changed it a moment ago".to_owned())),
    }))
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untagged => f.write_str("its tags do not name this ledger"),
            Self::Unrecorded => f.write_str("no upload of this ledger tells of it, only its tags do"),
            Self::OfFailed => {
                f.write_str("it was left by an image that failed, and no upload of this ledger tells of it")
            }
            Self::Adopted => f.write_str("it was there before this ledger used it, so it is somebody else's"),
            Self::WithoutContent => {
                f.write_str("this ledger sent it there, and no download that was read tells what it sent")
            }
            Self::SentTo(path) => write!(f, "it was sent to {path}, and somebody has moved it"),
            Self::Changed(how) => write!(f, "it is not what was sent any more ({how})"),
            Self::Versions(n) => write!(f, "it has {n} versions, and this ledger sent one"),
            Self::Shared(ledgers) => write!(f, "its tags name another ledger too: {}", ledgers.join(", ")),
        }
    }
}
