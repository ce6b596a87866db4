//! How well it went (requirement C9): by country, by city, or for one run.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::Counts;
use super::advice::{Advice, Figures, advice};
use super::times::{Milliseconds, Times};
use crate::brake::Rate;
use crate::event::{Event, Part, Placed, Scope, WaitReason};
use crate::ids::{ImageId, RunId, Seq, VenueId};
use crate::plan::is_within;
use crate::state::{Aim, Image, Mark, Place, Plan, Rung, State, Whole};
use crate::timestamp::Timestamp;
use crate::trouble::TroubleKind;

/// What a line of a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A country.
    Country,
    /// A city.
    City,
}

/// How well it went in one place.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReportLine {
    /// The country's name; null for venues without one, and in the total.
    pub country: Option<String>,
    /// Its ISO code.
    pub code: Option<String>,
    /// The city's name; null where lines are countries, for venues without one, and in the total.
    pub city: Option<String>,
    /// `cities.id`.
    pub city_id: Option<i64>,
    /// Venues with images.
    pub venues: u64,
    /// Venues that failed as a whole, as their data are bad.
    pub venues_failed: u64,
    /// Images.
    pub images: u64,
    /// Where those stand.
    pub counts: Counts,
    /// Of those in progress, the images that are on the CDN and wait for their row: they have gone well so far.
    pub waiting: u64,
    /// Completed and waiting in percent of these, failed and skipped; null where there is none of them.
    pub success_percent: Option<f64>,
    /// Failed and skipped in percent of the same.
    pub error_percent: Option<f64>,
    /// Images failed or skipped, by kind.
    pub by_kind: BTreeMap<&'static str, u64>,
    /// Files that were sent, not found there.
    pub uploads: u64,
    /// Files that were found on the CDN and adopted.
    pub adopted: u64,
    /// Bytes of the files sent.
    pub bytes_uploaded: u64,
    /// Requests that had to be repeated, those of downloads and uploads that failed in the end included.
    pub retries: u64,
    /// Times of the uploads that were sent; null where there was none.
    pub upload_ms: Option<Milliseconds>,
    /// Times of the row updates; null where there was none.
    pub row_ms: Option<Milliseconds>,
    /// When the first run began that did something here.
    pub first_at: Option<Timestamp>,
    /// When the last thing happened here.
    pub last_at: Option<Timestamp>,
    /// Milliseconds in which runs were at work: each from its start, or from where it was resumed, to the last thing
    /// that happened here before it stopped.
    pub running_ms: u64,
    /// Images that came to their end in a minute of that, one way or another; null where no time was measured.
    pub images_per_minute: Option<f64>,
    /// What to do next; null where nothing was tried yet.
    pub advice: Option<Advice>,
}

/// How well it went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What the lines are about.
    pub by: By,
    /// A line a country or city, by name.
    pub lines: Vec<ReportLine>,
    /// All of them together.
    pub total: ReportLine,
    /// How long the runs of all this waited for the parts of the outside.
    pub waits: Vec<Wait>,
}

/// How long runs waited for a part, for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// The part.
    pub part: Part,
    /// Why.
    pub reason: WaitReason,
    /// How often it began.
    pub times: u64,
    /// Milliseconds in which the part answered nobody.
    pub ms: u64,
}

/// A country by its code, or a city by its id: whatever it was called when, it is one.
type Key = (Option<String>, Option<i64>);

/// A stretch in which a run was at work.
#[derive(Clone, Copy)]
struct Stretch {
    from: Timestamp,
    to: Timestamp,
}

#[derive(Default)]
struct Line {
    line: ReportLine,
    upload: Times,
    row: Times,
    settled: u64,
    stretches: HashMap<RunId, Stretch>,
}

/// Collects what only the events know; the rest is in the state.
pub struct ReportFold<'a> {
    state: &'a State,
    scope: Scope,
    by: By,
    /// Since when each run is at work, this time.
    since: HashMap<RunId, Timestamp>,
    lines: BTreeMap<Key, Line>,
    total: Line,
    /// The runs that planned anything of this.
    runs: HashSet<RunId>,
    waits: BTreeMap<(Part, WaitReason), Wait>,
}

