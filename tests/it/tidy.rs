//! The house rules that can be checked, checked: what is nowhere, which way arrows point, how long files are, and that
//! the docs name what the code has and nothing else.

mod commands;
mod files;
mod typed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use ledger::event::Event;
use ledger::trouble::TroubleKind;
use ledger::wire;
use longshore::cli::Cli;
use longshore::error::Exit;

/// The longest source file that is still read in one go.
const LINES_MAX: usize = 600;

/// What may lie at the top, beside files whose names begin with a dot.
const TOP: [&str; 9] =
    ["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "benches", "deny.toml", "docs", "ledger", "src"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the project, relative to its root: as git has it, with new files and without ignored ones; outside a
/// checkout, whatever is there.
fn files() -> Vec<String> {
    let mut git = Command::new("git");
    let listed =
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let files: Vec<String> = match listed.output() {
        Ok(output) if output.status.success() && root().join(".git").exists() => {
            let text = String::from_utf8(output.stdout).unwrap();
            text.split_terminator('\0').map(str::to_owned).collect()
        }
        _ => walk(root()),
    };
    let files: Vec<String> = files.into_iter().filter(|file| root().join(file).is_file()).collect();
    assert!(files.iter().any(|file| file == "src/main.rs"), "the project was not found");
    files
}

fn walk(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        match path.is_dir() {
            true if name == "target" || name == ".git" => {}
            true => found.extend(walk(&path)),
            false => found.push(name),
        }
    }
    found
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The Rust files below a folder, with their lines of code: comments may speak of anything.
fn code(below: &str) -> BTreeMap<String, String> {
    let ours = files().into_iter().filter(|file| file.starts_with(below) && file.ends_with(".rs"));
    let code = |file: &str| {
        let text = read(file);
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let found: BTreeMap<_, _> = ours.map(|file| (file.clone(), code(&file))).collect();
    assert!(!found.is_empty(), "nothing was found below {below}");
    found
}

/// The identifiers of a text.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

/// The files below a folder that use one of these words, each as `file: word`.
fn users(below: &str, unwanted: &[&str]) -> Vec<String> {
    let mut users = Vec::new();
    for (file, text) in code(below) {
        let words = words(&text);
        users.extend(
            unwanted.iter().filter(|word| words.contains(**word)).map(|word| format!("{file}: {word}")),
        );
    }
    users
}

fn nobody(users: Vec<String>, rule: &str) {
    assert!(users.is_empty(), "{rule}:\n  {}", users.join("\n  "));
}

#[test]
fn the_ledger_neither_waits_nor_meets_the_world() {
    let unwanted = [
        "tokio",
        "async",
        "await",
        "reqwest",
        "sqlx",
        "clap",
        "tracing",
        "SystemTime",
        "Instant",
        "env",
        "thread",
        "sleep",
        "rand",
        "fastrand",
        "getrandom",
        "net",
        "println",
        "eprintln",
    ];
    nobody(users("ledger/src/", &unwanted), "time, ids and answers are handed to the ledger");
    let manifest = read("ledger/Cargo.toml");
    let (_, rest) = manifest.split_once("[dependencies]\n").unwrap();
    let (dependencies, _) = rest.split_once("\n[").unwrap();
    let names: Vec<_> = dependencies.lines().filter_map(|line| line.split(['.', ' ']).next()).collect();
    let known = ["blake3", "rusqlite", "rustix", "serde", "serde_json", "thiserror", "time", ""];
    assert!(names.iter().all(|name| known.contains(name)), "a new dependency of the ledger: {names:?}");
}

#[test]
fn only_the_store_names_the_ledgers_file_format() {
    let mut users = users("ledger/src/", &["rusqlite"]);
    users.retain(|user| !user.starts_with("ledger/src/store.rs") && !user.starts_with("ledger/src/store/"));
    nobody(users, "only store.rs and store/ touch the file");
}

#[test]
fn only_the_retry_loop_sleeps_to_retry() {
    let allowed = [
        // The one retry loop, and its tests.
        "src/runner/retry.rs",
        "src/runner/retry/tests.rs",
        "src/runner/retry/tests/outage.rs",
        // Keeps a claim's connection alive; and, once a run, waits for a killed program's lock to come free. That is
        // waiting for a person's turn, not for a request to go better.
        "src/outside/catalog/claims.rs",
        // The stand-ins answer as slowly as they were told to.
        "src/sandbox/origin/answer.rs",
        "src/sandbox/imagekit/front.rs",
        "src/sandbox/spoil.rs",
        // Looks again whether another process has appended; nothing was tried that could be retried.
        "src/cli/watch.rs",
        // Looks on until the run it is going to kill has come far enough.
        "src/cli/demo.rs",
    ];
    let mut users = users("src/", &["sleep", "sleep_until", "interval", "park_timeout", "recv_timeout"]);
    users.retain(|user| !allowed.iter().any(|file| user.starts_with(file)));
    nobody(users, "only runner/retry.rs sleeps to retry");
}

#[test]
fn only_main_ends_the_process() {
    let ends = ["process::exit", "process::abort", "::exit(", "::abort("];
    let mut users = Vec::new();
    for (file, text) in code("src/").into_iter().chain(code("ledger/src/")) {
        if file != "src/main.rs" && ends.iter().any(|end| text.contains(end)) {
            users.push(file);
        }
    }
    nobody(users, "only main.rs exits the process");
}

#[test]
fn only_the_limits_hold_times() {
    let mut users = Vec::new();
    // Tests choose their own times, at a file's end, in one of their own, or in a folder of these.
    let is_test = |file: &str| file.ends_with("/tests.rs") || file.contains("/tests/");
    for (file, text) in code("src/").into_iter().filter(|(file, _)| !is_test(file)) {
        let text = text.split("#[cfg(test)]").next().unwrap();
        // The stand-in's requests per second are counted by the second, as ImageKit counts them.
        let text = text.replace("const WINDOW: Duration = Duration::from_secs(1);", "");
        for made in text.split("Duration::from_").skip(1) {
            let of = made.split_once('(').map_or("", |(_, of)| of);
            if of.starts_with(|c: char| c.is_ascii_digit()) {
                users.push(file.clone());
            }
        }
    }
    nobody(users, "a time that steers something belongs into limits.rs, with its reason");
}

#[test]
fn the_runner_and_the_outside_have_never_heard_of_a_terminal() {
    let unwanted = [
        "println",
        "eprintln",
        "print",
        "eprint",
        "stdin",
        "stdout",
        "stderr",
        "clap",
        "indicatif",
        "comfy_table",
    ];
    for room in ["src/runner/", "src/outside/", "src/sandbox/"] {
        nobody(users(room, &unwanted), "only cli and show speak to people");
    }
}

/// Which rooms a room may name. Within a room everything may name everything.
fn may_name(room: &str) -> &'static [&'static str] {
    match room {
        "cli" => &["config", "error", "limits", "outside", "runner", "sandbox", "secrets", "show"],
        // Only `Told`: what a run tells is the runner's word, and show puts it into people's.
        "show" => &["error", "runner", "secrets"],
        "runner" => &["limits", "outside", "secrets"],
        // Only the shapes of countries and cities, so that its world and the catalog's are the same.
        "sandbox" => &["limits", "outside"],
        "outside" => &["limits", "pass_file", "secrets"],
        "config" => &["error", "limits", "pass_file", "secrets"],
        "pass_file" => &["limits"],
        "error" | "limits" | "secrets" => &[],
        // For its `eprintln!`, which makes talk harmless for a terminal.
        "lib" => &["show"],
        "main" => &["cli", "error", "show"],
        other => panic!("src/{other} is a new room: say here whom it may name"),
    }
}

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for (file, text) in code("src/") {
        let inner = file.trim_start_matches("src/");
        let room = inner.split(['/', '.']).next().unwrap();
        let known = may_name(room);
        // The target of a log's line is no path.
        let text = text.replace("\"longshore::", "\"");
        let from_root = text.split("crate::").skip(1).chain(text.split("longshore::").skip(1));
        for path in from_root {
            let named = words(path.split([':', ';']).next().unwrap()).into_iter().next().unwrap_or("{");
            let is_whole = !path.starts_with('{') && !path.starts_with('*');
            if !is_whole || (named != room && !known.contains(&named)) {
                wrong.push(format!("{file} names {named}"));
            }
        }
        // As many `super`s as the module lies deep lead out of the room, where nothing above would see it.
        let depth = inner.split('/').count() - usize::from(inner.ends_with("/mod.rs"));
        let (own, tests) = text.split_once("mod tests {").unwrap_or((&text, ""));
        if own.contains(&"super::".repeat(depth)) || tests.contains(&"super::".repeat(depth + 1)) {
            wrong.push(format!("{file} leaves its room by super::"));
        }
    }
    nobody(
        wrong,
        "main → cli → {runner, show, sandbox} → outside → ledger; config, error and limits are leaves",
    );
}

