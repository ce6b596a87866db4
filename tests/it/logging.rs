//! Logs, as they are asked for and as they come (requirement C20). The secrets' own test looks for secrets in the logs of
//! a whole story.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::kill::hand::Going;
use crate::support::program::{Ran, Workplace};
use crate::support::raw_http::{RawServer, answer};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];

fn run_with(at: &Workplace, log: &str, args: &[&str]) -> Ran {
    Ran::new(args, at.command(args).env("LONGSHORE_LOG", log).output().unwrap())
}

/// The lines of a log in JSON.
fn documents(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn c20_nothing_is_logged_unless_it_is_asked_for() {
    let at = Workplace::new(Kind::Sqlite, 3);
    let ran = at.run(&MIGRATE);
    for word in ["INFO", "DEBUG", "longshore::"] {
        assert!(!ran.stderr.contains(word) && !ran.stdout.contains(word), "{word}: {ran}");
    }
    // What others understand as a wish for logs is none.
    let said = Ran::new(&["status"], at.command(&["status"]).env("RUST_LOG", "trace").output().unwrap());
    assert_eq!(said.code(0).stderr, "");
    assert_eq!(run_with(&at, " ", &["status"]).code(0).stderr, "");
    assert_eq!(run_with(&at, "off", &["status"]).code(0).stderr, "");
}

#[test]
fn c20_once_tells_runs_venues_images_and_steps_and_twice_requests_and_waits() {
    let at = Workplace::new(Kind::Sqlite, 40);
    at.order("upload=500x1\norigin=429x1:reset=1");
    let ran = at.run(&[&MIGRATE[..], &["-v"]].concat());
    for text in [
        "INFO run{run=",
        "verb=\"migrate\"}: longshore::run: begun",
        "}:image{image=",
        ":step{step=\"upload\"}: longshore::step: uploaded file_id=",
        ":step{step=\"download\"}: longshore::step: downloaded bytes=",
        ":step{step=\"update_row\"}: longshore::step: looked at row=\"written\"",
        "longshore::run: finished images=",
    ] {
        assert!(ran.stderr.contains(text), "{text:?} is missing: {ran}");
    }
    assert!(!ran.stderr.contains("DEBUG"), "{ran}");

    let other = ["migrate", "--country", "FR", "--yes", "-vv"];
    at.order("origin=none\nupload=none\nupload=500x1");
    let ran = at.run(&other);
    let lines: Vec<&str> =
        ran.stderr.lines().filter(|line| line.contains("longshore::request: answered")).collect();
    let upload = |attempt: u32, status: u16| {
        let found = lines.iter().find(|line| {
            line.contains("method=\"POST\"")
                && line.contains("path=\"/api/v1/files/upload\"")
                && line.contains(&format!("status={status} "))
                && line.contains(&format!("attempt={attempt}"))
        });
        found.unwrap_or_else(|| panic!("no upload with attempt {attempt} and status {status}: {ran}"))
    };
    for (attempt, status) in [(1, 500), (1, 200), (2, 200)] {
        let line = upload(attempt, status);
        for part in
            ["host=\"127.0.0.1:", " ms=", " request_id=\"", "run{run=", "}:venue{venue=", "}:image{image="]
        {
            assert!(line.contains(part), "{part} is missing: {line}");
        }
    }
    for text in
        ["longshore::wait: waits part=\"the CDN\" why=api_error: ", "longshore::row: rewritten venue="]
    {
        assert!(ran.stderr.contains(text), "{text:?} is missing: {ran}");
    }
    assert!(
        lines.iter().any(|line| line.contains("method=\"GET\"") && !line.contains("request_id")),
        "the origin's"
    );
    assert!(lines.iter().all(|line| !line.contains('?')), "no query string");
}

#[test]
fn c20_lines_do_not_tear_the_progress_bar() {
    let at = Workplace::new(Kind::Sqlite, 3);
    let ended = Going::at_a_terminal(&at, &[&MIGRATE[..], &["-vv"]].concat()).end();
    assert!(ended.stdout.contains("images  0s"), "there is a bar: {ended}");
    let lines: Vec<&str> = ended.stdout.split('\n').filter(|line| line.contains("longshore::")).collect();
    assert!(lines.len() > 10, "{ended}");
    for line in lines {
        // What stood on the line before is cleared first.
        let shown = line.trim_end_matches('\r').rsplit('\r').next().unwrap().trim_start_matches("\u{1b}[2K");
        assert!(shown.starts_with("20") && !shown.contains('\u{1b}'), "{line:?}");
    }
}

#[test]
fn c20_a_filter_says_what_is_logged_and_what_is_none_is_refused_by_name() {
    let at = Workplace::new(Kind::Sqlite, 3);
    let ran = run_with(&at, "longshore::row=debug", &[&MIGRATE[..], &["-v"]].concat());
    assert!(ran.stderr.contains("longshore::row: rewritten") && !ran.stderr.contains("INFO"), "{ran}");
    for wrong in ["longshore=loud", "longshore=debug,[", "=debug="] {
        let ran = run_with(&at, wrong, &["status"]).code(2).says("LONGSHORE_LOG is no filter");
        assert!(ran.stderr.contains("Hint: Like longshore=debug"), "{ran}");
    }
    // Like every setting it may stand in the file.
    fs::write(at.work().join(".env"), "LONGSHORE_LOG='longshore::row=debug'\n").unwrap();
    assert!(at.run(&["rollback", "--country", "PL", "--yes"]).stderr.contains("longshore::row: rewritten"));
}

#[test]
fn c20_a_log_in_json_is_a_document_a_line() {
    let at = Workplace::new(Kind::Sqlite, 3);
    at.order("upload=500x1");
    let ran = at.run(&[&MIGRATE[..], &["-vv", "--log-format", "json", "--log-file", "run.log"]].concat());
    assert!(!ran.stderr.contains("longshore::"), "it goes to the file alone: {ran}");
    let text = fs::read_to_string(at.work().join("run.log")).unwrap();
    let documents = documents(&text);
    let tried =
        documents.iter().find(|line| line["fields"]["attempt"] == 2 && line["fields"]["method"] == "POST");
    let tried = tried.unwrap_or_else(|| panic!("no second attempt: {text}"));
    let fields = &tried["fields"];
    assert_eq!((&tried["level"], &tried["target"]), (&"DEBUG".into(), &"longshore::request".into()));
    assert!(
        fields["status"].is_u64() && fields["ms"].is_u64() && fields["request_id"].is_string(),
        "{tried}"
    );
    let spans: Vec<_> =
        tried["spans"].as_array().unwrap().iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(spans, ["run", "venue", "image", "step"]);
}

#[test]
fn s5_a_log_file_is_private_appended_to_and_never_what_a_link_leads_to() {
    let at = Workplace::new(Kind::Sqlite, 3);
    let path = at.work().join("run.log");
    let log = |file: &str| at.run(&["countries", "--log-file", file]);
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    // Without -v a file is filled as with -vv.
    at.run(&[&MIGRATE[..], &["--log-file", "run.log"]].concat());
    let first = fs::read_to_string(&path).unwrap();
    assert!(first.contains("longshore::request: answered"), "{first}");
    assert_eq!(mode(), 0o600);
    at.run(&["rollback", "--country", "PL", "--yes", "--log-file", "run.log"]).code(0);
    let both = fs::read_to_string(&path).unwrap();
    assert!(both.starts_with(&first) && both.len() > first.len(), "it is appended to");

    symlink("run.log", at.work().join("link.log")).unwrap();
    symlink("nowhere", at.work().join("dangling.log")).unwrap();
    for link in ["link.log", "dangling.log"] {
        log(link).code(2).says("symbolic link");
    }
    assert!(!at.work().join("nowhere").exists());
    assert_eq!(fs::read_to_string(&path).unwrap(), both, "nothing was written through the link");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    log("run.log").code(2).says("others may read or write it").says("chmod 600 run.log");
    let fifo = at.work().join("fifo");
    let made = rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0);
    made.unwrap();
    assert_ne!(log("fifo").code, Some(0), "nobody reads it, and nobody is waited for");
    log("/dev/null").code(0);
    log(".").code(2).says("is a directory");
    log("no/such/folder.log").code(30);
}

