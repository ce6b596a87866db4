//! The brake (requirement E2): when a run pauses because too many of its images fail.

use ledger::brake::{RATE_MIN, brake};
use ledger::decide::Outcome;
use ledger::event::*;
use ledger::ids::{RunId, Seq};
use ledger::plan::Step;
use ledger::trouble::TroubleKind;

use crate::support::*;

/// A run over many venues of one image each.
struct Rollout {
    history: History,
    run: RunId,
    plans: Vec<Seq>,
    next: usize,
}

impl Rollout {
    fn new(venues: usize) -> Self {
        let mut history = History::new();
        let arrays: Vec<_> =
            (0..venues).map(|n| array(&[&external(&format!("https://o/{n}.jpg"))])).collect();
        let arrays: Vec<&str> = arrays.iter().map(String::as_str).collect();
        let (run, plans) = history.forward(&arrays);
        Self { history, run, plans, next: 0 }
    }

    fn next(&mut self) -> Seq {
        self.next += 1;
        self.plans[self.next - 1]
    }

    fn moves(&mut self, images: usize) {
        for _ in 0..images {
            let planned = self.next();
            let name = planned.to_string();
            self.history.upload(self.run, image(planned, 0), &name);
            let mut row = match &self.history.records[planned.0 as usize - 1].event {
                Event::Planned(planned) => planned.array.clone(),
                _ => None,
            };
            self.history.row(self.run, Step::UpdateRow(planned), &mut row);
        }
    }

    fn fails(&mut self, images: usize, kind: TroubleKind) {
        for _ in 0..images {
            let step = Step::Download(image(self.next(), 0));
            self.history.turn(self.run, step, Outcome::Trouble(trouble(kind)));
        }
    }

    fn brakes(&self) -> Option<Paused> {
        brake(&self.history.state, self.run)
    }

    fn adds(&mut self, event: Event) {
        self.history.add(Some(self.run), event);
    }
}

#[test]
fn e2_from_twenty_settled_images_on_more_than_ten_percent_pauses() {
    let mut run = Rollout::new(40);
    run.fails(3, TroubleKind::NotFound);
    run.moves(16);
    assert_eq!(RATE_MIN, 20);
    assert_eq!(run.brakes(), None, "19 say nothing yet");
    run.moves(1);
    let paused = run.brakes().unwrap();
    assert_eq!(paused.reason, PauseReason::ErrorRate);
    assert!(paused.message.starts_with("3 of the last 20 images of PL failed or were skipped, 15.0 %"));
    assert!(paused.advice.contains(&format!("`longshore resume --run {}`", run.run)));
    run.moves(10);
    assert_eq!(run.brakes(), None, "exactly 10 % is not more");
    run.fails(1, TroubleKind::InvalidImage);
    assert!(run.brakes().is_some(), "what the program skips counts like what failed");
}

#[test]
fn e2_what_is_on_the_cdn_and_waits_for_its_row_has_gone_well_until_the_row_refuses() {
    let mut run = Rollout::new(60);
    run.fails(3, TroubleKind::NotFound);
    let uploaded: Vec<Seq> = (0..27).map(|_| run.next()).collect();
    for planned in &uploaded {
        run.history.upload(run.run, image(*planned, 0), &planned.to_string());
    }
    assert_eq!(run.brakes(), None, "3 of 30, although only those 3 are settled");
    let refused = Outcome::Trouble(trouble(TroubleKind::CatalogError));
    run.history.turn(run.run, Step::UpdateRow(uploaded[0]), refused);
    let paused = run.brakes().unwrap();
    assert!(paused.message.starts_with("4 of the last 30 images"), "{}", paused.message);
}

#[test]
fn e2_each_pause_begins_a_new_count_and_a_restart_does_not() {
    let mut run = Rollout::new(80);
    run.fails(20, TroubleKind::NotFound);
    let paused = run.brakes().unwrap();
    let interrupted = Paused { reason: PauseReason::Interrupted, ..paused.clone() };
    run.adds(Event::Paused(interrupted));
    run.adds(resumed(options()));
    assert!(run.brakes().is_some(), "an interruption is not the pause that was due");
    run.adds(Event::Paused(paused));
    run.adds(resumed(options()));
    assert_eq!(run.brakes(), None);
    run.fails(19, TroubleKind::NotFound);
    assert_eq!(run.brakes(), None, "twenty more are let through");
    run.fails(1, TroubleKind::NotFound);
    assert!(run.brakes().is_some());
}

