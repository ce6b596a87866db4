//! The program stopped at each moment of a run. Another takes the country over; then the first goes on.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use super::place::{Part, Place, Verb, each, faults, held_at};
use crate::kill::hand::Going;
use crate::support::line::{Fault, Harm, Passing};
use crate::support::program::Ran;
use crate::support::stage::Kind;

/// Each piece may be held before it passes.
const HELD: [(Passing, Harm); 2] = [(Passing::ToServer, Harm::Held), (Passing::ToProgram, Harm::Held)];

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
    goes_on(place, going, moment);
}

fn goes_on(place: &Place, going: &mut Going, moment: (Part, Fault)) {
    // What was under way arrives while the program stands still.
    place.line(moment.0).let_go();
    std::thread::sleep(Duration::from_millis(30));
    going.signal("CONT");
}

fn is_stopped(parts: &[Part], meanwhile: Meanwhile, some: u64) {
    let moments = faults(Kind::Postgres, Verb::Migrate, parts, &HELD, some);
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
    // Three pieces of each way matter most.
    assert!(struck >= 6 * some + 6, "{struck}");
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
    is_stopped(&PARTS, Meanwhile::MigratesAndGoesBack, 1);
}

/// Another who holds Poland and writes nothing.
struct Holder {
    runtime: tokio::runtime::Runtime,
    session: PgConnection,
}

impl Holder {
    /// Ends all sessions of the program's, and takes the claim. Its number never changes.
    fn takes_over(place: &Place) -> Self {
        place.end_sessions();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut session = runtime.block_on(PgConnection::connect(&place.site.stage.url())).unwrap();
        let take = sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock(-279126386944916022)");
        assert!(runtime.block_on(take.fetch_one(&mut session)).unwrap(), "the claim is free");
        Self { runtime, session }
    }

    fn gives_back(self) {
        self.runtime.block_on(self.session.close()).unwrap();
    }
}

