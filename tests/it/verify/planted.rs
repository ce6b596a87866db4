//! Each kind of broken link, planted once: exactly these are found, and nothing else.

use std::collections::BTreeMap;

use ledger::ids::Format;
use longshore::outside::http_client_builder;
use longshore::sandbox::faults::Fault;

use super::{Found, GERMANY, Ours, POLAND, awkward, edit, found, known, migrated, ours};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

const WHOLE: [&str; 3] = ["--content", "--site-origin", "https://example.com"];

fn answer(status: u16, media_type: &str, body: &str) -> Fault {
    let headers = vec![("content-type".to_owned(), media_type.to_owned())];
    Fault::Answer { status, headers, body: body.to_owned() }
}

/// Good JPEGs and PNGs of a country, whose picture no other entry shares.
fn good(at: &Workplace, code: &str, status: &str) -> impl Iterator<Item = Ours> {
    let all = ours(at, code);
    let image = |ours: &Ours| at.sandbox.world.image(&ours.origin_path(at)).unwrap();
    let mut uses: BTreeMap<_, u32> = BTreeMap::new();
    for ours in &all {
        *uses.entry(image(ours).picture.clone().bytes()).or_default() += 1;
    }
    let mut good: Vec<Ours> = all
        .iter()
        .filter(|ours| {
            let image = image(ours);
            ours.is(status)
                && image.awkward.is_none()
                && matches!(image.picture.format(), Format::Jpeg | Format::Png)
                && ours.number("width").is_some()
                && uses[&image.picture.bytes()] == 1
        })
        .cloned()
        .collect();
    good.reverse();
    std::iter::from_fn(move || good.pop())
}

/// Whether the CDN has a WebP of it for those who take that, which it has only where that is smaller.
fn has_smaller_webp(at: &Workplace, ours: &Ours) -> bool {
    let client = http_client_builder().build().unwrap();
    let request = client.get(ours.text("url").unwrap()).header("accept", "image/webp");
    let answer = at.runtime.block_on(request.send()).unwrap();
    answer.headers()["content-type"] == "image/webp"
}

/// Breaks one completed image after the other.
fn break_completed(at: &Workplace) -> Found {
    let mut good = good(at, "PL", "completed");
    let mut planted = Found::new();
    let mut plant = |kind: &str, how: &dyn Fn(&Ours)| {
        // Not to negotiate is wrong only where there is something smaller to be had.
        let is_fit = |ours: &Ours| kind != "format_not_negotiated" || has_smaller_webp(at, ours);
        let ours = good.by_ref().find(is_fit).expect("Poland has enough good images");
        how(&ours);
        planted.insert(ours.found(kind));
    };
    let faults = &at.sandbox.faults;
    let delivery = |ours: &Ours, fault| faults.plant("delivery", &ours.cdn_path(at), fault);
    plant("wrong_status", &|ours| {
        let url = format!(
            "{}/v1/files/{}",
            at.settings["IMAGEKIT_API_URL"],
            ours.text("imagekit_file_id").unwrap()
        );
        let client = http_client_builder().build().unwrap();
        let request = client.delete(url).basic_auth(&at.settings["IMAGEKIT_PRIVATE_KEY"], Some(""));
        at.runtime.block_on(request.send()).unwrap().error_for_status().unwrap();
    });
    plant("wrong_dimensions", &|ours| {
        edit(at, ours, "width", &(ours.number("width").unwrap() + 1).to_string())
    });
    plant("not_an_image", &|ours| delivery(ours, answer(200, "text/html", "<html>Please sign in</html>")));
    plant("not_an_image", &|ours| delivery(ours, answer(200, "image/jpeg", "<html>Please sign in</html>")));
    plant("width_not_honoured", &|ours| delivery(ours, Fault::Untransformed));
    plant("format_not_negotiated", &|ours| delivery(ours, Fault::Unnegotiated));
    plant("fallback_gone", &|ours| at.sandbox.origin.remove(&ours.origin_path(at)));
    plant("content_differs", &|ours| {
        faults.plant("delivery_original", &ours.cdn_path(at), answer(200, "image/jpeg", "other bytes"));
    });
    plant("not_in_ledger", &|ours| edit(at, ours, "imagekit_file_id", "\"6673f88237b244ef54d60180\""));
    plant("forbidden_url", &|ours| edit(at, ours, "url", "\"http://169.254.169.254/latest/x.jpg\""));
    plant("forbidden_url", &|ours| {
        // The API's own host, but not below the endpoint.
        let url = format!("{}/elsewhere{}", at.sandbox.imagekit.api_url(), ours.cdn_path(at));
        edit(at, ours, "url", &format!("{url:?}"));
    });
    plant("forbidden_url", &|ours| edit(at, ours, "original_tigris_url", "\"https://evil.example/x.jpg\""));
    plant("bad_entry", &|ours| edit(at, ours, "url", "7"));
    planted
}

#[test]
fn c7_each_kind_of_broken_link_of_completed_images_is_found_and_nothing_else() {
    let at = migrated(Kind::Sqlite);
    let not_moved = awkward(&at, "PL", true);
    let expected = break_completed(&at);
    let ran = at.run_json(&[&POLAND[..], &WHOLE].concat()).code(13);
    assert_eq!((found(&ran), known(&ran)), (expected, not_moved), "{ran}");
}

