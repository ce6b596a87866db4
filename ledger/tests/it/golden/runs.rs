//! What happens to a ledger and to a run.

use ledger::event::*;
use ledger::ids::{LedgerId, RunId, Seq, VenueId};

fn operator() -> Operator {
    Operator { user: "żaneta".into(), host: "desk-1".into(), version: "0.1.0".into() }
}

fn options(limit: Option<u64>) -> Options {
    Options {
        limit,
        delivery_check: limit.is_none(),
        error_rate_max_percent: 10,
        ..Options::new(8, 25_000_000, 300_000)
    }
}

fn poland() -> Country {
    Country { code: "PL".into(), name: "Poland".into(), slug: None }
}

fn started(verb: Verb, scope: Scope) -> Event {
    let limit = matches!(verb, Verb::Migrate).then_some(10);
    Event::RunStarted(RunStarted { verb, scope, options: options(limit), operator: operator() })
}

pub fn events() -> Vec<Event> {
    let mut events = vec![
        Event::Opened(Opened {
            format: 1,
            ledger: LedgerId(*b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\xfe\xff"),
            shard: None,
            target: Target {
                name: "dev".into(),
                kind: "sqlite".into(),
                system: None,
                database: "/srv/eventasaurus.db".into(),
                host: None,
            },
        }),
        Event::Opened(Opened {
            format: 1,
            ledger: LedgerId([0xab; 16]),
            shard: Some("2/4".into()),
            target: Target {
                name: "production".into(),
                kind: "postgres".into(),
                system: Some("7412345678901234567".into()),
                database: "eventasaurus".into(),
                host: Some("db.example.org:5432".into()),
            },
        }),
        started(Verb::Migrate, Scope::Country(poland())),
        started(Verb::Rollback, Scope::Run(RunId(Seq(12)))),
    ];
    let city = City { id: 7, name: "Kraków".into(), slug: None };
    for country in [Some(poland()), None] {
        events.push(started(Verb::Migrate, Scope::City { city: city.clone(), country: country.clone() }));
        events.push(started(Verb::Rollback, Scope::Venue { venue: VenueId(842), country }));
    }
    let (retry_images, retry_venues) = (Vec::new(), Vec::new());
    events.push(Event::Resumed(Resumed {
        options: options(None),
        operator: operator(),
        retry_images,
        retry_venues,
    }));
    events.push(Event::PlanningDone(PlanningDone { venues: 89, images: 445 }));
    for reason in [
        PauseReason::Interrupted,
        PauseReason::Unauthorized,
        PauseReason::QuotaExceeded,
        PauseReason::Outage,
        PauseReason::ErrorRate,
        PauseReason::Operator,
    ] {
        let (message, advice) = ("it \"stopped\"\n".to_owned(), "longshore resume".to_owned());
        events.push(Event::Paused(Paused { reason, message, advice }));
    }
    events.push(Event::Alerted(Alerted { about: AlertAbout::Outage, message: "no answer for 5 min".into() }));
    events.push(Event::Adjusted(Adjusted {
        setting: "concurrency".into(),
        from: "4".into(),
        to: "8".into(),
        operator: operator(),
    }));
    let rungs = Rungs { planned: 1, downloaded: 2, uploaded: 3, db_updated: 4, rolled_back: 5 };
    let digest = "00112233445566778899aabbccddeeff".to_owned();
    events.push(Event::Checkpoint(Checkpoint { rungs, digest_version: 1, digest }));
    for ending in [Ending::Done, Ending::Closed] {
        let tally = Tally {
            venues: 9,
            images: 45,
            done: 30,
            failed: 5,
            skipped: 4,
            drifted: 3,
            closed: 2,
            open: 1,
            venues_failed: 6,
            left_out: 0,
        };
        events.push(Event::RunFinished(RunFinished { ending, tally }));
    }
    events
}
