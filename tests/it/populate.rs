//! `populate` (requirement C1): the real program on databases that fit a report, its wheel stopped dead at every
//! moment, and others who write meanwhile.

mod back;
mod dev;
mod far;
mod killed;
mod left_out;
mod meddling;
mod odd;
mod verb;
mod walk;

use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// The header of these tests' reports: all columns, in an order of their own.
const HEADER: &str = "match_type,ea_slug,ea_id,distance_m,ta_slug,ta_id,confidence,images_count,ta_name,\
                      ea_name,name_distance\n";

/// A match of two venues, with so many images.
fn matched(ta: i64, ea: i64, metres: &str, images: u32) -> String {
    format!("slug_only,pub-{ea},{ea},{metres},ta-{ta},{ta},0.85,{images},Pub {ta},Pub {ea},0\n")
}

/// Where the program is run, with the report beside it, and what it is to say in programs' words.
fn workplace(kind: Kind, report: &str) -> Workplace {
    let at = Workplace::fitting(kind, report);
    write(&at, report);
    at
}

fn write(at: &Workplace, report: &str) {
    std::fs::write(at.work().join("report.csv"), report).unwrap();
}

/// `populate` on the database whose ledger is looked at, which asks where nobody says `--yes`.
fn populate(at: &Workplace, more: &[&str]) -> Ran {
    at.run_json(&[&["populate", "--matches", "report.csv", "--target", "production", "--yes"], more].concat())
}

/// The number of the run that it was.
#[track_caller]
fn run_of(ran: &Ran) -> String {
    ran.json()["runs"][0]["run"].as_u64().unwrap_or_else(|| panic!("no run: {ran}")).to_string()
}

/// The address of a picture of a venue of Trivia Advisor's, as a sandbox numbers them.
fn url(at: &Workplace, ta: i64, number: u32) -> String {
    let base = at.sandbox.origin.base_url();
    format!("{base}/uploads/google_place_images/ta-{ta}/original_google_place_{number}.jpg")
}
