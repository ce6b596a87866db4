//! What the downloads and uploads of one venue have in common, read from its `planned` event once.

use std::collections::VecDeque;

use super::look::Look;
use super::{Fetch, Past};
use crate::event::{Planned, Work};
use crate::ids::{ImageId, Seq, VenueId};
use crate::images::Entry;
use crate::store::LedgerError;

/// Venues whose images are in the air at once, about: a run comes to them in order.
const VENUES_MAX: usize = 64;

/// Where the images of the venues at hand come from. It holds URLs, not rows, of few venues, and forgets the oldest.
#[derive(Debug)]
pub struct Origins {
    bytes_max: usize,
    bytes: usize,
    /// The last used is the last.
    venues: VecDeque<(Seq, Origin)>,
}

/// Where the images of one plan come from.
#[derive(Debug)]
pub(super) struct Origin {
    venue: VenueId,
    pub(super) slug: Option<String>,
    pub(super) country: Option<String>,
    /// By an image's index; empty where its entry has none.
    urls: Vec<Box<str>>,
}

impl Origins {
    /// Remembers so much, and in any case one venue.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, venues: VecDeque::new() }
    }

    pub(super) fn of(
        &mut self,
        look: &mut Look<'_, impl Past>,
        image: ImageId,
    ) -> Result<&Origin, LedgerError> {
        let known = self.venues.iter().rposition(|(planned, _)| *planned == image.planned);
        let venue = match known.and_then(|place| self.venues.remove(place)) {
            Some(venue) => venue,
            None => {
                let origin = Origin::new(look.planned(image.planned)?);
                self.bytes += origin.bytes();
                (image.planned, origin)
            }
        };
        self.venues.push_back(venue);
        while self.venues.len() > 1 && (self.bytes > self.bytes_max || self.venues.len() > VENUES_MAX) {
            let (planned, _) = self.venues[0];
            self.forget(planned);
        }
        Ok(&self.venues.back().expect("it was just put there").1)
    }

    /// All images of a plan have come as far as they come.
    pub(super) fn forget(&mut self, planned: Seq) {
        if let Some(place) = self.venues.iter().position(|(known, _)| *known == planned) {
            let gone = self.venues.remove(place);
            self.bytes -= gone.map_or(0, |(_, origin)| origin.bytes());
        }
    }
}

impl Origin {
    fn new(planned: Planned) -> Self {
        let entries = match &planned.work {
            Work::Move(entries) => &entries[..],
            Work::Add(addition) => &addition.entries[..],
            Work::TakeBack(_) => &[],
        };
        let url = |entry: &String| {
            Entry::parse(entry).and_then(|entry| entry.url()).unwrap_or_default().into_boxed_str()
        };
        let urls = entries.iter().map(url).collect();
        let (venue, slug) = (planned.venue, planned.slug);
        Self { venue, slug, country: planned.country.map(|country| country.code), urls }
    }

    pub(super) fn venue(&self) -> VenueId {
        self.venue
    }

    pub(super) fn fetch(&self, image: ImageId) -> Fetch {
        let url = self.urls.get(image.index as usize).unwrap_or_else(|| panic!("no plan has image {image}"));
        Fetch { image, venue: self.venue, url: url.to_string() }
    }

    fn bytes(&self) -> usize {
        let urls = self.urls.iter().map(|url| size_of::<Box<str>>() + url.len());
        size_of::<Self>() + urls.sum::<usize>()
    }
}
