//! The only retry loop of the program.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger::trouble::Treatment;
use tokio::sync::{mpsc, watch};

use super::Message;
use crate::limits::{RETRIES_MAX, RETRY_WAIT_MS_FIRST, RETRY_WAIT_MS_MAX};
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

/// What all workers that talk to one outside part share: a rate limit or an outage slows them down together.
#[derive(Debug, Default)]
pub struct Gate(Mutex<Option<Instant>>);

impl Gate {
    fn shut(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut shut = self.0.lock().expect("nothing panics while it holds this");
        *shut = Some(shut.map_or(until, |earlier| earlier.max(until)));
    }
    fn wait(&self) -> Option<Duration> {
        let shut = *self.0.lock().expect("nothing panics while it holds this");
        shut?.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())
    }
}

/// How things are tried: shared by all workers of a run.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Becomes true when the run stops.
    pub stop: watch::Receiver<bool>,
    /// Where waiting is told.
    pub inbox: mpsc::UnboundedSender<Message>,
    /// How long an outage or a rate limit is waited through.
    pub patience: Duration,
    /// The gate of the origin, of the CDN and of the catalog.
    pub gates: Arc<[Gate; 3]>,
}

/// The part of the outside a request goes to.
#[derive(Debug, Clone, Copy)]
pub enum Outside {
    /// Where the bytes are.
    Origin,
    /// Where they go.
    Cdn,
    /// The database.
    Catalog,
}

