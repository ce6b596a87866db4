//! Deletions whose ledger's disk fails while a file is being deleted: nothing more is deleted, and nothing more is written.

use std::collections::BTreeSet;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::migrated;
use crate::kill::hand::{Going, rollback};
use crate::support::line::{Fault, Harm, Line, Passing};
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// Runs a command whose ledger cannot grow any more while its second request to delete is on the way. Gives how it ended, and
/// the path of the file that was deleted by then and is not in the ledger.
#[track_caller]
fn is_cut_short(at: &mut Workplace, args: &[&str], meanwhile: impl Fn(&Workplace)) -> (Ran, String) {
    let api = Line::to(at.sandbox.imagekit.addr);
    let straight = at.settings.insert("IMAGEKIT_API_URL".into(), format!("http://{}", api.address));
    api.order(Some(Fault { with: "DELETE /", ..Fault::at(Passing::ToServer, 1, Harm::Held) }));
    let files = at.sandbox.imagekit.files();
    let mut going = Going::start(at, args);
    going.reach("its second deletion", || api.has_struck());
    let head = at.head();
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    prlimit(Some(Pid::from_child(going.child())), Resource::Fsize, none).unwrap();
    meanwhile(at);
    api.let_go();
    let ran = going.end().code(30);
    at.settings.insert("IMAGEKIT_API_URL".into(), straight.unwrap());
    let left: BTreeSet<String> = at.sandbox.imagekit.files().into_iter().map(|file| file.path).collect();
    let gone: Vec<String> =
        files.into_iter().map(|file| file.path).filter(|path| !left.contains(path)).collect();
    assert_eq!((gone.len(), at.requests("delete")), (2, 2), "it deletes nothing more: {ran}");
    assert_eq!(at.head(), head, "it writes nothing more: {ran}");
    assert!(!ran.stderr.contains("panicked"), "{ran}");
    let written = at.run_json(&["log", "--kind", "cdn_deleted"]).code(0).json_lines();
    let [written] = &written[..] else { panic!("{written:?}") };
    let unwritten = gone.into_iter().find(|path| written["event"]["cdn_deleted"]["path"] != path.as_str());
    (ran, unwritten.unwrap())
}

/// Goes on, and sees that each file is deleted and written down once.
fn comes_to_the_end(at: &Workplace, all: usize, args: &[&str], unwritten: &str) {
    let ran = at.run(args).code(0).says("gone");
    assert_eq!((at.sandbox.imagekit.files().len(), at.requests("delete")), (0, all as u64), "{ran}");
    let written = at.run_json(&["log", "--kind", "cdn_deleted"]).code(0).json_lines();
    let of = |line: &serde_json::Value| line["event"]["cdn_deleted"].clone();
    let paths: BTreeSet<String> =
        written.iter().map(|line| of(line)["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!((paths.len(), written.len()), (all, all));
    let late = written.iter().map(of).find(|event| event["path"] == unwritten).unwrap();
    assert!(late["why"].as_str().unwrap().contains("gone already"), "{late}");
    at.run(&["ledger", "verify"]).code(0);
}

#[test]
fn s7_a_rollback_whose_ledger_takes_no_more_deletes_nothing_more() {
    for is_steered in [true, false] {
        let mut at = migrated(Kind::Sqlite);
        let all = at.sandbox.imagekit.files().len();
        let args = [rollback(), vec!["--delete-cdn-files"]].concat();
        let (ran, unwritten) = is_cut_short(&mut at, &args, |at| {
            // Each is an event, which cannot be written down: the ledger is lost before the file in hand is deleted.
            for rate in ["rate=100/s", "rate=90/s"].into_iter().filter(|_| is_steered) {
                at.run(&["control", "set", rate]).code(0);
            }
        });
        let told = format!("{unwritten} is gone from the CDN, and the ledger could not write it down");
        assert_eq!(ran.stderr.matches(&told).count(), 1, "{ran}");
        comes_to_the_end(&at, all, &["resume", "--yes"], &unwritten);
    }
}

#[test]
fn s7_a_reconcile_whose_ledger_takes_no_more_deletes_nothing_more() {
    let mut at = migrated(Kind::Sqlite);
    at.run(&rollback()).code(0);
    let all = at.sandbox.imagekit.files().len();
    let args = ["reconcile", "--delete-orphans", "--yes"];
    let (ran, unwritten) = is_cut_short(&mut at, &args, |_| {});
    let ran = ran.says(&format!("{unwritten} is gone, and the ledger could not write it down"));
    let left = at.sandbox.imagekit.files();
    assert!(left.iter().all(|file| !ran.stdout.contains(&format!("{} is gone", file.path))), "{ran}");
    comes_to_the_end(&at, all, &args, &unwritten);
}
