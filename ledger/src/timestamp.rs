//! Moments, as the ledger writes them. The clock itself stays outside: whoever appends says what time it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::ids::NotAnId;

/// A moment: milliseconds since 1970-01-01 UTC, from year 0 to 9999. In text RFC 3339, UTC, three decimals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970; what lies outside the years 0 to 9999 is moved to the nearer end.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(-62_167_219_200_000, 253_402_300_799_999))
    }
    /// Milliseconds since 1970.
    pub fn millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .map_err(|_| fmt::Error)?;
        f.write_str(&moment.format(form).map_err(|_| fmt::Error)?)
    }
}
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Timestamp {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let moment = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| NotAnId::new(text, "a time (RFC 3339, like 2026-11-22T15:40:00.000Z)"))?;
        Ok(Self::from_millis((moment.unix_timestamp_nanos() / 1_000_000) as i64))
    }
}
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_milliseconds_and_their_order_in_text() {
        let early = Timestamp::from_millis(1_795_362_000_007);
        assert_eq!(early.to_string(), "2026-11-22T15:40:00.007Z");
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early.to_string() < Timestamp::from_millis(1_795_362_000_010).to_string());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
