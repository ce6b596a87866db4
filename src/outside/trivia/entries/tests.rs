//! What comes out of other people's paths and numbers.

use ledger::images::{Entry, movable, same_entry};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const BASE: &str = "https://cdn.example";

fn at() -> Timestamp {
    Timestamp::from_millis(1_795_362_000_007)
}

fn base(text: &str) -> Url {
    text.parse().unwrap()
}

fn convert(images: &str) -> Converted {
    let ta = TaVenue { id: 1, slug: None, images: Some(images.to_owned()) };
    entries(&ta, &base(BASE), at()).unwrap()
}

#[test]
fn c1_an_image_becomes_an_external_entry() {
    let converted = convert(
        r#"[{"local_path": "/u/x/1.jpg", "original_url": "https://g/1", "google_ref": "r", "position": 1,
             "fetched_at": "2025-01-01T00:00:00Z", "width": 640, "height": 480},
            {"local_path": "\/u/x/2.jpg"}]"#,
    );
    assert_eq!(converted.left_out, []);
    let [first, second] = converted.entries.as_slice() else { panic!("{converted:?}") };
    assert_eq!(first.url, "https://cdn.example/u/x/1.jpg");
    assert_eq!(
        first.text,
        r#"{"url": "https://cdn.example/u/x/1.jpg", "upload_status": "external", "width": 640, "height": 480, "source": "trivia_advisor_migration", "migrated_at": "2026-11-22T15:40:00.007Z"}"#
    );
    let unsized_text = first.text.replace("640", "null").replace("480", "null").replace("1.jpg", "2.jpg");
    assert_eq!(second.text, unsized_text);
    let array = format!("[{}, {}]", first.text, second.text);
    assert_eq!(movable(&array).unwrap(), [&first.text, &second.text], "migrate takes them");
}

