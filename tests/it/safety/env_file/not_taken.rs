//! What goes on without a `.env` that is not taken (requirements S5, C16).

use super::{MIGRATE, Planted};

/// What reads a ledger without a setting.
const READERS: [&[&str]; 9] = [
    &["status"],
    &["report"],
    &["log"],
    &["audit"],
    &["export", "failures"],
    &["export", "rollback-data"],
    &["ledger", "verify"],
    &["ledger", "backup", "copy"],
    &["control", "status"],
];

#[test]
fn s5_who_only_reads_a_ledger_goes_on_without_a_dotenv_that_is_not_taken() {
    let planted = Planted::new();
    planted.write(&planted.settings);
    planted.at.run(&MIGRATE);
    assert!(planted.at.ledger().exists());
    // Nothing of it counts: no log, no place, no secret.
    planted.write(&format!(
        "{}LONGSHORE_LOG=debug\nLONGSHORE_NOTIFY_URL='{}'\nIMAGEKIT_STORAGE_LIMIT_GB=none\n",
        planted.settings,
        planted.heard.url("")
    ));
    planted.mode(0o622);
    for args in READERS {
        let code = if args[0] == "control" { 2 } else { 0 };
        let ran = planted.at.run(args).code(code).says("Note: the .env in this directory is not taken");
        let notes: Vec<_> = ran.stderr.lines().filter(|line| line.contains(".env")).collect();
        assert!(notes.len() == 1 && notes[0].contains("may be written to by others"), "{ran}");
        assert!(!ran.stderr.contains("DEBUG"), "{ran}");
    }
    planted.at.run(&["control", "status"]).says("no run goes on");
    assert_eq!(planted.heard(), "");
    for args in [
        &["audit", "--live"][..],
        &["countries"],
        &["plan", "--country", "PL"],
        &["verify"],
        &["reconcile"],
        &["resume", "--yes"],
        &["skip", "--venue-id", "1", "--reason", "no"],
        &["ledger", "checkpoint"],
        &["rollback", "--run", "1", "--yes"],
    ] {
        planted.at.run(args).code(2).says("Error: the .env in this directory is not taken");
    }
    // One of ours that is broken is to be mended, and is no stranger's.
    planted.write("nothing that is a line\n");
    planted.at.run(&["status"]).code(2).says(".env in this directory cannot be read");
}

#[test]
fn c16_doctor_tells_once_of_a_dotenv_that_is_not_taken_and_asks_nobody_in_its_place() {
    let mut planted = Planted::new();
    planted.write(&planted.settings);
    planted.mode(0o646);
    let own = ["database", "columns", "rights", "pooler", "trivia_advisor"];
    let web = ["imagekit_key", "imagekit_upload", "endpoint", "usage", "origin"];
    let look = |planted: &Planted, target: &str, unseen: &[&str]| {
        let ran = planted.at.run_looking(&["doctor", "--format", "json", "--target", target], &[]).code(13);
        let json = ran.json();
        let all = json["checks"].as_array().unwrap();
        let found: Vec<_> = all.iter().filter(|line| line["state"] == "finding").collect();
        assert!(found.len() == 1 && found[0]["check"] == "settings", "{ran}");
        for check in unseen {
            let of: Vec<_> = all.iter().filter(|line| line["check"] == *check).collect();
            let is_unseen = of.iter().all(|line| {
                line["state"] == "not_checked"
                    && line["found"].as_str().unwrap().contains(".env is not taken")
            });
            assert!(is_unseen && !of.is_empty(), "{check}: {ran}");
        }
    };
    let all: Vec<&str> = own.into_iter().chain(web).collect();
    look(&planted, "production", &all);
    look(&planted, "dev", &all);
    // What the environment says is known, and looked at; what is empty there keeps the file's out.
    let line = planted.settings.lines().find_map(|line| line.strip_prefix("export PRODUCTION_DATABASE_URL="));
    let url = line.unwrap().trim_matches('\'').to_owned();
    planted.at.settings.insert("PRODUCTION_DATABASE_URL".into(), url);
    look(&planted, "production", &[&["trivia_advisor"][..], &web].concat());
    let ran = planted.at.run(&["doctor", "--format", "json"]);
    let json = ran.json();
    let line = json["checks"].as_array().unwrap().iter().find(|line| line["check"] == "database").unwrap();
    assert_eq!(line["state"], "ok", "{ran}");
    planted.at.settings.insert("TRVIA_ADVISOR_DATABASE_URL".into(), String::new());
    planted.at.run(&["doctor"]).code(13).says("TRIVIA_ADVISOR_DATABASE_URL is not set");
}