impl<'a> ReportFold<'a> {
    /// Begins with a state and a scope: for one run everything that it did, for a place the images that speak for
    /// their pictures now.
    pub fn new(state: &'a State, scope: Scope) -> Self {
        let by = match scope {
            Scope::Run(_) | Scope::Everywhere => By::Country,
            Scope::Country(_) | Scope::City { .. } | Scope::Venue { .. } => By::City,
        };
        let (since, lines, total) = (HashMap::new(), BTreeMap::new(), Line::default());
        let (runs, waits) = (HashSet::new(), BTreeMap::new());
        let mut fold = Self { state, scope, by, since, lines, total, runs, waits };
        fold.count();
        fold
    }

    /// The run that is asked for, whatever it did; a place is asked how far its images were moved.
    fn is_counted(&self, plan: &Plan) -> bool {
        (plan.aim == Aim::Forward || matches!(self.scope, Scope::Run(_)))
            && is_within(self.state, plan, &self.scope)
    }

    fn count(&mut self) {
        let state = self.state;
        let is_run = matches!(self.scope, Scope::Run(_));
        let mut seen: HashSet<VenueId> = HashSet::new();
        let plans: Vec<_> = state.plans().filter(|(_, plan)| self.is_counted(plan)).collect();
        self.runs.extend(plans.iter().map(|(_, plan)| plan.run));
        for (planned, plan) in plans {
            let counted: Vec<(&Plan, &Image)> = match &plan.aim {
                Aim::Back(images) => {
                    let known = |id: &ImageId| Some((state.plan(id.planned)?, state.image(*id)?));
                    images.iter().filter_map(known).collect()
                }
                Aim::Forward | Aim::Add => {
                    let images = plan.images.iter().filter(|image| is_run || image.is_current);
                    images.map(|image| (plan, image)).collect()
                }
            };
            let has_failed = match is_run {
                true => plan.whole == Whole::Failed,
                false => state.stands_failed(planned),
            };
            let has_failed = has_failed && plan.images.is_empty();
            if counted.is_empty() && !has_failed {
                continue;
            }
            let is_new = !counted.is_empty() && seen.insert(plan.venue);
            self.both(plan, |line| {
                line.line.venues += u64::from(is_new);
                line.line.venues_failed += u64::from(has_failed);
                for (plan, image) in &counted {
                    line.line.counts.add(state, plan, image);
                    let is_going = state.run(plan.run).is_some_and(|run| !run.is_finished());
                    let waits = is_going && image.mark.is_none() && image.rung == Rung::Uploaded;
                    line.line.waiting += u64::from(waits);
                    if let Some(Mark::Failed(kind) | Mark::Skipped(kind)) = image.mark {
                        *line.line.by_kind.entry(kind.name()).or_default() += 1;
                    }
                }
            });
        }
    }

    /// Takes in an event, in the ledger's order.
    pub fn take(&mut self, (_, record): &Placed) {
        let Some(run) = record.run else { return };
        let at = record.at;
        match &record.event {
            Event::RunStarted(_) | Event::Resumed(_) => {
                self.since.insert(run, at);
            }
            Event::Downloaded(e) => self.at(run, at, e.image.planned, 0, |line| {
                line.line.retries += u64::from(e.attempts.saturating_sub(1));
            }),
            Event::Uploaded(e) => self.at(run, at, e.image.planned, 0, |line| {
                line.line.retries += u64::from(e.attempts.saturating_sub(1));
                if e.found_done() {
                    line.line.adopted += 1;
                } else {
                    line.line.uploads += 1;
                    line.line.bytes_uploaded += e.bytes;
                    line.upload.add(e.ms);
                }
            }),
            Event::Confirmed(e) => self.at(run, at, e.image.planned, 0, |line| {
                line.line.retries += u64::from(e.attempts.saturating_sub(1));
            }),
            Event::Waited(e) if self.runs.contains(&run) => {
                let (part, reason) = (e.part, e.reason);
                let wait = self.waits.entry((part, reason)).or_insert(Wait { part, reason, times: 0, ms: 0 });
                wait.times += u64::from(e.times);
                wait.ms += e.ms;
            }
            Event::Failed(e) | Event::Skipped(e) => {
                if let Some(image) = e.image {
                    self.at(run, at, image.planned, 1, |line| {
                        line.line.retries += u64::from(e.attempts.saturating_sub(1));
                    });
                }
            }
            Event::DbUpdated(e) => {
                if let Some(edit) = e.edits.first() {
                    let (settled, is_written) = (e.edits.len() as u64, !e.found_done);
                    self.at(run, at, edit.image.planned, settled, |line| {
                        if is_written {
                            line.row.add(e.ms);
                        }
                    });
                }
            }
            Event::Drifted(e) => self.at(run, at, self.of(run, e.venue, e.image), 1, |_| {}),
            Event::RolledBack(e) => {
                let images = e.edits.iter().map(|edit| edit.image).chain(e.held.iter().copied());
                let images: Vec<ImageId> = images.collect();
                if let Some(image) = images.first() {
                    let planned = self.of(run, e.venue, *image);
                    self.at(run, at, planned, images.len() as u64, |line| {
                        if !e.found_done {
                            line.row.add(e.ms);
                        }
                    });
                }
            }
            _ => {}
        }
    }

