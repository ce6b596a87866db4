//! Arbitrary arrays, as raw text: what a database may hold, and what no writer of ours would ever write.

use proptest::prelude::*;
use proptest::sample::select;

use crate::images::CdnFacts;
use crate::timestamp::Timestamp;

/// Space that JSON allows between its parts.
fn space() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", " ", "\n\t", "  "])
}

/// A string's raw text, quotes included.
fn string() -> impl Strategy<Value = String> {
    select(vec![
        r#""""#,
        r#""a""#,
        r#""\u0061""#,
        r#""żółw 🐢""#,
        r#""\ud800""#,
        r#""\\\" ]},{[""#,
        r#""\u0000""#,
        r#""url""#,
    ])
    .prop_map(str::to_owned)
}

/// Any JSON value's raw text.
pub fn value() -> impl Strategy<Value = String> {
    let numbers = select(vec![
        "0",
        "-0.0",
        "1.50",
        "1e400",
        "1234567890123456789012345678901234567890",
        "0.1000000000000000055",
        "true",
        "null",
    ]);
    let leaf = prop_oneof![
        numbers.prop_map(str::to_owned),
        string(),
        (1..400_usize).prop_map(|deep| format!("{}{}", "[".repeat(deep), "]".repeat(deep))),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), space())
                .prop_map(|(all, space)| format!("[{}]", all.join(&format!("{space},")))),
            (prop::collection::vec((string(), inner), 0..4), space())
                .prop_map(|(members, space)| object(&members, space, space)),
        ]
    })
}

fn object(members: &[(String, String)], before: &str, after: &str) -> String {
    let members: Vec<_> =
        members.iter().map(|(key, value)| format!("{before}{key}{after}:{before}{value}")).collect();
    format!("{{{}{after}}}", members.join(","))
}

/// Keys of others beside ours, the same one twice included.
fn unknown() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = select(vec![r#""theirs""#, r#""théirs""#, r#""\ud800""#, r#""URL""#, r#""""#]);
    prop::collection::vec((key.prop_map(str::to_owned), value()), 0..3)
}

/// An entry that `migrate` takes: ours and external, in any order and spelling, some of our keys missing.
pub fn movable() -> impl Strategy<Value = String> {
    let must = [("\"upload_status\"", "\"external\""), ("\"sourc\\u0065\"", "\"trivia_advisor_migration\"")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec();
    let may = |key: &'static str, values: Vec<&'static str>| {
        prop::option::of(select(values)).prop_map(move |value| value.map(|v| (key.to_owned(), v.to_owned())))
    };
    let ours = (
        may("\"url\"", vec![r#""https://o/a.jpg""#, r#""https://o/b.jpg""#, "7", r#"{"x": []}"#]),
        may("\"width\"", vec!["null", "80"]),
        may("\"height\"", vec!["null", "60.0"]),
        may("\"migrated_at\"", vec![r#""2026-01-01T00:00:00.000Z""#, "null"]),
        may("\"imagekit_file_id\"", vec!["null", r#""old""#]),
    );
    let all = (Just(must), ours, unknown()).prop_map(|(must, (a, b, c, d, e), unknown)| {
        must.into_iter().chain([a, b, c, d, e].into_iter().flatten()).chain(unknown).collect::<Vec<_>>()
    });
    (all.prop_shuffle(), space(), space()).prop_map(|(all, before, after)| object(&all, before, after))
}

/// What the CDN says of the file of the `n`th entry. The id is in no array that others wrote.
pub fn facts(n: usize) -> impl Strategy<Value = CdnFacts> {
    let url = select(vec!["https://ik/a.jpg", "https://o/a.jpg", "https://ik/ż\"\\.jpg", ""]);
    (url, 1..99_u32, 1..99_u32, 0..3_i64).prop_map(move |(url, width, height, millis)| CdnFacts {
        url: url.to_owned(),
        file_id: format!("file-{n}"),
        width,
        height,
        uploaded_at: Timestamp::from_millis(millis),
    })
}

/// An array's raw text.
pub fn array(elements: &[String], space: &str) -> String {
    format!("{space}[{space}{}{space}]{space}", elements.join(&format!("{space},{space}")))
}

/// Any array, a third of it to be moved.
pub fn elements() -> impl Strategy<Value = (Vec<String>, &'static str)> {
    let element = prop_oneof![2 => value(), 1 => movable()];
    (prop::collection::vec(element, 0..9), space())
}
