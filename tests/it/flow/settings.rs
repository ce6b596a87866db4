//! Settings, targets and secrets (requirements D6, D7, S1, S5).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "DE", "--yes"];

#[test]
fn d6_a_missing_setting_is_named_and_nothing_is_begun() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    for name in ["PRODUCTION_DATABASE_URL", "IMAGEKIT_PRIVATE_KEY", "IMAGEKIT_URL_ENDPOINT"] {
        let value = at.settings.remove(name).unwrap();
        at.run_idle(&MIGRATE).code(2).says(&format!("{name} is not set"));
        at.settings.insert(name.into(), String::new());
        at.run_idle(&MIGRATE).code(2).says(&format!("{name} is not set"));
        at.settings.insert(name.into(), value);
    }
    // Looking needs the database only.
    at.settings.retain(|name, _| !name.starts_with("IMAGEKIT") && name != "ORIGIN_BASE_URL");
    at.run_idle(&["countries"]).code(0);
    at.run_idle(&["migrate", "--country", "DE", "--dry-run"]).code(0);
}

#[test]
fn d6_a_limit_that_is_no_positive_number_is_named() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    for name in ["IMAGEKIT_STORAGE_LIMIT_GB", "IMAGEKIT_BANDWIDTH_LIMIT_GB"] {
        let value = at.settings.insert(name.into(), "lots".into()).unwrap();
        at.run_idle(&MIGRATE).code(2).says(&format!("{name} is no positive number"));
        at.settings.insert(name.into(), value);
    }
    at.run_idle(&["countries"]).code(0);
}

#[test]
fn d6_a_dotenv_is_read_and_the_environment_wins() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    let env = std::fs::read_to_string(at.sandbox_dir().join("env")).unwrap();
    let real = std::mem::take(&mut at.settings);
    at.run(&["countries"]).code(2).says("PRODUCTION_DATABASE_URL is not set");
    std::fs::write(at.work().join(".env"), env).unwrap();
    at.run(&["countries"]).code(0).says("Germany");
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), "sqlite:/nowhere/at-all.db".into());
    at.run(&["countries"]).code(30).says("/nowhere/at-all.db");
    for unusable in ["postgres://a@db.example/x?sslmode=disable", "postgres://a@[::bad/x", "mysql://a@b/c"] {
        at.settings.insert("PRODUCTION_DATABASE_URL".into(), unusable.into());
        at.run(&["countries"]).code(2);
    }
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), "sqlite:/nowhere/at-all.db".into());
    let wrong = "PRODUCTION_DATABASE_URL='sqlite:/nowhere/at-all.db'\n";
    std::fs::write(at.work().join(".env"), wrong).unwrap();
    at.settings = real;
    at.run(&["countries"]).code(0).says("Germany");
    std::fs::write(at.work().join(".env"), "IMAGEKIT_PRIVATE_KEY='private_half a line\n").unwrap();
    let broken = at.run(&["countries"]).code(2).says(".env");
    assert!(!broken.stderr.contains("private_half"), "{broken}");
}

#[test]
fn d6_a_setting_that_is_no_text_is_named_and_nothing_else_is_taken_for_it() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let env = std::fs::read_to_string(at.sandbox_dir().join("env")).unwrap();
    std::fs::write(at.work().join(".env"), env).unwrap();
    let names = ["PRODUCTION_DATABASE_URL", "DEV_DATABASE_URL", "ORIGIN_BASE_URL", "LONGSHORE_NOTIFY_URL"];
    for name in names {
        let mut command = at.command(&["countries"]);
        command.env(name, OsStr::from_bytes(b"sqlite:/hunter2-\xff.db"));
        let ran = Ran::new(&["countries"], command.output().unwrap()).code(2).says(name).says("not UTF-8");
        assert!(ran.says(&format!("unset {name}")).stdout.is_empty());
    }
}

#[test]
fn d6_the_environment_wins_under_either_spelling_of_a_name() {
    let at = Workplace::new(Kind::Sqlite, 4);
    std::fs::write(at.work().join(".env"), "TRIVIA_ADVISOR_DATABASE_URL='sqlite:/of/the/file.db'\n").unwrap();
    for (value, code, words) in [
        (&b"sqlite:/of/the/environment.db"[..], 13, "/of/the/environment.db"),
        (b"sqlite:/\xff", 13, "not UTF-8"),
    ] {
        let mut command = at.command(&["doctor"]);
        command.env_remove("TRIVIA_ADVISOR_DATABASE_URL");
        command.env("TRVIA_ADVISOR_DATABASE_URL", OsStr::from_bytes(value));
        let ran = Ran::new(&["doctor"], command.output().unwrap()).code(code).says(words);
        assert!(!ran.stdout.contains("/of/the/file.db"), "{ran}");
    }
}

