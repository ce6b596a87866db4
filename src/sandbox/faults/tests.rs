//! The language of faults, as nobody would write it.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::amount::Amount;
use super::kinds::KINDS;
use super::order::{CDN_OPERATIONS, ORIGIN_OPERATIONS, What};
use super::{Faults, Order};

/// Requests of each operation that an order alone is met by.
const ROUNDS: usize = 12;

/// Words of the language and what is none, one behind the other.
fn orders() -> impl Strategy<Value = String> {
    let words = [
        "=",
        ":",
        "x",
        "%",
        "/",
        "*",
        " ",
        "=503",
        "=429",
        "x10",
        "x30%",
        "x101%",
        "x0",
        ":after=5",
        ":for=3s",
        ":by=5s",
        ":bytes=0",
        ":every=1ms",
        ":reset=200",
        ":to=/a:b=c",
        ":message=a=b:c",
        "=away",
        "=none",
        "=lag",
        "=cut",
        "cdn",
        "all",
        "origin/a*",
        "18446744073709551615",
        "99999999999999999999",
        "-1",
        "é",
    ];
    let kinds = KINDS.map(|(written, _)| written.split(['[', ':']).next().unwrap());
    let all = words.into_iter().chain(kinds).chain(CDN_OPERATIONS).chain(ORIGIN_OPERATIONS);
    let word =
        prop_oneof![20 => select(all.collect::<Vec<_>>()).prop_map(str::to_owned), 1 => any::<String>()];
    // Most begin as an order does, or hardly any would be one.
    let place = select(vec!["upload", "list", "cdn", "all", "origin", "origin/uploads/a.jpg", "delivery"]);
    let kind = select(kinds.map(|kind| if kind == "STATUS" { "503" } else { kind }).to_vec());
    prop_oneof![
        3 => (place, kind, vec(word.clone(), 0..4))
            .prop_map(|(place, kind, rest)| format!("{place}={kind}{}", rest.concat())),
        1 => vec(word, 0..8).prop_map(|words| words.concat()),
    ]
}

/// Standing alone, an order befalls just those requests that it names: none before its `after`, as many as it says, and
/// with the fault that it says.
fn does_what_it_says(order: &Order, seed: u64) -> Result<(), TestCaseError> {
    let What::Fault(fault) = order.what() else { return Ok(()) };
    // What ends by a clock may end here at any request.
    if order.lasts().is_some() {
        return Ok(());
    }
    let faults = Faults::seeded(seed);
    faults.order(order.clone());
    let all = || CDN_OPERATIONS.into_iter().chain(ORIGIN_OPERATIONS);
    let (mut met, mut given) = (0, 0);
    for path in ["/uploads/a.jpg", "/b.jpg"].into_iter().cycle().take(ROUNDS) {
        for op in all() {
            let got = faults.next_at(op, path);
            if !order.is_for(op, path) {
                prop_assert!(got.is_none(), "{} of {}", op, path);
                continue;
            }
            let is_meant = match order.amount() {
                Amount::Always => met >= order.after(),
                Amount::Times(times) => met >= order.after() && given < *times,
                // Which of the requests are meant follows from the seed.
                Amount::Share(_) => met >= order.after() && got.is_some(),
            };
            prop_assert_eq!(got.map(|got| format!("{got:?}")), is_meant.then(|| format!("{fault:?}")));
            (met, given) = (met + 1, given + u64::from(is_meant));
        }
    }
    Ok(())
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn c14_an_order_is_told_as_it_was_written_and_does_what_it_says_or_is_refused(
        texts in vec(orders(), 1..4), seed in any::<u64>(),
    ) {
        let faults = Faults::seeded(seed);
        for text in &texts {
            match text.parse::<Order>() {
                Ok(order) => {
                    prop_assert_eq!(order.to_string(), text.trim());
                    prop_assert_eq!(format!("{:?}", order.to_string().parse::<Order>().unwrap()), format!("{order:?}"));
                    does_what_it_says(&order, seed)?;
                    faults.order(order);
                }
                Err(why) => {
                    let quoted = format!("`{}`: ", text.trim());
                    prop_assert!(why.to_string().starts_with(&quoted), "{}", why);
                }
            }
        }
        for op in CDN_OPERATIONS.into_iter().chain(ORIGIN_OPERATIONS) {
            for _ in 0..ROUNDS {
                faults.next_at(op, "/uploads/a.jpg");
            }
            prop_assert_eq!(faults.counts()[op], ROUNDS as u64);
        }
        let told = faults.standing();
        prop_assert!(told.len() <= texts.len() + 2, "{:?}", told);
        faults.well();
        prop_assert!(faults.standing().is_empty());
        prop_assert!(faults.next_at("upload", "/uploads/a.jpg").is_none());
    }

    #[test]
    fn c14_a_length_of_time_is_read_or_refused_whatever_it_says(number in any::<u64>(), unit in select(vec!["", "ms", "s", "m"])) {
        let read = super::order::duration(&format!("{number}{unit}"));
        let meant = match unit {
            "m" => None,
            "s" => Some(Duration::from_secs(number)),
            _ => Some(Duration::from_millis(number)),
        };
        prop_assert_eq!(read, meant);
    }
}
