//! What can be wrong with an image that the database points at.

use ledger::ids::VenueId;
use serde::Serialize;

use super::choose::Subject;
use crate::show;

/// The kinds of finding; the names are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The entry is ours and has no URL that could be asked for.
    BadEntry,
    /// The URL lies where nothing is fetched from; nobody was asked.
    ForbiddenUrl,
    /// No answer, retries included.
    NoAnswer,
    /// Another status than 200.
    WrongStatus,
    /// No image media type, or bytes that are none.
    NotAnImage,
    /// Other sides than the catalog says.
    WrongDimensions,
    /// The origin does not let the site show it.
    CorsDenied,
    /// More bytes than `migrate` would take.
    TooLarge,
    /// It does not decode to its end.
    NotWhole,
    /// The width asked for is not the width that came.
    WidthNotHonoured,
    /// A smaller modern format was not given to those who take it.
    FormatNotNegotiated,
    /// The image's URL from before the migration does not answer with an image any more.
    FallbackGone,
    /// What the CDN has stored are not the bytes that were uploaded.
    ContentDiffers,
    /// The ledger does not know the file, so its content cannot be compared.
    NotInLedger,
    /// The CDN delivers slower than the origin does: about all images together, and so about no venue.
    SlowerDelivery,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Which venue; none where it is about all of them.
    pub venue: Option<VenueId>,
    /// The image's place in the venue's array, from 0.
    pub image: Option<u64>,
    /// The URL that was, or would have been, asked, without its query string.
    pub url: Option<String>,
    /// What is wrong.
    pub kind: Kind,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub found: String,
}

impl Subject {
    /// A finding about this image.
    pub fn finding(
        &self,
        url: Option<&str>,
        kind: Kind,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Finding {
        let (expected, found) = (expected.into(), found.into());
        let (venue, image) = (Some(self.venue), Some(self.place));
        Finding { venue, image, url: url.map(show::address), kind, expected, found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Kind; 15] = [
        Kind::BadEntry,
        Kind::ForbiddenUrl,
        Kind::NoAnswer,
        Kind::WrongStatus,
        Kind::NotAnImage,
        Kind::WrongDimensions,
        Kind::CorsDenied,
        Kind::TooLarge,
        Kind::NotWhole,
        Kind::WidthNotHonoured,
        Kind::FormatNotNegotiated,
        Kind::FallbackGone,
        Kind::ContentDiffers,
        Kind::NotInLedger,
        Kind::SlowerDelivery,
    ];

    #[test]
    fn c7_the_runbook_has_every_kind_of_finding_and_no_other() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (_, section) = page.split_once("\n## Verifying\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let told: Vec<&str> = rows.map(|(name, _)| name).collect();
        assert_eq!(told, ALL.map(|kind| crate::show::word(&kind)));
    }
}
