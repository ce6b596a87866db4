//! What version 2 can say and version 1 could not.

use ledger::event::*;
use ledger::ids::{ImageId, RunId, Seq, VenueId};

const ENTRY: &str = r#"{"url": "https://o.example/\u00fc.jpg", "n": 12345678901234567890123}"#;

fn operator() -> Operator {
    Operator { user: "carla".into(), host: "desk-3".into(), version: "0.2.0".into() }
}

fn poland() -> Country {
    Country { code: "PL".into(), name: "Poland".into(), slug: Some("poland".into()) }
}

fn image(index: u32) -> ImageId {
    ImageId { planned: Seq(412), index }
}

fn runs() -> Vec<Event> {
    let digest = "0f".repeat(32);
    let input = Some(Input { path: "temp/matching_report.csv".into(), digest });
    let options = Options {
        input,
        distance_max_m: Some(50_000),
        delete_cdn_files: true,
        error_rate_max_percent: 25,
        rate_per_second_max: Some(20),
        allow_hosts: vec!["images.example.org:8443".into()],
        ..Options::new(16, 25_000_000, 60_000)
    };
    let city = City { id: 7, name: "Kraków".into(), slug: Some("krakow".into()) };
    let scopes = [
        Scope::Everywhere,
        Scope::Country(poland()),
        Scope::City { city, country: Some(poland()) },
        Scope::Venue { venue: VenueId(842), country: Some(poland()) },
        Scope::Run(RunId(Seq(9))),
    ];
    let started = |scope| {
        let options = options.clone();
        Event::RunStarted(RunStarted { verb: Verb::Populate, scope, options, operator: operator() })
    };
    let mut events: Vec<Event> = scopes.into_iter().map(started).collect();
    events.push(Event::Resumed(Resumed {
        options,
        retry_images: vec![image(0), image(3)],
        retry_venues: vec![VenueId(842)],
        operator: operator(),
    }));
    let abouts = [
        AlertAbout::Paused,
        AlertAbout::ErrorRate,
        AlertAbout::Outage,
        AlertAbout::DatabaseLost,
        AlertAbout::RateLimit,
        AlertAbout::Finished,
    ];
    let alerted = |about| Event::Alerted(Alerted { about, message: "80 s without an answer".into() });
    events.extend(abouts.map(alerted));
    for to in ["20", "none"] {
        let (setting, from) = ("rate_per_second_max".into(), "none".into());
        events.push(Event::Adjusted(Adjusted { setting, from, to: to.into(), operator: operator() }));
    }
    let tally = Tally { venues: 2, left_out: 3, ..Tally::default() };
    events.push(Event::RunFinished(RunFinished { ending: Ending::Done, tally }));
    events
}

pub fn events() -> Vec<Event> {
    let mut events = runs();
    let left_out = vec![
        LeftOut { trivia_advisor_id: 3, image: Some(2), why: "it has no local_path".into() },
        LeftOut { trivia_advisor_id: 4, image: None, why: "it lies 50.1 km away".into() },
    ];
    events.push(Event::Planned(Planned {
        venue: VenueId(842),
        slug: Some("pub".into()),
        name: Some("Pub".into()),
        city: Some(City { id: 7, name: "Kraków".into(), slug: Some("krakow".into()) }),
        country: Some(poland()),
        array: None,
        work: Work::Add(Addition { entries: vec![ENTRY.into()], left_out }),
    }));
    events.push(Event::DbUpdated(DbUpdated {
        venue: VenueId(842),
        edits: vec![Edit { image: image(0), before: None, after: Some(ENTRY.into()) }],
        array_before: None,
        array_after: format!("[{ENTRY}]"),
        ms: 7,
        found_done: false,
    }));
    events.push(Event::RolledBack(RolledBack {
        venue: VenueId(842),
        edits: vec![Edit { image: image(0), before: Some(ENTRY.into()), after: None }],
        held: vec![],
        left: vec![],
        array_before: Some(format!("[{ENTRY}]")),
        array_after: None,
        ms: 8,
        found_done: false,
    }));
    let (reason, venue) = ("it is a film set".to_owned(), VenueId(842));
    events.push(Event::Closed(Closed { venue, image: None, reason, operator: operator() }));
    events.push(Event::CdnDeleted(CdnDeleted {
        path: "/venues/pub/pub_0f0f0f0f0f0f0f0f.jpg".parse().unwrap(),
        file_id: "64f0c2d9e4b0a1b2c3d4e5f6".parse().unwrap(),
        why: "an orphan".into(),
        operator: Some(operator()),
        tables_skipped: vec![],
    }));
    events
}
