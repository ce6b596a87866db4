//! Origin against CDN: the same picture asked for on both sides by turns, one request at a time, so that neither side
//! waits behind the other and a slow minute of the network meets both.

use serde::Serialize;

use super::asking::Asker;
use super::check::picture;
use super::choose::Subject;
use super::finding::{Finding, Kind};
use crate::error::Failure;
use crate::limits::IMAGE_BYTES_MAX;
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
                    0 => asker.origin(original, &ask).await?,
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
        let Self { rounds, images, cold, warm } = self;
        Comparison { images: *images, rounds: *rounds, cold: cold.sides(), warm: warm.sides() }
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
        sheet.table(grid);
        sheet.line(format!(
            "{} images, one cold and {} warm requests each and side, by turns. Hoped for: 20 to 30 %.",
            self.images, self.rounds
        ));
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
}
