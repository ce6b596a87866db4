//! What happens in a walk, as data that shrinks well: chance is a tape of bytes, and its end is all zeros, which
//! always stand for the ordinary course.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::external;

/// Chance, read from its beginning.
#[derive(Debug, Clone)]
pub struct Tape(pub std::vec::IntoIter<u8>);

impl Tape {
    /// Nothing but the ordinary course.
    pub fn plain() -> Self {
        Self(Vec::new().into_iter())
    }
    /// A number below `n`; 0 once the tape has ended.
    pub fn next(&mut self, n: usize) -> usize {
        self.0.next().map_or(0, |byte| byte as usize % n)
    }
    /// Whether a thing of one in `n` happens.
    pub fn happens(&mut self, n: usize) -> bool {
        self.next(n) == n - 1
    }
}

/// What someone else does to a row.
#[derive(Debug, Clone, Copy)]
pub enum Meddle {
    ChangeOurs,
    RemoveFirst,
    AppendTheirs,
    AddKey,
    Reverse,
    Reset,
    Null,
    NoArray,
    Delete,
}

pub const MEDDLES: [Meddle; 9] = [
    Meddle::ChangeOurs,
    Meddle::RemoveFirst,
    Meddle::AppendTheirs,
    Meddle::AddKey,
    Meddle::Reverse,
    Meddle::Reset,
    Meddle::Null,
    Meddle::NoArray,
    Meddle::Delete,
];

/// One thing that happens. Places are numbers: see [`super::World::scope`].
#[derive(Debug, Clone)]
pub enum Act {
    Migrate {
        place: u8,
        limit: Option<u64>,
        tape: Vec<u8>,
    },
    Resume {
        tape: Vec<u8>,
    },
    /// Entries are appended to every row.
    Populate {
        tape: Vec<u8>,
    },
    Rollback {
        place: u8,
        tape: Vec<u8>,
    },
    Meddle {
        venue: u8,
        how: Meddle,
    },
    /// A person leaves the nth image that is not in its row.
    Skip {
        nth: u8,
    },
}

/// A venue: its country (0 Poland, 1 France, 2 none) and what its row holds.
#[derive(Debug, Clone)]
pub struct Venue {
    pub country: u8,
    pub row: Option<String>,
}

/// All that happens.
#[derive(Debug, Clone)]
pub struct Story {
    pub venues: Vec<Venue>,
    pub acts: Vec<Act>,
    /// Whether others meddle with rows while runs are at work.
    pub is_busy: bool,
}

fn elements() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0..4_u8).prop_map(|n| external(&format!("https://o/{n}.jpg"))),
        1 => Just("{\"source\": \"google\",\"n\":12345678901234567890123}".to_owned()),
        1 => Just("[ 0.10 , \"\\ud800\"]".to_owned()),
    ]
}

fn venues() -> impl Strategy<Value = Venue> {
    let row = prop_oneof![
        12 => vec(elements(), 0..4).prop_map(|all| Some(format!("[{}]", all.join(",  ")))),
        1 => Just(None),
        1 => Just(Some("{\"no\": \"array\"}".to_owned())),
    ];
    (0..3_u8, row).prop_map(|(country, row)| Venue { country, row })
}

fn acts(is_busy: bool) -> impl Strategy<Value = Act> {
    let tape = || vec(any::<u8>(), 0..60);
    let limit = prop_oneof![3 => Just(None), 1 => (1..3_u64).prop_map(Some)];
    prop_oneof![
        4 => (any::<u8>(), limit, tape()).prop_map(|(place, limit, tape)| Act::Migrate { place, limit, tape }),
        3 => tape().prop_map(|tape| Act::Resume { tape }),
        1 => tape().prop_map(|tape| Act::Populate { tape }),
        2 => (any::<u8>(), tape()).prop_map(|(place, tape)| Act::Rollback { place, tape }),
        1 => any::<u8>().prop_map(|nth| Act::Skip { nth }),
        if is_busy { 3 } else { 0 } =>
            (any::<u8>(), 0..MEDDLES.len()).prop_map(|(venue, how)| Act::Meddle { venue, how: MEDDLES[how] }),
    ]
}

/// Stories; with `may_meddle` half of them with others at work on the same rows.
pub fn stories(may_meddle: bool) -> impl Strategy<Value = Story> {
    any::<bool>().prop_flat_map(move |coin| {
        let is_busy = coin && may_meddle;
        (vec(venues(), 1..5), vec(acts(is_busy), 1..8)).prop_map(move |(venues, acts)| Story {
            venues,
            acts,
            is_busy,
        })
    })
}
