//! A pretend process: what it does to the world goes through here, and can be cut off here.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger::event::{Input, Scope, Verb};
use ledger::trouble::TroubleKind;
use longshore::outside::Trouble;
use longshore::runner::SavedPlan;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::clock;
use super::disk;
use super::faults::Fault;
use super::others;
use super::parts::Part;
use super::world::{Inner, World};

/// One process of a history.
pub struct Process {
    pub world: Arc<World>,
    /// Which ledger it works with.
    pub ledger: usize,
    /// Its number.
    pub number: u64,
    /// When it began.
    pub born: Instant,
    /// What its run does.
    pub doing: Mutex<Doing>,
    is_dead: AtomicBool,
    death: Notify,
    /// Until when it stands still, in milliseconds of the history.
    still_until: AtomicU64,
}

/// What the run of a process does.
#[derive(Debug, Clone, Default)]
pub struct Doing {
    pub verb: Option<Verb>,
    /// The one venue that it was asked to take.
    pub venue: Option<i64>,
    /// The plan that it runs.
    pub plan: Option<Arc<SavedPlan>>,
    /// Whether a person leaves something by it.
    pub leaves: bool,
}

/// What becomes of a request.
enum Way {
    Plain,
    AnswerLost,
    Late(Duration),
    Twice,
}

impl Process {
    pub fn new(world: &Arc<World>, ledger: usize) -> Arc<Self> {
        let number = world.lock().next_process();
        Arc::new(Self {
            world: world.clone(),
            ledger,
            number,
            born: Instant::now(),
            doing: Mutex::default(),
            is_dead: AtomicBool::new(false),
            death: Notify::new(),
            still_until: AtomicU64::new(0),
        })
    }

    /// Its run does this from here on.
    pub fn does(&self, verb: Verb, scope: &Scope, input: Option<&Input>) {
        let plans = &self.world.lock().people.plans;
        let plan = input.and_then(|input| {
            let is_it = |(_, plan): &&(usize, Arc<SavedPlan>)| plan.digest().to_string() == input.digest;
            plans.iter().find(is_it).map(|(_, plan)| plan.clone())
        });
        let venue = match scope {
            Scope::Venue { venue, .. } => Some(venue.0),
            _ => None,
        };
        *self.doing.lock().expect("nothing panics while it is held") =
            Doing { verb: Some(verb), venue, plan, leaves: false };
    }

    /// A person leaves something by it.
    pub fn leaves(&self) {
        self.doing.lock().expect("nothing panics while it is held").leaves = true;
    }

