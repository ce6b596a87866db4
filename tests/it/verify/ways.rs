//! Measuring, and the ways in which the answer is written.

use super::{POLAND, migrated, ours};
use crate::support::stage::Kind;

#[test]
fn c7_origin_and_cdn_are_measured_by_turns() {
    let at = migrated(Kind::Sqlite);
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
    at.run(&here).code(0).says("Origin against CDN").says("No findings.");

    let completed = ours(&at, "PL").into_iter().find(|ours| ours.is("completed")).unwrap();
    at.sandbox.origin.remove(&completed.origin_path(&at));
    let venue = completed.venue.to_string();
    let ran = at.run_json(&["verify", "--venue-id", &venue, "--compare", "--rounds", "1"]).code(13);
    assert!(super::found(&ran).contains(&completed.found("fallback_gone")), "{ran}");
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
