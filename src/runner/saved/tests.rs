use ledger::event::Country;
use ledger::images::movable;
use serde_json::Value;

use super::*;

fn external(url: &str, more: &str) -> String {
    format!(r#"{{"url":"{url}","upload_status":"external","source":"trivia_advisor_migration"{more}}}"#)
}

fn venue(id: i64, slug: Option<&str>, entries: &[String]) -> Venue {
    let images = Some(format!("[{}]", entries.join(", ")));
    Venue { id: VenueId(id), slug: slug.map(str::to_owned), name: None, city: None, images }
}

fn plan_of(scope: Scope, venues: &[Venue]) -> SavedPlan {
    let saved = |venue: &Venue| SavedVenue {
        venue: venue.id,
        slug: venue.slug.clone(),
        entries: movable(venue.images.as_deref().unwrap()).unwrap().into_iter().map(str::to_owned).collect(),
    };
    SavedPlan::new(target(), scope, Some(7), venues.iter().map(saved).collect())
}

fn target() -> Target {
    let (name, kind, database) = ("production".into(), "sqlite".into(), "/ea.db".into());
    Target { name, kind, system: None, database, host: None }
}

fn country() -> Scope {
    Scope::Country(Country { code: "PL".into(), name: "Poland".into(), slug: None })
}

/// Two entries, one of them twice, and one that is none of ours.
fn entries() -> Vec<String> {
    let theirs = r#"{"url":"https://o/t.jpg","source":"google","n":12345678901234567890123}"#;
    vec![
        external("https://o/1.jpg", r#","n":0.1000000000000000055"#),
        theirs.to_owned(),
        external("https://o/2.jpg", ""),
        external("https://o/2.jpg", ""),
    ]
}

fn said(now: &[Venue]) -> Vec<String> {
    let plan =
        plan_of(country(), &[venue(2, Some("b"), &[entries()[0].clone()]), venue(1, None, &entries())]);
    plan.differences(&plan.ids(), now, |_, _| false).iter().map(Difference::to_string).collect()
}

#[test]
fn c3_a_saved_plan_reads_back_and_its_entries_keep_their_texts() {
    let plan = plan_of(country(), &[venue(9, Some("z"), &entries()), venue(-3, None, &[])]);
    let text = plan.text();
    let read = SavedPlan::parse(&text).unwrap();
    assert_eq!(read, plan);
    assert_eq!((read.images(), read.limit, read.venues()[0].venue), (3, Some(7), VenueId(-3)));
    assert_eq!(read.venues()[1].entries[0], entries()[0], "a number of many digits is not read as one");
    let spaced = serde_json::to_string(&serde_json::from_str::<Value>(&text).unwrap()).unwrap();
    assert_eq!(SavedPlan::parse(&spaced).unwrap().digest(), plan.digest());
}

#[test]
fn c3_the_digest_is_of_the_documented_form() {
    let plan = plan_of(country(), &[venue(7, Some("ż"), &[external("u", "")]), venue(8, None, &[])]);
    let entry = external("u", "");
    let frame = concat!(
        r#"[1,{"name":"production","kind":"sqlite","system":null,"database":"/ea.db","host":null},"#,
        r#"{"country":{"code":"PL","name":"Poland","slug":null}},7]"#
    );
    let mut form = (frame.len() as u64).to_le_bytes().to_vec();
    form.extend(frame.as_bytes());
    let mut number = |n: i64| form.extend(n.to_le_bytes());
    number(2);
    number(7);
    number(1);
    number(2);
    form.extend("ż".as_bytes());
    form.extend(1_i64.to_le_bytes());
    form.extend((entry.len() as i64).to_le_bytes());
    form.extend(entry.as_bytes());
    [8, 0, 0].into_iter().for_each(|n: i64| form.extend(n.to_le_bytes()));
    assert_eq!(plan.digest(), ContentHash(blake3::derive_key("longshore plan v1", &form)));
}

#[test]
fn c3_the_digest_knows_venues_slugs_entries_and_their_order_and_borders() {
    let of = |venues: &[SavedVenue]| digest(&target(), &country(), None, venues);
    let one = |slug, entries: &[&str]| {
        let entries: Vec<_> = entries.iter().map(|text| (*text).to_owned()).collect();
        of(&[SavedVenue { venue: VenueId(1), slug, entries }])
    };
    let slug = |text: &str| Some(text.to_owned());
    let all = [
        one(None, &["ab"]),
        one(slug(""), &["ab"]),
        one(slug("a"), &["ab"]),
        one(slug("a"), &["a", "b"]),
        one(slug("a"), &["b", "a"]),
        one(slug("ab"), &[]),
        of(&[]),
        of(&[SavedVenue { venue: VenueId(2), slug: None, entries: vec!["ab".to_owned()] }]),
    ];
    for (index, digest) in all.iter().enumerate() {
        assert!(!all[..index].contains(digest), "{index}");
    }
}

#[test]
fn c3_a_plan_that_someone_has_edited_is_refused() {
    let text = plan_of(country(), &[venue(1, Some("a"), &entries()), venue(2, None, &[])]).text();
    for (from, to) in [
        ("\"slug\": \"a\"", "\"slug\": \"b\""),
        ("o/1.jpg", "o/x.jpg"),
        ("\"venue\": 2", "\"venue\": 3"),
        ("\"limit\": 7", "\"limit\": 4"),
        ("Poland", "France"),
        ("production", "dev"),
    ] {
        let edited = text.replacen(from, to, 1);
        assert_ne!(edited, text);
        assert!(matches!(SavedPlan::parse(&edited), Err(NotAPlan::Changed { .. })), "{from}");
    }
    let swapped = text.replacen("\"venue\": 1", "\"venue\": 2", 1);
    assert_eq!(SavedPlan::parse(&swapped), Err(NotAPlan::Order(VenueId(2))));
    let newer = text.replacen("\"version\": 1", "\"version\": 2, \"more\": 1", 1);
    assert_eq!(SavedPlan::parse(&newer), Err(NotAPlan::Version(2)));
    for odd in ["", "[]", "{}", "{\"version\":1}", &text.replacen("\"limit\"", "\"bound\"", 1)] {
        assert!(matches!(SavedPlan::parse(odd), Err(NotAPlan::Unreadable(_))), "{odd}");
    }
}

#[test]
fn c3_nothing_has_moved_where_only_others_were_at_work() {
    let mut mixed = entries();
    mixed.rotate_left(1);
    mixed.push(r#"{"source":"google"}"#.to_owned());
    // jsonb keeps an order of its own.
    mixed[1] =
        r#"{"source":"trivia_advisor_migration","upload_status":"external","url":"https://o/2.jpg"}"#.into();
    let now = [venue(1, None, &mixed), venue(2, Some("b"), &entries()[..1]), venue(3, None, &entries())];
    assert_eq!(said(&now), Vec::<String>::new());
}

#[test]
fn c3_what_has_moved_is_named() {
    let b = || venue(2, Some("b"), &entries()[..1]);
    assert_eq!(said(&[]), ["venue 1: it is gone", "venue 2: it is gone"]);
    let renamed = Venue { slug: Some("c".into()), ..b() };
    assert_eq!(
        said(&[venue(1, Some(""), &entries()), renamed]),
        ["venue 1: its slug was none and is \"\"", "venue 2: its slug was \"b\" and is \"c\"",]
    );
    for (images, what) in [
        (Some("{}".to_owned()), "its images are no array any more"),
        (None, "an entry is gone: https://o/1.jpg"),
    ] {
        let now = [venue(1, None, &entries()), Venue { images, ..b() }];
        assert_eq!(said(&now), [format!("venue 2: {what}")]);
    }
    let fewer = venue(1, None, &entries()[..3]);
    assert_eq!(said(&[fewer, b()]), ["venue 1: an entry is gone: https://o/2.jpg"]);
    let more = venue(1, None, &[entries(), vec![external("https://o/3.jpg", "")]].concat());
    assert_eq!(said(&[more, b()]), ["venue 1: an entry is new: https://o/3.jpg"]);
    let changed = venue(2, Some("b"), &[external("https://o/1.jpg", r#","n":0.1"#)]);
    assert_eq!(
        said(&[venue(1, None, &entries()), changed]),
        ["venue 2: an entry has changed: https://o/1.jpg"]
    );
    for done in [
        r#"{"url":"https://ik/1.jpg","upload_status":"completed","source":"trivia_advisor_migration","original_tigris_url":"https://o/1.jpg"}"#,
        r#"{"url":"https://o/1.jpg","upload_status":"external","source":"google"}"#,
    ] {
        let now = [venue(1, None, &entries()), venue(2, Some("b"), &[done.to_owned()])];
        assert_eq!(said(&now), ["venue 2: an entry is no longer external: https://o/1.jpg"]);
    }
}

/// All entries of a row have changed since. Comparing each of them with each would take minutes.
#[test]
fn c3_many_entries_that_changed_since_are_found_at_once() {
    let all = |more| (0..3_000).map(|n| external(&format!("https://o/{n}.jpg"), more)).collect::<Vec<_>>();
    let plan = plan_of(country(), &[venue(1, None, &all(""))]);
    let since = std::time::Instant::now();
    let said = plan.differences(&plan.ids(), &[venue(1, None, &all(r#","n":1"#))], |_, _| false);
    assert_eq!(said.len(), 3_000);
    assert!(said.iter().all(|said| matches!(said.moved, Moved::EntryChanged(_))), "{said:?}");
    assert!(since.elapsed().as_secs() < 20, "{:?}", since.elapsed());
}

#[test]
fn c17_what_a_person_closed_is_no_longer_taken_but_by_its_venues_own_plan() {
    let now = venue(1, None, &entries());
    let is_closed = |venue: VenueId, entry: &str| venue == VenueId(1) && entry.contains("1.jpg");
    let plan = plan_of(country(), std::slice::from_ref(&now));
    let said: Vec<_> = plan
        .differences(&plan.ids(), std::slice::from_ref(&now), is_closed)
        .iter()
        .map(Difference::to_string)
        .collect();
    assert_eq!(said, ["venue 1: an entry was closed by a person: https://o/1.jpg"]);
    // Left out when it was planned and left out now.
    let entries = vec![entries()[2].clone(), entries()[3].clone()];
    let saved = SavedVenue { venue: now.id, slug: None, entries };
    let without = SavedPlan::new(plan.target.clone(), country(), None, vec![saved]);
    assert_eq!(without.differences(&without.ids(), std::slice::from_ref(&now), is_closed), []);
    let of_venue = plan_of(Scope::Venue { venue: VenueId(1), country: None }, std::slice::from_ref(&now));
    assert_eq!(of_venue.differences(&of_venue.ids(), &[now], is_closed), []);
}