    /// Comes back when the process has been killed.
    pub async fn died(&self) {
        self.death.notified().await;
    }

    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }

    /// Kills it: nothing that it still has under way comes to anything, and the database notices.
    pub fn kill(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
        self.world.lock().database_mut(self.ledger).forget(self.number);
        self.death.notify_one();
    }

    /// A moment in which the process may be killed or stand still, and in which others act.
    pub async fn moment(&self) {
        if self.is_dead() {
            pending::<()>().await;
        }
        let (is_killed, stands) = {
            let mut world = self.world.lock();
            others::act(&mut world);
            let loses_power = disk::trouble(&mut world, self);
            let killed = world.strikes(Fault::Killed) || loses_power;
            let stands = world.strikes(Fault::Suspended).then(|| world.within(1_000..240_000));
            if killed {
                world.tell(|| format!("process {} is killed", self.number));
            }
            (killed, stands)
        };
        if is_killed {
            self.kill();
            pending::<()>().await;
        }
        self.stand_still(stands).await;
    }

    /// A moment inside a row update, or between the check of a claim and what is done under it.
    pub async fn moment_in_row(&self) {
        self.moment().await;
        let stands = {
            let mut world = self.world.lock();
            world.strikes(Fault::SuspendedInRow).then(|| world.within(1_000..400_000))
        };
        self.stand_still(stands).await;
    }

    async fn stand_still(&self, stands: Option<Duration>) {
        if let Some(stands) = stands {
            let until = (clock::start().elapsed() + stands).as_millis() as u64;
            self.still_until.fetch_max(until, Ordering::Relaxed);
            let mut world = self.world.lock();
            world.tell(|| format!("process {} stands still for {:.0} s", self.number, stands.as_secs_f64()));
            world.database_mut(self.ledger).stand_still(self.number, Instant::now() + stands);
        }
        let until = clock::start() + Duration::from_millis(self.still_until.load(Ordering::Relaxed));
        if until > Instant::now() {
            sleep_until(until).await;
        }
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    /// The way to a part: how long it takes, and whether the request arrives.
    pub async fn arrive(&self, part: Part) -> Result<(), Trouble> {
        let wait = {
            let mut world = self.world.lock();
            if world.people.resting.contains(&self.number) {
                world.break_promise(format!("process {} asks {part:?} while its run is paused", self.number));
            }
            world.within(1..40)
        };
        sleep(wait).await;
        self.moment().await;
        let refused = {
            let mut world = self.world.lock();
            refused(&mut world, part)
        };
        match refused {
            None => Ok(()),
            Some((after, trouble)) => {
                sleep(after).await;
                self.moment().await;
                Err(trouble)
            }
        }
    }

    /// A request whose work is `effect`, done when it arrives, at once.
    pub async fn request<R: Send + 'static>(
        self: &Arc<Self>,
        part: Part,
        effect: impl Fn(&mut Inner) -> Result<R, Trouble> + Send + 'static,
    ) -> Result<R, Trouble> {
        self.arrive(part).await?;
        let way = way(&mut self.world.lock());
        let answer = match way {
            Way::Late(late) => {
                let world = self.world.clone();
                tokio::spawn(async move {
                    sleep(late).await;
                    let _nobody_waits_for_it = effect(&mut world.lock());
                });
                sleep(Duration::from_secs(30)).await;
                Err(part.unanswered())
            }
            Way::AnswerLost => {
                let _lost = effect(&mut self.world.lock());
                sleep(Duration::from_secs(30)).await;
                Err(part.unanswered())
            }
            Way::Twice => {
                let _first = effect(&mut self.world.lock());
                effect(&mut self.world.lock())
            }
            Way::Plain => effect(&mut self.world.lock()),
        };
        self.leave().await;
        answer
    }

    /// The way back.
    pub async fn leave(&self) {
        let wait = {
            let mut world = self.world.lock();
            match world.strikes(Fault::Slow) {
                true => world.within(500..60_000),
                false => world.within(0..20),
            }
        };
        sleep(wait).await;
        self.moment().await;
    }
}

/// Why a request does not arrive, or is refused, and how long it takes until that is known.
fn refused(world: &mut Inner, part: Part) -> Option<(Duration, Trouble)> {
    let now = Instant::now();
    for fault in [Fault::RateStorm, Fault::OddStorm, Fault::Outage, Fault::WrongKey, Fault::UsedUp] {
        if part.has(fault)
            && world.storms[part as usize].is_none_or(|(until, _)| until <= now)
            && world.strikes(fault)
        {
            let until = now + world.within(500..400_000);
            world.storms[part as usize] = Some((until, fault));
            world.tell(|| format!("{part:?}: {} for {:.0} s", fault.name(), (until - now).as_secs_f64()));
        }
    }
    let storm = world.storms[part as usize].filter(|(until, _)| *until > now).map(|(_, fault)| fault);
    let wait = |world: &mut Inner| world.dice.bool().then(|| world.within(100..20_000));
    let soon = Duration::from_millis(5);
    match storm {
        Some(Fault::RateStorm) => {
            let wait = wait(world);
            return Some((soon, part.limited(wait)));
        }
        Some(Fault::OddStorm) => return Some((soon, part.odd())),
        Some(Fault::WrongKey) => return Some((soon, Trouble::new(TroubleKind::Unauthorized, "wrong key"))),
        Some(Fault::UsedUp) => return Some((soon, Trouble::new(TroubleKind::QuotaExceeded, "used up"))),
        Some(_) => return Some((soon, part.away())),
        None => {}
    }
    if world.strikes(Fault::Limited) {
        let wait = wait(world);
        return Some((soon, part.limited(wait)));
    }
    if world.strikes(Fault::Odd) {
        return Some((soon, part.odd()));
    }
    world.strikes(Fault::LostRequest).then(|| (Duration::from_secs(30), part.unanswered()))
}

fn way(world: &mut Inner) -> Way {
    if world.strikes(Fault::LostAnswer) {
        Way::AnswerLost
    } else if world.strikes(Fault::LateEffect) {
        Way::Late(world.within(10_000..60_000))
    } else if world.strikes(Fault::Doubled) {
        Way::Twice
    } else {
        Way::Plain
    }
}
