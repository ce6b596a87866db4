//! Event to bytes and back. This is the only place that knows the wire format's versions.

use serde::{Deserialize, Serialize};

use crate::event::{Event, Record};
use crate::ids::RunId;
use crate::timestamp::Timestamp;

mod members;
mod upcast;

use members::Members;

/// The version written by this program.
///
/// - 1 (0.1.0): the first.
/// - 2 (0.2.0): slugs of places, `populate`, `left_out`, retries by name, more options, who deleted a file, what alerts are
///   about.
/// - 3 (0.3.0): `confirmed`, uploads and downloads of what was uploaded before, `waited`.
/// - 4 (0.4.0): `acquired` in place of `found_done` in `uploaded`, and the tables that a search for a file's users leaves out.
pub const VERSION: u32 = 4;

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// They are not what any version writes.
    #[error("it cannot be read as an event: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A newer program wrote them.
    #[error("it has wire version {found}, and this program reads up to {VERSION}")]
    Newer {
        /// The version found.
        found: u32,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<E> {
    v: u32,
    at: Timestamp,
    run: Option<RunId>,
    event: E,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// One step of an upcast: an event of version N, with its name, to one of N + 1. The step from version N is at place N - 1.
type Upcast = fn(&str, &mut Members<'_>);
const UPCASTS: [Upcast; VERSION as usize - 1] = [upcast::to_2, upcast::to_3, upcast::to_4];

/// The bytes of a record, as they are stored and hashed.
pub fn encode(record: &Record) -> String {
    let Record { at, run, event } = record;
    serde_json::to_string(&Envelope { v: VERSION, at: *at, run: *run, event })
        .expect("events have string keys only and no failing serialisers")
}

/// A record out of stored bytes of any version up to ours.
///
/// # Errors
/// When the bytes are of a newer version, or of none.
pub fn decode(body: &str) -> Result<Record, WireError> {
    let Version { v } = serde_json::from_str(body)?;
    let envelope: Envelope<Event> = match v {
        VERSION => serde_json::from_str(body)?,
        newer if newer > VERSION => return Err(WireError::Newer { found: newer }),
        older => {
            let Envelope { v, at, run, event } = serde_json::from_str::<Envelope<Members<'_>>>(body)?;
            Envelope { v, at, run, event: serde_json::from_slice(&upcast(&event, older, body.len())?)? }
        }
    };
    Ok(Record { at: envelope.at, run: envelope.run, event: envelope.event })
}

/// The JSON that an event of an older version is in ours.
fn upcast(event: &Members<'_>, older: u32, bytes: usize) -> Result<Vec<u8>, serde_json::Error> {
    let steps = &UPCASTS[(older as usize).saturating_sub(1)..];
    // What the steps add is some hundred bytes.
    let mut json = Vec::with_capacity(bytes + 1_024);
    for (name, raw) in event.iter() {
        let mut members: Members<'_> = serde_json::from_str(raw.get())?;
        steps.iter().for_each(|step| step(name, &mut members));
        json.push(if json.is_empty() { b'{' } else { b',' });
        serde_json::to_writer(&mut json, name)?;
        json.push(b':');
        serde_json::to_writer(&mut json, &members)?;
    }
    json.push(b'}');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AlertAbout, Alerted, Planned, Work};
    use crate::ids::{Seq, VenueId};

    fn alerted() -> Record {
        Record {
            at: Timestamp::from_millis(1_795_362_000_007),
            run: Some(RunId(Seq(2))),
            event: Event::Alerted(Alerted { about: AlertAbout::Outage, message: "„ż\u{7f}\n".into() }),
        }
    }

    #[test]
    fn an_envelope_is_externally_tagged_json() {
        let body = encode(&alerted());
        assert!(body.starts_with(
            r#"{"v":4,"at":"2026-11-22T15:40:00.007Z","run":2,"event":{"alerted":{"about":"outage""#
        ));
        assert_eq!(decode(&body).unwrap(), alerted());
    }

    #[test]
    fn other_peoples_json_travels_as_strings_untouched() {
        let deep = "[".repeat(3_000) + &"]".repeat(3_000);
        let odd = [r#"{"n":12345678901234567890123,"x":0.1000000000000000055,"s":"\ud800"}"#, &deep];
        let planned = Event::Planned(Planned {
            venue: VenueId(1),
            slug: None,
            name: None,
            city: None,
            country: None,
            array: Some(format!("[{}]", odd.join(" ,"))),
            work: Work::Move(odd.map(str::to_owned).to_vec()),
        });
        let record = Record { event: planned, ..alerted() };
        assert_eq!(decode(&encode(&record)).unwrap(), record);
    }

    #[test]
    fn newer_and_unreadable_bytes_are_told_apart() {
        let newer = r#"{"v":5,"at":"2026-11-22T15:40:00.007Z","run":null,"event":{"new":{}}}"#;
        assert!(matches!(decode(newer), Err(WireError::Newer { found: 5 })));
        for bad in [
            "",
            "{}",
            r#"{"v":0,"at":"2026-11-22T15:40:00.007Z","run":null,"event":{}}"#,
            r#"{"v":1,"at":"2026-11-22T15:40:00.007Z","run":null,"event":{"alerted":{"about":"paused","message":"b","more":1}}}"#,
        ] {
            assert!(matches!(decode(bad), Err(WireError::Unreadable(_))), "{bad}");
        }
    }
}
