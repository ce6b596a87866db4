//! A whole story with unmistakable secrets in every setting, and nothing of them in anything that is said, written or
//! sent to somebody else (requirement S1).

use std::path::Path;
use std::sync::Arc;

use longshore::outside::http_client_builder;
use longshore::sandbox::faults::{Fault, Faults};
use longshore::sandbox::imagekit;
use serde_json::Value;

use crate::kill::hand::Going;
use crate::support::program::{Ran, Workplace};
use crate::support::raw_http::{RawServer, answer};
use crate::support::stage::Kind;

const KEY: &str = "private_s3cret-key";
/// The query strings of the catalog's own URLs. They are part of rows, and so of what a rollback puts back.
const QUERY: &str = "s3cret-query";
/// The keys under which the ledger, and what is made of it exactly, has rows and entries in the database's own text; and
/// in RFC 6902 patches what they come to.
const DATA: [&str; 12] = [
    "move",
    "expected",
    "found",
    "array",
    "array_before",
    "array_after",
    "entries",
    "before",
    "after",
    "images_before_phase2",
    "images_after_phase2",
    "value",
];

/// A matching report that matches one venue.
const REPORT: &str =
    "match_type,ea_slug,ea_id,distance_m,ta_slug,ta_id,confidence,images_count,ta_name,ea_name,name_distance
slug_only,a,1,1,a,1,0.85,1,A,A,0
";

/// What was said and where, and what must not be in it.
struct Watch {
    secrets: Vec<String>,
}

impl Watch {
    #[track_caller]
    fn see(&self, what: &str, text: &str) {
        for secret in &self.secrets {
            let at = text.find(secret.as_str());
            let near = at.map(|at| {
                let (from, to) = (text.floor_char_boundary(at.saturating_sub(200)), at + secret.len());
                &text[from..to]
            });
            assert_eq!(near, None, "{secret} is in {what}");
        }
    }

    #[track_caller]
    fn see_all(&self, ran: &Ran) {
        self.see(&ran.args, &ran.stdout);
        self.see(&ran.args, &ran.stderr);
    }

    /// The same where rows' own URLs have no business either.
    #[track_caller]
    fn see_no_query(&self, ran: &Ran) {
        self.see_all(ran);
        assert!(!ran.stdout.contains(QUERY) && !ran.stderr.contains(QUERY), "a query string is shown: {ran}");
    }

    /// The same in an answer that has rows to the letter: there, and nowhere else.
    #[track_caller]
    fn see_data(&self, ran: &Ran) {
        self.see_all(ran);
        assert!(!ran.stderr.contains(QUERY), "a query string is in the talk: {ran}");
        let documents = match serde_json::from_str(&ran.stdout) {
            Ok(document) => vec![document],
            Err(_) => ran.json_lines(),
        };
        documents.iter().for_each(|document| only_as_data(document, "", false));
    }
}

/// Sees that query strings stand in rows and entries alone.
#[track_caller]
fn only_as_data(value: &Value, at: &str, is_data: bool) {
    match value {
        Value::String(text) => {
            assert!(is_data || !text.contains(QUERY), "a query string is at {at}: {text}");
        }
        Value::Array(all) => all.iter().for_each(|value| only_as_data(value, at, is_data)),
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            only_as_data(value, &format!("{at}.{key}"), is_data || DATA.contains(&key.as_str()));
        }),
        _ => {}
    }
}

/// The place, an ImageKit that takes our key alone, and someone who is told of alerts.
struct Story {
    at: Workplace,
    watch: Watch,
    cdn: Arc<Faults>,
    told: RawServer,
    _imagekit: imagekit::Running,
    _dir: tempfile::TempDir,
}

