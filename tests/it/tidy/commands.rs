//! Commands that people are told to type have the flags in force.

use clap::CommandFactory;
use longshore::cli::Cli;

use super::{code, nobody};

/// What speaks to people passes through `show`, which puts the flags in force into every command; it finds them by their
/// backticks. So a command stands between backticks, and nothing else writes to the terminal.
#[test]
fn every_command_that_is_shown_gets_its_flags() {
    // They show their own commands, which need none.
    // What asks whether a stream is a terminal says nothing there.
    let own = ["src/cli/demo.rs", "src/cli/sandbox.rs", "src/sandbox/", "src/cli/hangup.rs"];
    let verbs: Vec<String> =
        Cli::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let mut wrong = Vec::new();
    for (file, text) in code("src/").into_iter().chain(code("ledger/src/")) {
        let text = text.split("#[cfg(test)]").next().unwrap();
        if own.iter().any(|own| file.starts_with(own)) || file.ends_with("/tests.rs") {
            continue;
        }
        for (at, found) in text.match_indices("longshore ") {
            let mut words = text[at + found.len()..].split(|c: char| !c.is_alphanumeric() && c != '-');
            let is_verb = words.next().is_some_and(|word| verbs.iter().any(|verb| verb == word));
            // The contexts of hashes: `longshore ledger v1`.
            let is_context = words.next().is_some_and(|word| word.starts_with("v1"));
            if is_verb && !is_context && !text[..at].ends_with('`') {
                wrong.push(format!("{file}: {:?}", text[at..].lines().next().unwrap()));
            }
        }
        let talks = ["println!(", "print!(", "eprint!(", "stderr()", "stdout()"];
        let may_talk =
            file.starts_with("src/show/") || ["src/lib.rs", "src/main.rs"].contains(&file.as_str());
        let talk = text.replace("eprintln!(", "").replace("eprint!(\"Type {word} to go on: \")", "");
        let talk = talk.replace("stderr().flush()", "").replace("stdout().is_terminal()", "");
        if !may_talk && talks.iter().any(|talks| talk.contains(talks)) {
            wrong.push(format!("{file} speaks for itself"));
        }
    }
    nobody(wrong, "a command is shown between backticks, by what knows the flags in force");
}
