//! What version 3 can say and version 2 could not.

use ledger::event::*;
use ledger::ids::{ImageId, Seq};

pub fn events() -> Vec<Event> {
    let image = ImageId { planned: Seq(412), index: 3 };
    let file_id = "64f0c2d9e4b0a1b2c3d4e5f6".parse().unwrap();
    let mut events = vec![Event::Confirmed(Confirmed { image, file_id, ms: 41, attempts: 1 })];
    for part in [Part::Origin, Part::Cdn, Part::Database] {
        for reason in [WaitReason::RateLimit, WaitReason::Outage] {
            events.push(Event::Waited(Waited { part, reason, times: 3, ms: 4_200 }));
        }
    }
    let message = "the run may use 91 % of the plan's storage".into();
    events.push(Event::Alerted(Alerted { about: AlertAbout::Usage, message }));
    events
}
