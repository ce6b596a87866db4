//! What happens to a venue and to its images.

use ledger::event::*;
use ledger::ids::{ContentHash, FileId, Format, ImageId, Seq, VenueId};
use ledger::trouble::TroubleKind;

const VENUE: VenueId = VenueId(842);
const ENTRY: &str = r#"{"n": 12345678901234567890123, "x": 0.1000000000000000055, "s": "\ud800 ż"}"#;

fn image(index: u32) -> ImageId {
    ImageId { planned: Seq(412), index }
}

fn file(id: &str) -> FileId {
    id.parse().unwrap()
}

fn edit(index: u32) -> Edit {
    Edit { image: image(index), before: Some("{\"a\":1}".into()), after: Some(ENTRY.into()) }
}

fn stopped(image: Option<ImageId>, step: StepName, error_type: TroubleKind, passing: bool) -> Stopped {
    let file_id = image.is_none().then(|| file("left-behind"));
    let message = "why".to_owned();
    Stopped { venue: VENUE, image, step, error_type, message, attempts: 3, passing, file_id }
}

fn planned() -> Vec<Event> {
    let whole = Planned {
        venue: VENUE,
        slug: Some("pub-ż".into()),
        name: Some("Pub „Ż”".into()),
        city: Some(City { id: 7, name: "Kraków".into(), slug: None }),
        country: Some(Country { code: "PL".into(), name: "Poland".into(), slug: None }),
        array: Some(format!("[ {ENTRY} ,\t1e5]")),
        work: Work::Move(vec![ENTRY.into()]),
    };
    let bare = Planned {
        venue: VenueId(-1),
        slug: None,
        name: None,
        city: None,
        country: None,
        array: None,
        work: Work::TakeBack(vec![image(1), image(0)]),
    };
    vec![Event::Planned(whole), Event::Planned(bare)]
}

fn stops() -> Vec<Event> {
    let steps =
        [StepName::Plan, StepName::Download, StepName::Upload, StepName::UpdateRow, StepName::RestoreRow];
    let kinds = (0..).zip(TroubleKind::ALL).map(|(n, kind)| {
        let whose = (n % 5 != 0).then(|| image(n));
        let stopped = stopped(whose, steps[n as usize % 5], kind, n % 2 == 0);
        if n == 9 || n == 10 { Event::Skipped(stopped) } else { Event::Failed(stopped) }
    });
    kinds.collect()
}

fn files() -> Vec<Event> {
    let formats = (0..).zip([Format::Jpeg, Format::Png, Format::Gif, Format::Webp]);
    let downloaded = formats.map(|(n, format)| {
        let (hash, bytes) = (ContentHash([0x0f; 32]), u64::MAX);
        let (width, height, ms, attempts) = (640, 480, 1_001, n + 1);
        Event::Downloaded(Downloaded { image: image(n), hash, bytes, format, width, height, ms, attempts })
    });
    let mut events: Vec<Event> = downloaded.collect();
    for acquired in [Acquired::Sent, Acquired::Adopted] {
        events.push(Event::Uploaded(Uploaded {
            image: image(0),
            file_id: file("64f0c2d9e4b0a1b2c3d4e5f6"),
            path: "/venues/pub-_/pub-__0f0f0f0f0f0f0f0f.jpg".parse().unwrap(),
            url: "https://ik.imagekit.io/demo/venues/pub-_/pub-__0f0f0f0f0f0f0f0f.jpg".into(),
            bytes: 100_000,
            width: 480,
            height: 640,
            ms: 2_002,
            attempts: 1,
            acquired,
        }));
    }
    events.push(Event::CdnDeleted(CdnDeleted {
        path: "/venues/pub-_/pub-__0f0f0f0f0f0f0f0f.jpg".parse().unwrap(),
        file_id: file("64f0c2d9e4b0a1b2c3d4e5f6"),
        why: "no row uses it".into(),
        operator: None,
        tables_skipped: vec![],
    }));
    events
}

fn rows() -> Vec<Event> {
    let array = |text: &str| Some(text.to_owned());
    let operator = Operator { user: "ben".into(), host: "desk-2".into(), version: "0.1.0".into() };
    let reason = "the pub closed".to_owned();
    let mut events = vec![Event::Closed(Closed { venue: VENUE, image: Some(image(3)), reason, operator })];
    for found_done in [false, true] {
        let (array_before, array_after) = (array("[{\"a\":1}]"), format!("[{ENTRY}]"));
        let edits = vec![edit(0), edit(2)];
        let e = DbUpdated { venue: VENUE, edits, array_before, array_after, ms: 7, found_done };
        events.push(Event::DbUpdated(e));
    }
    for found in [array("{\"a\":2}"), None] {
        events.push(Event::Drifted(Drifted { venue: VENUE, image: image(1), expected: ENTRY.into(), found }));
    }
    events.push(Event::RolledBack(RolledBack {
        venue: VENUE,
        edits: vec![edit(0)],
        held: vec![image(1)],
        left: vec![image(2), image(3)],
        array_before: array("[1]"),
        array_after: array("[2]"),
        ms: 8,
        found_done: false,
    }));
    events.push(Event::RolledBack(RolledBack {
        venue: VENUE,
        edits: vec![],
        held: vec![],
        left: vec![],
        array_before: None,
        array_after: None,
        ms: 0,
        found_done: true,
    }));
    events
}

pub fn events() -> Vec<Event> {
    [planned(), stops(), files(), rows()].concat()
}
