//! The only retry loop of the program.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ledger::event::{AlertAbout, Alerted, WaitReason};
use ledger::plan::Step;
use ledger::trouble::{Treatment, TroubleKind};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::deferred::{Deferred, Tries};
use super::parts::{Gates, Outside};
use super::witness::Witness;
use super::{Message, log};
use crate::limits::{
    GATE_LOOK_MS, NOTIFY_TRIES, OUTAGE_ANSWERS_IN_A_ROW, RATE_LIMIT_ALERT_MS, RETRIES_MAX,
    RETRY_WAIT_MS_FIRST, RETRY_WAIT_MS_MAX, SWEEP_STOP_MS_MAX,
};
use crate::outside::{self, Trouble};

/// Something that came about, and what it took.
#[derive(Debug)]
pub struct Tried<T> {
    /// What came of it.
    pub value: T,
    /// Requests made, the successful one included.
    pub attempts: u32,
    /// Milliseconds of the successful request.
    pub ms: u64,
}

/// Why something did not come about.
#[derive(Debug)]
pub enum Halt {
    /// The run stops; nothing is known about the image.
    GivenUp,
    /// The part may be away; other images are to be tried before this one is tried again.
    Deferred,
    /// Trouble that is not tried again, and the attempts it took.
    Trouble(Trouble, u32),
}

/// How things are tried: shared by all workers of a run.
#[derive(Clone)]
pub struct Retry {
    /// True while the run stops.
    pub stop: watch::Receiver<bool>,
    /// Where waiting is told.
    pub inbox: mpsc::UnboundedSender<Message>,
    /// How long an outage or a rate limit is waited through.
    pub patience: Duration,
    /// After so many requests in a row without a proper answer, the part may be away.
    pub failed_max: u32,
    /// The gates, one a part.
    pub gates: Arc<Gates>,
    /// What the parts are known to have given before; none where nothing is known.
    pub witness: Option<Arc<dyn Witness>>,
    /// The step that is tried, where others can be tried before it.
    pub step: Option<(Step, Arc<Deferred>)>,
}

impl Retry {
    /// With open gates.
    pub fn new(
        stop: watch::Receiver<bool>,
        inbox: mpsc::UnboundedSender<Message>,
        patience: Duration,
    ) -> Self {
        let (failed_max, gates) = (OUTAGE_ANSWERS_IN_A_ROW, Arc::default());
        Self { stop, inbox, patience, failed_max, gates, witness: None, step: None }
    }

    /// The same for one step, which is deferred where its part may be away.
    pub fn of(&self, step: Step, deferred: Arc<Deferred>) -> Self {
        Self { step: Some((step, deferred)), ..self.clone() }
    }

