//! Runs in trouble: the real program on a sandbox where something outside goes wrong, and what it comes to. Most end by
//! comparing with a world in which nothing went wrong.

mod alone;
mod away;
mod brake;
mod kinds;
mod lost;
mod rates;
mod slow;
mod stops;

use ledger::event::{Event, Stopped, Uploaded};

use crate::kill::hand::{Held, events, held, ledger, migrate};
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// Venues in these worlds, five of them in the United Kingdom with five images each.
const VENUES: u32 = 8;

/// What an undisturbed run leaves, and its exit code.
fn undisturbed(venues: u32) -> (Held, i32) {
    let work = Workplace::new(Kind::Sqlite, venues);
    let ran = work.run(&migrate());
    let code = ran.code.filter(|code| [0, 10].contains(code)).unwrap_or_else(|| panic!("{ran}"));
    (held(&work), code)
}

/// A world in trouble, small enough to be compared with one that is not.
struct Trouble {
    work: Workplace,
    venues: u32,
}

impl Trouble {
    /// Where these faults are ordered before anything begins.
    fn of(orders: &str) -> Self {
        Self::sized(VENUES, orders)
    }

    /// The same with so many venues.
    fn sized(venues: u32, orders: &str) -> Self {
        let work = Workplace::new(Kind::Sqlite, venues);
        work.order(orders);
        Self { work, venues }
    }

    /// Migrates, with further flags.
    fn migrate(&self, further: &[&str]) -> Ran {
        self.work.run(&[&migrate(), further].concat())
    }

    /// Goes on, nothing being wrong any more.
    fn well_again(&self) -> Ran {
        self.work.order("all=none");
        self.work.run(&["resume"])
    }

    /// Sees that it came to the same end as a world without trouble, each file being there once.
    #[track_caller]
    fn is_the_same_end(&self, ran: Ran) -> Ran {
        let (end, code) = undisturbed(self.venues);
        let ran = ran.code(code);
        held(&self.work).assert_same(&end, &ran);
        ran
    }

    fn events(&self) -> Vec<Event> {
        events(&ledger(&self.work)).into_iter().map(|(_, record)| record.event).collect()
    }

    fn uploaded(&self) -> Vec<Uploaded> {
        let is = |event| if let Event::Uploaded(uploaded) = event { Some(uploaded) } else { None };
        self.events().into_iter().filter_map(is).collect()
    }

    /// Everything that failed, but for what is wrong with the sandbox's own images and rows.
    fn failed(&self) -> Vec<Stopped> {
        let is = |event| if let Event::Failed(stopped) = event { Some(stopped) } else { None };
        let ours = |stopped: &Stopped| !["not_found", "bad_data"].contains(&stopped.error_type.name());
        self.events().into_iter().filter_map(is).filter(ours).collect()
    }

    /// The reasons and messages of its pauses.
    fn pauses(&self) -> Vec<(String, String)> {
        let reason = |reason| serde_json::to_value(reason).unwrap().as_str().unwrap().to_owned();
        let is =
            |event| if let Event::Paused(it) = event { Some((reason(it.reason), it.message)) } else { None };
        self.events().into_iter().filter_map(is).collect()
    }

    /// What people were alerted of.
    fn alerts(&self) -> Vec<String> {
        let about = |about| serde_json::to_value(about).unwrap().as_str().unwrap().to_owned();
        let is = |event| if let Event::Alerted(it) = event { Some(about(it.about)) } else { None };
        self.events().into_iter().filter_map(is).collect()
    }
}