impl Story {
    fn new() -> Self {
        let mut at = Workplace::new(Kind::Postgres, 12);
        let (dir, cdn) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
        let options = imagekit::Options {
            private_key: KEY.to_owned(),
            dir: dir.path().join("cdn"),
            ..imagekit::Options::default()
        };
        let imagekit = at.runtime.block_on(imagekit::serve(options, cdn.clone())).unwrap();
        let told = at.runtime.block_on(RawServer::start(|_| answer(204, &[], b"")));
        let mut set = |name: &str, value: String| drop(at.settings.insert(name.to_owned(), value));
        set("IMAGEKIT_PRIVATE_KEY", KEY.to_owned());
        set("IMAGEKIT_URL_ENDPOINT", imagekit.url_endpoint());
        set("IMAGEKIT_UPLOAD_URL", imagekit.api_url());
        set("IMAGEKIT_API_URL", imagekit.api_url());
        set("LONGSHORE_NOTIFY_URL", told.url("/s3cret-hook?token=s3cret-token"));
        set("RUST_LOG", "trace".to_owned());
        // All that any library says, on the stderr of each command or in a file.
        set("LONGSHORE_LOG", "trace".to_owned());
        set("RUST_BACKTRACE", "1".to_owned());
        // The tests' server asks for no password, so that these can be made up.
        for (name, password) in
            [("PRODUCTION_DATABASE_URL", "s3cret%2Fp%C3%A4ss"), ("TRIVIA_ADVISOR_DATABASE_URL", "s3cret-ta")]
        {
            let url = at.settings[name].replacen("postgres@", &format!("postgres:{password}@"), 1);
            assert!(url.contains(password), "the password is in the setting");
            at.settings.insert(name.to_owned(), url);
        }
        at.sql(&format!(
            r#"UPDATE venues SET venue_images =
                   regexp_replace(venue_images::text, '("url": "[^"]*\.(jpg|png|webp|gif))"', '\1?token={QUERY}"', 'g')::jsonb
               WHERE venue_images @> '[{{"upload_status": "external"}}]'"#
        ));
        let basic = |key: &str| {
            let request = http_client_builder().build().unwrap().get("http://127.0.0.1");
            let request = request.basic_auth(key, Some("")).build().unwrap();
            let header = request.headers()["authorization"].to_str().unwrap().to_owned();
            header.trim_start_matches("Basic ").to_owned()
        };
        let mut secrets = vec![basic(KEY), basic("private_s3cret-other"), "s3cret%2Fp".into()];
        // As they are, and percent-encoded as a query or a form would have them.
        for secret in [
            KEY,
            "private_s3cret-other",
            "s3cret/pä",
            "s3cret-ta",
            "s3cret-hook",
            "s3cret-token",
            "s3cret-redirect",
            "s3cret-answer",
        ] {
            secrets.push(secret.to_owned());
            secrets.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
            secrets.push(secret.replace('-', "%2D").replace('_', "%5F"));
        }
        Self { at, watch: Watch { secrets }, cdn, told, _imagekit: imagekit, _dir: dir }
    }

    /// A command in whose answer nothing of all this stands.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Ran {
        let ran = self.at.run(args);
        self.watch.see_no_query(&ran);
        ran
    }

    /// One that tells rows to the letter.
    #[track_caller]
    fn run_exact(&self, args: &[&str]) -> Ran {
        let ran = self.at.run(args);
        self.watch.see_data(&ran);
        ran
    }

    /// The same with one setting changed.
    #[track_caller]
    fn run_with(&self, name: &str, value: &str, args: &[&str]) -> Ran {
        let ran = Ran::new(args, self.at.command(args).env(name, value).output().unwrap());
        self.watch.see_no_query(&ran);
        ran
    }
}

fn says(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Fault::Answer { status, headers, body: body.to_owned() }
}

