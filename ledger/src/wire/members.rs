//! A JSON object as its members, each in its own text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// Members of one object. No event of any version has had more than twenty.
const MEMBERS_MAX: usize = 64;

/// An object's members, of which an upcast takes apart no more than what it changes: values of an event as a whole take many
/// times its bytes, and anybody may have written it.
#[derive(Debug)]
pub(super) struct Members<'a>(Vec<(String, Cow<'a, RawValue>)>);

impl<'a> Members<'a> {
    /// Each with its name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, raw)| (name.as_str(), &**raw))
    }

    /// The text of a member.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, raw)| raw.get())
    }

    /// Puts a member in, or another in its place.
    pub(super) fn set(&mut self, name: &str, value: impl Serialize) {
        self.put(name, Cow::Owned(to_raw_value(&value).expect("what is put in has string keys only")));
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(other, _)| other != name);
    }

    /// Does something to the members of a member. What is no object is left for the decoder to refuse.
    pub(super) fn within(&mut self, name: &str, with: impl FnOnce(&mut Members<'_>)) {
        let Some(Ok(mut members)) = self.get(name).map(serde_json::from_str::<Members<'_>>) else { return };
        with(&mut members);
        let raw = to_raw_value(&members).expect("each of them is JSON already");
        self.put(name, Cow::Owned(raw));
    }

    fn put(&mut self, name: &str, raw: Cow<'a, RawValue>) {
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, there)) => *there = raw,
            None => self.0.push((name.to_owned(), raw)),
        }
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, raw)) = map.next_entry::<String, &'de RawValue>()? {
            if members.len() == MEMBERS_MAX {
                return Err(A::Error::custom(format!("an object has more than {MEMBERS_MAX} members")));
            }
            members.push((name, Cow::Borrowed(raw)));
        }
        Ok(Members(members))
    }
}
