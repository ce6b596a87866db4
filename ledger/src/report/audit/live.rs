//! The ledger's last word on a row against the row itself.

use serde::Serialize;

use super::VenueAudit;
use super::records::Records;
use crate::ids::ImageId;
use crate::images::{Array, Became, Compared, compare, differing_keys, same, same_entry};

/// What a row is, compared with what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VenueVerdict {
    /// As recorded: the same entries in the same order.
    AsRecorded,
    /// Something differs.
    Differs,
    /// There is no such row.
    RowGone,
    /// It holds something that is no array.
    NotAnArray,
    /// It holds more than is read.
    NotRead,
}

/// What one entry is, compared with what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As recorded, and where it was.
    AsRecorded,
    /// As recorded, in another place.
    Moved,
    /// As recorded but for keys that are not ours.
    OtherKeys,
    /// A key of ours is another.
    Changed,
    /// It is not there.
    Gone,
    /// It was taken out, and is there again.
    ThereAgain,
    /// The row is not there.
    RowGone,
    /// The row holds something that is no array.
    NotAnArray,
    /// The row holds more than is read.
    NotRead,
}

impl Verdict {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsRecorded => "as_recorded",
            Self::Moved => "moved",
            Self::OtherKeys => "other_keys",
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::ThereAgain => "there_again",
            Self::RowGone => "row_gone",
            Self::NotAnArray => "not_an_array",
            Self::NotRead => "not_read",
        }
    }
}

/// One row, compared.
#[derive(Debug, Serialize)]
pub struct VenueLive {
    /// What it is.
    pub verdict: VenueVerdict,
    /// Every entry of ours, each with one verdict.
    pub images: Vec<ImageLive>,
    /// What is different about entries of others.
    pub others: Others,
    /// The whole array as recorded, where the row differs; null for SQL NULL.
    pub recorded: Option<String>,
    /// The whole column as it is, where the row differs; null for SQL NULL, and where there is no row.
    pub found: Option<String>,
    /// Why the row was not read; null where it was.
    pub not_read: Option<String>,
}

/// One entry of ours, compared.
#[derive(Debug, Serialize)]
pub struct ImageLive {
    /// The image that changed it last.
    pub image: ImageId,
    /// What it is.
    pub verdict: Verdict,
    /// The entry as recorded; null where it was taken out.
    pub recorded: Option<String>,
    /// The entry that is there instead, or again; null where there is none, and where it is as recorded.
    pub found: Option<String>,
    /// The keys in which the two differ.
    pub keys: Vec<String>,
    /// Its place in the recorded array, from 0; null where it was not in it.
    pub place_recorded: Option<usize>,
    /// Its place now.
    pub place_found: Option<usize>,
}

/// Differences in entries that were never ours, each in its own text.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Others {
    /// There now and not recorded.
    pub added: Vec<String>,
    /// Recorded and not there now.
    pub removed: Vec<String>,
    /// Recorded, and another that speaks of the same picture is there now: this one.
    pub changed: Vec<String>,
}

impl VenueAudit {
    /// Where a row holds more than is read, nobody knows what became of the entries: `why` is kept instead of the row.
    /// `None` when no change of the row was ever recorded.
    pub fn live_unread(&self, why: &str) -> Option<VenueLive> {
        let recorded = self.records.array()?;
        let live = self.whole(VenueVerdict::NotRead, Verdict::NotRead, recorded, None);
        Some(VenueLive { not_read: Some(why.to_owned()), ..live })
    }

    /// Compares what the ledger recorded last, in whichever run, with the column as it is: no row, SQL NULL, or a
    /// text. `None` when no change of the row was ever recorded.
    pub fn live(&self, row: Option<Option<&str>>) -> Option<VenueLive> {
        let recorded = self.records.array()?;
        let Some(found) = row else {
            // A rollback that met no row has recorded none.
            let verdict = if recorded.is_none() { VenueVerdict::AsRecorded } else { VenueVerdict::RowGone };
            return Some(self.whole(verdict, Verdict::RowGone, recorded, None));
        };
        let Ok(array) = Array::parse(found.unwrap_or("[]")) else {
            return Some(self.whole(VenueVerdict::NotAnArray, Verdict::NotAnArray, recorded, found));
        };
        let elements: Vec<&str> = array.elements().collect();
        let (images, others) = entries(&self.records, recorded, &elements);
        let is_same = match (recorded, found) {
            (Some(recorded), Some(found)) => same(recorded, found),
            (recorded, found) => recorded == found,
        };
        let is_recorded = is_same && images.iter().all(|image| image.verdict == Verdict::AsRecorded);
        Some(match is_recorded {
            true => {
                let verdict = VenueVerdict::AsRecorded;
                VenueLive { verdict, images, others, recorded: None, found: None, not_read: None }
            }
            false => VenueLive {
                verdict: VenueVerdict::Differs,
                images,
                others,
                recorded: recorded.map(str::to_owned),
                found: found.map(str::to_owned),
                not_read: None,
            },
        })
    }

