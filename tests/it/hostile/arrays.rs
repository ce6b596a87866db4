//! Arrays of wrong shapes, and elements that nobody would write on purpose.

use super::world::{Body, Fate, Forge, Held};

const FORTY: &str = "1234567890123456789012345678901234567890";
const DEEP: usize = 3_000;

/// One of each.
pub fn bodies(forge: &Forge<'_>) -> Vec<Body> {
    let mut all = no_arrays();
    all.extend(nothing_of_ours());
    all.extend(ours_among_others(forge));
    all.extend(odd_entries_of_ours(forge));
    all.extend(what_only_sqlite_holds(forge));
    all
}

fn no_arrays() -> Vec<Body> {
    let deep = format!("{}1{}", "{\"a\": ".repeat(DEEP), "}".repeat(DEEP));
    let texts = [
        "null",
        "true",
        "0",
        FORTY,
        "\"\"",
        "\"[]\"",
        "\"<script>\"",
        "{}",
        "{\"0\": [], \"length\": 1}",
        &deep,
    ];
    texts.into_iter().map(|text| Body::bad(format!("no array: {text:.40}"), text)).collect()
}

fn nothing_of_ours() -> Vec<Body> {
    let of = |what: &str, text: &str, elements: usize| Body::text(what, text, vec![Fate::NotOurs; elements]);
    vec![
        Body { held: Held::Null, ..of("NULL", "", 0) },
        of("an empty array", "[]", 0),
        of("scalars", &format!("[null, true, 1, -0.{FORTY}, {FORTY}, \"x\", [[[]]], {{}}]"), 8),
        of("a deep element", &format!("[{}{}]", "[".repeat(DEEP), "]".repeat(DEEP)), 1),
        of(
            "the key in another case",
            r#"[{"URL": "x", "Source": "trivia_advisor_migration", "upload_status": "external"}]"#,
            1,
        ),
        of(
            "our entry one level down",
            r#"[[{"url": "x", "source": "trivia_advisor_migration", "upload_status": "external"}]]"#,
            1,
        ),
        of(
            "our entry as a text",
            r#"["{\"source\": \"trivia_advisor_migration\", \"upload_status\": \"external\"}"]"#,
            1,
        ),
        of(
            "statuses of other types",
            r#"[{"source": ["trivia_advisor_migration"], "upload_status": {"external": 1}}]"#,
            1,
        ),
        of(
            "a source that only begins like ours",
            r#"[{"source": "trivia_advisor_migration\u001b[2J", "upload_status": "external"}]"#,
            1,
        ),
        of(
            "another status",
            r#"[{"source": "trivia_advisor_migration", "upload_status": "completed", "url": "javascript:alert(1)"}]"#,
            1,
        ),
    ]
}

