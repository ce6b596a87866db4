//! What version 4 can say and version 3 could not.

use ledger::event::*;
use ledger::ids::{ImageId, RunId, Seq};

pub fn events() -> Vec<Event> {
    let operator = || Operator { user: "dora".into(), host: "desk-4".into(), version: "0.4.0".into() };
    let options = Options {
        delete_cdn_files: true,
        skip_tables: vec!["public.page_views".into(), "audit.\"Old Log\"".into()],
        ..Options::new(16, 25_000_000, 60_000)
    };
    let scope = Scope::Run(RunId(Seq(9)));
    let started = RunStarted { verb: Verb::Rollback, scope, options: options.clone(), operator: operator() };
    let (retry_images, retry_venues) = (vec![], vec![]);
    let mut events = vec![
        Event::RunStarted(started),
        Event::Resumed(Resumed {
            options: options.clone(),
            retry_images,
            retry_venues,
            operator: operator(),
        }),
    ];
    let path = || "/venues/pub/pub_0f0f0f0f0f0f0f0f.jpg".parse().unwrap();
    let file_id = || "64f0c2d9e4b0a1b2c3d4e5f6".parse().unwrap();
    for acquired in [Acquired::Sent, Acquired::Recognised, Acquired::Adopted] {
        events.push(Event::Uploaded(Uploaded {
            image: ImageId { planned: Seq(412), index: 3 },
            file_id: file_id(),
            path: path(),
            url: "https://ik.imagekit.io/demo/venues/pub/pub_0f0f0f0f0f0f0f0f.jpg".into(),
            bytes: 100_000,
            width: 480,
            height: 640,
            ms: 2_002,
            attempts: 1,
            acquired,
        }));
    }
    let tables_skipped = options.skip_tables;
    let why = "rolled back, and no row uses it".into();
    events.push(Event::CdnDeleted(CdnDeleted {
        path: path(),
        file_id: file_id(),
        why,
        operator: None,
        tables_skipped,
    }));
    events
}