    /// The same verdict for every entry that should be there.
    fn whole(
        &self,
        verdict: VenueVerdict,
        each: Verdict,
        recorded: Option<&str>,
        found: Option<&str>,
    ) -> VenueLive {
        let images = self.records.kept.iter().map(|kept| ImageLive {
            image: kept.image,
            verdict: if kept.now.is_some() { each } else { Verdict::AsRecorded },
            recorded: kept.now.clone(),
            found: None,
            keys: Vec::new(),
            place_recorded: None,
            place_found: None,
        });
        let (recorded, found) = (recorded.map(str::to_owned), found.map(str::to_owned));
        VenueLive {
            verdict,
            images: images.collect(),
            others: Others::default(),
            recorded,
            found,
            not_read: None,
        }
    }
}

fn entries(records: &Records, recorded: Option<&str>, found: &[&str]) -> (Vec<ImageLive>, Others) {
    let array = recorded.and_then(|recorded| Array::parse(recorded).ok());
    let mut wanted: Vec<&str> = array.iter().flat_map(Array::elements).collect();
    let places = wanted.len();
    let mut is_ours = vec![false; places];
    // Where in `wanted` each entry of ours is: in the recorded array, or behind it if others had taken it out before
    // that was recorded.
    let mut kept: Vec<Option<usize>> = Vec::new();
    for present in records.kept.iter().map(|kept| kept.now.as_deref()) {
        let is_it = |place: &usize| {
            present.is_some_and(|present| {
                !is_ours[*place] && (wanted[*place] == present || same_entry(wanted[*place], present))
            })
        };
        let place = (0..places).find(is_it);
        place.into_iter().for_each(|place| is_ours[place] = true);
        kept.push(place);
    }
    // What others had made of it stands in for one that had drifted when the array was recorded.
    let free: Vec<usize> = (0..places).filter(|place| !is_ours[*place]).collect();
    let theirs: Vec<&str> = free.iter().map(|place| wanted[*place]).collect();
    let lost = records.kept.iter().zip(&mut kept).filter(|(_, place)| place.is_none());
    let (lost, at): (Vec<&str>, Vec<_>) =
        lost.filter_map(|(kept, place)| Some((kept.now.as_deref()?, place))).unzip();
    for ((now, at), became) in lost.iter().zip(at).zip(compare(&lost, &theirs).became) {
        *at = Some(match became.place() {
            Some(place) => {
                (wanted[free[place]], is_ours[free[place]]) = (now, true);
                free[place]
            }
            None => {
                wanted.push(now);
                wanted.len() - 1
            }
        });
    }
    let Compared { became, mut new } = compare(&wanted, found);
    let images = records.kept.iter().zip(kept).map(|(kept, at)| {
        let place_recorded = at.filter(|at| *at < places);
        let (verdict, place_found) = match at.map(|at| became[at]) {
            Some(Became::Same(place)) if place_recorded.is_some_and(|at| at != place) => {
                (Verdict::Moved, Some(place))
            }
            Some(Became::Same(place)) => (Verdict::AsRecorded, Some(place)),
            Some(Became::Ours(place)) => (Verdict::OtherKeys, Some(place)),
            Some(Became::Changed(place)) => (Verdict::Changed, Some(place)),
            Some(Became::Gone) => (Verdict::Gone, None),
            None => match new.iter().position(|place| same_entry(found[*place], &kept.last)) {
                Some(at) => (Verdict::ThereAgain, Some(new.remove(at))),
                None => (Verdict::AsRecorded, None),
            },
        };
        let is_other = matches!(verdict, Verdict::OtherKeys | Verdict::Changed | Verdict::ThereAgain);
        let instead = place_found.filter(|_| is_other).map(|place| found[place].to_owned());
        let keys = match (&kept.now, &instead) {
            (Some(now), Some(instead)) => differing_keys(now, instead),
            _ => Vec::new(),
        };
        ImageLive {
            image: kept.image,
            verdict,
            recorded: kept.now.clone(),
            found: instead,
            keys,
            place_recorded,
            place_found,
        }
    });
    let images = images.collect();
    let mut others = Others::default();
    for place in (0..places).filter(|place| !is_ours[*place]) {
        match became[place] {
            Became::Same(_) => {}
            Became::Gone => others.removed.push(wanted[place].to_owned()),
            Became::Ours(at) | Became::Changed(at) => others.changed.push(found[at].to_owned()),
        }
    }
    others.added = new.into_iter().map(|place| found[place].to_owned()).collect();
    (images, others)
}