/// The first goes on while another holds its country: it writes no row until it is told of the other or has ended.
fn goes_on_without_its_claim(place: &Place, going: &mut Going, moment: (Part, Fault)) {
    going.signal("STOP");
    let other = Holder::takes_over(place);
    let written = || place.site.stage.texts_of("SELECT count(*)::text FROM written");
    let before = written();
    goes_on(place, going, moment);
    let since = Instant::now();
    while !going.has_said("is held by") && going.child().try_wait().unwrap().is_none() {
        assert!(since.elapsed() < Duration::from_secs(120), "it does not notice that its claim is lost");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(written(), before, "a row was written under another's claim: {moment:?}");
    other.gives_back();
}

#[test]
fn e6_a_run_stopped_at_any_moment_writes_no_row_while_another_holds_its_country() {
    let mut moments = faults(Kind::Postgres, Verb::Migrate, &PARTS, &HELD, 1);
    // Right before a row's update the claim is looked at.
    let look = Fault { with: "SELECT now()::text", ..Fault::at(Passing::ToServer, 1, Harm::Held) };
    moments.push((Part::Database, look));
    let struck = each(Kind::Postgres, Verb::Migrate, moments, |place, end, moment| {
        let act = |going: &mut Going| goes_on_without_its_claim(place, going, *moment);
        let (ran, has_struck) = held_at(place, Verb::Migrate, *moment, act);
        place.comes_to(Verb::Migrate, end, &ran, false);
        has_struck
    });
    assert!(struck >= 12, "{struck}");
}

/// A rollback that deletes is stopped, and another ledger's run takes the country over, which needs its files. Gives what
/// the rollback said, and which files the rows name that are gone then.
fn files_come_into_use(place: &Place, moment: (Part, Fault)) -> (Ran, Vec<String>) {
    let act = |going: &mut Going| {
        going.signal("STOP");
        place.end_sessions();
        others(place, Verb::Migrate).code(0);
        goes_on(place, going, moment);
    };
    let (ran, has_struck) = held_at(place, Verb::RollbackAndDelete, moment, act);
    assert!(has_struck, "nothing was held: {ran}");
    place.heal();
    let there = place.site.paths();
    let rows: String = place.site.stage.rows().into_values().flatten().collect();
    let endpoint = place.site.stage.imagekit.url_endpoint();
    let urls = rows.split("\"url\": \"").filter_map(|part| part.split('"').next());
    let named: Vec<&str> = urls.filter_map(|url| url.strip_prefix(&endpoint)).collect();
    assert_eq!(named.len(), 4, "the other's run moved all: {ran}");
    let gone = named.into_iter().filter(|path| !there.iter().any(|file| file == path));
    (ran, gone.map(str::to_owned).collect())
}

/// The n-th request of this kind for a file, and the answer to it.
fn asks(with: &'static str, nth: u64) -> (Part, Fault) {
    (Part::Api, Fault { with, ..Fault::at(Passing::ToServer, nth, Harm::Held) })
}

fn is_answered(behind: &'static str) -> (Part, Fault) {
    (Part::Api, Fault { behind, ..Fault::at(Passing::ToProgram, 0, Harm::Held) })
}

#[test]
fn s7_a_rollback_stopped_before_its_last_look_deletes_nothing_that_came_into_use_meanwhile() {
    let bytes = (Part::Delivery, Fault::at(Passing::ToProgram, 0, Harm::Held));
    let moments = [asks("/details", 0), is_answered("/details"), asks("/details", 1), bytes];
    let struck = each(Kind::Postgres, Verb::RollbackAndDelete, moments.to_vec(), |place, _, moment| {
        let (ran, gone) = files_come_into_use(place, *moment);
        assert!(gone.is_empty(), "{gone:?}: {ran}");
        let ran = ran.code(0).says("stays on the CDN");
        place.site.run(&["ledger", "verify"]).code(0);
        let seen = place.site.run(&["reconcile", "--ledger", "other.ledger"]).code(0);
        println!("{ran}\n{seen}");
        true
    });
    assert_eq!(struck, 4);
}

/// ImageKit has no deletion on a condition. What is promised is that it is no more than the file in hand, and that it is told.
#[test]
fn s7_a_rollback_stopped_behind_its_last_look_deletes_the_file_in_hand_alone_and_tells_of_it() {
    let moments = [is_answered("/versions"), asks("DELETE /", 0), asks("DELETE /", 2)];
    let struck = each(Kind::Postgres, Verb::RollbackAndDelete, moments.to_vec(), |place, _, moment| {
        let (ran, gone) = files_come_into_use(place, *moment);
        let ran = ran.code(0).says("stays on the CDN");
        let [gone] = &gone[..] else { panic!("{gone:?}: {ran}") };
        let told = place.site.events(&["--kind", "cdn_deleted"]);
        assert!(told.iter().any(|line| line["event"]["cdn_deleted"]["path"] == gone.as_str()), "{told:?}");
        place.site.run(&["ledger", "verify"]).code(0);
        let seen = place.site.run(&["reconcile", "--ledger", "other.ledger"]);
        println!("{ran}\n{seen}");
        assert!(seen.stdout.contains(gone), "{gone}: {seen}");
        true
    });
    assert_eq!(struck, 3);
}

/// A deletion that was carried out before the other came: the other sends the file again.
#[test]
fn s7_a_rollback_stopped_before_it_hears_of_a_deletion_harms_no_file_that_took_its_place() {
    let moments = vec![is_answered("DELETE /")];
    each(Kind::Postgres, Verb::RollbackAndDelete, moments, |place, _, moment| {
        let (ran, gone) = files_come_into_use(place, *moment);
        assert!(gone.is_empty(), "{gone:?}: {ran}");
        place.site.run(&["reconcile", "--ledger", "other.ledger"]).code(0);
        true
    });
}
