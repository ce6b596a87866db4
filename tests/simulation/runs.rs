//! What a run may do to a row, by its verb and by what people said.

use super::judge::{completed, external};
use super::people::ORIGIN;
use super::process::{Doing, Process};
use super::world::Inner;

fn doing(by: &Process) -> Doing {
    by.doing.lock().expect("nothing panics while it is held").clone()
}

/// Takes out what a `populate` has added, and what its rollback has taken away again; an error where that is not theirs.
/// What is left stands at the same places before and after.
pub fn sized(
    world: &Inner,
    by: &Process,
    before: &mut Vec<&str>,
    after: &mut Vec<&str>,
) -> Result<(), String> {
    let Doing { verb, leaves, .. } = doing(by);
    // What a person leaves goes back as a rollback has it.
    let verb = if leaves { Some("rollback") } else { verb.map(|verb| verb.name()) };
    let is_same = before.len() == after.len();
    match verb {
        Some("populate") if before.len() < after.len() => {
            let added = after.split_off(before.len());
            let urls = |entry: &str| external(entry).or_else(|| completed(entry).map(|(_, url)| url));
            for entry in added {
                let Some(url) = external(entry) else { return Err(format!("{entry} was added")) };
                let path = url.strip_prefix(ORIGIN).unwrap_or_default();
                let is_known = world.people.trivia.values().flatten().any(|text| text.contains(path));
                if path.is_empty() || !is_known {
                    return Err(format!("{url} was added, and Trivia Advisor has no such image"));
                }
                if before.iter().any(|there| urls(there).as_ref() == Some(&url)) {
                    return Err(format!("{url} was added, and it was there already"));
                }
            }
            Ok(())
        }
        Some("rollback") if before.len() > after.len() => {
            let mut at = 0;
            while at < before.len() {
                if after.get(at) == Some(&before[at]) {
                    at += 1;
                } else if external(before[at]).is_some() && before.len() > after.len() {
                    before.remove(at);
                } else {
                    break;
                }
            }
            match before.len() == after.len() {
                true => Ok(()),
                false => Err(format!("its entries {before:?} became {after:?}")),
            }
        }
        _ if is_same => Ok(()),
        _ => Err(format!("it had {} entries and has {}", before.len(), after.len())),
    }
}

/// Whether a process may complete an entry: not one that a person left, and none that its plan does not name.
pub fn may_complete(world: &Inner, by: &Process, id: i64, old: &str) -> Result<(), String> {
    let Some(url) = external(old) else { return Ok(()) };
    let doing = doing(by);
    if doing.leaves {
        return Err("a person leaves what is completed".to_owned());
    }
    let left = world.people.left.get(&(by.ledger, id, url.clone()));
    if doing.venue.is_none() && left.is_some_and(|(left, _)| *left <= by.born) {
        return Err("a person had left what is completed".to_owned());
    }
    let Some(plan) = &doing.plan else { return Ok(()) };
    let mut venues = plan.venues().iter().filter(|venue| venue.venue.0 == id);
    let names = |entry: &String| external(entry).as_ref() == Some(&url);
    match venues.any(|venue| venue.entries.iter().any(names)) {
        true => Ok(()),
        false => Err("what is completed is not in the plan that is run".to_owned()),
    }
}