    /// The plan by which a run meets an image: its own, or that of the rollback that visits it.
    fn of(&self, run: RunId, venue: VenueId, image: ImageId) -> Seq {
        let plans = self.state.venue(venue).map_or(&[][..], |plans| plans.all());
        let of_run = |planned: &&Seq| self.state.plan(**planned).is_some_and(|plan| plan.run == run);
        plans.iter().find(of_run).copied().unwrap_or(image.planned)
    }

    fn at(&mut self, run: RunId, at: Timestamp, planned: Seq, settled: u64, with: impl Fn(&mut Line)) {
        let Some(plan) = self.state.plan(planned).filter(|plan| self.is_counted(plan)) else { return };
        let from = self.since.get(&run).copied().unwrap_or(at);
        self.both(plan, |line| {
            line.settled += settled;
            line.work(run, from, at);
            with(line);
        });
    }

    fn both(&mut self, plan: &Plan, with: impl Fn(&mut Line)) {
        let Place { country, city } = self.state.place(plan);
        let city = city.as_ref().filter(|_| self.by == By::City);
        let key = (country.as_ref().map(|country| country.code.clone()), city.map(|city| city.id));
        let line = self.lines.entry(key).or_default();
        // Plans come oldest first, so the latest words stay.
        line.line.country = country.as_ref().map(|country| country.name.clone());
        line.line.code = country.as_ref().map(|country| country.code.clone());
        line.line.city = city.map(|city| city.name.clone());
        line.line.city_id = city.map(|city| city.id);
        with(line);
        with(&mut self.total);
    }

    /// Ends with the figures.
    pub fn finish(self) -> Report {
        let mut lines: Vec<ReportLine> = self.lines.into_values().map(Line::finish).collect();
        lines.sort_by(|one, other| (&one.country, &one.city).cmp(&(&other.country, &other.city)));
        let waits = self.waits.into_values().collect();
        Report { by: self.by, lines, total: self.total.finish(), waits }
    }
}

impl Line {
    /// Takes note that a run, at work since a moment, did something here.
    fn work(&mut self, run: RunId, from: Timestamp, at: Timestamp) {
        let line = &mut self.line;
        line.first_at = Some(line.first_at.map_or(from, |first| first.min(from)));
        line.last_at = Some(line.last_at.map_or(at, |last| last.max(at)));
        let stretch = self.stretches.entry(run).or_insert(Stretch { from, to: at });
        if stretch.from != from {
            line.running_ms += stretch.ms();
            *stretch = Stretch { from, to: at };
        }
        stretch.to = stretch.to.max(at);
    }

    fn finish(mut self) -> ReportLine {
        let mut line = self.line;
        let counts = line.counts;
        let rate = Rate { well: counts.completed + line.waiting, troubled: counts.failed + counts.skipped };
        let tried = rate.tried();
        line.images = counts.images();
        line.success_percent = (tried > 0).then(|| percent(rate.well, tried));
        line.error_percent = (tried > 0).then(|| percent(rate.troubled, tried));
        line.upload_ms = self.upload.milliseconds();
        line.row_ms = self.row.milliseconds();
        line.running_ms += self.stretches.drain().map(|(_, stretch)| stretch.ms()).sum::<u64>();
        let minutes = line.running_ms as f64 / 60_000.0;
        line.images_per_minute =
            (line.running_ms > 0).then(|| (self.settled as f64 / minutes * 10.0).round() / 10.0);
        line.advice = advice(&Figures {
            rate,
            rolled_back: counts.rolled_back,
            differing: line.by_kind.get(TroubleKind::IntegrityMismatch.name()).copied().unwrap_or(0),
            upload_ms: line.upload_ms.map(|ms| ms.avg),
        });
        line
    }
}

impl Stretch {
    /// A clock that was put back makes it no shorter than nothing.
    fn ms(self) -> u64 {
        self.to.millis().saturating_sub(self.from.millis()).max(0) as u64
    }
}

/// In percent, to two decimals.
fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 * 10_000.0 / whole as f64).round() / 100.0
}