#[test]
fn files_stay_short() {
    let mut long = Vec::new();
    for file in files().into_iter().filter(|file| file.ends_with(".rs")) {
        let lines = read(&file).lines().count();
        if lines > LINES_MAX {
            long.push(format!("{file}: {lines} lines"));
        }
    }
    nobody(long, "a file of more than 600 lines is not read to its end");
}

#[test]
fn the_top_level_holds_only_what_it_may() {
    let top: BTreeSet<String> =
        files().iter().map(|file| file.split('/').next().unwrap().to_owned()).collect();
    let is_strange =
        |name: &String| !name.starts_with('.') && name != "tests" && !TOP.contains(&name.as_str());
    nobody(top.into_iter().filter(is_strange).collect(), "the top level is the first thing people see");
}

#[test]
fn nothing_is_left_for_later_and_no_machine_shines_through() {
    // Put together here, so that this file does not find itself.
    let unwanted =
        [["TO", "DO"], ["FIX", "ME"], ["to", "do!("], ["unimple", "mented!("], ["db", "g!("], ["/ho", "me/"]];
    let machines = [["/Us", "ers/"], ["/ro", "ot/"]];
    let unwanted: Vec<String> = unwanted.iter().chain(&machines).map(|parts| parts.concat()).collect();
    let mut found = Vec::new();
    for file in files() {
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else { continue };
        found.extend(
            unwanted.iter().filter(|word| text.contains(*word)).map(|word| format!("{file}: {word}")),
        );
    }
    nobody(found, "what is tracked is finished, and the same on every machine");
}

