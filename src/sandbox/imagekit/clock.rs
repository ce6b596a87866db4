//! The sandbox's time: milliseconds since 1970, and how ImageKit writes them.

use std::time::{SystemTime, UNIX_EPOCH};

use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, OffsetDateTime};

/// Milliseconds since 1970.
pub(super) type Ms = i64;

/// Now.
pub(super) fn now() -> Ms {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ms::try_from(since.as_millis()).unwrap_or(Ms::MAX)
}

fn moment(at: Ms) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::milliseconds(at))
}

/// `2024-06-20T09:40:50.123Z`.
pub(super) fn iso(at: Ms) -> String {
    let m = moment(at);
    format!("{}T{:02}:{:02}:{:02}.{:03}Z", day(at), m.hour(), m.minute(), m.second(), m.millisecond())
}

/// `2024-06-20`.
pub(super) fn day(at: Ms) -> String {
    let m = moment(at);
    format!("{:04}-{:02}-{:02}", m.year(), u8::from(m.month()), m.day())
}

/// Reads `2024-06-20`.
pub(super) fn date(text: &str) -> Option<Date> {
    OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339).ok().map(OffsetDateTime::date)
}

/// Reads an ISO time, a plain date, or an age such as `7d`, `12h`, `2w` counted back from `now`.
pub(super) fn parse(text: &str, now: Ms) -> Option<Ms> {
    let hours = |unit: char| match unit {
        'h' => Some(1),
        'd' => Some(24),
        'w' => Some(24 * 7),
        'm' => Some(24 * 30),
        'y' => Some(24 * 365),
        _ => None,
    };
    if let Some(unit) = text.chars().last().and_then(hours) {
        let count: Ms = text[..text.len() - 1].parse().ok()?;
        return now.checked_sub(count.checked_mul(unit * 3_600_000)?);
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let read = OffsetDateTime::parse(&whole, &Rfc3339).ok()?;
    Ms::try_from(read.unix_timestamp_nanos() / 1_000_000).ok()
}

/// `Thu, 20 Jun 2024 09:40:50 GMT`, as HTTP headers have it.
pub(super) fn http(at: Ms) -> String {
    let m = moment(at);
    let (weekday, month) = (m.weekday().to_string(), m.month().to_string());
    let (weekday, month) = (&weekday[..3], &month[..3]);
    format!(
        "{weekday}, {:02} {month} {} {:02}:{:02}:{:02} GMT",
        m.day(),
        m.year(),
        m.hour(),
        m.minute(),
        m.second()
    )
}