#[test]
fn c7_each_kind_of_broken_link_of_external_images_is_found_and_nothing_else() {
    let at = Workplace::new(Kind::Sqlite, super::VENUES);
    // With --content a ledger is needed, and only a run makes one.
    at.run(&["migrate", "--country", "France", "--limit", "1", "--yes"]);
    let mut expected = awkward(&at, "PL", true);
    let mut good = good(&at, "PL", "external");
    let mut plant = |kind: &str, how: &dyn Fn(&Ours)| {
        let ours = good.next().expect("Poland has enough good images");
        how(&ours);
        expected.insert(ours.found(kind));
    };
    let origin = &at.sandbox.origin;
    let fault = |ours: &Ours, fault| at.sandbox.faults.plant("origin", &ours.origin_path(&at), fault);
    plant("wrong_status", &|ours| origin.remove(&ours.origin_path(&at)));
    plant("wrong_status", &|ours| fault(ours, answer(403, "text/plain", "")));
    plant("not_an_image", &|ours| origin.put(&ours.origin_path(&at), "text/html", "<html></html>"));
    plant("not_an_image", &|ours| origin.put(&ours.origin_path(&at), "image/jpeg", "<html></html>"));
    plant("not_whole", &|ours| {
        let mut bytes = at.sandbox.world.image(&ours.origin_path(&at)).unwrap().picture.bytes();
        bytes.truncate(bytes.len() / 2);
        origin.put(&ours.origin_path(&at), "image/jpeg", bytes);
    });
    plant("wrong_dimensions", &|ours| edit(&at, ours, "height", "\"tall\""));
    plant("cors_denied", &|ours| fault(ours, Fault::WithoutHeader("access-control-allow-origin")));
    plant("cors_denied", &|ours| {
        let bytes = at.sandbox.world.image(&ours.origin_path(&at)).unwrap().picture.bytes();
        origin.put(&ours.origin_path(&at), "image/jpeg", bytes);
        fault(ours, Fault::WithoutHeader("access-control-allow-origin"));
    });
    plant("forbidden_url", &|ours| edit(&at, ours, "url", "\"http://10.0.0.1/x.jpg?token=s3cret\""));
    plant("forbidden_url", &|ours| {
        let headers = vec![("location".to_owned(), "http://127.0.0.1:1/x.jpg".to_owned())];
        fault(ours, Fault::Answer { status: 302, headers, body: String::new() });
    });
    let ran = at.run_json(&[&POLAND[..], &WHOLE].concat()).code(13);
    assert_eq!(found(&ran), expected, "{ran}");
    assert!(!ran.stdout.contains("s3cret") && !ran.stderr.contains("s3cret"), "{ran}");
}

#[test]
fn c7_an_image_that_never_answers_is_one_finding_after_the_retries() {
    let at = migrated(Kind::Sqlite);
    let ours = good(&at, "PL", "completed").next().unwrap();
    at.sandbox.faults.plant("delivery", &ours.cdn_path(&at), answer(503, "text/plain", ""));
    let venue = ours.venue.to_string();
    let ran = at.run_json(&["verify", "--venue-id", &venue]);
    let found: Vec<_> = found(&ran).into_iter().filter(|(.., kind)| kind == "no_answer").collect();
    assert_eq!(found, [ours.found("no_answer")], "{ran}");
}

/// The beginning of a GIF, which happens to be text: a palette of two colours, and where the first frame lies.
fn gif(width: char, height: char) -> String {
    let palette_of_two = char::from(0x70);
    format!("GIF89a{width}\0{height}\0{palette_of_two}\0\0,\0\0\0\0{width}\0{height}\0\0\u{2}\u{2}D\u{1}\0;")
}

#[test]
fn c7_a_picture_that_the_cdn_turns_upright_has_the_catalogs_sides() {
    let at = migrated(Kind::Sqlite);
    let ours = good(&at, "PL", "completed").next().unwrap();
    let (path, venue) = (ours.cdn_path(&at), ours.venue.to_string());
    // 65 across and 66 down on the way out, the other way round in the library and in the catalog.
    let faults = &at.sandbox.faults;
    faults.plant("delivery", &path, answer(200, "image/gif", &gif('A', 'B')));
    faults.plant("delivery_original", &path, answer(200, "image/gif", &gif('B', 'A')));
    edit(&at, &ours, "width", "66");
    let ours = super::ours(&at, "PL").into_iter().find(|it| it.found("") == ours.found("")).unwrap();
    edit(&at, &ours, "height", "65");
    let kinds = || {
        let ran = at.run_json(&["verify", "--venue-id", &venue]).code(13);
        let of_it = |found: &(i64, u64, String)| (found.0, found.1) == (ours.venue, ours.place);
        found(&ran).into_iter().filter(of_it).map(|(.., kind)| kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(), ["width_not_honoured"], "the answer is the same whatever is asked");
    faults.plant("delivery_original", &path, answer(200, "image/gif", &gif('A', 'B')));
    assert_eq!(kinds(), ["width_not_honoured", "wrong_dimensions"]);
}

#[test]
fn c7_germany_is_not_touched_by_what_is_broken_in_poland() {
    let at = migrated(Kind::Sqlite);
    break_completed(&at);
    let ran = at.run_json(&GERMANY);
    assert_eq!(found(&ran), awkward(&at, "DE", false), "{ran}");
}
