//! The flags in force, for the commands that people are told to type next.

use std::path::{Path, PathBuf};

use ledger::store::private;

use super::Common;
use crate::config::Target;
use crate::show;

/// The target of a command that names none.
pub fn usual_target(populates: bool) -> Target {
    if populates { Target::Dev } else { Target::Production }
}

/// The ledger of a command that names none.
pub fn usual_ledger(target: Target) -> PathBuf {
    PathBuf::from(format!("longshore.{}.ledger", target.name()))
}

/// Has every command that is shown from here on carry what it needs to work on this target and this ledger.
pub fn carry(common: &Common, target: Target) {
    let ledger = common.ledger.clone();
    show::carry_flags(move |verb| match verb {
        "sandbox" | "demo" => String::new(),
        verb => flags(verb, target, ledger.as_deref()),
    });
}

fn flags(verb: &str, target: Target, ledger: Option<&Path>) -> String {
    let mut flags = Vec::new();
    if target != usual_target(verb == "populate") {
        flags.push(format!("--target {}", target.name()));
    }
    let other = ledger.filter(|path| path.strip_prefix(".").unwrap_or(path) != usual_ledger(target));
    if let Some(path) = other {
        flags.push(format!("--ledger {}", private::quoted(path)));
    }
    flags.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d7_only_flags_that_differ_from_the_verbs_own_defaults_are_carried() {
        use Target::{Dev, Production};
        for (verb, target, ledger, expected) in [
            ("rollback", Production, None, ""),
            ("rollback", Dev, None, "--target dev"),
            ("populate", Dev, None, ""),
            ("populate", Production, None, "--target production"),
            ("log", Production, Some("longshore.production.ledger"), ""),
            ("log", Production, Some("./longshore.production.ledger"), ""),
            (
                "log",
                Dev,
                Some("longshore.production.ledger"),
                "--target dev --ledger longshore.production.ledger",
            ),
            ("log", Production, Some("a b.ledger"), "--ledger 'a b.ledger'"),
            ("log", Production, Some("-x"), "--ledger ./-x"),
        ] {
            assert_eq!(flags(verb, target, ledger.map(Path::new)), expected, "{verb} {target:?} {ledger:?}");
        }
    }
}
