//! The program stopped at each moment of a run. Another takes the country over; then the first goes on.

use super::place::{Part, Place, Verb, each, faults, held_at};
use crate::kill::hand::Going;
use crate::support::line::{Fault, Harm, Passing};
use crate::support::program::Ran;
use crate::support::stage::Kind;

/// What the other does meanwhile, with a ledger of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    Migrates,
    MigratesAndGoesBack,
}

fn others(place: &Place, verb: Verb) -> Ran {
    let args = [verb.args(), vec!["--ledger", "other.ledger"]].concat();
    place.site.run(&args)
}

fn stopped(place: &Place, going: &mut Going, moment: (Part, Fault), meanwhile: Meanwhile) {
    going.signal("STOP");
    if meanwhile != Meanwhile::Nothing {
        // The claim goes by itself after two minutes; here an administrator is quicker.
        place.end_sessions();
        others(place, Verb::Migrate).code(0);
    }
    // Where all was done already, the other has begun nothing.
    let has_begun = place.site.work().join("other.ledger").exists();
    if meanwhile == Meanwhile::MigratesAndGoesBack && has_begun {
        others(place, Verb::RollbackAndDelete).code(0);
        place.site.stage.sql("DELETE FROM written");
    }
    // What was under way arrives while the program stands still.
    place.line(moment.0).let_go();
    std::thread::sleep(std::time::Duration::from_millis(30));
    going.signal("CONT");
}

fn is_stopped(parts: &[Part], meanwhile: Meanwhile, some: u64) {
    let held = [(Passing::ToServer, Harm::Held), (Passing::ToProgram, Harm::Held)];
    let moments = faults(Kind::Postgres, Verb::Migrate, parts, &held, some);
    let struck = each(Kind::Postgres, Verb::Migrate, moments, |place, end, moment| {
        let (ran, has_struck) =
            held_at(place, Verb::Migrate, *moment, |going| stopped(place, going, *moment, meanwhile));
        if !has_struck || meanwhile != Meanwhile::Migrates {
            place.comes_to(Verb::Migrate, end, &ran, false);
            return has_struck;
        }
        // All is done. Where the first had begun, its rows hold what it was about to write, and it leaves them.
        place.heal();
        let next = place.site.ledger().exists().then(|| place.site.run(&Verb::Resume.args()).code(0));
        let told = format!("{ran}\nand then: {}", next.map(|next| next.to_string()).unwrap_or_default());
        assert!(matches!(ran.code, Some(0 | 11 | 12 | 30)), "{told}");
        let mut ledgers = vec![place.site.ledger(), place.site.work().join("other.ledger")];
        ledgers.retain(|ledger| ledger.exists());
        place.is_explained(&ledgers, end, &told);
        has_struck
    });
    assert!(struck >= 2 * some, "{struck}");
}

const PARTS: [Part; 4] = [Part::Database, Part::Origin, Part::Upload, Part::Delivery];

#[test]
fn e5_a_run_stopped_at_any_moment_goes_on() {
    is_stopped(&PARTS, Meanwhile::Nothing, 1);
}

#[test]
fn e6_a_run_stopped_at_any_moment_while_another_migrates_leaves_what_it_wrote() {
    is_stopped(&PARTS, Meanwhile::Migrates, 2);
}

#[test]
fn e6_a_run_stopped_at_any_moment_while_another_migrates_and_goes_back_comes_to_its_end() {
    is_stopped(&PARTS, Meanwhile::MigratesAndGoesBack, 2);
}
