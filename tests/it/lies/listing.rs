//! Listings without an end, and such as list what was not asked for.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Way, site};
use crate::kill::hand::Going;
use crate::support::program::Ran;
use crate::support::raw_http::Asked;
use crate::support::site::Site;

/// A file that is listed and is nowhere.
fn file(n: u64) -> Value {
    let path = format!("/venues/a/a_{n:016x}.jpg");
    json!({"type": "file", "fileId": format!("{n:024x}"), "filePath": path, "url": format!("https://ik.imagekit.io/a{path}"),
           "size": 1, "tags": null})
}

/// `n` of them from there on.
fn files(from: u64, n: u64) -> Value {
    (from..from + n).map(file).collect()
}

fn is_listing(asked: &Asked) -> bool {
    asked.target.starts_with("/v1/files?")
}

fn number(asked: &Asked, name: &str) -> u64 {
    asked.param(name).unwrap().parse().unwrap()
}

/// Ends with the test, should it not have ended before.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _it_has_ended = self.0.kill();
        let _it_has_ended = self.0.wait();
    }
}

/// What `reconcile` comes to, if it ends in a time that is generous.
#[track_caller]
fn reconcile(site: &Site) -> Ran {
    let mut running = Killed(site.command(&["reconcile"]).spawn().unwrap());
    let begun = Instant::now();
    while running.0.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut said = [String::new(), String::new()];
    let (stdout, stderr) = (running.0.stdout.as_mut().unwrap(), running.0.stderr.as_mut().unwrap());
    std::io::Read::read_to_string(stdout, &mut said[0]).unwrap();
    std::io::Read::read_to_string(stderr, &mut said[1]).unwrap();
    let [stdout, stderr] = said;
    Ran { args: "reconcile".to_owned(), code: running.0.wait().unwrap().code(), stdout, stderr }
}

/// A site whose ledger is there, and which lists these.
#[track_caller]
fn lists(page: impl Fn(&Asked) -> Value + Send + Sync + 'static) -> Ran {
    let (site, liar) = site(Way::Sent, &[]);
    site.run(&Way::Sent.typed(&[])).code(0);
    liar.lie(move |asked, said| {
        if is_listing(asked) {
            *said = page(asked);
        }
    });
    reconcile(&site)
}

#[test]
fn e1_a_listing_that_repeats_its_page_is_ended() {
    let page = files(1, 1_000);
    lists(move |_| page.clone()).code(30).says("repeats");
}

#[test]
fn e1_a_listing_with_always_one_more_page_is_ended() {
    // The larger a file's description is, the fewer of them are kept: memory does not follow what a server says.
    lists(|asked| {
        let mut files = files(number(asked, "skip"), number(asked, "limit"));
        let tag = "t".repeat(5_000);
        files.as_array_mut().unwrap().iter_mut().for_each(|file| file["tags"] = json!([tag]));
        files
    })
    .code(30)
    .says("Longshore's own bound")
    .says("000 files below /venues");
}

#[test]
fn e1_a_listing_beyond_500000_files_is_read() {
    // It ends by an error, as nobody wants to see that many files named.
    let last = 502_000;
    lists(move |asked| files(number(asked, "skip").min(last - 1_000), 1_000))
        .code(30)
        .says("after 502000 files");
}

#[test]
fn e1_a_page_with_more_than_was_asked_for_is_odd() {
    lists(|asked| files(1, number(asked, "limit") + 1)).code(30).says("1001 files on a page of 1000");
}

#[test]
fn e1_a_listing_of_another_folder_or_of_one_file_twice_is_odd() {
    lists(|_| {
        let mut file = file(1);
        file["filePath"] = "/private/x.jpg".into();
        json!([file])
    })
    .code(30)
    .says("another folder");
    lists(|_| json!([file(1), file(1)])).code(30).says("one file twice");
}

#[test]
fn e1_sizes_that_no_file_has_are_odd_and_never_summed() {
    let ran = lists(|_| {
        let (mut one, mut other) = (file(1), file(2));
        (one["size"], other["size"]) = (u64::MAX.into(), u64::MAX.into());
        json!([one, other])
    });
    ran.code(13).says("unreadable            2");
}

/// Files that cannot be read, and what is said of them.
fn odd_files() -> Vec<(Value, &'static str)> {
    let with = |name: &str, value: Value| {
        let mut file = file(7);
        file[name] = value;
        file
    };
    vec![
        (with("size", json!(-1)), "invalid value"),
        (with("size", json!(u64::MAX)), "more than there can be"),
        (with("tags", json!("a,b")), "invalid type"),
        (with("fileId", json!("<b>")), "none of ImageKit's"),
        (with("fileId", json!(null)), "invalid type"),
        (with("filePath", json!("a/\u{1b}[31m.jpg")), ""),
        (with("isPrivateFile", json!("no")), "invalid type"),
        (json!("a text"), "is no object"),
        (json!(null), "is no object"),
    ]
}

