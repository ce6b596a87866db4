//! What README and docs tell people to type is there to be typed, and what they say is not there is not.

use clap::{Command, CommandFactory};
use longshore::cli::Cli;

use super::{files, nobody, read};

/// What of a command line the program does not know: its verb, or a flag of that verb.
fn unknown(typed: &str) -> Option<String> {
    let mut program = Cli::command();
    program.build();
    let mut at: &Command = &program;
    // A comment, or the next command of a shell, is not this one's.
    let end = |word: &&str| !matches!(*word, "#" | "&&" | "|" | ";");
    let words: Vec<&str> = typed.split_whitespace().take_while(end).collect();
    for (n, word) in words.iter().enumerate() {
        if let Some(flag) = word.strip_prefix("--") {
            let name =
                flag.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default();
            if !at.get_arguments().any(|argument| argument.get_long() == Some(name)) {
                return Some(format!("`{typed}`: {} has no --{name}", at.get_name()));
            }
            continue;
        }
        match at.find_subcommand(word) {
            Some(verb) => at = verb,
            None if n == 0 => return Some(format!("`{typed}`: no verb {word}")),
            None => {}
        }
    }
    None
}

/// What stands in backticks in a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A section of a page, without its heading.
fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n## {title}\n")).expect(title);
    rest.split("\n## ").next().unwrap()
}

#[test]
fn every_command_that_is_told_to_be_typed_is_there() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files().into_iter().filter(|file| file.ends_with(".md")) {
        let page = read(&file);
        let lines =
            page.lines().filter_map(|line| line.trim_start_matches("$ ").trim().strip_prefix("longshore "));
        let inline = page.lines().flat_map(quoted).filter_map(|typed| typed.strip_prefix("longshore "));
        for typed in lines.chain(inline) {
            seen += 1;
            // Help takes any verb, and what holds a claim is called like the program.
            if !typed.starts_with("help ") && !typed.contains('@') {
                wrong.extend(unknown(typed).map(|what| format!("{file}: {what}")));
            }
        }
    }
    assert!(seen > 100, "the pages were not read: {seen}");
    nobody(wrong, "a command on a page can be typed");
}

#[test]
fn what_the_readme_says_is_not_there_is_not_there() {
    let page = read("README.md");
    let mut stale = Vec::new();
    for line in section(&page, "Not there yet").lines().filter(|line| line.starts_with("- ")) {
        // Each line begins with what somebody would type, which is what makes it possible to look.
        match line.strip_prefix("- `").and_then(|rest| rest.split_once('`')) {
            None => stale.push(format!("{line}: begins with nothing that could be typed")),
            Some((typed, _)) if unknown(typed).is_none() => stale.push(format!("{typed}: is there")),
            Some(_) => {}
        }
    }
    nobody(stale, "what is there by now is struck off the list of what is not");
}

#[test]
fn the_old_task_is_in_the_runbook_with_what_takes_its_place() {
    let page = read("docs/operating.md");
    let rows: Vec<Vec<&str>> = section(&page, "From the old task")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").collect())
        .collect();
    let old: Vec<&str> = rows.iter().flat_map(|row| quoted(row[0])).collect();
    for wanted in ["mix migration.phase2", "--production", "--verify", "--dry-run", "--list-countries"] {
        assert!(old.contains(&wanted), "{wanted}: {old:?}");
    }
    let is_verb = |typed: &&str| typed.starts_with(|c: char| c.is_ascii_lowercase());
    let mut wrong = Vec::new();
    for row in &rows[2..] {
        wrong.extend(quoted(row[1]).filter(is_verb).filter_map(unknown));
    }
    nobody(wrong, "what takes the old task's place is there");
}