#[test]
fn c1_sides_are_copied_only_where_they_are_positive_whole_numbers() {
    for side in
        ["0", "-1", "640.0", "6.4e2", "4294967296", "12345678901234567890123", "\"640\"", "null", "[640]"]
    {
        let converted = convert(&format!(r#"[{{"width": {side}, "height": 7, "local_path": "/a"}}]"#));
        assert!(converted.entries[0].text.contains(r#""width": null, "height": 7"#), "{side}: {converted:?}");
    }
    let converted = convert(r#"[{"height": 4294967295, "width": 1, "local_path": "/a"}]"#);
    assert!(converted.entries[0].text.contains(r#""width": 1, "height": 4294967295"#), "{converted:?}");
}

#[test]
fn c1_an_element_without_a_path_is_left_out_and_the_rest_goes_on() {
    let deep = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
    let converted = convert(&format!(
        r#"[7, "/a.jpg", ["/a.jpg", 1, 2], null, {{}}, {{"local_path": null}}, {{"local_path": 7}},
            {{"local_path": "\ud800"}}, {{"local_path": "/a", "local_path": "/b"}}, {{"Local_Path": "/a"}},
            {{"x": {deep}, "n": 1e999, "local_path": "/fine", "s": "\ud800"}}]"#
    ));
    let urls: Vec<_> = converted.entries.iter().map(|entry| entry.url.as_str()).collect();
    assert_eq!(urls, ["https://cdn.example/fine"]);
    let left_out: Vec<_> = converted.left_out.iter().map(|left| (left.index, left.why.as_str())).collect();
    let (no_object, no_path) = ("it is no object", "it has no local_path");
    assert_eq!(
        left_out,
        [
            (0, no_object),
            (1, no_object),
            (2, no_object),
            (3, no_object),
            (4, no_path),
            (5, no_path),
            (6, "its local_path is no text"),
            (7, "its local_path is no text"),
            (8, "it has a key twice, or one that is no valid Unicode"),
            (9, no_path),
        ]
    );
}

#[test]
fn c1_null_has_no_images_and_anything_else_is_no_array() {
    let ta = |images: Option<&str>| TaVenue { id: 1, slug: None, images: images.map(str::to_owned) };
    let none = Converted { entries: vec![], left_out: vec![] };
    assert_eq!(entries(&ta(None), &base(BASE), at()), Ok(none.clone()));
    assert_eq!(entries(&ta(Some(" [] ")), &base(BASE), at()), Ok(none));
    for text in ["null", "{}", "\"[]\"", "", "[", "7"] {
        assert_eq!(entries(&ta(Some(text)), &base(BASE), at()), Err(NotAnArray), "{text}");
    }
}

#[test]
fn c1_a_path_is_escaped_where_it_must_be_and_stays_otherwise() {
    for (path, escaped) in [
        ("/a.jpg", "/a.jpg"),
        ("/a b.jpg", "/a%20b.jpg"),
        ("/a%20b.jpg", "/a%20b.jpg"),
        ("/ü.jpg", "/%C3%BC.jpg"),
        ("/x?y#z", "/x%3Fy%23z"),
        ("/100%.jpg", "/100%25.jpg"),
        ("/%zz%4", "/%25zz%254"),
        ("/%c3%bc", "/%c3%bc"),
        ("/@evil", "/@evil"),
        ("/a//b/", "/a//b/"),
        ("/...", "/..."),
        ("/a..b/.c", "/a..b/.c"),
        ("/a:b@c;d=e,(f)'!*+$&~", "/a:b@c;d=e,(f)'!*+$&~"),
        ("/[a]{b}|c^d`e<f>\"g\"", "/%5Ba%5D%7Bb%7D%7Cc%5Ed%60e%3Cf%3E%22g%22"),
        ("/https://evil.example/x", "/https://evil.example/x"),
        ("/\u{202e}gpj", "/%E2%80%AEgpj"),
    ] {
        assert_eq!(url(&base(BASE), path), Ok(format!("{BASE}{escaped}")), "{path}");
    }
}

#[test]
fn c1_a_path_that_leads_elsewhere_is_refused() {
    for path in [
        "",
        "/",
        "//",
        "//evil/x",
        "///x",
        "evil/x",
        "x",
        ".",
        "https://evil/x",
        "@evil",
        ":8080/x",
        " /x",
        "?x",
        "/..",
        "/../x",
        "/a/../x",
        "/a/..",
        "/.",
        "/./x",
        "/%2e%2e/x",
        "/%2E./x",
        "/.%2e",
        "/%2e",
        "/a%2f..%2fx",
        "/%252e%252e/x",
        "/%25252e./x",
        "/a\\b",
        "/\\evil/x",
        "/%5cevil",
        "/a%255cb",
        "/a\nb",
        "/a\0",
        "/a\tb",
        "/a%00",
        "/a%0ab",
        "/a%250d",
        "/\u{7f}",
        "/\u{85}",
        "/%c2%85",
        "/a\u{9b}2J",
    ] {
        assert!(url(&base(BASE), path).is_err(), "{path:?}");
    }
}

#[test]
fn c1_the_url_is_on_the_bases_host_scheme_and_port_and_carries_nothing_else_of_it() {
    for (text, expected) in [
        ("http://127.0.0.1:4000", "http://127.0.0.1:4000/a.jpg"),
        ("https://cdn.example:443/", "https://cdn.example/a.jpg"),
        ("https://CDN.example:8443/sub/", "https://cdn.example:8443/sub/a.jpg"),
        ("https://[::1]:8080/sub", "https://[::1]:8080/sub/a.jpg"),
        ("https://me:hunter2@cdn.example/?sig=hunter2#x", "https://cdn.example/a.jpg"),
    ] {
        assert_eq!(url(&base(text), "/a.jpg"), Ok(expected.to_owned()), "{text}");
    }
}

proptest! {
    #[test]
    fn c1_whatever_the_path_what_comes_out_is_safe(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "/", "//", ".", "..", "%", "%2e", "%2F", "%25", "2e", "\\", "@", ":", "?", "#", " ", "ü", "\n",
                    "\u{85}", "https://", "evil.example", "a", "[", "]", ";", "%00", "%C3%BC", "\u{202e}",
                ])
                .prop_map(str::to_owned),
                "\\PC{0,4}",
            ],
            0..10,
        ),
        is_rooted in any::<bool>(),
    ) {
        let path = format!("{}{}", if is_rooted { "/" } else { "" }, pieces.concat());
        let images = json!([{ "local_path": path, "width": 3 }]).to_string();
        let Converted { entries, left_out } = convert(&images);
        prop_assert_eq!(entries.len() + left_out.len(), 1);
        let Some(NewEntry { url, text }) = entries.first() else { return Ok(()) };
        let read: Url = url.parse().unwrap();
        prop_assert_eq!(read.as_str(), url);
        prop_assert_eq!((read.scheme(), read.host_str(), read.port()), ("https", Some("cdn.example"), None));
        prop_assert!(read.query().is_none() && read.fragment().is_none() && read.username().is_empty());
        prop_assert!(url.is_ascii() && !url.contains(['\\', ' ']) && !url.contains(char::is_control));
        prop_assert!(!read.path().starts_with("//"));
        // Read as a path of bytes, it names what Trivia Advisor named, and nothing above it.
        prop_assert_eq!(decode(read.path().as_bytes()), decode(path.as_bytes()));
        prop_assert!(!decode(read.path().as_bytes()).split(|byte| *byte == b'/').any(|part| part == b".."));
        let entry = Entry::parse(text).unwrap();
        prop_assert_eq!(entry.url(), Some(url.clone()));
        prop_assert!(entry.is_movable());
        // Any JSON writer, jsonb among them, makes the same entry of it.
        let again = serde_json::from_str::<serde_json::Value>(text).unwrap().to_string();
        prop_assert!(same_entry(text, &again));
    }
}