impl Retry {
    /// With open gates.
    pub fn new(
        stop: watch::Receiver<bool>,
        inbox: mpsc::UnboundedSender<Message>,
        patience: Duration,
    ) -> Self {
        Self { stop, inbox, patience, gates: Arc::default() }
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
        let (mut attempts, mut waits) = (0, 0);
        let mut troubled_since = None;
        loop {
            while let Some(wait) = gate.wait() {
                self.sleep(wait).await?;
            }
            let is_first = troubled_since.is_none();
            if *self.stop.borrow() && !(is_completing && is_first) {
                return Err(Halt::GivenUp);
            }
            attempts += 1;
            let started = Instant::now();
            let trouble = match attempt().await {
                Ok(value) => {
                    let ms = started.elapsed().as_millis() as u64;
                    return Ok(Tried { value, attempts, ms });
                }
                Err(trouble) => trouble,
            };
            let since = *troubled_since.get_or_insert(started);
            let treatment = trouble.kind.treatment();
            if trouble.outage || treatment == Treatment::Wait {
                attempts -= 1;
                let wait = trouble.wait.unwrap_or_else(|| backoff(waits));
                waits += 1;
                if since.elapsed() + wait > self.patience {
                    return Err(Halt::Trouble(trouble.outage(), attempts));
                }
                let why = trouble.to_string();
                let _nobody_listens_any_more = self.inbox.send(Message::Waiting { why, wait });
                gate.shut(wait);
            } else if treatment == Treatment::Retry && attempts <= RETRIES_MAX {
                self.sleep(trouble.wait.unwrap_or_else(|| backoff(attempts - 1))).await?;
            } else {
                return Err(Halt::Trouble(trouble, attempts));
            }
        }
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

/// Exponential, with up to a quarter of jitter so that workers do not come back all at once.
fn backoff(turn: u32) -> Duration {
    let full = RETRY_WAIT_MS_FIRST.saturating_mul(1 << turn.min(16)).min(RETRY_WAIT_MS_MAX);
    Duration::from_millis(full - fastrand::u64(0..=full / 4))
}

#[cfg(test)]
mod tests {
    use ledger::trouble::TroubleKind;

    use super::*;

    fn retry() -> (Retry, watch::Sender<bool>, mpsc::UnboundedReceiver<Message>) {
        let (stop, stopping) = watch::channel(false);
        let (inbox, told) = mpsc::unbounded_channel();
        (Retry::new(stopping, inbox, Duration::from_secs(60)), stop, told)
    }

    /// Answers with these troubles one after the other, then with success; counts the requests.
    async fn tried(retry: &Retry, troubles: Vec<Trouble>) -> (Result<Tried<()>, Halt>, usize) {
        let mut made = 0;
        let result = retry
            .run(Outside::Cdn, || {
                let answer = troubles.get(made).cloned().map_or(Ok(()), Err);
                made += 1;
                async { answer }
            })
            .await;
        (result, made)
    }

    fn trouble(kind: TroubleKind) -> Trouble {
        Trouble::new(kind, "it did not work")
    }

    #[tokio::test(start_paused = true)]
    async fn e1_three_retries_then_the_last_real_trouble() {
        let (retry, _stop, _told) = retry();
        let (ok, made) = tried(&retry, vec![trouble(TroubleKind::Timeout); 3]).await;
        assert_eq!((ok.unwrap().attempts, made), (4, 4));
        let mut four = vec![trouble(TroubleKind::Timeout); 3];
        four.push(trouble(TroubleKind::Network));
        match tried(&retry, four).await {
            (Err(Halt::Trouble(last, 4)), 4) => assert_eq!(last.kind, TroubleKind::Network),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn e1_pointless_kinds_are_tried_once() {
        let (retry, _stop, _told) = retry();
        for kind in TroubleKind::ALL {
            let pointless = matches!(kind.treatment(), Treatment::Fail | Treatment::Skip | Treatment::Pause);
            let (_, made) = tried(&retry, vec![trouble(kind)]).await;
            assert_eq!(made, if pointless { 1 } else { 2 }, "{kind}");
        }
    }

    #[tokio::test]
    async fn e1_a_rate_limit_costs_no_attempt_and_shuts_the_gate_for_all() {
        let (retry, _stop, mut told) = retry();
        let limited = trouble(TroubleKind::RateLimited).after(Duration::from_millis(30));
        let started = Instant::now();
        let (ok, made) = tried(&retry, vec![limited; 5]).await;
        assert_eq!((ok.unwrap().attempts, made), (1, 6));
        assert!(started.elapsed() >= Duration::from_millis(150));
        assert!(matches!(told.try_recv(), Ok(Message::Waiting { .. })));
        retry.gates[Outside::Cdn as usize].shut(Duration::from_millis(30));
        let started = Instant::now();
        tried(&retry, vec![]).await.0.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(29));
    }

    #[tokio::test]
    async fn e3_patience_ends_as_an_outage() {
        let (mut retry, _stop, _told) = retry();
        retry.patience = Duration::from_millis(50);
        let away = trouble(TroubleKind::Network).outage().after(Duration::from_millis(20));
        match tried(&retry, vec![away; 99]).await {
            (Err(Halt::Trouble(trouble, 0)), made) => assert!(trouble.outage && made < 9),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn e4_after_a_stop_only_what_completes_is_tried_and_once() {
        let (retry, stop, _told) = retry();
        stop.send(true).unwrap();
        assert!(matches!(tried(&retry, vec![]).await, (Err(Halt::GivenUp), 0)));
        let mut made = 0;
        let mut attempt = |answer: Result<(), Trouble>| {
            made += 1;
            async { answer }
        };
        assert!(retry.complete(Outside::Cdn, || attempt(Ok(()))).await.is_ok());
        let again = retry.complete(Outside::Cdn, || attempt(Err(trouble(TroubleKind::NotServed)))).await;
        assert!(matches!(again, Err(Halt::GivenUp)));
        assert_eq!(made, 2);
    }

    #[tokio::test]
    async fn e4_a_stop_ends_every_wait() {
        let (retry, stop, _told) = retry();
        let away = trouble(TroubleKind::Network).outage().after(Duration::from_secs(60));
        let waiting = tokio::spawn(async move { tried(&retry, vec![away; 99]).await.0 });
        stop.send(true).unwrap();
        assert!(matches!(waiting.await.unwrap(), Err(Halt::GivenUp)));
    }
}
