//! Whether all clocks agree: entries and the ledger have this machine's time, `updated_at` the database's.

use std::time::SystemTime;

use ledger::timestamp::Timestamp;

use super::answer::{Check, Line};
use crate::limits::CLOCK_OFF_MS_MAX;
use crate::outside::catalog::inspect::Clock;

/// HTTP tells the time in whole seconds.
const HTTP_FINE_MS: i64 = 1_000;

/// How far somebody else's clock is from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    whom: &'static str,
    /// Theirs less ours; 0 as long as both can be right.
    ms: i64,
}

impl Offset {
    /// Of a clock that shows every millisecond.
    pub fn of(whom: &'static str, clock: Clock) -> Self {
        Self::within(whom, clock, 0)
    }

    /// Of an HTTP answer's, given ours before and after.
    pub fn of_http(whom: &'static str, before: Timestamp, theirs: SystemTime, after: Timestamp) -> Self {
        let since = theirs.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let theirs = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        Self::within(whom, Clock { before, theirs, after }, HTTP_FINE_MS)
    }

    /// Of a clock that may be so much later than it shows.
    fn within(whom: &'static str, Clock { before, theirs, after }: Clock, fine_ms: i64) -> Self {
        let (earliest, latest) = (theirs.millis(), theirs.millis().saturating_add(fine_ms));
        let ms = if latest < before.millis() {
            latest.saturating_sub(before.millis())
        } else {
            earliest.saturating_sub(after.millis()).max(0)
        };
        Self { whom, ms }
    }
}

/// Judges those that could be seen.
pub fn check(offsets: &[Offset]) -> Line {
    let say = |offset: &Offset| {
        let seconds = offset.ms.unsigned_abs() as f64 / 1e3;
        match offset.ms {
            0 => format!("{} as here", offset.whom),
            1.. => format!("{} {seconds:.1} s ahead of this machine", offset.whom),
            _ => format!("{} {seconds:.1} s behind this machine", offset.whom),
        }
    };
    let found = offsets.iter().map(say).collect::<Vec<_>>().join(", ");
    if offsets.is_empty() {
        return Line::not_checked(Check::Clocks, "nobody told the time");
    }
    if offsets.iter().all(|offset| offset.ms.unsigned_abs() <= CLOCK_OFF_MS_MAX) {
        return Line::ok(Check::Clocks, found);
    }
    let advice = "Let the clock that is wrong follow NTP (here: `timedatectl set-ntp true`): times in the ledger and \
                  in entries are this machine's, `updated_at` is the database's";
    Line::finding(Check::Clocks, found, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c16_a_clock_is_off_only_as_far_as_the_asking_cannot_explain_it() {
        let off = |theirs: i64, fine| {
            let [before, theirs, after] = [100_000, theirs, 100_500].map(Timestamp::from_millis);
            Offset::within("it", Clock { before, theirs, after }, fine).ms
        };
        assert_eq!((off(100_000, 0), off(100_500, 0)), (0, 0));
        assert_eq!((off(99_999, 0), off(100_501, 0)), (-1, 1));
        // Dated 99 s, it may be anything up to 100 s.
        assert_eq!((off(99_000, 1_000), off(98_000, 1_000)), (0, -1_000));
    }

    #[test]
    fn c16_a_small_difference_is_told_and_no_finding() {
        let most = CLOCK_OFF_MS_MAX as i64;
        let line = |ms| check(&[Offset { whom: "it", ms: 0 }, Offset { whom: "that", ms }]);
        assert!(!line(most).is_finding() && !line(-most).is_finding());
        assert!(line(most + 1).is_finding() && line(-most - 1).is_finding());
        assert!(!check(&[]).is_finding());
    }
}