    /// Tries until it works, is pointless, has been tried often enough, or the run stops (requirement E1).
    ///
    /// # Errors
    /// The last real trouble. One that outlasted the patience comes back as an outage.
    pub async fn run<T, F>(&self, outside: Outside, attempt: impl FnMut() -> F) -> Result<Tried<T>, Halt>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        self.go(outside, false, attempt).await
    }

    /// The same for what completes an effect that is there already: a stop lets it be tried once, as giving up here
    /// would leave the effect unrecorded (requirement E4).
    ///
    /// # Errors
    /// As [`Retry::run`].
    pub async fn complete<T, F>(&self, outside: Outside, attempt: impl FnMut() -> F) -> Result<Tried<T>, Halt>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        self.go(outside, true, attempt).await
    }

    async fn go<T, F>(
        &self,
        outside: Outside,
        is_completing: bool,
        mut attempt: impl FnMut() -> F,
    ) -> Result<Tried<T>, Halt>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let gate = self.gates.of(outside);
        let mut tries = self.recall(outside);
        if let Some(at) = tries.not_before.take() {
            self.sleep(at.saturating_duration_since(Instant::now())).await?;
        }
        let mut is_troubled = false;
        loop {
            let may_once = is_completing && !is_troubled;
            while let Some(wait) = gate.wait() {
                // In slices: the gate may be opened, or shut for longer, meanwhile.
                match self.sleep(wait.min(Duration::from_millis(GATE_LOOK_MS))).await {
                    Err(Halt::GivenUp) if may_once => break,
                    slept => slept?,
                }
            }
            if *self.stop.borrow() && !may_once {
                return Err(Halt::GivenUp);
            }
            let begun = Instant::now();
            let trouble = match outside::numbered(tries.attempts + 1, attempt()).await {
                Ok(value) => {
                    let ms = begun.elapsed().as_millis() as u64;
                    self.answered(outside, begun);
                    return Ok(Tried { value, attempts: tries.attempts + 1, ms });
                }
                Err(trouble) => trouble,
            };
            is_troubled = true;
            let since = *tries.since.get_or_insert(begun);
            let treatment = trouble.kind.treatment();
            if treatment == Treatment::Wait {
                let is_alone = tries.failed_at.is_some_and(|at| gate.has_answered_since(at));
                tries.failed_at = Some(Instant::now());
                tries.is_refused = true;
                match is_alone {
                    // Others get through: it is no reason to keep them waiting.
                    true => self.wait_alone(outside, &mut tries, trouble).await?,
                    false => {
                        self.wait_for(outside, since, trouble, tries.attempts).await?;
                        self.defer(outside, tries)?;
                    }
                }
                continue;
            }
            tries.is_refused = false;
            if treatment != Treatment::Retry && !trouble.outage {
                // A plain no is an answer too: the part is there. What may not be asked for was not asked.
                if trouble.kind != TroubleKind::ForbiddenUrl {
                    self.answered(outside, begun);
                }
                return Err(Halt::Trouble(trouble, tries.attempts + 1));
            }
            if trouble.lags {
                // Nobody else waits for what is late for this image alone.
                let left = self.patience.saturating_sub(since.elapsed());
                if left.is_zero() {
                    return Err(Halt::Trouble(trouble, tries.attempts + 1));
                }
                let wait = backoff(tries.waits).min(left);
                tries.waits += 1;
                let _ = self.inbox.send(Message::Waiting { why: trouble.to_string(), wait });
                tries.not_before = Some(Instant::now() + wait);
                self.defer(outside, tries)?;
                tries.not_before = None;
                self.sleep(wait).await?;
                continue;
            }
            if self.may_be_away(outside, &trouble, tries.failed_at).await {
                tries.failed_at = Some(Instant::now());
                self.wait_for(outside, since, trouble, tries.attempts).await?;
                self.defer(outside, tries)?;
                continue;
            }
            tries.failed_at = Some(Instant::now());
            tries.attempts += 1;
            if tries.attempts > RETRIES_MAX {
                return Err(Halt::Trouble(Trouble { outage: false, ..trouble }, tries.attempts));
            }
            let longest = Duration::from_millis(RETRY_WAIT_MS_MAX);
            let wait = trouble.wait.map_or_else(|| backoff(tries.attempts - 1), |wait| wait.min(longest));
            log::waits(outside, &trouble, tries.attempts, wait);
            self.sleep(wait).await?;
        }
    }

    /// Whether a failed request may be the part's own trouble, and not only that of one image. It is not where the part
    /// has answered somebody since this image last failed, or still gives what it gave before.
    async fn may_be_away(&self, outside: Outside, trouble: &Trouble, failed_at: Option<Instant>) -> bool {
        let gate = self.gates.of(outside);
        let is_in_a_row = (is_odd(trouble.kind) || trouble.outage) && gate.failed() >= self.failed_max;
        if !trouble.outage && !is_in_a_row {
            return false;
        }
        if outside == Outside::Catalog || trouble.is_here {
            return true;
        }
        if failed_at.is_some_and(|at| gate.has_answered_since(at)) {
            return false;
        }
        !(gate.take_witness_turn() && self.gives_what_it_gave(outside).await)
    }

    /// Whether the part gives something that it gave before.
    pub(super) async fn gives_what_it_gave(&self, outside: Outside) -> bool {
        let Some(witness) = &self.witness else { return false };
        let begun = Instant::now();
        let answers = witness.answers(outside).await == Some(true);
        if answers {
            self.answered(outside, begun);
        }
        answers
    }

    /// Whether trouble is that of one file, and others may fare better. A request that breaks or that nobody answers may be
    /// the part's own trouble: the part is asked for something else.
    pub(super) async fn is_its_own(&self, outside: Outside, trouble: &Trouble) -> bool {
        if outside == Outside::Catalog || trouble.outage || trouble.kind.treatment() == Treatment::Pause {
            return false;
        }
        match trouble.kind {
            TroubleKind::Network | TroubleKind::Timeout => self.gives_what_it_gave(outside).await,
            _ => true,
        }
    }

    /// Shuts the part's gate. When the patience is spent, the part is asked for something that it gave before: if it gives
    /// that, the trouble is this image's own.
    async fn wait_for(
        &self,
        outside: Outside,
        since: Instant,
        trouble: Trouble,
        attempts: u32,
    ) -> Result<(), Halt> {
        let (spent, attempts) = match self.shut(outside, since, trouble, attempts) {
            Err(Halt::Trouble(spent, attempts)) if outside != Outside::Catalog && !spent.is_here => {
                (spent, attempts)
            }
            shut => return shut,
        };
        if spent.wait.is_none() {
            // Others were let through together with this one, and may be answered a moment later.
            self.sleep(backoff(0)).await?;
            if self.gates.of(outside).unanswered().is_none() {
                return Ok(());
            }
        }
        Err(self.spent(outside, spent, attempts).await)
    }

    /// Has an image wait that alone is refused for its rate: for as long as it is asked, and until the part has given
    /// nobody anything for so long as the patience is.
    async fn wait_alone(&self, outside: Outside, tries: &mut Tries, trouble: Trouble) -> Result<(), Halt> {
        let wait = trouble.wait.unwrap_or_else(|| backoff(tries.waits));
        if wait > self.patience || self.gates.of(outside).silent_for() >= self.patience {
            return Err(self.spent(outside, trouble, tries.attempts).await);
        }
        tries.waits += 1;
        let _ = self.inbox.send(Message::Waiting { why: trouble.to_string(), wait });
        tries.not_before = Some(Instant::now() + wait);
        self.defer(outside, *tries)?;
        tries.not_before = None;
        self.sleep(wait).await
    }

    /// What is made of trouble once the patience is spent: an outage, unless the part gives what it gave before.
    async fn spent(&self, outside: Outside, trouble: Trouble, attempts: u32) -> Halt {
        let outage = !self.gives_what_it_gave(outside).await;
        if !outage {
            self.gates.of(outside).open();
        }
        Halt::Trouble(Trouble { outage, ..trouble }, attempts.max(u32::from(!outage)))
    }

    /// Has other images tried first, where the step may wait for them; what was tried so far is kept.
    fn defer(&self, outside: Outside, tries: Tries) -> Result<(), Halt> {
        let Some((step, deferred)) = self.step.as_ref().filter(|_| outside != Outside::Catalog) else {
            return Ok(());
        };
        deferred.keep(*step, outside, tries);
        Err(Halt::Deferred)
    }

    fn recall(&self, outside: Outside) -> Tries {
        let of = |(step, deferred): &(Step, Arc<Deferred>)| deferred.take(*step, outside);
        self.step.as_ref().and_then(of).unwrap_or_default()
    }

    /// What workers wait for, while they do.
    pub fn waiting(&self) -> Option<String> {
        self.gates.each().find_map(|(_, gate)| gate.waiting())
    }

    /// The part has answered a request that was begun then: what kept all workers waiting is over.
    fn answered(&self, outside: Outside, begun: Instant) {
        if let Some(waited) = self.gates.of(outside).answered(begun) {
            let _ = self.inbox.send(Message::Back { outside, waited });
        }
    }

    /// Shuts the part's gate for all workers, and tells why, unless the patience is spent.
    fn shut(&self, outside: Outside, since: Instant, trouble: Trouble, attempts: u32) -> Result<(), Halt> {
        let is_rate = trouble.kind.treatment() == Treatment::Wait;
        let reason = if is_rate { WaitReason::RateLimit } else { WaitReason::Outage };
        let why = trouble.to_string();
        let shut = self.gates.of(outside).shut(trouble.wait, backoff, self.patience, (reason, &why));
        // An image that is refused again and again, while others go through, only has bad luck.
        let since = if is_rate { shut.since } else { since.min(shut.since) };
        let waited = since.elapsed();
        // The last wait of ours ends with the patience, and is followed by a last try.
        let is_spent = match trouble.wait {
            Some(_) => waited + shut.wait > self.patience,
            None => waited >= self.patience,
        };
        if is_spent {
            return Err(Halt::Trouble(trouble.outage(), attempts));
        }
        log::waits(outside, &trouble, attempts + 1, shut.wait);
        let send = |message| {
            let _ = self.inbox.send(message);
        };
        if !shut.is_news {
            return Ok(());
        }
        let why = if trouble.is_here { trouble.message.clone() } else { trouble.to_string() };
        send(Message::Waiting { why, wait: shut.wait });
        let is_long = waited + shut.wait > Duration::from_millis(RATE_LIMIT_ALERT_MS);
        // One refusal may be a blip; when the first probe fails as well, a person hears of it.
        let is_due = if is_rate { is_long } else { shut.waits > 1 };
        if is_due && self.gates.alert_once(outside) {
            let name = outside.name();
            let (about, message) = match (is_rate, outside) {
                (true, _) => (
                    AlertAbout::RateLimit,
                    format!("{name} lets nothing through for over a minute: {trouble}"),
                ),
                (false, _) if trouble.is_here => {
                    let message =
                        format!("this machine is in trouble, and the run waits: {}", trouble.message);
                    (AlertAbout::Outage, message)
                }
                (false, Outside::Catalog) => {
                    (AlertAbout::DatabaseLost, format!("{name} is away, and is waited for: {trouble}"))
                }
                (false, _) => (AlertAbout::Outage, format!("{name} is away, and is waited for: {trouble}")),
            };
            send(Message::Alert(Alerted { about, message }));
        }
        Ok(())
    }

    /// Lets something come to its end, for which a stop leaves no more than a moment; `None` where that is over.
    pub async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        let over = async {
            let _a_sender_that_is_gone_means_the_same = stop.wait_for(|stopping| *stopping).await.is_ok();
            tokio::time::sleep(Duration::from_millis(SWEEP_STOP_MS_MAX)).await;
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = over => None,
        }
    }

    async fn sleep(&self, wait: Duration) -> Result<(), Halt> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => Ok(()),
            // A stop channel whose sender is gone means the same as a stop: nobody waits for the outcome.
            _ = stop.wait_for(|stopping| *stopping) => Err(Halt::GivenUp),
        }
    }
}

