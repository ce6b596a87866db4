//! The steps from one wire version's JSON to the next. What a step does is never changed once a ledger was written behind it.

use super::members::Members;

/// Version 1 to 2: what version 1 could not say gets the value that it meant by its silence.
pub(super) fn to_2(name: &str, event: &mut Members<'_>) {
    match name {
        "run_started" => {
            event.within("options", options);
            event.within("scope", scope);
        }
        "resumed" => {
            event.within("options", options);
            event.set("retry_images", [(); 0]);
            event.set("retry_venues", [(); 0]);
        }
        "planned" => {
            event.within("city", slug);
            event.within("country", slug);
        }
        "run_finished" => event.within("tally", |tally| tally.set("left_out", 0)),
        "cdn_deleted" => event.set("operator", ()),
        _ => {}
    }
}

/// Version 2 to 3: all that version 2 can say means the same.
pub(super) fn to_3(_name: &str, _event: &mut Members<'_>) {}

/// Version 3 to 4: a file that was found there may have been this ledger's own or somebody else's, which nobody can tell any
/// more. It counts as somebody else's, so that it is never deleted.
pub(super) fn to_4(name: &str, event: &mut Members<'_>) {
    match name {
        "run_started" | "resumed" => {
            event.within("options", |options| options.set("skip_tables", [(); 0]));
        }
        "uploaded" => acquired(event),
        "cdn_deleted" => event.set("tables_skipped", [(); 0]),
        _ => {}
    }
}

fn acquired(uploaded: &mut Members<'_>) {
    let acquired = match uploaded.get("found_done") {
        Some("false") => "sent",
        Some("true") => "adopted",
        // Left for the decoder to refuse.
        _ => return,
    };
    uploaded.remove("found_done");
    uploaded.set("acquired", acquired);
}

fn options(options: &mut Members<'_>) {
    // The patience was not written down; five minutes were the default.
    options.set("patience_ms", 300_000);
    options.set("input", ());
    options.set("distance_max_m", ());
    options.set("delete_cdn_files", false);
    // There was no brake yet; whoever goes on with such a run gets the usual one.
    options.set("error_rate_max_percent", 10);
    options.set("rate_per_second_max", ());
    options.set("allow_hosts", [(); 0]);
}

fn scope(scope: &mut Members<'_>) {
    scope.within("country", slug);
    scope.within("city", |of| {
        of.within("city", slug);
        of.within("country", slug);
    });
    scope.within("venue", |of| of.within("country", slug));
}

fn slug(place: &mut Members<'_>) {
    place.set("slug", ());
}
