//! Starting a run, and going on with one.

use std::collections::BTreeSet;

use ledger::event::{Ending, Event, Options, Record, Resumed, RunFinished, RunStarted, Scope, Verb};
use ledger::ids::RunId;
use ledger::ledger::Ledger;
use ledger::plan;
use ledger::state::{Plan, State};
use tracing::Instrument;

use super::wheel::{Setting, Wheel};
use super::{Claims, End, RunError, log};

/// A run to be started.
#[derive(Debug, Clone)]
pub struct Start {
    /// Forward or back.
    pub verb: Verb,
    /// What it takes.
    pub scope: Scope,
    /// How.
    pub options: Options,
    /// Unfinished runs that it takes over; they are closed first.
    pub close: Vec<RunId>,
}

/// Claims what a new run touches, writes down that it started, and turns it.
///
/// # Errors
/// When another holds a country of it, the ledger cannot be written, or the place is gone.
pub async fn start(
    ledger: &mut Ledger,
    start: Start,
    setting: Setting<'_>,
) -> Result<(RunId, End), RunError> {
    let claims = claim(ledger, &start.scope, start.verb, None, &setting).await?;
    let (at, state) = ((setting.now)(), ledger.state());
    let closed = start.close.iter().map(|run| {
        let (ending, tally) = (Ending::Closed, state.tally(*run));
        Record { at, run: Some(*run), event: Event::RunFinished(RunFinished { ending, tally }) }
    });
    let mut records: Vec<Record> = closed.collect();
    let run = ledger.next_run(records.len() as u64);
    let Start { verb, scope, options, .. } = start;
    let event = Event::RunStarted(RunStarted { verb, scope, options, operator: setting.operator.clone() });
    records.push(Record { at, run: Some(run), event });
    ledger.append(&records)?;
    turn(ledger, run, claims, setting).await
}

/// Claims what an unfinished run touches, writes down that it goes on, and turns it. With `retry_failed`, it takes up
/// what of it had failed; a run that has finished with failures goes on by that alone.
///
/// # Errors
/// As [`start`].
///
/// # Panics
/// When there is no such run: the caller chose it from the ledger.
pub async fn resume(
    ledger: &mut Ledger,
    run: RunId,
    options: Options,
    retry_failed: bool,
    setting: Setting<'_>,
) -> Result<(RunId, End), RunError> {
    let started = ledger.state().run(run).expect("an unfinished run is in its ledger").started.clone();
    let claims = claim(ledger, &started.scope, started.verb, Some(run), &setting).await?;
    let (retry_images, retry_venues) = match retry_failed {
        true => plan::retryable(ledger.state(), run),
        false => (Vec::new(), Vec::new()),
    };
    let operator = setting.operator.clone();
    let event = Event::Resumed(Resumed { options, retry_images, retry_venues, operator });
    ledger.append(&[Record { at: (setting.now)(), run: Some(run), event }])?;
    turn(ledger, run, claims, setting).await
}

/// Every country a run touches, as far as it is known before it plans: that of its scope, those of what it has planned, and
/// those a rollback will visit. None of them is that of venues without one.
pub fn touched(
    state: Option<&State>,
    scope: &Scope,
    verb: Verb,
    run: Option<RunId>,
) -> BTreeSet<Option<String>> {
    let mut countries = BTreeSet::new();
    if !matches!(scope, Scope::Run(_) | Scope::Everywhere) {
        countries.insert(plan::country(scope).map(str::to_owned));
    }
    let Some(state) = state else { return countries };
    let code = |plan: &Plan| state.place(plan).country.as_ref().map(|country| country.code.clone());
    let planned = run.and_then(|run| state.run(run)).map_or(&[][..], |run| run.plans());
    countries.extend(planned.iter().filter_map(|seq| state.plan(*seq)).map(code));
    if verb == Verb::Rollback {
        let visited = plan::take_backs(state, scope).into_keys().filter_map(|venue| state.venue(venue));
        let plans = visited.flat_map(|plans| plans.all()).filter_map(|planned| state.plan(*planned));
        countries.extend(plans.map(code));
    }
    countries
}

async fn claim(
    ledger: &Ledger,
    scope: &Scope,
    verb: Verb,
    run: Option<RunId>,
    setting: &Setting<'_>,
) -> Result<Claims, RunError> {
    let countries = touched(Some(ledger.state()), scope, verb, run);
    let catalog = &*setting.world.catalog;
    let mut claims = Claims::default();
    claims.take(catalog, countries, &setting.holder).await?;
    Ok(claims)
}

async fn turn(
    ledger: &mut Ledger,
    run: RunId,
    claims: Claims,
    setting: Setting<'_>,
) -> Result<(RunId, End), RunError> {
    let verb = ledger.state().run(run).expect("the run was started").started.verb;
    let turned = async {
        let mut wheel = Wheel::new(ledger, run, claims, setting);
        let ended = async {
            wheel.plan().await?;
            wheel.claim_planned().await?;
            wheel.turn().await
        };
        let ended = ended.await;
        log::ended(&ended);
        ended
    };
    let ended = turned.instrument(log::run(run, verb.name())).await;
    Ok((run, ended?))
}
