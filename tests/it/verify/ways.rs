//! Measuring, and the ways in which the answer is written.

use serde_json::json;

use super::{POLAND, migrated, ours};
use crate::support::stage::Kind;

#[test]
fn c7_origin_and_cdn_are_measured_by_turns() {
    let at = migrated(Kind::Sqlite);
    // As far away as real ones: the stand-in's CDN makes each picture anew, which no real one does.
    at.order("origin=late:by=60");
    let before = (at.requests("delivery"), at.requests("origin"));
    let here = [&POLAND[..], &["--compare", "--sample", "6", "--seed", "1", "--rounds", "2"]].concat();
    let ran = at.run_json(&here).code(0);
    // One cold request and two warm ones, an image and side.
    let asked = (at.requests("delivery") - before.0, at.requests("origin") - before.1);
    assert_eq!(asked, (18, 18), "{ran}");
    let comparison = &ran.json()["comparison"];
    assert_eq!((comparison["images"].as_u64(), comparison["rounds"].as_u64()), (Some(6), Some(2)), "{ran}");
    for temperature in ["cold", "warm"] {
        for what in ["first_byte_ms", "total_ms", "bytes"] {
            let line = &comparison[temperature][what];
            for side in ["origin_p50", "origin_p95", "cdn_p50", "cdn_p95"] {
                assert!(line[side].as_f64().is_some_and(|value| value > 0.0), "{temperature} {what}: {ran}");
            }
            let (origin, cdn) = (line["origin_p50"].as_f64().unwrap(), line["cdn_p50"].as_f64().unwrap());
            let gain = (origin - cdn) / origin * 100.0;
            // The times are rounded, which a slow machine multiplies.
            let off = (line["gain_p50"].as_f64().unwrap() - gain).abs();
            assert!(off <= 0.03 * (100.0 + gain.abs()) || origin < 1.0, "{ran}");
        }
        let bytes = &comparison[temperature]["bytes"];
        assert!(bytes["cdn_p50"].as_f64() < bytes["origin_p50"].as_f64(), "both were asked for WebP: {ran}");
    }
    assert_eq!(comparison["delivery"], "as_hoped", "{ran}");
    assert_eq!(comparison["advice"], json!({"verdict": "go_on", "reasons": []}), "{ran}");
    at.run(&here).code(0).says("Origin against CDN").says("Advice: go on.").says("No findings.");

    let completed = ours(&at, "PL").into_iter().find(|ours| ours.is("completed")).unwrap();
    at.sandbox.origin.remove(&completed.origin_path(&at));
    let venue = completed.venue.to_string();
    let ran = at.run_json(&["verify", "--venue-id", &venue, "--compare", "--rounds", "1"]).code(13);
    assert!(super::found(&ran).contains(&completed.found("fallback_gone")), "{ran}");
}

#[test]
fn c7_slower_delivery_is_a_finding_with_its_advice() {
    let at = migrated(Kind::Sqlite);
    let here = [&POLAND[..], &["--compare", "--sample", "4", "--seed", "1"]].concat();
    at.order("delivery=late:by=80");
    let slower = at.run_json(&here).code(13);
    let (answer, comparison) = (slower.json(), &slower.json()["comparison"]);
    assert_eq!((&answer["findings_total"], &answer["kinds"]), (&json!(1), &json!({"slower_delivery": 1})));
    let finding = &answer["findings"][0];
    assert_eq!(
        (&finding["venue"], &finding["image"], &finding["url"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert!(finding["expected"].as_str().unwrap().contains("origin"), "{slower}");
    assert_eq!(
        (&comparison["delivery"], &comparison["advice"]["verdict"]),
        (&json!("slower"), &json!("roll_back"))
    );
    let said = at.run(&here).code(13).says("Advice: roll back: delivery has become slower.");
    said.says("slower_delivery").says("1 finding: slower_delivery 1.");
    // The picture comes in pieces: its first byte is as quick as ever.
    at.order("delivery=none\norigin=late:by=40\ndelivery=slow:bytes=4096:every=40");
    let pieces = at.run_json(&here).code(13).json();
    assert_eq!(pieces["comparison"]["delivery"], "slower", "{pieces}");
    let first_byte = &pieces["comparison"]["warm"]["first_byte_ms"]["gain_p50"];
    assert!(first_byte.as_f64().unwrap() > 0.0, "{pieces}");
}

#[test]
fn c7_what_was_not_measured_is_not_called_good() {
    let at = migrated(Kind::Sqlite);
    let compare = |place: &[&str], more: &[&str]| {
        at.run(&[&["verify"], place, &["--compare", "--format"], more].concat()).code(0)
    };
    let germany = ["--country", "Germany"];
    let nothing = compare(&germany, &["json"]);
    assert_eq!(nothing.json()["comparison"]["delivery"], "not_known", "{nothing}");
    assert!(nothing.json()["comparison"]["advice"].is_null(), "{nothing}");
    let nothing =
        compare(&germany, &["table"]).says("Nothing was measured").says("There was nothing to look at.");
    assert!(!nothing.stdout.contains("No findings"), "{nothing}");
    // However slow, three requests are no measurement.
    at.order("delivery=late:by=80");
    let little = ["--sample", "1", "--seed", "1"];
    let little = compare(&["--country", "Poland"], &[&["table"], &little[..]].concat());
    assert!(!little.says("Too little to judge by").stdout.contains("Advice"));
    // A place without images of ours.
    let empty = at.rows().into_iter().find(|(_, row)| row.images.is_none()).unwrap().0.to_string();
    let empty = at.run(&["verify", "--venue-id", &empty]).code(0).says("There was nothing to look at.");
    assert!(!empty.stdout.contains("No findings"), "{empty}");
}

#[test]
fn c7_the_answer_is_written_in_every_format_and_to_files() {
    let at = migrated(Kind::Sqlite);
    let broken = ours(&at, "PL").into_iter().find(|ours| ours.is("completed")).unwrap();
    super::edit(&at, &broken, "url", r#""https://evil.example/\u001b[31m<b>.jpg""#);
    let venue = broken.venue.to_string();
    for (format, part) in [
        ("table", "forbidden_url"),
        ("csv", "forbidden_url"),
        ("markdown", "## Findings"),
        ("html", "<!doctype html>"),
        ("json", "\"forbidden_url\""),
    ] {
        let ran = at.run(&["verify", "--venue-id", &venue, "--format", format]).code(13).says(part);
        assert!(ran.stdout.contains("forbidden_url") && !ran.stdout.contains('\u{1b}'), "{ran}");
        let to_file = at.run(&["verify", "--venue-id", &venue, "--format", format, "-o", "answer"]).code(13);
        assert_eq!(to_file.stdout, "", "{to_file}");
        assert_eq!(std::fs::read_to_string(at.work().join("answer")).unwrap(), ran.stdout);
    }
}
