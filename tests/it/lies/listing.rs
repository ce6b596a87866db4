//! Listings without an end, and such as list what was not asked for.

use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Way, site};
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
    lists(|asked| files(number(asked, "skip"), number(asked, "limit"))).code(30).says("500000 files");
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
    lists(|_| {
        let (mut one, mut other) = (file(1), file(2));
        (one["size"], other["size"]) = (u64::MAX.into(), u64::MAX.into());
        json!([one, other])
    })
    .code(30)
    .says("more than there can be");
}
