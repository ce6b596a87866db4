//! Matches whose distance makes them doubtful, told so that a person can judge them (requirement C1).

use ledger::ids::VenueId;
use serde::Serialize;

use crate::limits::MATCH_FAR_M;
use crate::outside::catalog::Venue;
use crate::outside::matches::Match;
use crate::runner::{Geography, Populate};

/// Two venues that were matched, and what a person judges that by. Trivia Advisor's city is not read: its slug often
/// says it.
#[derive(Debug, Serialize)]
pub struct Pair {
    venue_id: VenueId,
    /// The venue's name in the application.
    ea_name: Option<String>,
    city: Option<String>,
    country: Option<String>,
    trivia_advisor_id: i64,
    /// The name there, as the report has it.
    ta_name: Option<String>,
    /// The slug there, as the report has it.
    ta_slug: String,
    /// How far apart they lie; null where the report does not say.
    kilometres: Option<f64>,
    /// By what they were matched.
    match_type: String,
    /// How sure the report is, from 0 to 1.
    confidence: Option<f64>,
    /// Whether the match is left out for its distance.
    left_out: bool,
}

/// The doubtful matches of a report.
#[derive(Debug, Default, Serialize)]
pub struct Doubtful {
    /// Those that lie far apart.
    far: Vec<Pair>,
    /// Those whose distance the report does not say.
    unmeasured: Vec<Pair>,
}

impl Doubtful {
    /// Takes in the matches of a venue. Those that are left out for another reason are told with that.
    pub fn take(
        &mut self,
        populate: &Populate,
        geography: &Geography,
        venue: &Venue,
        is_left_out: impl Fn(&Match) -> bool,
    ) {
        for pair in populate.matches.venues.get(&venue.id).into_iter().flatten() {
            let left_out = populate.is_too_far(pair);
            if !left_out && is_left_out(pair) {
                continue;
            }
            let to = match pair.distance_m {
                None => &mut self.unmeasured,
                Some(metres) if left_out || metres > MATCH_FAR_M as f64 => &mut self.far,
                Some(_) => continue,
            };
            let (city, country) = geography.of(venue);
            let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
            to.push(Pair {
                venue_id: venue.id,
                ea_name: venue.name.clone().or_else(|| some(&pair.about.ea_name)),
                city: city.map(|city| city.name.clone()),
                country: country.map(|country| country.name.clone()),
                trivia_advisor_id: pair.ta_id,
                ta_name: some(&pair.about.ta_name),
                ta_slug: pair.ta_slug.clone(),
                kilometres: pair.distance_m.map(|metres| (metres / 100.0).round() / 10.0),
                match_type: pair.about.match_type.clone(),
                confidence: pair.about.confidence,
                left_out,
            });
        }
    }

    /// Whether a match is told of here as left out.
    pub fn leaves(&self, venue: VenueId, trivia_advisor: i64) -> bool {
        let is_it = |pair: &Pair| pair.venue_id == venue && pair.trivia_advisor_id == trivia_advisor;
        self.far.iter().any(|pair| pair.left_out && is_it(pair))
    }

    /// For people, on stderr.
    pub fn tell(&self, max_kilometres: f64) {
        let far = MATCH_FAR_M / 1_000;
        let (left, taken): (Vec<&Pair>, Vec<&Pair>) = self.far.iter().partition(|pair| pair.left_out);
        tell(&left, &format!("Left out: matched, and more than {max_kilometres} km apart:"));
        if !left.is_empty() {
            eprintln!("  `--max-distance KM` takes in those up to so many kilometres.");
        }
        tell(&taken, &format!("Taken in, and more than {far} km apart:"));
        let unmeasured: Vec<&Pair> = self.unmeasured.iter().collect();
        tell(&unmeasured, "Taken in, and the report does not say how far apart they are:");
    }
}

fn tell(pairs: &[&Pair], heading: &str) {
    if pairs.is_empty() {
        return;
    }
    eprintln!("{heading}");
    for pair in pairs {
        let Pair { venue_id, trivia_advisor_id, ta_slug, match_type, .. } = pair;
        let quoted =
            |name: &Option<String>| name.as_ref().map_or("(no name)".to_owned(), |name| format!("{name:?}"));
        let city = pair.city.as_deref().unwrap_or("no city");
        let country = pair.country.as_deref().unwrap_or("no country");
        let far = pair.kilometres.map_or("unknown".to_owned(), |kilometres| format!("{kilometres:.1} km"));
        let sure = pair.confidence.map_or(String::new(), |share| format!(", confidence {share}"));
        eprintln!(
            "  venue {venue_id} {} in {city}, {country}, and Trivia Advisor {trivia_advisor_id} {} ({ta_slug}): {far}; \
             matched by {match_type}{sure}",
            quoted(&pair.ea_name),
            quoted(&pair.ta_name)
        );
    }
}