#[test]
fn s4_what_a_server_says_steers_no_terminal_through_the_log() {
    let at = Workplace::new(Kind::Sqlite, 3);
    let says = "\u{1b}[2J\r\nFAKE  INFO line\u{202e}";
    let body = serde_json::json!({ "message": says }).to_string();
    let answer = longshore::sandbox::faults::Fault::Answer { status: 400, headers: Vec::new(), body };
    at.sandbox.faults.inject("upload", 0, 1, answer);
    let ran = at.run(&[&MIGRATE[..], &["-vv"]].concat());
    assert!(ran.stderr.contains("FAKE INFO line"), "it is told: {ran}");
    assert!(!ran.stderr.chars().any(|c| c == '\u{1b}' || c == '\r' || c == '\u{202e}'), "{ran:?}");
    assert!(!ran.stderr.lines().any(|line| line.starts_with("FAKE")), "{ran}");
}

#[test]
fn s1_a_secret_that_a_server_sends_back_is_masked_in_every_line_and_format() {
    let mut at = Workplace::new(Kind::Sqlite, 3);
    let (key, password) = ("private_s3cret\"key", "s3cret/p%c3%A4");
    let (basic, encoded) = (STANDARD.encode(format!("{key}:")), "private%5Fs3cret%22key");
    // Under the id of a request, which is logged as it comes, and which no other rule touches.
    let id = format!(
        "{key} {basic} {encoded} {password} s3cret-hook https://me:s3cret-pw@h.example/x?q=s3cret-query ."
    );
    let server =
        at.runtime.block_on(RawServer::start(move |_| answer(200, &[("x-ik-requestid", &id)], b"[]")));
    let ascii = "s3cret%2Fp%C3%A4";
    for (name, value) in [
        ("IMAGEKIT_PRIVATE_KEY", key.to_owned()),
        ("IMAGEKIT_API_URL", server.url("")),
        ("TRIVIA_ADVISOR_DATABASE_URL", format!("postgres://me:{ascii}@127.0.0.1:9/x?sslmode=disable")),
        ("LONGSHORE_NOTIFY_URL", "http://127.0.0.1:9/s3cret-hook".to_owned()),
    ] {
        at.settings.insert(name.to_owned(), value);
    }
    let text = run_with(&at, "trace", &["doctor"]).code(13);
    run_with(&at, "trace", &["doctor", "--log-format", "json", "--log-file", "json.log"]).code(13);
    let json = fs::read_to_string(at.work().join("json.log")).unwrap();
    documents(&json);
    for log in [&text.stderr, &json] {
        let answered = log.lines().filter(|line| line.contains("answered") && line.contains("request_id"));
        // What is left of the header's value is the colon behind the key.
        let told: Vec<_> =
            answered.filter(|line| line.contains("… …Og== … … … https://…@h.example/x")).collect();
        assert!(!told.is_empty(), "the request that was answered so: {log}");
        for secret in ["s3cret", &basic[..12], "czNjcmV0", password] {
            assert!(!log.contains(secret), "{secret}: {log}");
        }
    }
}
