//! What others do to an array while we are at work.

use proptest::prelude::*;

use super::made::value;
use crate::images::Entry;

/// One thing someone else does. Numbers choose a place, wrapping around.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A new element.
    Insert(usize, String),
    /// An element goes elsewhere.
    Move(usize, usize),
    /// An element goes.
    Remove(usize),
    /// A key that nobody else has is added to an object.
    AddKey(usize, String),
    /// A key that is ours is changed, or comes to stand there twice.
    ChangeOurs(usize, bool),
}

/// Any of them.
pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = || 0..64_usize;
    let one = prop_oneof![
        (at(), value()).prop_map(|(at, value)| Edit::Insert(at, value)),
        (at(), at()).prop_map(|(from, to)| Edit::Move(from, to)),
        at().prop_map(Edit::Remove),
        (at(), value()).prop_map(|(at, value)| Edit::AddKey(at, value)),
        (at(), any::<bool>()).prop_map(|(at, twice)| Edit::ChangeOurs(at, twice)),
    ];
    prop::collection::vec(one, 0..6)
}

/// An element of an array under observation.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its text.
    pub text: String,
    /// Which of our changes made it, while nobody touched a key of ours in it.
    pub ours: Option<usize>,
    /// What others added to it.
    pub added: Vec<(String, String)>,
}

impl Slot {
    /// An element nobody touched.
    pub fn new(text: &str, ours: Option<usize>) -> Self {
        Self { text: text.to_owned(), ours, added: Vec::new() }
    }

    fn push_member(&mut self, key: &str, value: &str) {
        let empty = self.text.trim_start_matches(['{', ' ', '\n', '\t']).starts_with('}');
        let end = self.text.rfind('}').expect("an object ends");
        self.text.insert_str(end, &format!("{} \"{key}\": {value}", if empty { "" } else { "," }));
    }
}

/// Does what they do. Each added key has a name of its own.
pub fn apply(slots: &mut Vec<Slot>, edits: &[Edit]) {
    for (number, edit) in edits.iter().enumerate() {
        let len = slots.len();
        match edit {
            Edit::Insert(at, value) => slots.insert(at % (len + 1), Slot::new(value, None)),
            _ if len == 0 => {}
            Edit::Move(from, to) => {
                let slot = slots.remove(from % len);
                slots.insert(to % len, slot);
            }
            Edit::Remove(at) => drop(slots.remove(at % len)),
            Edit::AddKey(at, value) => {
                let slot = &mut slots[at % len];
                if Entry::parse(&slot.text).is_some() {
                    let key = format!("added-{number}");
                    slot.push_member(&key, value);
                    slot.added.push((key, value.clone()));
                }
            }
            Edit::ChangeOurs(at, twice) => {
                let slot = &mut slots[at % len];
                if Entry::parse(&slot.text).is_some() {
                    if *twice {
                        slot.push_member("upload_status", "\"theirs\"");
                    } else {
                        slot.text = slot.text.replace("\"upload_status\"", "\"upload_status_\"");
                        slot.push_member("upload_status", "\"theirs\"");
                    }
                    slot.ours = None;
                }
            }
        }
    }
}
