//! What to do next, by the figures of requirement C9.

use serde::Serialize;

use crate::brake::Rate;

/// A rollout goes well when more than this many percent of the images tried are completed.
pub const SUCCESS_PERCENT_GOOD: u64 = 95;
/// A rollout goes well when fewer than this many percent of the images tried failed or were skipped.
pub const ERROR_PERCENT_GOOD: u64 = 5;
/// Above this many percent of errors nothing more should be moved before someone knows why.
pub const ERROR_PERCENT_PAUSE: u64 = 10;
/// Above this many percent of errors what was moved should go back.
pub const ERROR_PERCENT_ROLL_BACK: u64 = 20;
/// Uploads go well when they take less than this on average, in milliseconds.
pub const UPLOAD_MS_GOOD: f64 = 5_000.0;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All is as it should be.
    GoOn,
    /// Something is not.
    Investigate,
    /// Move nothing more before it is known why.
    Pause,
    /// Put it back.
    RollBack,
}

/// What to do next, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What.
    pub verdict: Verdict,
    /// Why, the gravest first; none where all is as it should be.
    pub reasons: Vec<&'static str>,
}

/// What advice follows from.
pub(super) struct Figures {
    /// How well the images go.
    pub rate: Rate,
    /// Images that were completed and are back as they were.
    pub rolled_back: u64,
    /// Images whose content differs on the CDN.
    pub differing: u64,
    /// The mean of the uploads.
    pub upload_ms: Option<f64>,
}

/// The advice; `None` where nothing was tried yet, or all that was completed is rolled back already. Slower delivery asks for a rollback too, but no event knows it.
pub(super) fn advice(figures: &Figures) -> Option<Advice> {
    let Rate { well, troubled } = figures.rate;
    let tried = figures.rate.tried();
    if tried == 0 || (well == 0 && figures.rolled_back > 0) {
        return None;
    }
    let above = |percent| figures.rate.is_above(percent);
    let found = [
        (Verdict::RollBack, figures.differing > 0, "content on the CDN differs from what was sent"),
        (Verdict::RollBack, above(ERROR_PERCENT_ROLL_BACK), "more than 20 % failed or were skipped"),
        (Verdict::Pause, above(ERROR_PERCENT_PAUSE), "more than 10 % failed or were skipped"),
        (
            Verdict::Investigate,
            troubled * 100 >= tried * ERROR_PERCENT_GOOD || well * 100 <= tried * SUCCESS_PERCENT_GOOD,
            "5 % or more failed or were skipped",
        ),
        (
            Verdict::Investigate,
            figures.upload_ms.is_some_and(|ms| ms >= UPLOAD_MS_GOOD),
            "uploads take 5 s or more on average",
        ),
    ];
    let found: Vec<_> = found.into_iter().filter(|(_, is_so, _)| *is_so).collect();
    let verdict = found.first().map_or(Verdict::GoOn, |(verdict, ..)| *verdict);
    // Of the three about one rate, the gravest says it.
    let mut reasons: Vec<&'static str> = Vec::new();
    for (_, _, why) in found {
        let is_rate = |why: &str| why.ends_with("failed or were skipped");
        if !is_rate(why) || !reasons.iter().any(|said| is_rate(said)) {
            reasons.push(why);
        }
    }
    Some(Advice { verdict, reasons })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(well: u64, troubled: u64) -> Option<Verdict> {
        let figures =
            Figures { rate: Rate { well, troubled }, rolled_back: 0, differing: 0, upload_ms: None };
        advice(&figures).map(|advice| advice.verdict)
    }

    #[test]
    fn c9_the_thresholds_are_sharp() {
        use Verdict::*;
        for (well, troubled, expected) in [
            (1, 0, GoOn),
            (9_501, 499, GoOn),
            (95, 5, Investigate),
            (90, 10, Investigate),
            (8_999, 1_001, Pause),
            (80, 20, Pause),
            (7_999, 2_001, RollBack),
            (0, 20, RollBack),
            (0, 19, Investigate),
            (1, 1, Investigate),
        ] {
            assert_eq!(verdict(well, troubled), Some(expected), "{well} {troubled}");
        }
        assert_eq!(verdict(0, 0), None);
        let back =
            Figures { rate: Rate { well: 0, troubled: 2 }, rolled_back: 219, differing: 0, upload_ms: None };
        assert_eq!(advice(&back), None, "a person has decided already");
    }

    #[test]
    fn c9_content_that_differs_is_rolled_back_however_little_it_is() {
        let figures = Figures {
            rate: Rate { well: 9_999, troubled: 1 },
            rolled_back: 0,
            differing: 1,
            upload_ms: Some(4_999.9),
        };
        let said = advice(&figures).unwrap();
        assert_eq!(said.verdict, Verdict::RollBack);
        assert_eq!(said.reasons, ["content on the CDN differs from what was sent"]);
    }

    #[test]
    fn c9_slow_uploads_are_to_be_looked_at_and_each_reason_is_said_once() {
        let figures = |troubled, upload_ms| Figures {
            rate: Rate { well: 70, troubled },
            rolled_back: 0,
            differing: 0,
            upload_ms: Some(upload_ms),
        };
        let slow = advice(&figures(0, 5_000.0)).unwrap();
        assert_eq!(
            (slow.verdict, &slow.reasons[..]),
            (Verdict::Investigate, &["uploads take 5 s or more on average"][..])
        );
        assert_eq!(advice(&figures(0, 4_999.9)).unwrap(), Advice { verdict: Verdict::GoOn, reasons: vec![] });
        let both = advice(&figures(30, 6_000.0)).unwrap();
        assert_eq!(
            both.reasons,
            ["more than 20 % failed or were skipped", "uploads take 5 s or more on average"]
        );
    }
}
