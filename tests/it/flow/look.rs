//! Looking before anything is done: `countries` (requirement C2).

use serde_json::json;

use crate::support::program::Workplace;
use crate::support::stage::Kind;

fn the_distribution_is_d5s(kind: Kind) {
    let at = Workplace::new(kind, 575);
    let country = |country: &str, code: &str, venues: u32, images: u32, cities: u32| json!({ "country": country, "code": code, "venues": venues, "images": images, "cities": cities });
    let answer = at.run_json(&["countries"]).code(0);
    assert_eq!(answer.stderr, "", "{answer}");
    let countries = [
        country("United Kingdom", "GB", 412, 2_060, 87),
        country("Poland", "PL", 89, 445, 12),
        country("France", "FR", 45, 225, 8),
        country("Germany", "DE", 29, 145, 5),
    ];
    assert_eq!(
        answer.json(),
        json!({ "countries": countries, "total": { "venues": 575, "images": 2_875, "cities": 112 } })
    );

    let table = at.run(&["countries"]).code(0);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = table.stdout.lines().map(words).collect();
    assert_eq!(
        lines,
        [
            "Country Code Venues Images Cities",
            "United Kingdom GB 412 2060 87",
            "Poland PL 89 445 12",
            "France FR 45 225 8",
            "Germany DE 29 145 5",
            "Total 575 2875 112",
        ],
        "{table}"
    );
    assert!(!at.ledger().exists(), "looking leaves nothing behind");
}

#[test]
fn c2_countries_on_sqlite() {
    the_distribution_is_d5s(Kind::Sqlite);
}

#[test]
fn c2_countries_on_postgres() {
    the_distribution_is_d5s(Kind::Postgres);
}