/// Paused by a key that is refused, in words that hold it.
fn refused(story: &Story) {
    let echo = format!(r#"{{"message": "No such key: private_s3cret-other, {}"}}"#, story.watch.secrets[1]);
    for op in ["upload", "list", "usage"] {
        let headers = [("x-ik-requestid", "private_s3cret-other")];
        story.cdn.inject(op, 0, 1_000, says(403, &headers, &echo));
    }
    let migrate = ["migrate", "--country", "GB", "--yes", "--max-error-rate", "100"];
    let other = |args: &[&str]| story.run_with("IMAGEKIT_PRIVATE_KEY", "private_s3cret-other", args);
    other(&migrate).code(11).says("No such key: …");
    other(&["doctor"]).code(13);
    other(&["doctor", "--format", "json"]).code(13);
    other(&["reconcile"]).code(30);
    other(&["report", "--usage"]).code(0);
    story.cdn.clear();
}

/// Going on, over an origin that redirects, loses and garbles, and steered meanwhile.
fn troubled(story: &Story) {
    let Story { at, cdn, .. } = story;
    let away = [("location", "https://elsewhere.example/x.jpg?sig=s3cret-redirect")];
    let garbled = "<html>https://o.example/?x=s3cret-answer</html>";
    for (nth, fault) in [
        says(404, &[], garbled),
        says(302, &away, ""),
        says(200, &[("content-type", "image/jpeg")], garbled),
        says(503, &[("retry-after", "0")], garbled),
    ]
    .into_iter()
    .enumerate()
    {
        at.sandbox.faults.inject("origin", nth as u64, 1, fault);
    }
    let rejected = format!(r#"{{"message": "Not https://o.example/x?token={QUERY}&key={KEY}"}}"#);
    cdn.inject("upload", 0, 1, says(400, &[], &rejected));
    cdn.inject("upload", 6, 3, Fault::Delay(std::time::Duration::from_millis(300)));
    let mut going = Going::start(at, &["resume", "--concurrency", "2"]);
    going.reach("its seventh upload", || cdn.counts().get("upload").is_some_and(|n| *n >= 7));
    let line = std::fs::read(format!("/proc/{}/cmdline", going.child().id())).unwrap();
    let line = String::from_utf8(line).unwrap();
    assert!(line.contains("resume"), "{line}");
    story.watch.see("the command line", &line);
    for args in [&["control", "status"][..], &["control", "set", "concurrency=8"]] {
        story.run(args);
        story.run(&[args, &["--format", "json"]].concat());
    }
    let ended = going.end();
    story.watch.see_no_query(&ended);
    let ended = ended.code(10);
    for kind in ["not_found", "forbidden_url", "invalid_image", "rejected"] {
        let failures = story.run(&["export", "failures"]);
        assert!(failures.stdout.contains(kind), "{kind} did not happen: {failures}{ended}");
    }
}

/// Every command that tells, in every format.
fn told(story: &Story) {
    for args in [&["report"][..], &["status"], &["countries"], &["plan", "--country", "PL"]] {
        for format in ["table", "json"] {
            story.run(&[args, &["--format", format]].concat()).code(0);
        }
    }
    // The exact form of the audit has rows to the letter, and is looked at below.
    for format in ["table", "csv", "markdown", "html"] {
        story.run(&["export", "failures", "--format", format]).code(0);
        story.run(&["audit", "--live", "--format", format]).code(0);
    }
    story.run(&["log"]).code(0);
    story.run(&["doctor"]).code(0);
    story.run(&["verify", "--sample", "5", "--format", "json"]);
    story.run(&["reconcile", "--format", "json"]);
    story.run(&["ledger", "verify"]).code(0);
    story.run(&["ledger", "checkpoint"]).code(0);
    for args in [&["audit"][..], &["log"], &["export", "rollback-data"]] {
        let exact = story.run_exact(&[args, &["--format", "json"]].concat()).code(0);
        assert!(exact.stdout.contains(QUERY), "rows are told to the letter: {exact}");
    }
    let failures = story.run(&["export", "failures", "--format", "json"]).json();
    let left = failures.as_array().unwrap().iter().find(|of| of["error_type"] == "not_found").unwrap();
    let (venue, url) = (left["venue_id"].to_string(), left["image_url"].as_str().unwrap());
    let skip = ["skip", "--venue-id", &venue, "--image", url, "--reason", "it is lost"];
    let wrong = ["skip", "--venue-id", &venue, "--image", "https://o.example/none", "--reason", "it is lost"];
    story.run(&wrong).code(2).says(url);
    story.run(&skip).code(0).says(url);
}

/// Back again, and a plan that is refused.
fn back(story: &Story) {
    let Story { at, .. } = story;
    assert_eq!(at.run(&["plan", "--country", "PL", "--out", "saved.plan"]).code, Some(0));
    at.sql(
        "UPDATE venues SET venue_images = replace(venue_images::text, 'external', 'gone')::jsonb
         WHERE city_id IN (SELECT c.id FROM cities c JOIN countries l ON l.id = c.country_id WHERE l.code = 'PL')",
    );
    story.run(&["migrate", "--plan", "saved.plan", "--yes"]).code(2).says("no longer external: http");
    let migrated = ["migrate", "--country", "DE", "--yes", "--out", "files", "--log-file", "text.log"];
    // Nobody listens there, which is told.
    let nobody = "http://127.0.0.1:9/s3cret-hook?token=s3cret-token";
    story.run_with("LONGSHORE_NOTIFY_URL", nobody, &migrated);
    story.run(&["rollback", "--country", "GB", "--dry-run"]).code(0);
    story.run(&["rollback", "--country", "GB", "--yes", "--log-format", "json", "--log-file", "json.log"]);
    let twice = story.run_with("LONGSHORE_LOG", "", &["verify", "--country", "DE", "-vv"]);
    assert!(twice.stderr.contains("longshore::request: answered"), "{twice}");
    story.run(&["ledger", "backup", "copy.ledger"]).code(0);
}

/// Every file of a directory, and all that lies below it.
fn files(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => {
                let bytes = std::fs::read(&path).unwrap();
                found.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    found
}

#[test]
fn s1_no_secret_reaches_the_ledger_a_log_a_report_an_error_or_an_alert() {
    let story = Story::new();
    refused(&story);
    troubled(&story);
    told(&story);
    back(&story);
    let left = files(&story.at.work());
    for part in
        [".ledger", ".ledger.lock", "copy.ledger", "saved.plan", "rollback-data.json", "failures.json"]
    {
        assert!(left.iter().any(|(name, _)| name.ends_with(part)), "there is no {part}");
    }
    for log in ["text.log", "json.log"] {
        let (_, text) = left.iter().find(|(name, _)| name.ends_with(log)).expect(log);
        for said in ["TRACE", "DEBUG", "longshore::run", "hyper_util", "reqwest"] {
            assert!(text.contains(said), "{said} is not in {log}");
        }
    }
    for (name, text) in &left {
        story.watch.see(name, text);
        let is_exact =
            ["ledger", "-wal", "saved.plan", "rollback-data.json"].iter().any(|end| name.ends_with(end));
        assert!(is_exact || !text.contains(QUERY), "a query string is in {name}");
    }
    let alerts = story.told.asked();
    assert!(!alerts.is_empty(), "alerts were sent");
    for alert in alerts {
        let body = String::from_utf8(alert.body).unwrap();
        story.watch.see("an alert", &body);
        assert!(!body.contains(QUERY), "a query string is in an alert: {body}");
    }
}

/// Settings that cannot be used, as commands meet them; `doctor`'s own tests have them too.
#[test]
fn s1_a_setting_that_cannot_be_used_is_refused_without_being_repeated() {
    let at = Workplace::new(Kind::Sqlite, 4);
    std::fs::write(at.work().join("report.csv"), REPORT).unwrap();
    let migrate = &["migrate", "--country", "FR", "--yes"][..];
    let populate = &["populate", "--matches", "report.csv"][..];
    let run = |name: &str, value: &str, args: &[&str], code: i32| {
        let mut command = at.command(args);
        command.env(name, value).env("LONGSHORE_LOG", "trace");
        let ran = Ran::new(args, command.output().unwrap()).code(code);
        assert!(!ran.to_string().contains("s3cret"), "{name} is shown: {ran}");
    };
    for (url, code) in [
        ("postgres://me:s3cret@127.0.0.1:9/x", 30),
        ("postgres://me:s3cret@[::bad/x", 2),
        ("postgres://me:s3cret@h.example/x?sslmode=s3cret", 2),
        ("postgres://me:s3cret@h.example/x?sslmode=disable", 2),
        ("mysql://me:s3cret@h.example/x", 2),
    ] {
        for args in [migrate, &["countries"], &["verify"]] {
            run("PRODUCTION_DATABASE_URL", url, args, code);
        }
        run("TRIVIA_ADVISOR_DATABASE_URL", url, populate, code);
        run("PRODUCTION_DATABASE_URL", url, &["doctor"], 13);
    }
    for (name, value) in [
        ("IMAGEKIT_PRIVATE_KEY", "private s3cret"),
        ("IMAGEKIT_URL_ENDPOINT", "https://me:s3cret@ik.example/x"),
        ("IMAGEKIT_UPLOAD_URL", "https://ik.example/?key=s3cret"),
        ("IMAGEKIT_API_URL", "http://ik.example/s3cret"),
        ("ORIGIN_BASE_URL", "https://me:s3cret@o.example"),
        ("LONGSHORE_NOTIFY_URL", "http://hooks.example/s3cret"),
        ("LONGSHORE_NOTIFY_URL", "s3cret"),
        ("IMAGEKIT_STORAGE_LIMIT_GB", "s3cret"),
    ] {
        run(name, value, migrate, 2);
    }
    assert!(!at.ledger().exists(), "nothing was begun");
}
