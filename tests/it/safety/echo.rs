//! A database, an ImageKit and an origin that say back the secrets they were sent, in every spelling, and nothing of it in
//! anything that is said, written or sent to somebody else (requirement S1). Data stays what it is.

use std::process::Command;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use longshore::sandbox::faults::{Fault, Faults};
use longshore::sandbox::imagekit;
use serde_json::Value;

use crate::kill::hand::Going;
use crate::support::program::{Ran, Workplace};
use crate::support::raw_http::{RawServer, answer};
use crate::support::stage::Kind;

const KEY: &str = "private_Ech0+s3cret/Key=";
const PASSWORD: &str = "pä+ss W0rd/\"ech\\o";
/// A part of the path that alerts go to, which a host's name can hold.
const HOOK: &str = "T0kenOfTheHook";

const RUN: [&str; 6] = ["migrate", "--country", "GB", "--yes", "--max-error-rate", "100"];

/// How others may write a secret.
fn spellings(secret: &str) -> Vec<String> {
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let json = serde_json::to_string(secret).unwrap();
    let json = json.trim_matches('"');
    let mut all = vec![
        secret.to_owned(),
        secret.to_uppercase(),
        secret.to_lowercase(),
        percent.to_uppercase(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        json.to_owned(),
        json.replace('ä', "\\u00e4"),
        STANDARD.encode(secret).trim_end_matches('=').to_owned(),
        URL_SAFE_NO_PAD.encode(format!("me:{secret}")),
        percent.replace('%', ""),
        percent,
    ];
    all.dedup();
    all
}

/// What must be nowhere: each spelling, and how the plain ones begin, as after a cut.
fn unwanted() -> Vec<String> {
    let mut all: Vec<String> = [KEY, PASSWORD, HOOK].into_iter().flat_map(spellings).collect();
    all.extend(["private_Ech0".to_owned(), "pä+ss W".to_owned()]);
    all
}

#[track_caller]
fn see(what: &str, text: &str) {
    // The log's text has quotes and backslashes escaped once more.
    for text in [text.to_owned(), text.replace("\\\\", "\\").replace("\\\"", "\"")] {
        for secret in unwanted() {
            let at = text.find(&secret);
            let near = at.map(|at| {
                let (from, to) = (text.floor_char_boundary(at.saturating_sub(200)), at + secret.len());
                &text[from..to]
            });
            assert_eq!(near, None, "{secret} is in {what}");
        }
    }
}

#[track_caller]
fn seen(ran: Ran) -> Ran {
    see(&ran.args, &ran.stdout);
    see(&ran.args, &ran.stderr);
    ran
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Lets every update of a row fail with one of these messages, under this SQLSTATE.
fn echo(at: &Workplace, messages: &[String], state: &str) {
    let messages: Vec<_> = messages.iter().map(|message| quoted(message)).collect();
    at.sql(&format!(
        "CREATE OR REPLACE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
             RAISE EXCEPTION USING ERRCODE = '{state}',
                 MESSAGE = (ARRAY[{}])[1 + NEW.id % {}];
         END $f$;
         DROP TRIGGER IF EXISTS echo ON venues;
         CREATE TRIGGER echo BEFORE UPDATE ON venues FOR EACH ROW EXECUTE FUNCTION echo();",
        messages.join(", "),
        messages.len()
    ));
}

/// All spellings of the password in as many messages as they need, and one that is cut within it.
fn echoes() -> Vec<String> {
    let mut messages: Vec<String> = spellings(PASSWORD).chunks(3).map(|some| some.join(" ; ")).collect();
    messages.push(format!("{} {PASSWORD}", "x".repeat(292)));
    messages
}

fn says(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Fault::Answer { status, headers, body: body.to_owned() }
}

/// A place whose every secret is sent to somebody who says it back.
struct Echoing {
    at: Workplace,
    cdn: Arc<Faults>,
    told: RawServer,
    _imagekit: imagekit::Running,
    _dir: tempfile::TempDir,
}

impl Echoing {
    fn new(venues: u32) -> Self {
        let mut at = Workplace::new(Kind::Postgres, venues);
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
        set("LONGSHORE_NOTIFY_URL", told.url(&format!("/{HOOK}")));
        set("LONGSHORE_LOG", "trace".to_owned());
        // The tests' server asks for no password, so that one can be made up.
        let password: String = PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for name in ["PRODUCTION_DATABASE_URL", "TRIVIA_ADVISOR_DATABASE_URL"] {
            let url = at.settings[name].replacen("postgres@", &format!("postgres:{password}@"), 1);
            at.settings.insert(name.to_owned(), url);
        }
        Self { at, cdn, told, _imagekit: imagekit, _dir: dir }
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Ran {
        seen(self.at.run(args))
    }

    /// Everything that was written, and everything that was sent to whom alerts go.
    #[track_caller]
    fn see_what_is_left(&self) {
        for entry in std::fs::read_dir(self.at.work()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                see(&path.display().to_string(), &String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
            }
        }
        let alerts = self.told.asked();
        assert!(!alerts.is_empty(), "alerts were sent");
        alerts.iter().for_each(|alert| see("an alert", &String::from_utf8_lossy(&alert.body)));
    }

    fn kinds(&self) -> String {
        self.at.run(&["export", "failures", "--format", "json"]).stdout
    }
}

#[test]
fn s1_what_everybody_says_back_is_masked_in_every_way_out() {
    let all = Echoing::new(12);
    echo(&all.at, &echoes(), "P0001");
    for (nth, spelled) in spellings(KEY).iter().enumerate() {
        let body = serde_json::json!({ "message": format!("Bad key: {spelled}, and so on") }).to_string();
        all.cdn.inject(
            "upload",
            nth as u64,
            1,
            says(400, &[("x-ik-requestid", &spelled.replace('\n', ""))], &body),
        );
    }
    let host = format!("http://{}.example/x.jpg", HOOK.to_lowercase());
    for (nth, fault) in [says(302, &[("location", &host)], ""), says(200, &[("content-encoding", KEY)], KEY)]
        .into_iter()
        .enumerate()
    {
        all.at.sandbox.faults.inject("origin", nth as u64, 1, fault);
    }
    all.run(&[&RUN[..], &["--log-file", "text.log"]].concat()).code(10);
    let kinds = all.kinds();
    for kind in ["catalog_error", "rejected", "forbidden_url"] {
        assert!(kinds.contains(kind), "{kind} did not happen: {kinds}");
    }
    assert!(kinds.contains("the database refused: …") && kinds.contains("Bad key: …, and so on"), "{kinds}");
    for format in ["table", "json", "csv", "markdown", "html"] {
        for args in [&["report"][..], &["export", "failures"], &["audit"]] {
            all.run(&[args, &["--format", format, "-o", &format!("{}.{format}", args[0])]].concat()).code(0);
            all.run(&[args, &["--format", format]].concat()).code(0);
        }
    }
    for args in [&["log"][..], &["status"], &["log", "--format", "json"], &["status", "--format", "json"]] {
        all.run(args).code(0);
    }
    let failures: Value = serde_json::from_str(&kinds).unwrap();
    let (venue, url) = (failures[0]["venue_id"].to_string(), failures[0]["image_url"].as_str().unwrap());
    let reason = format!("pasted: {PASSWORD}");
    let skip = ["skip", "--venue-id", &venue, "--image", url, "--reason", &reason];
    see("a skip", &all.at.run(&skip).code(0).to_string().replace(&reason, ""));
    all.run(&["resume", "--retry-failed", "--yes", "--log-file", "json.log", "--log-format", "json"]);
    all.see_what_is_left();
}

#[test]
fn s1_a_database_that_is_away_and_says_the_password_is_masked_in_alerts_and_at_the_socket() {
    let all = Echoing::new(12);
    echo(&all.at, &echoes()[..1], "57P03");
    let mut going = Going::start(&all.at, &RUN);
    going.reach("the outage", || !all.told.asked().is_empty());
    let status = all.run(&["control", "status"]).code(0);
    assert!(status.stdout.contains("It waits: ") && status.stdout.contains('…'), "{status}");
    let json = all.run(&["control", "status", "--format", "json"]).code(0);
    assert!(json.json()["waiting"].as_str().unwrap().contains('…'), "{json}");
    going.signal("TERM");
    seen(going.end()).code(11);
    all.run(&["log"]).code(0).says("database_lost");
    all.see_what_is_left();
}

#[test]
fn s1_what_an_older_ledger_holds_is_masked_when_it_is_told_and_data_is_to_the_letter() {
    let mut all = Echoing::new(12);
    let secret = "s3cret-of-the-row";
    // To the program that writes this ledger it is no secret.
    echo(&all.at, &[format!("the key is {secret}")], "P0001");
    all.at.sql(&format!(
        r#"ALTER TABLE venues DISABLE TRIGGER echo;
           UPDATE venues SET venue_images = venue_images || '[{{"source": "other", "message": "{secret}"}}]'
           WHERE venue_images @> '[{{"upload_status": "external"}}]';
           ALTER TABLE venues ENABLE TRIGGER echo;"#
    ));
    all.at.settings.insert("LONGSHORE_LOG".into(), String::new());
    let before = all.run(&RUN).code(10);
    assert!(before.stderr.contains(secret), "it is told: {before}");
    all.at.sql("DROP TRIGGER echo ON venues");
    all.run(&["migrate", "--country", "DE", "--yes"]).says("is finished");
    all.at.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), secret.into());
    for format in ["table", "json", "csv", "markdown", "html"] {
        let ran = all.run(&["export", "failures", "--format", format]).code(0);
        // A table folds what is long.
        assert!(ran.stdout.contains("key is …") && !ran.stdout.contains(secret), "{ran}");
    }
    let log = all.run(&["log", "--kind", "failed"]).code(0);
    assert!(log.stdout.contains("the key is …") && !log.stdout.contains(secret), "{log}");
    let log = all.run(&["log", "--kind", "failed", "--format", "json"]).code(0);
    assert!(log.stdout.contains("the key is …") && !log.stdout.contains(secret), "{log}");
    // Rows are what they are, or could not be put back.
    for args in [&["audit", "--country", "DE"][..], &["export", "rollback-data", "--country", "DE"]] {
        let exact = all.run(&[args, &["--format", "json"]].concat()).code(0);
        let rows = exact.stdout.replace("\\\"", "\"");
        assert!(rows.contains(&format!(r#""message": "{secret}""#)), "{exact}");
    }
}

#[test]
fn s1_a_panic_says_no_secret_and_steers_no_terminal() {
    const CHILD: &str = "LONGSHORE_TEST_PANICS";
    if std::env::var_os(CHILD).is_some() {
        longshore::secrets::know([PASSWORD.to_owned()]);
        std::panic::set_hook(Box::new(|panic| {
            longshore::show::panicked(panic);
        }));
        std::thread::spawn(|| panic!("it had {PASSWORD} in hand\u{1b}[2J")).join().unwrap_err();
        return;
    }
    let name = "safety::echo::s1_a_panic_says_no_secret_and_steers_no_terminal";
    let mut itself = Command::new(std::env::current_exe().unwrap());
    let ended = itself.args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("panicked at") && said.contains("it had … in hand[2J"), "{said}");
    see("a panic", &said);
    assert!(!said.contains('\u{1b}'), "{said}");
}