/// An entry of ours, well, beside elements of others that must survive to the letter.
fn ours_among_others(forge: &Forge<'_>) -> Vec<Body> {
    let deep = format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let deep_object = format!("{}null{}", "{\"\": ".repeat(DEEP), "}".repeat(DEEP));
    let many =
        format!("{{{}}}", (0..2_000).map(|n| format!("\"k{n}\": {n}.50")).collect::<Vec<_>>().join(", "));
    let others = [
        ("a deep element", deep),
        ("a deep object", deep_object),
        ("a number of forty digits", FORTY.to_owned()),
        ("a fraction of forty digits", format!("-0.{FORTY}")),
        ("zeros at a number's end", "[1.0, 1.00, 0.1000000000000000055]".to_owned()),
        ("a text of 30 kB", format!("\"{}\"", "<b>".repeat(10_000))),
        ("an object of 2,000 keys", many),
        ("control characters", r#"{"\u001b[2J": "\u001b]0;x\u0007", "\u202e": "\u0085\u2028"}"#.to_owned()),
        ("markup and formulas as keys", r#"{"<script>": "=1+1", "__proto__": {"x": 1}, "": ""}"#.to_owned()),
        ("another source with our URL", forge.good(0).replace("trivia_advisor_migration", "google")),
        ("a status in capitals", forge.good(0).replace("external", "EXTERNAL")),
        ("ours already completed", forge.good(0).replace("\"external\"", "\"completed\"")),
    ];
    let body = |(what, other): (&str, String)| {
        Body::of(
            format!("beside ours, {what}"),
            vec![(other.clone(), Fate::NotOurs), forge.fine(), (other, Fate::NotOurs)],
        )
    };
    let mut all: Vec<Body> = others.into_iter().map(body).collect();
    let crowd = (0..1_000).map(|n| (format!("{{\"n\": {n}}}"), Fate::NotOurs)).chain([forge.fine()]);
    all.push(Body::of("ours behind 1,000 others", crowd.collect()));
    all.push(Body::of("forty twins", vec![forge.fine(); 40]));
    all
}

/// Entries that are ours by source and status, and odd in all else. Their URLs are fit to be fetched.
fn odd_entries_of_ours(forge: &Forge<'_>) -> Vec<Body> {
    let good = forge.good(1);
    let with = |key: &str, value: &str| {
        good.replace("\"migrated_at\"", &format!("\"{key}\": {value}, \"migrated_at\""))
    };
    let deep = format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let instead = |value: &str| good.replace("\"width\": null", &format!("\"width\": {value}"));
    let odd = [
        ("a deep key", with("deep", &deep)),
        ("a number of forty digits", with("n", FORTY)),
        ("keys that are markup", with("<img src=x onerror=alert(1)>", "\"=1+1\"")),
        ("keys that steer a terminal", with(r"\u001b[2J\u202e", r#""\u009b2J""#)),
        ("a key of ours that comes later", with("imagekit_file_id", "\"../../../v1/files\"")),
        ("an original that is no URL", with("original_tigris_url", "[1]")),
        ("a width that is a text", instead("\"=1+1\"")),
        ("a width below nothing", instead("-1")),
        ("a width of forty digits", instead(FORTY)),
        ("a width that is an array", instead("[[]]")),
        ("a time that is none", good.replace("2026-01-01T00:00:00.000Z", "<yesterday>")),
        ("nothing but what makes it ours", {
            let url = good.split(", \"width\"").next().unwrap();
            format!("{url}, \"source\": \"trivia_advisor_migration\", \"upload_status\": \"external\"}}")
        }),
        ("30 kB of its own", with("x", &format!("\"{}\"", "y".repeat(30_000)))),
    ];
    let body =
        |(what, entry): (&str, String)| Body::of(format!("ours with {what}"), vec![(entry, Fate::Moved)]);
    odd.into_iter().map(body).collect()
}

/// Texts that jsonb refuses or tidies, and bytes that are no text at all.
fn what_only_sqlite_holds(forge: &Forge<'_>) -> Vec<Body> {
    let good = forge.good(2);
    let fine = |entry: String| (entry, Fate::Moved);
    let other = |text: &str| (text.to_owned(), Fate::NotOurs);
    let deeper = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let arrays = [
        Body::of(
            "half a surrogate pair beside ours",
            vec![other(r#""\ud800""#), fine(good.clone()), other(r#"{"\udfff": 1}"#)],
        ),
        Body::of(
            "half a surrogate pair in ours",
            vec![fine(good.replace("\"width\"", r#""\ud800": "\udc00\u0000", "width""#))],
        ),
        Body::of(
            "half a surrogate pair as the URL",
            vec![(forge.entry(r#""\ud800""#), Fate::Stopped("forbidden_url"))],
        ),
        Body::of(
            "NUL in the URL",
            vec![(forge.entry(r#""\u0000http://evil.invalid/""#), Fate::Stopped("forbidden_url"))],
        ),
        Body::of(
            "a number without an end",
            vec![
                other("1e999"),
                fine(good.replace("\"height\": null", "\"height\": 1e999")),
                other("-1E+400"),
            ],
        ),
        Body::of("keys twice", vec![other(r#"{"a": 1, "a": 1.0}"#), fine(good.clone())]),
        Body::of(
            "a key of ours twice",
            vec![
                other(&good.replace("\"width\": null", "\"url\": \"http://evil.invalid/\"")),
                fine(good.clone()),
            ],
        ),
        Body::of(
            "a depth of 20,000",
            vec![other(&deeper), fine(good.replace("\"width\"", &format!("\"deep\": {deeper}, \"width\"")))],
        ),
        Body::text(
            "spaces anywhere",
            format!("\n\t[ 7 ,\r\n{}\t, {{ }} ]\n ", good.replace("\": ", "\"\n:\t")),
            vec![Fate::NotOurs, Fate::Moved, Fate::NotOurs],
        ),
    ];
    let broken = [
        "",
        " ",
        "not JSON",
        "[",
        "[1,]",
        "[1] x",
        "[{\"url\": \"x\"}",
        "[\u{1b}]",
        "{\"a\": 1,}",
        "\u{feff}[]",
        "[\"\u{1}\"]",
    ];
    let broken = broken.into_iter().map(|text| Body::bad(format!("no JSON: {text:?}"), text));
    let cut = Body::bad("cut off in the middle of ours", &good[..good.len() / 2]);
    let bytes = |what: &str, bytes: &[u8]| Body { held: Held::Bytes(bytes.to_vec()), ..Body::bad(what, "") };
    let beside = [b"[\"\xff\xfe\", ".as_slice(), good.as_bytes(), b"]"].concat();
    let inside =
        [b"[".as_slice(), good.replace("\"width\"", "\"x\": \"?\", \"width\"").as_bytes(), b"]"].concat();
    let inside: Vec<u8> = inside.into_iter().map(|byte| if byte == b'?' { 0xc3 } else { byte }).collect();
    let no_text = [
        bytes("no UTF-8 beside ours", &beside),
        bytes("no UTF-8 inside ours", &inside),
        bytes("no UTF-8 at all", b"\xff\xd8\xff\xe0"),
        bytes("half a character", b"[]\xe2\x82"),
        bytes("a surrogate in three bytes", b"[\"\xed\xa0\x80\"]"),
    ];
    arrays.into_iter().chain(broken).chain([cut]).chain(no_text).map(Body::for_sqlite_only).collect()
}
