//! Lists of texts, as an event has them.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, SeqAccess, Visitor};

/// Texts in one list. What `migrate` plans says `"upload_status":"external","source":"trivia_advisor_migration"`, which takes
/// 64 bytes, so the largest event that is read (256 MiB) has no more of them. Shorter ones take many times their bytes.
const TEXTS_MAX: usize = 256 * 1024 * 1024 / 64;

/// Reads a list, unless it has more than any event.
pub(super) fn texts<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    input.deserialize_seq(Texts)
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            if texts.len() == TEXTS_MAX {
                return Err(A::Error::custom(format!("a list has more than {TEXTS_MAX} texts")));
            }
            texts.push(text);
        }
        Ok(texts)
    }
}