/// Answers that come from a part which is in trouble itself; many in a row are an outage (requirement E3).
fn is_odd(kind: TroubleKind) -> bool {
    matches!(kind, TroubleKind::ApiError | TroubleKind::OriginError | TroubleKind::NotServed)
}

/// Exponential, with up to a quarter of jitter so that workers do not come back all at once.
fn backoff(turn: u32) -> Duration {
    let full = RETRY_WAIT_MS_FIRST.saturating_mul(1 << turn.min(16)).min(RETRY_WAIT_MS_MAX);
    Duration::from_millis(full - fastrand::u64(0..=full / 4))
}

/// A moment in which something else may come free.
pub async fn breathe() {
    tokio::time::sleep(backoff(0)).await;
}

/// Tries a notice that nobody waits for (requirement E8).
///
/// # Errors
/// The last trouble.
pub async fn notice<F>(mut attempt: impl FnMut() -> F) -> Result<(), Trouble>
where
    F: Future<Output = Result<(), Trouble>>,
{
    let mut tries = 1;
    loop {
        match outside::numbered(tries, attempt()).await {
            Err(_) if tries < NOTIFY_TRIES => tokio::time::sleep(backoff(tries)).await,
            ended => return ended,
        }
        tries += 1;
    }
}

#[cfg(test)]
mod tests;