/// What the first column of the docs' tables and the third-level headings name in backticks.
fn named(page: &str, before: &str) -> BTreeSet<String> {
    let lines = page.lines().filter_map(|line| line.strip_prefix(before)?.split_once('`'));
    lines.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_event_is_in_the_docs_with_an_example_that_reads() {
    let page = read("docs/events.md");
    let known: BTreeSet<String> = Event::NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(named(&page, "### `"), known);
    for section in page.split("\n### `").skip(1) {
        let name = section.split('`').next().unwrap();
        let example = section.lines().find(|line| line.starts_with(r#"{"v":"#)).expect(name);
        let record = wire::decode(example).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((record.event.name(), wire::encode(&record).as_str()), (name, example));
        let value: serde_json::Value = serde_json::from_str(example).unwrap();
        let listed = named(section, "| `");
        let carried: BTreeSet<String> = value["event"][name].as_object().unwrap().keys().cloned().collect();
        assert_eq!(listed, carried, "the fields of {name}");
    }
}

#[test]
fn every_exit_code_and_kind_of_trouble_is_in_the_runbook() {
    let page = read("docs/operating.md");
    let codes: BTreeSet<String> = Exit::ALL.iter().map(|exit| exit.code().to_string()).collect();
    let kinds: BTreeSet<String> = TroubleKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    let table = |title: &str| {
        let (_, rest) = page.split_once(&format!("\n## {title}\n")).expect(title);
        named(rest.split("\n## ").next().unwrap(), "| `")
    };
    assert_eq!(table("Exit codes"), codes);
    assert_eq!(table("Kinds of trouble"), kinds);
    let readme = read("README.md");
    let missing: Vec<_> =
        codes.iter().filter(|code| !readme.contains(&format!("| `{code}` |"))).cloned().collect();
    nobody(missing, "README.md lists the exit codes too");
}

#[test]
fn every_verb_is_in_the_readme_and_no_other() {
    let mut verbs = BTreeSet::new();
    for verb in Cli::command().get_subcommands() {
        let nested: Vec<_> = verb.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
        match nested.is_empty() {
            true => drop(verbs.insert(verb.get_name().to_owned())),
            false => verbs.extend(nested.into_iter().map(|inner| format!("{} {inner}", verb.get_name()))),
        }
    }
    let page = read("README.md");
    let (_, rest) = page.split_once("\n## Commands\n").expect("a section on the commands");
    assert_eq!(named(rest.split("\n## ").next().unwrap(), "| `"), verbs);
}

/// The names of a file's tests: functions right behind `#[test]` or its like, unless they are ignored, and those that a
/// harness of its own lists in `tests![…]`.
fn tests_in(text: &str) -> Vec<String> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        match function.and_then(|rest| rest.split_once('(')) {
            Some((name, _)) if is_test => names.push(name.to_owned()),
            _ => {}
        }
        let is_attribute = line.starts_with("#[") || line.starts_with("//");
        is_test = (is_test && is_attribute) || line == "#[test]" || line.starts_with("#[tokio::test");
        is_test &= !line.starts_with("#[ignore");
    }
    let listed = text.split_once("tests![").and_then(|(_, rest)| rest.split_once(']'));
    names.extend(listed.iter().flat_map(|(listed, _)| listed.split_whitespace()).map(str::to_owned));
    names
}

#[test]
fn a_test_is_a_function_that_is_run_as_one() {
    let text = "#[test]\n#[should_panic]\nfn one() {}\nfn none() {}\n #[tokio::test]\n async fn two() {}\n\
        #[test]\n#[ignore]\nfn ignored() {}\nconst TESTS: [(&str, fn()); 1] = tests![\n    three\n];\n";
    assert_eq!(tests_in(text), ["one", "two", "three"]);
}

#[test]
fn the_tests_that_the_docs_name_are_there() {
    let page = read("README.md");
    let (_, rest) = page.split_once("\n## What it promises\n").expect("a section on promises");
    let promises = rest.split("\n## ").next().unwrap().to_owned();
    let all = ["src/", "ledger/", "tests/"].into_iter().flat_map(|below| code(below).into_values());
    let tests: BTreeSet<String> = all.flat_map(|text| tests_in(&text)).collect();
    for text in [promises, read("docs/reliability.md"), read("docs/security.md")] {
        let named: BTreeSet<&str> = text.split('`').skip(1).step_by(2).collect();
        let is_trouble = |name: &str| TroubleKind::ALL.iter().any(|kind| kind.name() == name);
        let is_test = |name: &&str| {
            let is_name = name.contains('_') && words(name).len() == 1 && name.contains(char::is_lowercase);
            is_name && !is_trouble(name)
        };
        let named: Vec<_> = named.into_iter().filter(is_test).collect();
        assert!(!named.is_empty());
        let missing = named.into_iter().filter(|name| !tests.contains(*name)).map(str::to_owned);
        nobody(missing.collect(), "every promise names the tests that keep it");
    }
}

#[test]
fn the_planted_bugs_of_the_docs_are_those_of_the_simulation() {
    let page = read("docs/reliability.md");
    let (before, rest) = page.split_once("\n### The planted bugs\n").expect("a section on planted bugs");
    let rows = rest.split("\n### ").next().unwrap().lines().skip_while(|line| !line.starts_with("|---"));
    let told: Vec<&str> = rows.skip(1).take_while(|line| line.starts_with('|')).collect();
    // One bug a line: its name, what the program does wrong, and the seed that shows it.
    let planted = read("tests/simulation/bug.rs");
    let (_, planted) = planted.split_once("\nbugs! {\n").expect("a table of bugs");
    let row = |line: &str| {
        let (_, rest) = line.split_once(": \"")?;
        let (words, seed) = rest.strip_suffix(';')?.rsplit_once("\", ")?;
        Some(format!("| {words} | {seed} |"))
    };
    let lines = planted.lines().take_while(|line| *line != "}");
    let planted: Vec<String> = lines.map(|line| row(line).unwrap_or_else(|| panic!("{line}"))).collect();
    assert!(planted.len() >= 25);
    assert_eq!(told, planted);
    assert!(before.contains(&format!("Each of {} things", planted.len())), "their number is told");
    let last =
        planted.iter().filter_map(|row| row.trim_end_matches(" |").rsplit(' ').next()?.parse::<u64>().ok());
    let last = last.max().expect("there are some");
    let figure = format!(
        "| planted bugs | {} | all found within 1,000 seeds, the last at seed {last};",
        planted.len()
    );
    assert!(rest.contains(&figure), "no figure begins: {figure}");
}

/// A heading as it is linked to: small letters and digits, spaces as hyphens.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).collect::<String>().replace(' ', "-")
}

#[test]
fn links_between_the_docs_lead_somewhere() {
    let mut broken = Vec::new();
    for file in files().into_iter().filter(|file| file.ends_with(".md")) {
        let dir = root().join(&file).parent().unwrap().to_owned();
        for link in read(&file).split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let (path, part) = link.0.split_once('#').unwrap_or((link.0, ""));
            if path.starts_with("https:") {
                continue;
            }
            let there = if path.is_empty() { root().join(&file) } else { dir.join(path) };
            let leads = there.is_dir()
                || std::fs::read_to_string(&there).is_ok_and(|page| {
                    part.is_empty() || page.lines().any(|line| line.starts_with('#') && anchor(line) == part)
                });
            if !leads {
                broken.push(format!("{file}: {}", link.0));
            }
        }
    }
    nobody(broken, "a link leads to a page of this project and to a heading in it");
}
