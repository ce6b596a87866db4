//! Everything odd that a real report and two real databases have, at once: what each venue gets, and what is said of
//! the others.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{HEADER, matched, populate, run_of, url, workplace, write};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Of others, around whom is worked.
const THEIRS: &str = r#"{"n": 12345678901234567890123, "x": 1.50, "source": "google"}"#;

fn report() -> String {
    let rows = [
        matched(1, 11, "1.5", 3),
        matched(2, 15, "", 2),
        matched(3, 12, "0", 1),
        matched(4, 13, "0", 2),
        "no_match,,,,ta-15,15,0.0,5,Pub 15,,\n".to_owned(),
        matched(5, 13, "7", 2),
        matched(6, 14, "60000.4", 1),
        matched(7, 16, "0", 1),
        matched(8, 17, "0", 1),
        matched(9, 18, "0", 1),
        matched(10, 19, "0", 1),
        matched(11, 21, "0", 1),
        matched(12, 22, "0", 1),
        matched(13, 23, "0", 3),
        matched(14, 24, "0", 0),
        matched(16, 26, "0", 1),
        matched(17, 27, "0", 1).replace("pub-27", ""),
    ];
    HEADER.to_owned() + &rows.concat()
}

/// What is not as the report would have it.
fn make_odd(at: &Workplace) {
    let images = |id: i64, text: &str| {
        at.sql(&format!("UPDATE venues SET venue_images = '{text}' WHERE id = {id}"));
    };
    let trivia = |id: i64, text: &str| {
        at.trivia_sql(&format!("UPDATE venues SET google_place_images = '{text}' WHERE id = {id}"));
    };
    images(12, &format!("[ {THEIRS} ,\n7 ]"));
    let path = |ta, number| url(at, ta, number).replace(&at.sandbox.origin.base_url(), "");
    trivia(5, &format!(r#"[{{"local_path": "{}"}}, {{"local_path": "/new.jpg"}}]"#, path(4, 1)));
    at.sql("UPDATE venues SET slug = 'moved' WHERE id = 16; DELETE FROM venues WHERE id = 17");
    at.trivia_sql("DELETE FROM venues WHERE id = 9");
    trivia(
        10,
        r#"[{"local_path": "/ok.jpg", "width": 640, "height": 480}, {"position": 2}, {"local_path": "/a/../b"}]"#,
    );
    trivia(11, r#"{"local_path": "/x.jpg"}"#);
    images(22, r#"{"url": "/x.jpg"}"#);
    let (one, two) = (url(at, 13, 1), url(at, 13, 2));
    images(
        23,
        &format!(
            r#"[{{"url": "{one}", "source": "google"}}, {{"url": "https://cdn/2", "original_tigris_url": "{two}"}}]"#
        ),
    );
    at.sql("UPDATE venues SET city_id = NULL WHERE id = 26");
}

/// The addresses that each venue is to get, in their order.
fn expected(at: &Workplace) -> BTreeMap<i64, Vec<String>> {
    let base = at.sandbox.origin.base_url();
    BTreeMap::from([
        (11, vec![url(at, 1, 1), url(at, 1, 2), url(at, 1, 3)]),
        (12, vec![url(at, 3, 1)]),
        (13, vec![url(at, 4, 1), url(at, 4, 2), format!("{base}/new.jpg")]),
        (15, vec![url(at, 2, 1), url(at, 2, 2)]),
        (19, vec![format!("{base}/ok.jpg")]),
        (23, vec![url(at, 13, 3)]),
        (26, vec![url(at, 16, 1)]),
    ])
}

/// What is said of those that get nothing: venue, Trivia Advisor's venue, which of its images, and why.
fn left_out() -> Value {
    let left = |venue: i64, ta: i64, image: Option<u32>, why: &str| json!({"venue_id": venue, "trivia_advisor_id": ta, "image": image, "why": why});
    json!([
        left(14, 6, None, "the two lie 60.0 km apart"),
        left(16, 7, None, "its slug is \"moved\" now; the report says \"pub-16\""),
        left(17, 8, None, "there is no such venue any more"),
        left(18, 9, None, "Trivia Advisor has no such venue"),
        left(19, 10, Some(1), "it has no local_path"),
        left(19, 10, Some(2), "its local_path has a segment . or .."),
        left(21, 11, None, "google_place_images is not an array"),
        left(22, 12, None, "venue_images is not an array"),
        left(27, 17, None, "its slug is \"pub-27\" now; the report says \"\""),
    ])
}

fn elements(text: &str) -> Vec<String> {
    ledger::images::Array::parse(text).unwrap().elements().map(str::to_owned).collect()
}

/// Without what a `null` says.
fn plain(mut left: Value) -> Value {
    for left in left.as_array_mut().unwrap() {
        left.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    left
}

fn every_oddity(kind: Kind) {
    // The sandbox fits what can be read; the program is given two lines more.
    let at = workplace(kind, &report().replace(",,27,", ",pub-27,27,"));
    write(&at, &(report() + "slug_only,pub-30,30x,0,ta-30,30,1,1,a,b,0\nslug_only,pub-31\n"));
    // The row that the sandbox was made from has a slug, the report that is populated from has none.
    at.sql("UPDATE venues SET slug = 'pub-27' WHERE id = 27");
    make_odd(&at);
    let before = at.rows();

    let args = ["populate", "--matches", "report.csv", "--target", "production", "--format", "json"];
    let preview = at.run_idle(&[&args[..], &["--dry-run"]].concat()).code(0);
    let said = preview.json();
    assert_eq!((&said["venues"], &said["images"]), (&json!(7), &json!(12)), "{preview}");
    assert_eq!(said["matched_rows"], 16, "{preview}");
    assert_eq!(plain(said["left_out"].clone()), plain(left_out()), "{preview}");
    assert_eq!(said["unreadable_lines"], json!([19, 20]), "{preview}");
    let pairs = |list: &str| {
        let pairs = said[list].as_array().unwrap().iter();
        pairs.map(|pair| json!([pair["venue_id"], pair["kilometres"], pair["left_out"]])).collect::<Vec<_>>()
    };
    assert_eq!(pairs("far"), [json!([14, 60.0, true])], "{preview}");
    assert_eq!(pairs("unmeasured"), [json!([15, null, false])], "{preview}");

    let ran = populate(&at, &[])
        .code(10)
        .says("and Trivia Advisor 6 \"Pub 6\" (ta-6): 60.0 km; matched by slug_only");
    let tally = &ran.json()["runs"][0]["tally"];
    let is = |key: &str| tally[key].as_u64().unwrap_or_else(|| panic!("{key}: {ran}"));
    assert_eq!((is("venues"), is("done"), is("left_out"), is("failed"), is("drifted")), (14, 12, 9, 0, 0));
    let after = at.rows();
    every_venue_has_its_own(&at, &before, &after);

    // Twice changes nothing, and starts no run.
    for _ in 0..2 {
        let head = at.head();
        let again = populate(&at, &[]).code(10);
        assert_eq!((at.rows(), at.head(), again.json()["runs"].clone()), (after.clone(), head, json!([])));
    }

    let run = run_of(&ran);
    at.run(&["rollback", "--run", &run, "--yes"]).code(0).says("7 of 7 venues restored.");
    for (id, row) in &before {
        assert_eq!(at.rows()[id].images, row.images, "venue {id}, to the letter");
    }
    at.run(&["ledger", "verify"]).code(0);
}

fn every_venue_has_its_own(
    at: &Workplace,
    before: &crate::support::program::Rows,
    after: &crate::support::program::Rows,
) {
    let expected = expected(at);
    for (id, row) in before {
        let Some(urls) = expected.get(id) else {
            assert_eq!(&after[id], row, "venue {id} gets nothing");
            continue;
        };
        let was = row.images.as_deref().map_or(Vec::new(), elements);
        let is = elements(after[id].images.as_deref().unwrap());
        assert_eq!(is[..was.len()], was[..], "venue {id} keeps what it had");
        assert_ne!(after[id].updated_at, row.updated_at, "venue {id}");
        let added: Vec<Value> =
            is[was.len()..].iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let found: Vec<&str> = added.iter().map(|entry| entry["url"].as_str().unwrap()).collect();
        assert_eq!(found, *urls, "venue {id}");
        for entry in &added {
            assert_eq!(entry["upload_status"], "external");
            assert_eq!(entry["source"], "trivia_advisor_migration");
            let at = entry["migrated_at"].as_str().unwrap();
            assert!(at.len() == 24 && at.ends_with('Z'), "milliseconds, UTC: {at}");
            assert_eq!(entry.as_object().unwrap().len(), 6, "{entry}");
        }
    }
    let ok: Value = serde_json::from_str(&elements(after[&19].images.as_deref().unwrap())[0]).unwrap();
    assert_eq!((&ok["width"], &ok["height"]), (&json!(640), &json!(480)));
}

#[test]
fn c1_every_oddity_of_a_report_has_its_outcome_on_sqlite() {
    every_oddity(Kind::Sqlite);
}

#[test]
fn c1_every_oddity_of_a_report_has_its_outcome_on_postgres() {
    every_oddity(Kind::Postgres);
}

#[test]
fn c1_a_text_that_is_no_json_at_all_is_left_out_and_said() {
    let at = workplace(
        Kind::Sqlite,
        &(HEADER.to_owned() + &matched(1, 11, "0", 1) + &matched(2, 12, "0", 1) + &matched(3, 13, "0", 1)),
    );
    at.sql("UPDATE venues SET venue_images = '[{' WHERE id = 11");
    at.trivia_sql("UPDATE venues SET google_place_images = '[{\"local_path\": ' WHERE id = 2");
    let before = at.rows();
    let ran = populate(&at, &[]).code(10);
    let ran = ran.says("Venue 11, Trivia Advisor 1: left out: venue_images is not an array.");
    ran.says("Venue 12, Trivia Advisor 2: left out: google_place_images is not an array.");
    let after = at.rows();
    assert_eq!((&after[&11], &after[&12]), (&before[&11], &before[&12]));
    assert!(after[&13].images.as_deref().unwrap().contains("ta-3"));
}

/// A report whose ids went through floats, as spreadsheets and data frames write them.
fn ids_that_were_floats(kind: Kind) {
    let whole = HEADER.to_owned() + &matched(1, 11, "0.5", 1) + &matched(2, 12, "1", 2);
    let at = workplace(kind, &whole);
    write(
        &at,
        &whole.replace(",11,", ",11.0,").replace(",12,", ",1.2E+01,").replace(",2,0.85,", ",2.0,0.85,"),
    );
    let ran = populate(&at, &[]).code(0);
    assert_eq!(ran.json()["runs"][0]["tally"]["done"], 3, "{ran}");
    let has = |id: i64, ta: &str| at.rows()[&id].images.as_deref().unwrap().contains(ta);
    assert!(has(11, "/ta-1/") && has(12, "/ta-2/"));
}

#[test]
fn d4_ids_that_were_floats_are_populated_on_sqlite() {
    ids_that_were_floats(Kind::Sqlite);
}

#[test]
fn d4_ids_that_were_floats_are_populated_on_postgres() {
    ids_that_were_floats(Kind::Postgres);
}

#[test]
fn d4_a_report_that_cannot_be_used_is_an_error_and_a_part_that_cannot_is_told_once() {
    let two = HEADER.to_owned() + &matched(1, 11, "0", 1) + &matched(2, 12, "0", 1) + &matched(3, 13, "0", 1);
    let at = workplace(Kind::Sqlite, &two);
    let args = ["populate", "--matches", "report.csv", "--dry-run"];
    let broken = two.replace(",11,", ",11.5,").replace(",12,", ",12.5,");
    write(&at, &broken);
    let ran = at.run_idle(&args).code(0).says("2 rows, the first on line 2, cannot be read");
    assert_eq!(ran.stderr.matches("no whole number").count(), 1, "{ran}");
    write(&at, &broken.replace(",13,", ",\"1,300\","));
    let ran = at.run_idle(&args).code(2).says("nothing of the matching report report.csv can be used");
    ran.says("line 4 cannot be read: its ea_id has a comma").says("2 rows, the first on line 2");
    for (separator, words) in [(";", "semicolons"), ("\t", "tabs")] {
        write(&at, &two.replace(',', separator));
        at.run_idle(&args).code(2).says(words).says("save it as a CSV with commas, in UTF-8");
        let sandbox = ["sandbox", "--dir", "another", "--matches", "report.csv"];
        at.run_idle(&sandbox).code(2).says(words);
    }
}