#[test]
fn c13_one_odd_file_of_a_listing_is_named_and_all_else_is_judged() {
    for (odd, why) in odd_files() {
        let (site, liar) = site(Way::Sent, &[]);
        site.run(&Way::Sent.typed(&[])).code(0);
        let told = odd.clone();
        liar.lie(move |asked, said| {
            if is_listing(asked) {
                said.as_array_mut().unwrap().insert(0, told.clone());
            }
        });
        let ran = site.run(&["reconcile", "--format", "json"]).code(13);
        let answer = ran.json();
        assert_eq!(answer["files"]["classes"]["in_use"]["files"], 1, "{odd}: {ran}");
        assert_eq!(
            (&answer["files"]["all"], &answer["files"]["unreadable"]),
            (&json!(1), &json!(1)),
            "{ran}"
        );
        let unreadable = answer["findings"]["unreadable"].as_array().unwrap();
        assert_eq!(unreadable.len(), 1, "{ran}");
        assert!(unreadable[0]["why"].as_str().unwrap().contains(why), "{odd}: {ran}");
        if let Some(path) = odd["filePath"].as_str().filter(|path| path.is_ascii()) {
            let said = unreadable[0]["path"].as_str().unwrap();
            assert!(path.starts_with(said.trim_end_matches('…')) || said.contains("[31m"), "{odd}: {ran}");
        }
        let ran = site.run(&["reconcile"]).code(13).says("cannot be read");
        assert!(!ran.stdout.contains('\u{1b}'), "{ran}");
    }
}

#[test]
fn s7_nothing_is_deleted_by_a_listing_that_could_not_be_read_whole() {
    let (site, liar) = site(Way::Sent, &[]);
    site.run(&Way::Sent.typed(&[])).code(0);
    site.run(&["rollback", "--country", "PL", "--yes"]).code(0);
    let files = site.stage.imagekit.files();
    liar.lie(|asked, said| {
        if is_listing(asked) {
            let mut odd = file(7);
            odd["size"] = json!("large");
            said.as_array_mut().unwrap().push(odd);
        }
    });
    let ran = site.run(&["reconcile", "--delete-orphans", "--yes"]).code(13);
    ran.says("Nothing is deleted").says("/venues/a/a_0000000000000007.jpg");
    assert_eq!(site.stage.imagekit.files(), files);
    liar.be_honest();
    site.run(&["reconcile", "--delete-orphans", "--yes"]).code(0);
    assert_eq!(site.paths(), [""; 0]);
}

#[test]
fn c13_a_file_of_ours_that_is_odd_is_not_taken_for_gone() {
    let (site, liar) = site(Way::Sent, &[]);
    site.run(&Way::Sent.typed(&[])).code(0);
    liar.lie(|asked, said| {
        if is_listing(asked) || asked.target.ends_with("/details") {
            super::each(said, |file| file["tags"] = json!("longshore"));
        }
    });
    let ran = site.run(&["reconcile", "--format", "json"]).code(13);
    let answer = ran.json();
    assert_eq!(answer["findings"]["unreadable"].as_array().unwrap().len(), 1, "{ran}");
    assert_eq!(answer["believed"]["classes"]["there"], 1, "{ran}");
    assert_eq!(answer["entries"]["classes"]["completed"], 1, "{ran}");
}

#[test]
fn e1_a_page_of_files_without_ids_goes_no_further() {
    lists(|_| Value::Array(vec![json!({}); 1_000])).code(30).says("repeats");
}

/// A site with one picture moved, and what a listing, and where it is told so its details, say of that file.
#[track_caller]
fn reconciled_with(odd: &Value, of_details_too: bool) -> Value {
    let (site, liar) = site(Way::Sent, &[]);
    site.run(&Way::Sent.typed(&[])).code(0);
    let odd = odd.clone();
    liar.lie(move |asked, said| {
        if is_listing(asked) || (of_details_too && asked.target.ends_with("/details")) {
            let keys = odd.as_object().unwrap();
            super::each(said, |file| keys.iter().for_each(|(key, value)| file[key] = value.clone()));
        }
    });
    site.run(&["reconcile"]).code(13).says("nobody knows whether");
    site.run(&["reconcile", "--format", "json"]).code(13).json()
}

#[test]
fn c13_a_file_that_is_listed_oddly_is_asked_for_by_its_id() {
    let odd = [
        json!({"filePath": null}),
        json!({"filePath": "x"}),
        json!({"fileId": null, "filePath": null}),
        json!({"fileId": null, "filePath": "x"}),
    ];
    for odd in odd {
        let answer = reconciled_with(&odd, false);
        assert_eq!(answer["entries"]["classes"]["completed"], 1, "{odd}: {answer}");
        assert_eq!(answer["believed"]["classes"]["there"], 1, "{odd}: {answer}");
        assert_eq!(answer["findings"]["entries"], json!([]), "{odd}: {answer}");
    }
}

