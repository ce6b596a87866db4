//! The table of requirement E1, row by row: what each kind of trouble comes to, and how often it was tried.

use crate::support::program::Ran;
use crate::support::site::Site;
use crate::support::stage::Kind;

/// A row: where and how it is provoked, the kind, whether it is skipped rather than failed, and `retry_count`.
type Row = (&'static str, &'static str, bool, u32);

/// Sees that image N of the site came to row N of the table, in `export failures` and in the events.
#[track_caller]
fn is_as_the_table_says(site: &Site, table: &[Row], ran: &Ran) {
    let failures = site.run_json(&["export", "failures"]).code(0).json();
    let failures = failures.as_array().unwrap();
    let events = site.events(&[]);
    for (index, (fault, kind, is_skipped, retries)) in table.iter().enumerate() {
        let url = site.url(&path(index));
        let it =
            failures.iter().find(|one| one["image_url"] == url).unwrap_or_else(|| panic!("{fault}: {ran}"));
        assert_eq!(
            (it["error_type"].as_str(), it["retry_count"].as_u64()),
            (Some(*kind), Some(u64::from(*retries))),
            "{fault}: {it}"
        );
        let name = if *is_skipped { "skipped" } else { "failed" };
        let venue = index as u64 + 1;
        let is_it = |event: &&serde_json::Value| event["event"][name]["venue"] == venue;
        let event = events.iter().find(is_it).unwrap_or_else(|| panic!("{fault} was not {name}: {ran}"));
        assert_eq!(event["event"][name]["attempts"], retries + 1, "{fault}");
        assert!(
            site.stage.images(venue as i64).unwrap().contains(&site.stage.entry(&path(index))),
            "{fault}: its entry stays"
        );
    }
    assert_eq!(failures.len(), table.len(), "{failures:?}");
}

fn path(index: usize) -> String {
    format!("/{index}.jpg")
}

/// A venue with one image for each row, and then one that nothing is wrong with.
fn site(rows: usize) -> Site {
    let site = Site::new(Kind::Sqlite);
    for index in 0..=rows {
        site.venue(index as i64 + 1, 1, &[&path(index)]);
    }
    site
}

const MIGRATE: [&str; 6] = ["migrate", "--country", "PL", "--yes", "--max-error-rate", "100"];

fn at_the_origin(table: &[Row]) {
    let site = site(table.len());
    for (index, (fault, ..)) in table.iter().enumerate() {
        site.stage.order(&format!("origin{}={fault}", path(index)));
    }
    let ran = site.run(&MIGRATE).code(10);
    is_as_the_table_says(&site, table, &ran);
    assert_eq!(site.paths().len(), 1, "the last is moved, and nothing else is stored: {ran}");
    // The same images, nothing being wrong with them any more.
    site.stage.order("origin=none");
    site.run(&MIGRATE).code(0);
    assert_eq!(site.paths().len(), table.len() + 1);
}

#[test]
fn e1_what_goes_wrong_at_the_origin_is_tried_as_the_table_says() {
    at_the_origin(&[
        ("cut:bytes=5000", "network", false, 3),
        ("closed", "network", false, 3),
        ("long_length", "network", false, 3),
        ("503", "origin_error", false, 3),
        ("404", "not_found", false, 0),
        ("410", "not_found", false, 0),
        ("403", "origin_denied", false, 0),
        ("451", "origin_denied", false, 0),
        ("redirect:to=http://localhost:1/a.jpg", "forbidden_url", false, 0),
        ("redirect:to=http://169.254.169.254/latest/meta-data", "forbidden_url", false, 0),
        ("redirect:to=https://elsewhere.example/a.jpg", "forbidden_url", false, 0),
        ("redirect:to=file:///etc/passwd", "forbidden_url", false, 0),
        ("endless", "file_too_large", true, 0),
        ("page", "invalid_image", true, 0),
        ("short_length", "invalid_image", true, 0),
    ]);
}

#[test]
fn e1_limits_loops_and_bombs_of_the_origin_are_tried_as_the_table_says() {
    at_the_origin(&[("502", "origin_error", false, 3), ("redirect", "origin_error", false, 3)]);
    at_the_origin(&[("bomb", "invalid_image", true, 0), ("302", "origin_error", false, 3)]);
}

#[test]
fn e1_what_goes_wrong_at_the_cdn_is_tried_as_the_table_says() {
    let table: [Row; 8] = [
        ("upload=500x4", "api_error", false, 3),
        ("upload=200x4", "api_error", false, 3),
        ("upload=413x1", "file_too_large", true, 0),
        (
            "upload=400x1:message=Your request contains invalid file parameter. The file size exceeds limits.",
            "file_too_large",
            true,
            0,
        ),
        ("upload=400x1:message=Your request failed 'checks' validation.", "rejected", false, 0),
        ("upload=misreportedx1", "integrity_mismatch", false, 0),
        ("upload=closedx4", "network", false, 3),
        ("delivery=404x4", "not_served", false, 3),
    ];
    let site = site(table.len());
    // One at a time, so that the orders come to the images in their order.
    for (fault, ..) in table {
        site.stage.order(fault);
    }
    let ran = site.run(&[&MIGRATE[..], &["--concurrency", "1"]].concat()).code(10);
    is_as_the_table_says(&site, &table, &ran);
    let failures = site.run_json(&["export", "failures"]).json().to_string();
    assert!(failures.contains("Your request failed 'checks' validation"), "the message is kept: {failures}");
    assert_eq!(
        site.paths().len(),
        2,
        "what is not served and what is well; the misreported one is removed again"
    );
    site.run(&MIGRATE).code(0);
    assert_eq!(site.paths().len(), table.len() + 1);
    assert!(site.stage.imagekit.files().iter().all(|file| file.versions == 1));
}

#[test]
fn e1_what_goes_wrong_at_the_database_is_tried_as_the_table_says() {
    let site = Site::new(Kind::Sqlite);
    for id in 1..=2 {
        site.venue(id, 1, &[&format!("/{id}.jpg")]);
    }
    site.stage.venue(3, "pub-3", 1, r#"{"url": "/no/array.jpg"}"#);
    site.forbid(1);
    // Planned, and then changed by someone else before it can be moved.
    site.stage.order("cdn=away");
    site.run(&[&MIGRATE[..], &["--patience", "0"]].concat()).code(11);
    let planned = site.stage.images(2).unwrap();
    site.stage.set_images(2, &planned.replacen("null", "640", 1));
    site.stage.order("cdn=none");
    let ran = site.run(&["resume"]).code(12);
    let failures = site.run_json(&["export", "failures"]).code(0).json();
    let told: Vec<_> = failures
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["venue_id"].as_u64().unwrap(),
                one["error_type"].as_str().unwrap(),
                one["retry_count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [(1, "catalog_error", 3), (2, "drifted", 0), (3, "bad_data", 0)], "{ran}");
}
