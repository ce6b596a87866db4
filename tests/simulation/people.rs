//! What people know and keep: the matching report and Trivia Advisor's pictures, plans that were saved, pictures that
//! they decided to leave, and old backups of ledgers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use ledger::event::Record;
use ledger::ids::{ImageId, VenueId};
use longshore::outside::Trouble;
use longshore::outside::matches::{About, Match, Matches};
use longshore::outside::trivia::{TaVenue, Trivia};
use longshore::runner::{Populate, SavedPlan};
use tokio::time::Instant;

use super::parts::Part;
use super::process::Process;
use super::world::{Inner, LEDGERS};

/// Where the images of Trivia Advisor are.
pub const ORIGIN: &str = "https://origin.example";

/// Pictures that a person left, by ledger, venue and URL: when, and as which images.
type Left = BTreeMap<(usize, i64, String), (Instant, Vec<ImageId>)>;

/// What people know and keep.
#[derive(Default)]
pub struct People {
    /// The matching report.
    pub matches: Option<Arc<Matches>>,
    /// What Trivia Advisor has of each venue: the text of its images.
    pub trivia: BTreeMap<i64, Option<String>>,
    /// Plans that were saved, by their digests, with the ledger beside which each was made.
    pub plans: Vec<(usize, Arc<SavedPlan>)>,
    /// Pictures that a person left, by ledger, venue and URL, and when.
    pub left: Left,
    /// The last backup of each ledger, with the pictures that it tells to be left.
    pub backups: [Option<Left>; LEDGERS],
    /// Whether a ledger was put back to an old backup, so that it has forgotten something.
    pub forgot: [bool; LEDGERS],
    /// Processes whose run a person has paused, until it is let go on.
    pub resting: BTreeSet<u64>,
    /// What each ledger was told to have on the disk, in its bytes.
    pub appended: [Vec<Record>; LEDGERS],
}

/// Makes up what Trivia Advisor knows of some venues, with pictures at the origin.
pub fn begin(world: &mut Inner) {
    let mut venues = BTreeMap::new();
    let rows: Vec<(i64, String)> =
        world.databases[0].rows.iter().map(|(id, row)| (*id, row.slug.clone())).collect();
    for (venue, slug) in rows {
        if world.dice.bool() {
            continue;
        }
        let mut images = Vec::new();
        for n in 0..world.dice.u32(0..3) {
            // Some are in the row already.
            let path = match world.dice.u32(0..4) {
                0 => format!("/{venue}/{n}.jpg"),
                _ => format!("/uploads/google_place_images/{venue}/{n}.jpg"),
            };
            let bytes = super::pictures::drawn(world);
            world.pictures.entry(format!("{ORIGIN}{path}")).or_insert(bytes);
            images.push(format!(r#"{{"local_path": "{path}", "position": {n}, "width": 640}}"#));
        }
        let text = match world.dice.u32(0..16) {
            0 => None,
            1 => Some("{}".to_owned()),
            _ => Some(format!("[{}]", images.join(","))),
        };
        world.people.trivia.insert(venue, text);
        let ea_slug = if world.dice.u32(0..8) == 0 { "another".to_owned() } else { slug };
        let about = About::default();
        let pair = Match { ta_id: venue, ta_slug: "ta".into(), ea_slug, distance_m: None, about, line: 2 };
        venues.insert(VenueId(venue), vec![pair]);
    }
    let (rows, bad, others) = (venues.len() as u64, Vec::new(), None);
    let matches = Matches { digest: "00".repeat(32), rows, venues, bad, others };
    world.people.matches = Some(Arc::new(matches));
}

/// What a `populate` chooses from.
pub fn populate(process: &Arc<Process>) -> Populate {
    let matches = process.world.lock().people.matches.clone().expect("there is a report");
    let trivia = Arc::new(Seat(process.clone()));
    Populate { matches, trivia, base: ORIGIN.parse().expect("a URL"), distance_max_m: None }
}

/// What one process sees of Trivia Advisor's database.
struct Seat(Arc<Process>);

#[async_trait]
impl Trivia for Seat {
    async fn images(&self, ids: &[i64]) -> Result<Vec<TaVenue>, Trouble> {
        self.0.arrive(Part::Database).await?;
        let world = self.0.world.lock();
        let ids: BTreeSet<i64> = ids.iter().copied().collect();
        let venue = |id: i64| {
            let images = world.people.trivia.get(&id)?.clone();
            Some(TaVenue { id, slug: Some("ta".into()), images })
        };
        Ok(ids.into_iter().filter_map(venue).collect())
    }
}