#[test]
fn c13_a_file_whose_details_are_odd_too_is_not_known_and_never_gone() {
    for odd in [json!({"filePath": null}), json!({"fileId": null, "filePath": "x"})] {
        let answer = reconciled_with(&odd, true);
        assert_eq!(answer["findings"]["entries"][0]["class"], "not_known", "{odd}: {answer}");
        assert_eq!(answer["findings"]["believed"][0]["class"], "not_known", "{odd}: {answer}");
        let (entries, believed) = (&answer["entries"]["classes"], &answer["believed"]["classes"]);
        assert_eq!((&entries["not_known"], &entries["completed_gone"]), (&json!(1), &json!(0)), "{answer}");
        assert_eq!((&believed["not_known"], &believed["gone"]), (&json!(1), &json!(0)), "{answer}");
    }
}

/// A site with one picture moved, whose file is gone since and whose row may have lost its file id; and another file that
/// is listed oddly. How the entry and the file of the ledger are judged.
#[track_caller]
fn gone_beside(odd: &Value, has_id: bool) -> [String; 2] {
    let (site, liar) = site(Way::Sent, &[]);
    site.run(&Way::Sent.typed(&[])).code(0);
    let file = site.stage.imagekit.files().remove(0);
    site.stage.delete_file(&file.path);
    if !has_id {
        let row = site.stage.images(1).unwrap();
        let without = row.replace(&format!("\"{}\"", file.id), "null");
        assert_ne!(row, without);
        site.stage.set_images(1, &without);
    }
    let odd = odd.clone();
    liar.lie(move |asked, said| {
        if is_listing(asked) {
            said.as_array_mut().unwrap().push(odd.clone());
        }
    });
    let answer = site.run(&["reconcile", "--format", "json"]).code(13).json();
    ["entries", "believed"].map(|of| answer["findings"][of][0]["class"].as_str().unwrap().to_owned())
}

#[test]
fn c13_an_odd_file_makes_nothing_unknown_that_imagekit_answers_or_that_lies_elsewhere() {
    let gone = ["completed_gone", "gone"].map(str::to_owned);
    let without = |names: &[&str]| {
        let mut odd = file(7);
        names.iter().for_each(|name| odd[name] = Value::Null);
        odd
    };
    // By its own id the file is gone, whoever may lie at its path.
    let nowhere = [json!(null), without(&["fileId", "filePath"]), without(&["filePath"])];
    for odd in &nowhere {
        assert_eq!(gone_beside(odd, true), gone, "{odd}");
        assert_eq!(gone_beside(odd, false), ["not_known", "gone"], "{odd}");
    }
    // Told where it is, it is nowhere else.
    let mut elsewhere = without(&["fileId"]);
    elsewhere["filePath"] = "venues/elsewhere.jpg".into();
    assert_eq!(gone_beside(&elsewhere, false), gone);
}

#[test]
fn e3_many_details_in_a_row_that_cannot_be_read_are_an_outage_where_the_listing_is_odd_too() {
    let (site, liar) = site(Way::Sent, &[]);
    (2..=13).for_each(|id| site.venue(id, 1, &[&format!("/{id}.jpg")]));
    site.run(&Way::Sent.typed(&[])).code(0);
    let is_details = |asked: &Asked| asked.target.ends_with("/details");
    let (counted, has_begun) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, begun) = (counted.clone(), has_begun.clone());
    // The listing lags, and while the files are asked for one by one, something else comes to answer.
    liar.lie(move |asked, said| {
        if is_details(asked) {
            count.fetch_add(1, Ordering::Relaxed);
            begun.store(true, Ordering::Relaxed);
            *said = json!("a page of a proxy");
        } else if is_listing(asked) {
            *said = if begun.load(Ordering::Relaxed) { json!("a page of a proxy") } else { json!([]) };
        }
    });
    let args = ["reconcile"];
    let mut going = Going::spawn(site.command(&args), &args);
    going.says("Waiting");
    assert!(counted.load(Ordering::Relaxed) <= 15, "no more is asked: {counted:?}");
    liar.be_honest();
    going.end().code(0).says("Everything fits");
    // Where the listing can be read, it is the files' own trouble, and each is asked for once.
    counted.store(0, Ordering::Relaxed);
    let count = counted.clone();
    liar.lie(move |asked, said| {
        if is_details(asked) {
            count.fetch_add(1, Ordering::Relaxed);
            *said = json!("odd");
        } else if is_listing(asked) {
            *said = json!([]);
        }
    });
    let answer = site.run_json(&args).code(13).json();
    assert_eq!(answer["believed"]["classes"]["not_known"], 13, "{answer}");
    assert_eq!(counted.load(Ordering::Relaxed), 13);
}
