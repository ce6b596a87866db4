//! Origin against CDN: the same picture asked for on both sides by turns, one request at a time, so that neither side
//! waits behind the other and a slow minute of the network meets both.

use ledger::report::{Advice, Verdict};
use serde::Serialize;

use super::asking::Asker;
use super::check::picture;
use super::choose::Subject;
use super::finding::{Finding, Kind};
use crate::cli::report::advised;
use crate::error::Failure;
use crate::limits::{
    COMPARE_GAIN_PERCENT_HOPED, COMPARE_MEASURES_MIN, COMPARE_MEASURES_P95_MIN, COMPARE_SLOWER_MS,
    COMPARE_SLOWER_P95_MS, COMPARE_SLOWER_P95_PERCENT, COMPARE_SLOWER_PERCENT, IMAGE_BYTES_MAX,
};
use crate::outside::probe::{Accept, Ask, Reading, Seen};
use crate::show::{Cell, Column, Grid, Sheet};

/// What the measurements say.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Images measured on both sides.
    images: u64,
    /// Warm requests an image and side.
    rounds: u32,
    /// The first request for each picture.
    cold: Sides,
    /// The ones behind it.
    warm: Sides,
    /// What it comes to.
    delivery: Delivery,
    /// What to do next; none where too little was measured.
    advice: Option<Advice>,
}

/// How the CDN delivers, beside the origin: the time to the last byte of warm requests, which is what visitors wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Delivery {
    /// As much faster as was hoped for.
    AsHoped,
    /// Neither that nor slower.
    NotAsHoped,
    /// Slower by more than measurements differ by chance.
    Slower,
    /// Nothing or too little was measured.
    NotKnown,
}

#[derive(Debug, Serialize)]
struct Sides {
    first_byte_ms: Option<Line>,
    total_ms: Option<Line>,
    bytes: Option<Line>,
}

/// The 50th and the 95th of a hundred, nearest rank, and by how many percent the CDN is below the origin.
#[derive(Debug, Serialize)]
struct Line {
    origin_p50: f64,
    origin_p95: f64,
    cdn_p50: f64,
    cdn_p95: f64,
    gain_p50: Option<f64>,
    gain_p95: Option<f64>,
}

/// One request: milliseconds to the first byte and to the last, and bytes.
type Measure = [f64; 3];

/// Measurements of one temperature, the origin's and the CDN's.
#[derive(Default)]
struct Pairs([Vec<Measure>; 2]);

/// Measures one image after the other.
pub struct Stopwatch {
    rounds: u32,
    images: u64,
    cold: Pairs,
    warm: Pairs,
}

impl Stopwatch {
    /// For so many warm requests an image and side.
    pub fn new(rounds: u32) -> Self {
        Self { rounds, images: 0, cold: Pairs::default(), warm: Pairs::default() }
    }

    /// Measures an image on both sides. One that is not there on both is left out, and told as a finding.
    ///
    /// # Errors
    /// When a side is away as a whole.
    pub async fn image(&mut self, asker: &Asker, subject: &Subject) -> Result<Vec<Finding>, Failure> {
        let (Some(url), Some(original)) = (&subject.url, &subject.original) else {
            let (kind, expected) = match subject.url {
                None => (Kind::BadEntry, "a url"),
                Some(_) => (Kind::FallbackGone, "an original_tigris_url"),
            };
            return Ok(vec![subject.finding(None, kind, expected, "none that is a text")]);
        };
        let (reading, bytes_max) = (Reading::Hash, IMAGE_BYTES_MAX);
        let ask = Ask { accept: Accept::Modern, site: None, reading, bytes_max };
        let mut taken: [Vec<Measure>; 2] = Default::default();
        for round in 0..=u64::from(self.rounds) {
            // Who goes first changes from request to request and from image to image.
            let first = (self.images + round) % 2;
            for side in [first, 1 - first] {
                let asked = match side {
                    0 => asker.origin(original, &ask, false).await?,
                    _ => asker.cdn(url, None, &ask).await?,
                };
                let seen = match (picture(asked), side) {
                    (Ok((seen, _)), _) => seen,
                    (Err((kind, expected, found)), 0) => {
                        let kind = if kind == Kind::ForbiddenUrl { kind } else { Kind::FallbackGone };
                        return Ok(vec![subject.finding(Some(original), kind, expected, found)]);
                    }
                    (Err((kind, expected, found)), _) => {
                        return Ok(vec![subject.finding(Some(url), kind, expected, found)]);
                    }
                };
                taken[side as usize].push(measure(&seen));
            }
        }
        self.images += 1;
        for (side, all) in taken.into_iter().enumerate() {
            self.cold.0[side].extend(&all[..1]);
            self.warm.0[side].extend(&all[1..]);
        }
        Ok(Vec::new())
    }

