//! A ledger in memory: records in a vector and the state they give, with builders for what tests need often.

use ledger::decide::{Outcome, Verdict, decide};
use ledger::event::*;
use ledger::ids::{ImageId, LedgerId, RunId, Seq, VenueId};
use ledger::images::movable;
use ledger::order::{Order, Origins, Past, order};
use ledger::plan::Step;
use ledger::state::{Illegal, State};
use ledger::store::LedgerError;
use ledger::timestamp::Timestamp;

/// The moment of the event at seq 0; every later one is a second on.
pub const DAWN: i64 = 1_795_362_000_000;

/// What happened so far.
#[derive(Clone, Default)]
pub struct History {
    pub records: Vec<Record>,
    pub state: State,
}

impl Past for History {
    fn record(&self, seq: Seq) -> Result<Record, LedgerError> {
        Ok(self.records[seq.0 as usize - 1].clone())
    }
}

pub fn operator() -> Operator {
    Operator { user: "anna".into(), host: "desk".into(), version: "0.1.0".into() }
}

pub fn options() -> Options {
    Options { error_rate_max_percent: 10, ..Options::new(4, 25_000_000, 300_000) }
}

/// A run goes on as it was, but for these options.
pub fn resumed(options: Options) -> Event {
    let (retry_images, retry_venues) = (Vec::new(), Vec::new());
    Event::Resumed(Resumed { options, operator: operator(), retry_images, retry_venues })
}

pub fn opened() -> Opened {
    let target = Target {
        name: "dev".into(),
        kind: "sqlite".into(),
        system: None,
        database: "/data/eventasaurus.db".into(),
        host: None,
    };
    Opened { format: 1, ledger: LedgerId([7; 16]), shard: None, target }
}

pub fn country(code: &str) -> Country {
    Country { code: code.into(), name: format!("Country {code}"), slug: None }
}

pub fn city(id: i64) -> City {
    City { id, name: format!("City {id}"), slug: None }
}

pub fn venue_scope(venue: i64, code: &str) -> Scope {
    Scope::Venue { venue: VenueId(venue), country: Some(country(code)) }
}

/// A plan in Poland, city 1; a test changes what it is about.
pub fn planned(venue: i64, array: Option<&str>, work: Work) -> Planned {
    Planned {
        venue: VenueId(venue),
        slug: Some(format!("pub-{venue}")),
        name: Some(format!("Pub {venue}")),
        city: Some(city(1)),
        country: Some(country("PL")),
        array: array.map(str::to_owned),
        work,
    }
}

/// A plan of everything that can be moved in an array.
pub fn moving(venue: i64, array: &str) -> Planned {
    let entries = movable(array).unwrap().into_iter().map(str::to_owned).collect();
    planned(venue, Some(array), Work::Move(entries))
}

pub fn image(planned: Seq, index: u32) -> ImageId {
    ImageId { planned, index }
}

impl History {
    /// A ledger that was just opened.
    pub fn new() -> Self {
        let mut history = Self::default();
        history.add(None, Event::Opened(opened()));
        history
    }

    pub fn next(&self) -> Seq {
        Seq(self.records.len() as u64 + 1)
    }

    /// Adds an event if it may follow; the history is unchanged otherwise.
    pub fn try_add(&mut self, run: Option<RunId>, event: Event) -> Result<Seq, Illegal> {
        let seq = self.next();
        let record = Record { at: Timestamp::from_millis(DAWN + seq.0 as i64 * 1_000), run, event };
        let mut state = self.state.clone();
        state.apply(seq, &record)?;
        self.state = state;
        self.records.push(record);
        Ok(seq)
    }

    pub fn add(&mut self, run: Option<RunId>, event: Event) -> Seq {
        // No copy of the state here: long histories are made of this.
        let seq = self.next();
        let record = Record { at: Timestamp::from_millis(DAWN + seq.0 as i64 * 1_000), run, event };
        if let Err(illegal) = self.state.apply(seq, &record) {
            panic!("{record:?} at {seq}: {illegal}");
        }
        self.records.push(record);
        seq
    }

    pub fn start(&mut self, verb: Verb, scope: Scope) -> RunId {
        self.start_with(verb, scope, None)
    }

    pub fn start_with(&mut self, verb: Verb, scope: Scope, limit: Option<u64>) -> RunId {
        let run = RunId(self.next());
        let options = Options { limit, ..options() };
        let event = RunStarted { verb, scope, options, operator: operator() };
        self.add(Some(run), Event::RunStarted(event));
        run
    }

    pub fn plan(&mut self, run: RunId, planned: Planned) -> Seq {
        self.add(Some(run), Event::Planned(planned))
    }

    pub fn planning_done(&mut self, run: RunId) {
        let of = self.state.run(run).unwrap();
        let done = PlanningDone { venues: of.plans().len() as u64, images: of.images() };
        self.add(Some(run), Event::PlanningDone(done));
    }

    /// A run forward over Poland with these arrays planned, venues numbered from 1.
    pub fn forward(&mut self, arrays: &[&str]) -> (RunId, Vec<Seq>) {
        let run = self.start(Verb::Migrate, Scope::Country(country("PL")));
        let plans = (1..).zip(arrays).map(|(venue, array)| self.plan(run, moving(venue, array))).collect();
        self.planning_done(run);
        (run, plans)
    }

    /// A rollback of Poland that takes these images of one venue back.
    pub fn back(&mut self, venue: i64, array: Option<&str>, images: Vec<ImageId>) -> (RunId, Seq) {
        let run = self.start(Verb::Rollback, Scope::Country(country("PL")));
        let plan = self.plan(run, planned(venue, array, Work::TakeBack(images)));
        self.planning_done(run);
        (run, plan)
    }

    pub fn order(&self, run: RunId, step: Step) -> Order {
        order(&self.state, self, &mut Origins::new(0), run, step).unwrap()
    }

    /// Orders a step and decides an outcome of it, without writing anything down.
    pub fn decide(&self, run: RunId, step: Step, outcome: Outcome) -> Vec<Event> {
        match decide(&self.order(run, step), outcome) {
            Verdict::Events(events) => events,
            other => panic!("{other:?}"),
        }
    }

    /// Orders, decides, and writes down.
    pub fn turn(&mut self, run: RunId, step: Step, outcome: Outcome) -> Vec<Event> {
        let events = self.decide(run, step, outcome);
        for event in &events {
            self.add(Some(run), event.clone());
        }
        events
    }

    pub fn finish(&mut self, run: RunId, ending: Ending) -> Tally {
        let tally = self.state.tally(run);
        self.add(Some(run), Event::RunFinished(RunFinished { ending, tally }));
        tally
    }
}