#[test]
fn e2_the_rate_is_the_runs_own_and_a_hundred_never_pauses() {
    let mut run = Rollout::new(80);
    run.fails(20, TroubleKind::NotFound);
    run.adds(resumed(Options { error_rate_max_percent: 100, ..options() }));
    assert_eq!(run.brakes(), None);
    run.adds(resumed(Options { error_rate_max_percent: 0, ..options() }));
    assert!(run.brakes().is_some());
}

#[test]
fn e2_what_an_earlier_run_left_failed_does_not_count() {
    let mut run = Rollout::new(30);
    run.fails(25, TroubleKind::NotFound);
    let mut history = run.history;
    history.finish(run.run, Ending::Closed);
    let (second, _) = history.forward(&[&array(&[&external("https://o/0.jpg")])]);
    assert_eq!(brake(&history.state, second), None);
}

#[test]
fn e2_what_is_tried_again_no_longer_speaks_against_the_run() {
    let mut run = Rollout::new(30);
    run.fails(25, TroubleKind::NotFound);
    assert!(run.brakes().is_some());
    let (retry_images, retry_venues) = ledger::plan::retryable(&run.history.state, run.run);
    assert_eq!(retry_images.len(), 25);
    let resumed = Resumed { options: options(), operator: operator(), retry_images, retry_venues };
    run.adds(Event::Resumed(resumed));
    assert_eq!(run.brakes(), None);
    run.next = 0;
    run.fails(19, TroubleKind::NotFound);
    assert_eq!(run.brakes(), None);
    run.fails(1, TroubleKind::NotFound);
    let paused = run.brakes().unwrap();
    assert!(
        paused.message.starts_with("20 of the last 20 images"),
        "each is counted once: {}",
        paused.message
    );
}

#[test]
fn e2_each_country_is_counted_for_itself() {
    let mut history = History::new();
    let run = history.start(Verb::Migrate, Scope::Everywhere);
    let one = |n: i64| array(&[&external(&format!("https://o/{n}.jpg"))]);
    let code = |n: i64| if n % 2 == 0 { "DE" } else { "FR" };
    let plans: Vec<Seq> = (1..=38)
        .map(|n| history.plan(run, Planned { country: Some(country(code(n))), ..moving(n, &one(n)) }))
        .collect();
    history.planning_done(run);
    for planned in plans {
        let outcome = Outcome::Trouble(trouble(TroubleKind::NotFound));
        history.turn(run, Step::Download(image(planned, 0)), outcome);
    }
    assert_eq!(brake(&history.state, run), None, "19 of either");
}

#[test]
fn c15_an_adjusted_setting_holds_from_there_on() {
    let mut run = Rollout::new(1);
    let adjusted = |setting: &str, to: &str| {
        let (setting, from, to) = (setting.to_owned(), "4".to_owned(), to.to_owned());
        Event::Adjusted(Adjusted { setting, from, to, operator: operator() })
    };
    run.adds(adjusted("concurrency", "9"));
    run.adds(adjusted("rate_per_second_max", "20"));
    let options = run.history.state.run(run.run).unwrap().options().clone();
    assert_eq!((options.concurrency, options.rate_per_second_max), (9, Some(20)));
    run.adds(adjusted("rate_per_second_max", "none"));
    assert_eq!(run.history.state.run(run.run).unwrap().options().rate_per_second_max, None);
    for (setting, to) in
        [("concurrency", "0"), ("concurrency", "none"), ("rate_per_second_max", "-1"), ("speed", "1")]
    {
        let refused = run.history.try_add(Some(run.run), adjusted(setting, to)).unwrap_err();
        assert_eq!(refused.to_string(), format!("a run's {setting} cannot be {to}"));
    }
}
