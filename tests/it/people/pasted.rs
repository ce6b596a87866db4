//! What the program tells people to type next, typed: it works on the same database and the same ledger, whatever the
//! flags were. And what questions name.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::steering::listener;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// A name that a shell has to be told about.
const LEDGER: &str = "ana's dev ledger";
/// The same as it is shown.
const SHOWN: &str = r#"--ledger 'ana'"'"'s dev ledger'"#;

/// Thirty matched venues, with two images each.
fn report() -> String {
    let header = "ta_id,ta_slug,ta_name,ea_id,ea_slug,ea_name,match_type,confidence,distance_m,name_distance,images_count\n";
    let row = |n| format!("{n},ta-{n},Pub {n},{},pub-{n},Pub {n},slug_geo,1.0,5,0,2\n", n + 10);
    header.to_owned() + &(1..=30).map(row).collect::<String>()
}

/// A workplace whose one database is the local one; who turns to the other's finds nothing there.
fn workplace(kind: Kind) -> Workplace {
    let mut at = Workplace::fitting(kind, &report());
    let ours = at.settings["PRODUCTION_DATABASE_URL"].clone();
    at.settings.insert("DEV_DATABASE_URL".into(), ours);
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), "sqlite:/nowhere/production.db".into());
    std::fs::write(at.work().join("report.csv"), report()).unwrap();
    at
}

/// Runs a command on the local database.
fn on_dev(at: &Workplace, args: &[&str]) -> Ran {
    at.run(&[args, &["--target", "dev", "--ledger", LEDGER]].concat())
}

/// The commands that a text names, each with the flags in force.
#[track_caller]
fn commands(text: &str) -> Vec<String> {
    let named = text.split('`').skip(1).step_by(2).filter(|part| part.starts_with("longshore "));
    let named: Vec<String> = named.map(str::to_owned).collect();
    for command in &named {
        let is_populate = command.contains(" populate");
        assert!(command.contains(SHOWN), "{command}: {text}");
        assert_eq!(command.contains("--target dev"), !is_populate, "{command}: {text}");
    }
    named
}