#[test]
fn d6_a_dotenv_is_read_as_editors_write_it_or_refused_in_words() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    let env = std::fs::read_to_string(at.sandbox_dir().join("env")).unwrap();
    at.settings.clear();
    let file = at.work().join(".env");
    let with_lines_of_windows = env.replace('\n', "\r\n");
    for text in
        [format!("\u{feff}{env}"), with_lines_of_windows.clone(), format!("\u{feff}{with_lines_of_windows}")]
    {
        std::fs::write(&file, text).unwrap();
        at.run(&["countries"]).code(0).says("Germany");
    }
    let wide: Vec<u16> = env.encode_utf16().collect();
    let little: Vec<u8> = wide.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = wide.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for (bytes, words) in [
        ([b"\xff\xfe", little.as_slice()].concat(), "is UTF-16"),
        ([b"\xfe\xff", big.as_slice()].concat(), "is UTF-16"),
        (little, "is UTF-16"),
        ([b"# caf\xe9\n", env.as_bytes()].concat(), "is not UTF-8"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        at.run(&["countries"]).code(2).says(".env").says(words).says("Save it as UTF-8");
    }
}

#[test]
fn d7_each_target_has_its_ledger() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    at.settings.insert("DEV_DATABASE_URL".into(), at.settings["PRODUCTION_DATABASE_URL"].clone());
    at.run(&[&MIGRATE[..], &["--target", "dev"]].concat());
    assert!(at.work().join("longshore.dev.ledger").exists() && !at.ledger().exists());
    let verified = at.run_json(&["ledger", "verify", "--target", "dev"]).code(0).json();
    assert!(verified["events"].as_u64().unwrap() > 5, "{verified}");
    at.run(&["ledger", "verify"]).code(2).says("longshore.production.ledger");
    at.run(&["migrate", "--country", "FR", "--yes"]);
    assert!(at.ledger().exists());
    // The ledger of the one is refused for the other, though both settings name one database here.
    let dev = ["--ledger", "longshore.dev.ledger"];
    at.run_idle(&[&["migrate", "--country", "PL", "--yes"], &dev[..]].concat())
        .code(2)
        .says("belongs to dev");
}

fn another_database_is_refused(kind: Kind) {
    let mut at = Workplace::new(kind, 4);
    at.run(&MIGRATE);
    let other = Workplace::new(kind, 4);
    let theirs = other.settings["PRODUCTION_DATABASE_URL"].clone();
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), theirs);
    for args in
        [&["migrate", "--country", "PL", "--yes"][..], &["resume"], &["rollback", "--country", "DE", "--yes"]]
    {
        at.run_idle(args).code(2).says("belongs to").says("`--ledger PATH`");
    }
    assert_eq!(other.rows().len(), at.rows().len());
    assert!(other.counts().is_empty(), "nothing was asked there");
}

#[test]
fn d7_another_database_is_refused_on_sqlite() {
    another_database_is_refused(Kind::Sqlite);
}

#[test]
fn d7_another_database_is_refused_on_postgres() {
    another_database_is_refused(Kind::Postgres);
}

#[test]
fn s1_s5_no_secret_is_shown_or_kept_and_the_files_are_private() {
    let mut at = Workplace::new(Kind::Postgres, 8);
    // The test's server asks for no password, so that one can be made up.
    let url = at.settings["PRODUCTION_DATABASE_URL"].replace("postgres@", "postgres:pass-w0rd-of-the-db@");
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), url.clone());
    let key = at.settings["IMAGEKIT_PRIVATE_KEY"].clone();
    let secrets = [key.as_str(), "pass-w0rd-of-the-db", "private_wrong_key"];
    let mut said = String::new();
    for args in [
        &["countries"][..],
        &["migrate", "--country", "PL", "--yes"],
        &["rollback", "--country", "PL", "--yes"],
        &["log", "--format", "json"],
        &["log"],
        &["status"],
        &["ledger", "verify"],
    ] {
        said.push_str(&at.run(args).to_string());
    }
    at.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_wrong_key".into());
    said.push_str(&at.run(&["migrate", "--country", "DE", "--yes"]).code(11).to_string());
    let nowhere = url.replace("127.0.0.1", "127.0.0.2").replace("/longshore_", "/no_longshore_");
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), nowhere);
    said.push_str(&at.run(&["countries"]).code(30).to_string());
    let files = std::fs::read_dir(at.work()).unwrap().map(|entry| entry.unwrap().path());
    for path in files {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        if path.is_file() {
            said.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
    for secret in secrets {
        let at = said.find(secret).map(|at| &said[at.saturating_sub(200)..at + secret.len()]);
        assert_eq!(at, None, "{secret} was shown or kept");
    }
}
