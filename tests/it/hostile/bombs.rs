//! All bombs at once: pictures that unfold into gigabytes, or make a check walk far, sixteen of them in flight.

use std::collections::BTreeMap;

use longshore::limits::MEMORY_BYTES_MAX;

use super::memory::run_measured;
use super::place::{CODE, Place};
use super::world::{Body, Fate, Venue};
use crate::pictures::bombs::{ALL, Verdict};
use crate::support::program::under;
use crate::support::stage::Kind;

/// What of [`MEMORY_BYTES_MAX`] is really used, in kilobytes: both budgets of pictures, and the program with its ledger.
/// The rest is address space that is set aside for threads.
const RESIDENT_KB_MAX: u64 = 300_000;

#[test]
fn s2_all_bombs_in_flight_at_once_stay_below_the_bound_on_memory() {
    let place = Place::new(Kind::Sqlite);
    let base = place.base();
    let forge = place.forge(&base);
    let mut venues = Vec::new();
    for (id, (name, make, verdict)) in (1..).zip(ALL) {
        let fate = match verdict {
            Verdict::Refused => Fate::Stopped("invalid_image"),
            Verdict::Taken => Fate::Moved,
        };
        let entry = (forge.holding(&format!("/bombs/{id}.jpg"), &make()), fate);
        let slug = Some(format!("bomb-{id}"));
        venues.push(Venue { id, slug, name: Some(name.to_owned()), body: Body::of(name, vec![entry]) });
    }
    place.fill(&venues);
    let limit = format!("ulimit -v {}", MEMORY_BYTES_MAX / 1024);
    // What the stand-in of ImageKit would make of these pictures is not what is tried here.
    let migrate = ["migrate", "--country", CODE, "--yes", "--no-delivery-check", "--max-error-rate", "100"];
    let (ran, resident) = run_measured(under(&limit, &place.command(&migrate)), &migrate);
    let ran = ran.code(10);
    assert!(resident < RESIDENT_KB_MAX, "it took {resident} kB: {ran}");

    let mut verdicts = BTreeMap::new();
    for line in place.site.run(&["log", "--format", "json"]).code(0).json_lines() {
        let (name, event) = line["event"].as_object().unwrap().iter().next().unwrap();
        match name.as_str() {
            "db_updated" => drop(verdicts.insert(event["venue"].as_i64().unwrap(), Verdict::Taken)),
            "skipped" => {
                assert_eq!(event["error_type"], "invalid_image", "{event}");
                verdicts.insert(event["venue"].as_i64().unwrap(), Verdict::Refused);
            }
            _ => {}
        }
    }
    for (id, (name, _, verdict)) in (1..).zip(ALL) {
        assert_eq!(verdicts.get(&id), Some(&verdict), "{name}: {ran}");
    }
}
