//! How far a run is, on stderr.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ledger::event::{AlertAbout, Event, PauseReason};

use super::{count, plain};
use crate::runner::Told;

/// The bar that is on the screen, for whoever writes to stderr beside it.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A line of the log on stderr, without tearing the bar that may be there.
pub fn log_line(line: &str) {
    let bar = SHOWN.lock().map_or(None, |bar| bar.clone());
    match bar {
        Some(bar) => bar.suspend(|| eprintln!("{line}")),
        None => eprintln!("{line}"),
    }
}

fn set_shown(bar: Option<ProgressBar>) {
    if let Ok(mut shown) = SHOWN.lock() {
        *shown = bar;
    }
}

/// A bar where stderr is a terminal; elsewhere a line now and then.
pub struct Progress {
    bar: ProgressBar,
    settled: u64,
    said: u64,
    total: u64,
}

/// Without a terminal, a line is said whenever this share of the images has settled.
const LINES: u64 = 10;

impl Progress {
    /// With this much settled already of so many images, 0 of 0 for a new run.
    pub fn new(settled: u64, total: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos} of {len} images  {elapsed}  {msg}");
        let bar = ProgressBar::new(total).with_style(style.expect("the template is fixed and right"));
        set_shown(Some(bar.clone()));
        Self { bar, settled, said: settled, total }
    }

    /// Takes in what a run tells.
    pub fn tell(&mut self, told: &Told<'_>) {
        match told {
            Told::Appended(records) => records.iter().for_each(|record| self.event(&record.event)),
            Told::Waiting(why, wait) => self.say(&format!("Waiting {}: {}", seconds(*wait), plain(why))),
            Told::Back(outside, after) => {
                self.say(&format!("After {}, {} answers again.", seconds(*after), outside.name()));
            }
            Told::Left(words) | Told::FileLeft { words, .. } => self.say(&plain(words)),
            Told::Stopping(0) => self.say("Stopping."),
            Told::Stopping(n) => {
                self.say(&format!("Stopping: {} still in the air.", count(*n as u64, "step")))
            }
        }
        self.refresh();
    }

    /// One more is settled.
    pub fn settle_one(&mut self) {
        self.settled += 1;
        self.refresh();
    }

    fn refresh(&mut self) {
        self.bar.set_position(self.settled);
        if self.bar.is_hidden() && self.settled >= self.said + (self.total / LINES).max(1) {
            self.said = self.settled;
            eprintln!("{} of {} images", self.settled, self.total);
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::PlanningDone(done) => {
                self.total = done.images;
                self.bar.set_length(done.images);
                self.say(&format!(
                    "Planned {} of {}.",
                    count(done.images, "image"),
                    count(done.venues, "venue")
                ));
            }
            Event::DbUpdated(e) => self.settled += e.edits.len() as u64,
            Event::RolledBack(e) => self.settled += (e.edits.len() + e.held.len() + e.left.len()) as u64,
            Event::Failed(e) | Event::Skipped(e) => {
                self.settled += u64::from(e.image.is_some());
                let (kind, message) = (e.error_type, plain(&e.message));
                self.say(&format!("Venue {}: {kind}: {message}", e.venue));
            }
            Event::Drifted(e) => self.say(&format!("Venue {}: image {} has drifted", e.venue, e.image)),
            // How a run ends is told when it has ended.
            Event::Alerted(e) => match e.about {
                AlertAbout::Outage | AlertAbout::DatabaseLost | AlertAbout::RateLimit | AlertAbout::Usage => {
                    self.say(&format!("Alert: {}", plain(&e.message)));
                }
                AlertAbout::Paused | AlertAbout::ErrorRate | AlertAbout::Finished => {}
            },
            Event::Paused(e) if e.reason == PauseReason::Operator => {
                self.say(&format!("Paused in place: {}.", plain(&e.message)));
                self.say(&format!("{}.", plain(&e.advice)));
            }
            Event::Resumed(e) => self.say(&format!("{} lets it go on.", plain(&e.operator.user))),
            Event::Adjusted(e) => {
                let to = plain(&e.to);
                self.say(&match (e.setting.as_str(), to.as_str()) {
                    ("concurrency", _) => format!("From here on {to} images in flight."),
                    (_, "none") => "From here on no limit of requests.".to_owned(),
                    _ => format!("From here on at most {to} requests/s."),
                });
            }
            _ => {}
        }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        set_shown(None);
        self.bar.finish_and_clear();
    }
}

fn seconds(wait: Duration) -> String {
    format!("{:.1} s", wait.as_secs_f64())
}
