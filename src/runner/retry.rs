//! The only retry loop of the program.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ledger::event::{AlertAbout, Alerted};
use ledger::trouble::{Treatment, TroubleKind};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Message;
use super::gate::Gate;
use crate::limits::{
    NOTIFY_TRIES, OUTAGE_ANSWERS_IN_A_ROW, RATE_LIMIT_ALERT_MS, RETRIES_MAX, RETRY_WAIT_MS_FIRST,
    RETRY_WAIT_MS_MAX,
};
use crate::outside::Trouble;

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
    /// Trouble that is not tried again, and the attempts it took.
    Trouble(Trouble, u32),
}

/// How things are tried: shared by all workers of a run.
#[derive(Debug, Clone)]
pub struct Retry {
    /// True while the run stops.
    pub stop: watch::Receiver<bool>,
    /// Where waiting is told.
    pub inbox: mpsc::UnboundedSender<Message>,
    /// How long an outage or a rate limit is waited through.
    pub patience: Duration,
    /// So many odd answers in a row are an outage.
    pub odd_max: u32,
    /// The gate of the origin, of the CDN and of the catalog.
    pub gates: Arc<[Gate; 3]>,
}

/// The part of the outside a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Where the bytes are.
    Origin,
    /// Where they go.
    Cdn,
    /// The database.
    Catalog,
}

impl Outside {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Origin => "the origin",
            Self::Cdn => "the CDN",
            Self::Catalog => "the database",
        }
    }
}

impl Retry {
    /// With open gates.
    pub fn new(
        stop: watch::Receiver<bool>,
        inbox: mpsc::UnboundedSender<Message>,
        patience: Duration,
    ) -> Self {
        Self { stop, inbox, patience, odd_max: OUTAGE_ANSWERS_IN_A_ROW, gates: Arc::default() }
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
        let gate = &self.gates[outside as usize];
        let mut attempts = 0;
        let mut troubled_since = None;
        loop {
            let may_once = is_completing && troubled_since.is_none();
            while let Some(wait) = gate.wait() {
                match self.sleep(wait).await {
                    Err(Halt::GivenUp) if may_once => break,
                    slept => slept?,
                }
            }
            if *self.stop.borrow() && !may_once {
                return Err(Halt::GivenUp);
            }
            attempts += 1;
            let started = Instant::now();
            let trouble = match attempt().await {
                Ok(value) => {
                    let ms = started.elapsed().as_millis() as u64;
                    self.answered(outside);
                    return Ok(Tried { value, attempts, ms });
                }
                Err(trouble) => trouble,
            };
            let since = *troubled_since.get_or_insert(started);
            let treatment = trouble.kind.treatment();
            let is_away = trouble.outage || (is_odd(trouble.kind) && gate.odd() >= self.odd_max);
            if is_away || treatment == Treatment::Wait {
                attempts -= 1;
                self.shut(outside, since, trouble, attempts)?;
            } else if treatment == Treatment::Retry && attempts <= RETRIES_MAX {
                let longest = Duration::from_millis(RETRY_WAIT_MS_MAX);
                self.sleep(trouble.wait.map_or_else(|| backoff(attempts - 1), |wait| wait.min(longest)))
                    .await?;
            } else {
                // A plain no is an answer too: the part is there. What may not be asked for was not asked.
                if treatment != Treatment::Retry && trouble.kind != TroubleKind::ForbiddenUrl {
                    self.answered(outside);
                }
                return Err(Halt::Trouble(trouble, attempts));
            }
        }
    }

    /// What workers wait for, while they do.
    pub fn waiting(&self) -> Option<String> {
        self.gates.iter().find_map(Gate::waiting)
    }

    /// The part has answered: what kept all workers waiting is over.
    fn answered(&self, outside: Outside) {
        if let Some(after) = self.gates[outside as usize].answered() {
            let _nobody_listens_any_more = self.inbox.send(Message::Back { outside, after });
        }
    }

    /// Shuts the part's gate for all workers, and tells why, unless the patience is spent.
    fn shut(&self, outside: Outside, since: Instant, trouble: Trouble, attempts: u32) -> Result<(), Halt> {
        let is_rate = trouble.kind.treatment() == Treatment::Wait;
        let shut =
            self.gates[outside as usize].shut(trouble.wait, backoff, self.patience, &trouble.to_string());
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
        let send = |message| {
            let _nobody_listens_any_more = self.inbox.send(message);
        };
        if !shut.is_news {
            return Ok(());
        }
        let why = if trouble.is_here { trouble.message.clone() } else { trouble.to_string() };
        send(Message::Waiting { why, wait: shut.wait });
        let is_long = waited + shut.wait > Duration::from_millis(RATE_LIMIT_ALERT_MS);
        // One refusal may be a blip; when the first probe fails as well, a person hears of it.
        let is_due = if is_rate { is_long } else { shut.waits > 1 };
        if is_due && self.gates[outside as usize].alert_once() {
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

    async fn sleep(&self, wait: Duration) -> Result<(), Halt> {
        let mut stop = self.stop.clone();
        tokio::select! {
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
        match attempt().await {
            Err(_) if tries < NOTIFY_TRIES => tokio::time::sleep(backoff(tries)).await,
            ended => return ended,
        }
        tries += 1;
    }
}

#[cfg(test)]
mod tests;
