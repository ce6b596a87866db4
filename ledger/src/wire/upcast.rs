//! The steps from one wire version's JSON to the next. A step is never changed once a ledger was written behind it.

use serde_json::{Value, json};

/// Version 1 to 2: what version 1 could not say gets the value that it meant by its silence.
pub(super) fn to_2(mut envelope: Value) -> Value {
    let Some(event) = envelope.get_mut("event").and_then(Value::as_object_mut) else { return envelope };
    for (name, body) in event {
        match name.as_str() {
            "run_started" => {
                within(body, "options", options);
                within(body, "scope", scope);
            }
            "resumed" => {
                within(body, "options", options);
                set(body, "retry_images", json!([]));
                set(body, "retry_venues", json!([]));
            }
            "planned" => {
                within(body, "city", slug);
                within(body, "country", slug);
            }
            "run_finished" => within(body, "tally", |tally| set(tally, "left_out", json!(0))),
            "cdn_deleted" => set(body, "operator", Value::Null),
            _ => {}
        }
    }
    envelope
}

/// Version 2 to 3: all that version 2 can say means the same.
pub(super) fn to_3(envelope: Value) -> Value {
    envelope
}

/// Version 3 to 4: a file that was found there may have been this ledger's own or somebody else's, which nobody can tell any
/// more. It counts as somebody else's, so that it is never deleted.
pub(super) fn to_4(mut envelope: Value) -> Value {
    let Some(event) = envelope.get_mut("event").and_then(Value::as_object_mut) else { return envelope };
    for (name, body) in event {
        match name.as_str() {
            "run_started" | "resumed" => {
                within(body, "options", |options| set(options, "skip_tables", json!([])));
            }
            "uploaded" => acquired(body),
            "cdn_deleted" => set(body, "tables_skipped", json!([])),
            _ => {}
        }
    }
    envelope
}

fn acquired(uploaded: &mut Value) {
    let Some(members) = uploaded.as_object_mut() else { return };
    let acquired = match members.get("found_done") {
        Some(Value::Bool(false)) => "sent",
        Some(Value::Bool(true)) => "adopted",
        // Left for the decoder to refuse.
        _ => return,
    };
    members.remove("found_done");
    members.insert("acquired".to_owned(), json!(acquired));
}

fn options(options: &mut Value) {
    // The patience was not written down; five minutes were the default.
    set(options, "patience_ms", json!(300_000));
    set(options, "input", Value::Null);
    set(options, "distance_max_m", Value::Null);
    set(options, "delete_cdn_files", json!(false));
    // There was no brake yet; whoever goes on with such a run gets the usual one.
    set(options, "error_rate_max_percent", json!(10));
    set(options, "rate_per_second_max", Value::Null);
    set(options, "allow_hosts", json!([]));
}

fn scope(scope: &mut Value) {
    for (kind, of) in scope.as_object_mut().into_iter().flatten() {
        match kind.as_str() {
            "country" => slug(of),
            "city" => {
                within(of, "city", slug);
                within(of, "country", slug);
            }
            "venue" => within(of, "country", slug),
            _ => {}
        }
    }
}

fn slug(place: &mut Value) {
    set(place, "slug", Value::Null);
}

/// Does something to a member, if it is there.
fn within(of: &mut Value, name: &str, with: impl FnOnce(&mut Value)) {
    of.get_mut(name).map(with);
}

/// Adds a member to an object; what is no object is left for the decoder to refuse.
fn set(of: &mut Value, name: &str, value: Value) {
    if let Some(members) = of.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