    /// What it comes to.
    pub fn comparison(&self) -> Comparison {
        let Self { rounds, images, cold, warm: pairs } = self;
        let warm = pairs.sides();
        let delivery = delivery(warm.total_ms.as_ref(), pairs.0[0].len().min(pairs.0[1].len()));
        let advice = match delivery {
            Delivery::AsHoped => Some((Verdict::GoOn, vec![])),
            Delivery::NotAsHoped => {
                Some((Verdict::Investigate, vec!["delivery gains less than was hoped for"]))
            }
            Delivery::Slower => Some((Verdict::RollBack, vec!["delivery has become slower"])),
            Delivery::NotKnown => None,
        };
        let advice = advice.map(|(verdict, reasons)| Advice { verdict, reasons });
        Comparison { images: *images, rounds: *rounds, cold: cold.sides(), warm, delivery, advice }
    }
}

/// What so many measurements a side say. Being slower counts from two bounds on, one in percent and one in
/// milliseconds: of short times a chance difference is a large share, of long ones a small share is still chance.
fn delivery(total: Option<&Line>, measures: usize) -> Delivery {
    let Some(total) = total.filter(|_| measures >= COMPARE_MEASURES_MIN) else { return Delivery::NotKnown };
    let is_slower = |origin: f64, cdn: f64, percent: f64, ms: f64| {
        cdn > origin * (1.0 + percent / 100.0) && cdn > origin + ms
    };
    let &Line { origin_p50, cdn_p50, origin_p95, cdn_p95, .. } = total;
    let is_p95_slower = is_slower(origin_p95, cdn_p95, COMPARE_SLOWER_P95_PERCENT, COMPARE_SLOWER_P95_MS);
    if is_slower(origin_p50, cdn_p50, COMPARE_SLOWER_PERCENT, COMPARE_SLOWER_MS)
        || (measures >= COMPARE_MEASURES_P95_MIN && is_p95_slower)
    {
        return Delivery::Slower;
    }
    match total.gain_p50.is_some_and(|gain| gain >= COMPARE_GAIN_PERCENT_HOPED) {
        true => Delivery::AsHoped,
        false => Delivery::NotAsHoped,
    }
}

fn measure(seen: &Seen) -> Measure {
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    [ms(seen.first_byte), ms(seen.total), seen.bytes.unwrap_or(0) as f64]
}

impl Pairs {
    fn sides(&self) -> Sides {
        Sides { first_byte_ms: self.line(0), total_ms: self.line(1), bytes: self.line(2) }
    }

    fn line(&self, what: usize) -> Option<Line> {
        let [origin, cdn] = [0, 1].map(|side| {
            let mut all: Vec<f64> = self.0[side].iter().map(|measure| measure[what]).collect();
            all.sort_by(f64::total_cmp);
            all
        });
        let [origin_p50, origin_p95] = [rank(&origin, 50)?, rank(&origin, 95)?];
        let [cdn_p50, cdn_p95] = [rank(&cdn, 50)?, rank(&cdn, 95)?];
        let gain = |origin: f64, cdn: f64| (origin > 0.0).then(|| round((origin - cdn) / origin * 100.0));
        let (gain_p50, gain_p95) = (gain(origin_p50, cdn_p50), gain(origin_p95, cdn_p95));
        let [origin_p50, origin_p95, cdn_p50, cdn_p95] =
            [origin_p50, origin_p95, cdn_p50, cdn_p95].map(round);
        Some(Line { origin_p50, origin_p95, cdn_p50, cdn_p95, gain_p50, gain_p95 })
    }
}

/// Microseconds of milliseconds, and hundredths of percents, are noise.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The smallest value that so many in a hundred do not exceed.
fn rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let at = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(at - 1).copied()
}

impl Comparison {
    /// Puts it into the sheet.
    pub fn show(&self, sheet: &mut Sheet) {
        sheet.heading("Origin against CDN");
        let numbers = ["Origin p50", "CDN p50", "Gain p50", "Origin p95", "CDN p95", "Gain p95"];
        let numbers = numbers.map(|name| match name.starts_with("Gain") {
            true => Column::percent(name),
            false => Column::number(name),
        });
        let texts = [Column::text("Request"), Column::text("What")];
        let mut grid = Grid::new([&texts[..], &numbers[..]].concat());
        for (temperature, sides) in [("cold", &self.cold), ("warm", &self.warm)] {
            let lines = [
                ("TTFB, ms", &sides.first_byte_ms, 2),
                ("total, ms", &sides.total_ms, 2),
                ("bytes", &sides.bytes, 0),
            ];
            for (what, line, digits) in lines {
                let Some(line) = line else { continue };
                let value = |value| Cell::Decimal(value, digits);
                let gain = |gain: Option<f64>| gain.map_or(Cell::Unknown, Cell::Percent);
                grid.row([
                    temperature.into(),
                    what.into(),
                    value(line.origin_p50),
                    value(line.cdn_p50),
                    gain(line.gain_p50),
                    value(line.origin_p95),
                    value(line.cdn_p95),
                    gain(line.gain_p95),
                ]);
            }
        }
        if self.images == 0 {
            sheet.line("Nothing was measured: no completed image was there on both sides.");
            return;
        }
        sheet.table(grid);
        sheet.line(format!(
            "{} images, one cold and {} warm requests each and side, by turns. Hoped for: 20 to 30 %.",
            self.images, self.rounds
        ));
        match &self.advice {
            Some(advice) => sheet.line(format!("Advice: {}.", advised(advice))),
            None => {
                sheet.line(format!(
                    "Too little to judge by: it takes {COMPARE_MEASURES_MIN} warm requests a side."
                ));
                sheet.line("  More images, or `--rounds N`, make more of them.");
            }
        }
        if self.delivery == Delivery::Slower {
            sheet.line("  First measure again, from where your visitors are, and look at the URL");
            sheet.line("  endpoint and at ImageKit's status page. If it stays so, take the images back:");
            sheet.line("  `longshore rollback`, with `--dry-run` first.");
        }
    }

