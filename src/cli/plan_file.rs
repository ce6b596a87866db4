//! The file of a saved plan (requirement C3): private, and never written over another.

use std::fs::Metadata;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use ledger::store::private::{self, Dir, Refused};

use crate::error::{Exit, Failure};
use crate::limits::PLAN_FILE_BYTES_MAX;
use crate::runner::saved::SavedPlan;

impl SavedPlan {
    /// Reads a plan's file.
    ///
    /// # Errors
    /// When it is not there, or is not the plan that was saved.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: io::Error| match Refused::of(&error) {
            Some(refused) => not_run(path, refused),
            None => Failure::usage(format!("{} cannot be read: {error}", path.display())),
        };
        let (mut text, max) = (String::new(), PLAN_FILE_BYTES_MAX as u64 * 2);
        let file = private::open_handed(path).unwrap_or_else(|| private::open_trusted(path));
        let read = file.and_then(|file| file.take(max + 1).read_to_string(&mut text));
        if read.map_err(cannot)? as u64 > max {
            return Err(Failure::usage(format!("{} is larger than any saved plan", path.display())));
        }
        Self::parse(&text).map_err(|error| {
            Failure::usage(format!("{} cannot be run: {error}", path.display()))
                .hint("`longshore plan --country NAME --out FILE` saves a plan")
        })
    }

    /// Writes a plan's file, readable for its owner alone. A plan that someone has approved is not replaced.
    ///
    /// # Errors
    /// When there is a file already, or the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let made = Dir::of(path).and_then(|(dir, name)| Ok((dir.create(name)?, dir, name)));
        let (mut file, dir, name) =
            made.map_err(|error| match (error.kind(), private::leads_to(path, Metadata::is_file)) {
                (ErrorKind::AlreadyExists, Some(to)) => cannot(
                    path,
                    "it is a symbolic link, which is not followed",
                )
                .hint(if to.symlink_metadata().is_ok() {
                    format!("{} is there, and a plan is never replaced: name another file", to.display())
                } else {
                    format!("`--out {}` names what it leads to itself", private::quoted(&to))
                }),
                (ErrorKind::AlreadyExists, None) => cannot(path, "there is something of that name already")
                    .hint("A plan is never replaced: name another file"),
                _ => cannot(path, &error).hint(
                    Refused::of(&error)
                        .map_or("`--out` names a file in a directory that you may write to", Refused::advice),
                ),
            })?;
        file.write_all(self.text().as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
            // Half a plan would be in the way of the next try, and its digest refuses it anyway.
            let _it_may_stay = dir.remove(name);
            Failure { exit: Exit::CannotGoOn, ..cannot(path, &error) }
        })?;
        if let Err(open) = private::check_directory(path) {
            eprintln!(
                "Note: {open}, so `migrate --plan` runs a copy of the plan in a directory of your own, and not this file"
            );
        }
        Ok(())
    }
}

/// A plan that others have a hand in, with how to have one's own.
fn not_run(path: &Path, refused: &Refused) -> Failure {
    let failure = Failure::usage(format!("{} is not run", path.display()))
        .because(refused)
        .because("a plan says what a run does, so nobody else may be able to write it");
    let is_file = path.metadata().is_ok_and(|about| about.is_file());
    let (true, Some(name)) = (is_file, path.file_name()) else {
        return failure
            .hint("`longshore plan --country NAME --out FILE` saves a plan, and `--plan` names that file");
    };
    // Nobody else can have prepared anything in a directory that is made for it, wherever this one is refused.
    let mut own = name.to_owned();
    own.push(".own");
    let (from, own, name) = (private::quoted(path), private::word(&own), private::word(name));
    let failure = failure.hint(format!(
        "Make a copy of your own, look at what it says, and run that: mkdir -m 700 ~/{own} && install -m 600 {from} ~/{own}/{name}"
    ));
    // What its owner alone can do is no help to anybody else.
    match refused.advice().starts_with("chmod ") {
        true => {
            failure.hint(format!("Or look at what it says before you run it, and then: {}", refused.advice()))
        }
        false => failure,
    }
}

fn cannot(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("the plan {} cannot be saved", path.display())).because(why)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use ledger::event::{Scope, Target};

    use super::*;

    #[test]
    fn c3_a_plans_file_is_private_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        let (name, kind, database) = ("dev".into(), "sqlite".into(), "/ea.db".into());
        let target = Target { name, kind, system: None, database, host: None };
        let plan = SavedPlan::new(target, Scope::Everywhere, None, Vec::new());
        plan.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SavedPlan::read(&path).unwrap(), plan);

        fs::write(&path, "someone's").unwrap();
        let refused = plan.write(&path).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert_eq!(fs::read_to_string(&path).unwrap(), "someone's");
        assert_eq!(SavedPlan::read(&path).unwrap_err().exit, Exit::Usage);
        let missing = SavedPlan::read(&dir.path().join("none")).unwrap_err();
        assert!(missing.message.contains("none cannot be read"), "{}", missing.message);
    }
}