/// The texts of a JSON document.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(all) => all.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Pastes a command into a shell.
fn paste(at: &Workplace, command: &str) -> Ran {
    let program = Path::new(env!("CARGO_BIN_EXE_longshore")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(at.work()).env_clear().envs(&at.settings).env("PATH", path);
    let output = shell.stdin(std::process::Stdio::null()).output().unwrap();
    Ran::new(&[command], output)
}

/// Sees that every command of an answer can be pasted and finds the ledger. Placeholders are for people to fill.
#[track_caller]
fn pastes(at: &Workplace, ran: &Ran) -> Vec<String> {
    let all = [commands(&ran.stdout), commands(&ran.stderr)].concat();
    for command in &all {
        let is_whole =
            !command.split(' ').any(|word| ["N", "NAME", "FILE", "ID", "…", "DIR"].contains(&word));
        if is_whole {
            let said = paste(at, command);
            let text = said.stdout.clone() + &said.stderr;
            assert!(!text.contains("there is no ledger") && !text.contains("/nowhere/"), "{said}");
            for other in ["longshore.production.ledger", "longshore.dev.ledger"] {
                assert!(!at.work().join(other).exists() && !text.contains(other), "{said}");
            }
        }
    }
    all
}

/// Where it works, in a question's words.
fn place(at: &Workplace) -> String {
    place_of(at, "dev", "DEV_DATABASE_URL")
}

fn place_of(at: &Workplace, target: &str, setting: &str) -> String {
    let url = &at.settings[setting];
    match url.strip_prefix("sqlite:") {
        Some(path) => {
            format!("the {target} database (SQLite {})", std::fs::canonicalize(path).unwrap().display())
        }
        None => {
            let (_, rest) = url.rsplit_once('@').unwrap();
            let (host, name) = rest.split_once('/').unwrap();
            format!("the {target} database (PostgreSQL {name}, schema public, at {host})")
        }
    }
}

fn there_and_back(kind: Kind) {
    let at = workplace(kind);
    let before = at.rows();
    let populated = at.run(&["populate", "--matches", "report.csv", "--ledger", LEDGER]).code(0);
    let populated = populated.says(&format!("to 30 venues, in {}.", place(&at)));
    let named = commands(&populated.stdout);
    assert_eq!(named, [format!("longshore --target dev {SHOWN} rollback --run 2")], "{populated}");
    // Without a terminal it only asks, and names what it asks about.
    let asked = paste(&at, &named[0]).code(2).says("there is no terminal");
    let asked = asked.says(&place(&at)).says("Run 2: populate everywhere, by tester@");
    let started = asked.stderr.lines().find(|line| line.contains("Run 2: populate")).unwrap();
    assert!(started.ends_with("Z."), "when: {asked}");
    if let Some((_, rest)) = at.settings["DEV_DATABASE_URL"].split_once("://") {
        let login = rest.split_once('@').unwrap().0;
        let secret = login.split_once(':').map_or(login, |(_, password)| password);
        assert!(secret.is_empty() || !asked.stderr.contains(&format!(":{secret}")), "{asked}");
    }
    assert!(at.rows() != before);
    paste(&at, &format!("{} --yes", named[0])).code(0).says("30 of 30 venues restored.");
    let (images, was) = (at.rows(), before);
    assert!(images.iter().all(|(id, row)| row.images == was[id].images));
}

#[test]
fn d7_a_command_that_is_shown_works_on_the_same_ledger_on_sqlite() {
    there_and_back(Kind::Sqlite);
}

#[test]
fn d7_a_command_that_is_shown_works_on_the_same_ledger_on_postgres() {
    there_and_back(Kind::Postgres);
}

#[test]
fn d7_whatever_is_shown_can_be_pasted() {
    let mut at = workplace(Kind::Sqlite);
    let server = listener(&at, &[200]);
    at.settings.insert("LONGSHORE_NOTIFY_URL".into(), server.url("/"));
    on_dev(&at, &["populate", "--matches", "report.csv"]).code(0);
    at.order("origin=404x60%");
    let mut named: Vec<String> = Vec::new();
    let paused = on_dev(&at, &["migrate", "--venue-id", "11", "--yes"]);
    named.extend(commands(&paused.stdout));
    // A run that pauses by itself, in words and in JSON; then its alert.
    let code = on_dev(&at, &["migrate", "--country", "GB", "--yes", "--max-error-rate", "1"]);
    let rest = at.run(&["status", "--target", "dev", "--ledger", LEDGER]).code(0);
    assert!(rest.stdout.contains("goes on"), "it has paused: {code} {rest}");
    named.extend(commands(&(code.stdout + &code.stderr)));
    let json = on_dev(&at, &["resume", "--format", "json"]);
    for text in texts(&json.json()) {
        named.extend(commands(text));
    }
    let alerts = server.asked();
    let alerts: Vec<Value> =
        alerts.iter().map(|asked| serde_json::from_slice(&asked.body).unwrap()).collect();
    let told: Vec<String> = alerts
        .iter()
        .flat_map(|alert| [&alert["text"], &alert["message"]])
        .flat_map(|text| commands(text.as_str().unwrap()))
        .collect();
    assert!(told.iter().any(|command| command.contains(" resume --run ")), "{alerts:?}");

    for args in [
        &["status"][..],
        &["report"],
        &["log"],
        &["doctor"],
        &["plan", "--country", "GB"],
        &["plan"],
        &["migrate"],
        &["rollback"],
        &["rollback", "--country", "GB"],
        &["resume", "--run", "9999"],
        &["report", "--run", "9999"],
        &["status", "--as-of", "0"],
        &["report", "--country", "Atlantis"],
        &["migrate", "--country", "Atlantis", "--yes"],
        &["skip", "--venue-id", "11", "--reason", "no longer there"],
        &["skip", "--venue-id", "99999", "--reason", "no longer there"],
        &["control", "status"],
        &["ledger", "checkpoint"],
    ] {
        named.extend(pastes(&at, &on_dev(&at, args)));
        if ["doctor", "status", "report"].contains(&args[0]) {
            let html = on_dev(&at, &[args, &["--format", "markdown"]].concat());
            named.extend(commands(&html.stdout.replace("\\`", "`")));
        }
    }
    let doctor = on_dev(&at, &["doctor", "--format", "json"]);
    for text in texts(&doctor.json()) {
        named.extend(commands(text));
    }
    for verb in ["resume", "status", "log", "report", "rollback", "export", "migrate", "plan", "countries"] {
        assert!(named.iter().any(|command| command.contains(&format!(" {verb}"))), "{verb}: {named:?}");
    }
    // What is written down names no flags: whoever reads it may be elsewhere.
    let log = on_dev(&at, &["log", "--kind", "paused", "--format", "json"]).code(0);
    assert!(log.stdout.contains("`longshore resume") && !log.stdout.contains("--ledger"), "{log}");
}

#[test]
fn d7_on_the_usual_target_and_ledger_nothing_is_added() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let args = ["migrate", "--country", "PL", "--yes", "--ledger", "./longshore.production.ledger"];
    let ran = at.run(&args);
    let named = ran.stdout.split('`').skip(1).step_by(2).filter(|part| part.starts_with("longshore "));
    let named: Vec<&str> = named.collect();
    assert!(named.contains(&"longshore rollback --run 2") && !ran.stdout.contains("--target"), "{ran}");
}

#[test]
fn c4_every_question_names_the_database_and_the_runs() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let place = place_of(&at, "production", "PRODUCTION_DATABASE_URL");
    let asks = |args: &[&str], run: Option<&str>| {
        let asked = at.run(args).code(2).says("there is no terminal to ask").says(&place);
        if let Some(run) = run {
            let line = asked.stderr.lines().find(|line| line.trim_start().starts_with(run));
            let line = line.unwrap_or_else(|| panic!("{run}: {asked}"));
            assert!(line.contains(", by tester@") && line.ends_with("Z."), "who and when: {asked}");
        }
    };
    asks(&["migrate", "--country", "PL"], None);
    at.run(&["plan", "--country", "PL", "--out", "pl.plan"]).code(0);
    asks(&["migrate", "--plan", "pl.plan"], None);
    at.order("upload=quota");
    at.run(&["migrate", "--country", "PL", "--yes"]).code(11);
    asks(&["migrate", "--country", "PL"], Some("Run 2: migrate Poland"));
    asks(&["rollback", "--country", "PL"], Some("Run 2: migrate Poland"));
    at.order("upload=none");
    at.run(&["resume"]).says(&place);
    asks(
        &["rollback", "--venue-id", &at.sandbox.world.to_migrate("PL")[0].id.to_string()],
        Some("Run 2: migrate Poland"),
    );
    at.run(&["rollback", "--country", "PL", "--yes"]).code(0);
    asks(&["reconcile", "--delete-orphans"], None);
}
