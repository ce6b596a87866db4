//! Lines that fall silent, which nobody is told of. The runs are this process's own, as the program waits for minutes.

use std::time::{Duration, Instant};

use ledger::event::Ending;
use ledger::ids::VenueId;
use longshore::outside::Trouble;
use longshore::outside::catalog::{ClaimRefused, Rewrite, Row, open};
use longshore::runner::End;

use super::place::{Part, Place, Verb, chosen, faults, marked};
use crate::support::line::{Fault, Harm, Passing};
use crate::support::stage::{How, Kind};

/// No server of these tests takes this long.
const IDLE: Duration = Duration::from_millis(300);
/// What the site may have to wait for a row; without a bound it has no end.
const LONGEST: Duration = Duration::from_secs(30);

const SILENCES: [(Passing, Harm); 3] =
    [(Passing::Opened, Harm::Silent), (Passing::ToServer, Harm::Silent), (Passing::ToProgram, Harm::Silent)];

#[test]
fn e3_a_migration_outlasts_lines_to_the_origin_and_to_imagekit_that_fall_silent() {
    let parts = [Part::Origin, Part::Upload, Part::Delivery];
    let cases = faults(Kind::Sqlite, Verb::Migrate, &parts, &SILENCES, 2);
    let place = Place::new(Kind::Sqlite);
    let stage = &place.site.stage;
    let how = How { idle: IDLE, ..How::default() };
    let undisturbed = || {
        place.prepare(Verb::Migrate);
        stage.migrate(&how).unwrap();
        place.held()
    };
    let end = undisturbed();
    let mut struck = 0;
    for (part, fault) in cases {
        place.prepare(Verb::Migrate);
        place.line(part).order(Some(fault));
        let first = stage.migrate(&how);
        struck += u64::from(place.line(part).has_struck());
        place.heal();
        let told = format!("{part:?} {fault:?}: {first:?}");
        let last = match first {
            Ok(End::Paused(_)) => stage.resume(&how),
            first => first,
        };
        assert!(matches!(last, Ok(End::Finished(Ending::Done, _))), "{told}, and then {last:?}");
        place.is_explained(&[stage.ledger_path()], &end, &told);
    }
    assert!(struck >= 16, "{struck}");
}

/// Connects, claims the country, and rewrites a row.
async fn rewrites(url: &str) -> Result<Row, Trouble> {
    let catalog = open(url).await?;
    let refused = |refused| match refused {
        ClaimRefused::Trouble(trouble) => trouble,
        ClaimRefused::Held(who) => panic!("held by {who}"),
    };
    let claim = catalog.claim(Some("PL"), "a test").await.map_err(refused)?;
    claim.check().await.map_err(refused)?;
    catalog.rewrite(VenueId(2), &|_| Rewrite::Write(Some("[2]".into()))).await
}

/// The same. From the moment at which the line falls silent only time passes: whoever waits is told at once that it is over.
fn rewrites_over(place: &Place) -> Result<Row, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = &place.site.settings["PRODUCTION_DATABASE_URL"];
    runtime.block_on(async {
        let fall = async {
            while !place.line(Part::Database).has_struck() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::pause();
            std::future::pending::<()>().await
        };
        tokio::select! {
            row = rewrites(url) => row,
            () = fall => unreachable!(),
        }
    })
}

fn falls_silent(kind: Kind) {
    let place = Place::new(kind);
    let before = place.site.stage.images(2);
    rewrites_over(&place).unwrap();
    let count = |passing| place.line(Part::Database).count(passing);
    let spread = SILENCES.map(|(passing, harm)| {
        let nths = chosen(count(passing), 4).into_iter();
        let spread = nths.map(|nth| Fault::at(passing, nth, harm));
        spread.chain(marked(Part::Database, Verb::Migrate, passing, harm)).collect::<Vec<_>>()
    });
    let (mut silent, mut written) = (0, 0);
    for fault in spread.into_iter().flatten() {
        place.begins_anew();
        let line = place.line(Part::Database);
        line.order(Some(fault));
        let row = rewrites_over(&place);
        let told = format!("{fault:?}: {row:?}");
        let held = place.site.stage.images(2);
        let is_written = held.as_deref() == Some("[2]");
        assert!(is_written || held == before, "{told}: {held:?}");
        match &row {
            Ok(_) => assert!(is_written, "{told}"),
            Err(trouble) => {
                assert!(line.has_struck() && trouble.outage, "{told}");
                silent += 1;
                written += u64::from(is_written);
            }
        }
        let since = Instant::now();
        place.site.stage.sql("SET lock_timeout = '60s'; UPDATE venues SET name = name || '' WHERE id = 2");
        assert!(since.elapsed() < LONGEST, "the site waited {:?}: {told}", since.elapsed());
        // The claim goes by itself after two minutes; here an administrator is quicker.
        place.end_sessions();
    }
    println!("{silent} silences, after {written} of which the row was written");
    assert!(silent >= 12 && written >= 1, "{silent}, {written}");
}

#[test]
fn e3_postgres_that_falls_silent_is_an_outage_and_gives_the_row_back() {
    falls_silent(Kind::Postgres);
}

#[test]
fn e3_pgbouncer_that_falls_silent_is_an_outage_and_gives_the_row_back() {
    falls_silent(Kind::Pgbouncer);
}
