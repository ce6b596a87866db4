//! Samples.

use std::collections::BTreeSet;

use longshore::sandbox::faults::Fault;

use super::{Found, VENUES, found, ours};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

const COUNTRIES: [&str; 4] = ["GB", "PL", "FR", "DE"];

#[test]
fn c7_a_sample_follows_from_its_seed_and_leaves_no_country_out() {
    let at = Workplace::new(Kind::Sqlite, VENUES);
    // Every image that is looked at becomes a finding, so that the findings are the sample.
    let gone = Fault::Answer { status: 404, headers: Vec::new(), body: String::new() };
    at.sandbox.faults.inject("origin", 0, u64::MAX, gone);
    let sample = |size: &str, seed: &str| {
        let ran = at.run_json(&["verify", "--sample", size, "--seed", seed]).code(13);
        assert_eq!(ran.json()["seed"].to_string(), seed, "{ran}");
        assert_eq!(ran.json()["checked"]["external"], found(&ran).len(), "{ran}");
        found(&ran)
    };
    let of = |country: &str, sample: &Found| {
        let there: BTreeSet<(i64, u64)> =
            ours(&at, country).iter().map(|ours| (ours.venue, ours.place)).collect();
        sample.iter().filter(|(venue, image, _)| there.contains(&(*venue, *image))).count()
    };
    let thirty = sample("30", "7");
    assert_eq!(thirty.len(), 30);
    assert_eq!(sample("30", "7"), thirty, "the same seed");
    assert_ne!(sample("30", "8"), thirty, "another seed");
    let shares = COUNTRIES.map(|country| of(country, &thirty));
    assert_eq!(shares.iter().sum::<usize>(), 30);
    assert!(
        shares.iter().all(|share| *share > 0) && shares[0] > shares[1] && shares[1] > shares[3],
        "{shares:?}"
    );
    let all: usize = COUNTRIES.iter().map(|country| ours(&at, country).len()).sum();
    assert_eq!(sample("5%", "7").len(), all.div_ceil(20));
    assert_eq!(sample("999999", "7").len(), all);
}

#[test]
fn c7_a_seed_of_its_own_is_told() {
    let at = Workplace::new(Kind::Sqlite, 8);
    let gone = Fault::Answer { status: 404, headers: Vec::new(), body: String::new() };
    at.sandbox.faults.inject("origin", 0, u64::MAX, gone);
    let first = at.run_json(&["verify", "--sample", "5"]).code(13);
    let seed = first.json()["seed"].to_string();
    let first = first.says(&format!("--seed {seed}"));
    let again = at.run_json(&["verify", "--sample", "5", "--seed", &seed]).code(13);
    assert_eq!(first.stdout, again.stdout);
}
