//! The parts of the outside, and the gates on the way to them.

use std::sync::Arc;

use ledger::event::Part;

use super::gate::{Gate, Pace};

/// The part of the outside a request goes to. ImageKit's three hosts are away or busy each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outside {
    /// Where the bytes are.
    Origin,
    /// Where they go.
    Upload,
    /// Where ImageKit tells of its files, changes and deletes them.
    Api,
    /// Where the files are served.
    Delivery,
    /// The database.
    Catalog,
}

impl Outside {
    const ALL: [Self; 5] = [Self::Origin, Self::Upload, Self::Api, Self::Delivery, Self::Catalog];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Origin => "the origin",
            Self::Upload | Self::Api | Self::Delivery => "the CDN",
            Self::Catalog => "the database",
        }
    }

    /// What the ledger calls it.
    pub fn part(self) -> Part {
        match self {
            Self::Origin => Part::Origin,
            Self::Upload | Self::Api | Self::Delivery => Part::Cdn,
            Self::Catalog => Part::Database,
        }
    }
}

/// The gates of all parts.
#[derive(Debug)]
pub struct Gates {
    all: [Gate; 5],
    cdn: Arc<Pace>,
}

impl Default for Gates {
    fn default() -> Self {
        let cdn = Arc::<Pace>::default();
        let gate = |outside: Outside| match outside.part() {
            Part::Cdn => Gate::paced(cdn.clone()),
            Part::Origin | Part::Database => Gate::default(),
        };
        Self { all: Outside::ALL.map(gate), cdn }
    }
}

impl Gates {
    /// One of them.
    pub fn of(&self, outside: Outside) -> &Gate {
        &self.all[outside as usize]
    }

    /// All of them.
    pub fn each(&self) -> impl Iterator<Item = (Outside, &Gate)> {
        Outside::ALL.into_iter().zip(&self.all)
    }

    /// Lets at most so many requests a second through to the CDN; `None` for as many as come.
    pub fn set_cdn_rate(&self, per_second_max: Option<u32>) {
        self.cdn.set(per_second_max);
    }

    /// Whether a person is to be told that a part is away: not of one of ImageKit's hosts while they know of another.
    pub(super) fn alert_once(&self, outside: Outside) -> bool {
        let is_known = |(other, gate): (Outside, &Gate)| {
            other != outside
                && other.part() == outside.part()
                && gate.unanswered().is_some_and(|waiting| waiting.is_alerted)
        };
        !self.each().any(is_known) && self.of(outside).alert_once()
    }
}