    /// Slower delivery is a finding.
    pub fn finding(&self) -> Option<Finding> {
        let total = self.warm.total_ms.as_ref().filter(|_| self.delivery == Delivery::Slower)?;
        let say = |p50: f64, p95: f64| format!("p50 {p50:.1} ms, p95 {p95:.1} ms");
        Some(Finding {
            venue: None,
            image: None,
            url: None,
            kind: Kind::SlowerDelivery,
            expected: format!("no slower than the origin: {}", say(total.origin_p50, total.origin_p95)),
            found: say(total.cdn_p50, total.cdn_p95),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7_gains_are_by_nearest_rank_and_cold_and_warm_stay_apart() {
        let mut stopwatch = Stopwatch::new(1);
        for n in 1..=20 {
            let n = f64::from(n);
            stopwatch.cold.0[0].push([n * 10.0, n * 100.0, 1_000.0]);
            stopwatch.cold.0[1].push([n * 5.0, n * 80.0, 1_500.0]);
        }
        let Comparison { cold, warm, .. } = stopwatch.comparison();
        let first = cold.first_byte_ms.unwrap();
        assert_eq!((first.origin_p50, first.origin_p95), (100.0, 190.0));
        assert_eq!((first.cdn_p50, first.cdn_p95), (50.0, 95.0));
        assert_eq!((first.gain_p50, first.gain_p95), (Some(50.0), Some(50.0)));
        assert_eq!(cold.total_ms.unwrap().gain_p50, Some(20.0));
        assert_eq!(cold.bytes.unwrap().gain_p95, Some(-50.0));
        assert!(warm.total_ms.is_none());
    }

    /// What a run says whose warm requests took so many milliseconds in all, so often.
    fn told(origin: &[(usize, f64)], cdn: &[(usize, f64)]) -> Comparison {
        let mut stopwatch = Stopwatch::new(1);
        for (side, times) in [origin, cdn].into_iter().enumerate() {
            let all = times.iter().flat_map(|(often, ms)| vec![[ms / 2.0, *ms, 1_000.0]; *often]);
            stopwatch.warm.0[side].extend(all);
        }
        stopwatch.comparison()
    }

    #[test]
    fn c7_slower_is_more_than_chance_in_the_middle_or_at_the_end() {
        let says = |origin: &[(usize, f64)], cdn: &[(usize, f64)]| told(origin, cdn).delivery;
        assert_eq!(says(&[(20, 100.0)], &[(20, 80.0)]), Delivery::AsHoped);
        assert_eq!(says(&[(20, 100.0)], &[(20, 81.0)]), Delivery::NotAsHoped);
        assert_eq!(says(&[(20, 100.0)], &[(20, 109.0)]), Delivery::NotAsHoped, "a tenth is chance");
        assert_eq!(says(&[(20, 1.0)], &[(20, 2.9)]), Delivery::NotAsHoped, "so are two milliseconds");
        assert_eq!(says(&[(20, 100.0)], &[(20, 112.5)]), Delivery::Slower);
        // Nearly all are faster, and a few take so long that somebody sees it.
        let few_late = [(93, 50.0), (7, 900.0)];
        assert_eq!(says(&[(100, 100.0)], &few_late), Delivery::Slower);
        assert_eq!(
            says(&[(99, 100.0)], &[(92, 50.0), (7, 900.0)]),
            Delivery::AsHoped,
            "too few to see the end"
        );
        assert_eq!(says(&[(100, 100.0)], &[(93, 50.0), (7, 124.0)]), Delivery::AsHoped);
    }

    #[test]
    fn c7_too_little_is_no_verdict_and_no_finding() {
        for measured in [told(&[], &[]), told(&[(9, 1.0)], &[(9, 900.0)])] {
            assert_eq!((measured.delivery, measured.advice.is_none()), (Delivery::NotKnown, true));
            assert_eq!(measured.finding(), None);
        }
        let slower = told(&[(10, 1.0)], &[(10, 900.0)]);
        assert_eq!(slower.advice.as_ref().unwrap().verdict, Verdict::RollBack);
        assert_eq!(slower.finding().unwrap().kind, Kind::SlowerDelivery);
    }
}
