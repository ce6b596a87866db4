//! Asking the origin and the CDN, each as patiently as a run would, and telling one broken link from an outage
//! (requirement E3): an outage is one failure, not a thousand findings.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ledger::trouble::TroubleKind;
use tokio::sync::{mpsc, watch};

use crate::error::{Exit, Failure};
use crate::limits::UNANSWERED_MAX;
use crate::outside::Trouble;
use crate::outside::imagekit::Cdn;
use crate::outside::origin::Origin;
use crate::outside::probe::{Ask, Seen};
use crate::runner::{Halt, Message, Outside, Retry, Tried};

/// What came of asking for one URL: an answer, or the trouble that kept it away.
pub type Asked = Result<Seen, Trouble>;

/// Asks.
pub struct Asker {
    origin: Arc<dyn Origin>,
    cdn: Option<Arc<dyn Cdn>>,
    retry: Retry,
    of_origin: Answers,
    of_cdn: Answers,
    /// Nobody stops this; a channel without a sender would mean that somebody did.
    _stop: watch::Sender<bool>,
}

/// How one outside part answers.
#[derive(Default)]
struct Answers {
    good: AtomicU32,
    none: AtomicU32,
    none_in_a_row: AtomicU32,
    /// The last URL that was answered.
    answered: Mutex<Option<String>>,
}

impl Asker {
    /// With these clients, the CDN's where completed images are in scope; what waits is told to `inbox`.
    pub fn new(
        origin: Arc<dyn Origin>,
        cdn: Option<Arc<dyn Cdn>>,
        inbox: mpsc::UnboundedSender<Message>,
        patience: Duration,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        // What makes an outage is judged here, by whole images: a broken file in ten is a finding.
        let retry = Retry { failed_max: u32::MAX, ..Retry::new(stopping, inbox, patience) };
        let (of_origin, of_cdn) = (Answers::default(), Answers::default());
        Self { origin, cdn, retry, of_origin, of_cdn, _stop: stop }
    }

    /// Asks the origin. With `is_known`, no answer was to be expected, and so it says nothing about the origin.
    ///
    /// # Errors
    /// When the origin is away as a whole.
    pub async fn origin(&self, url: &str, ask: &Ask<'_>, is_known: bool) -> Result<Asked, Failure> {
        let asked = self.retry.run(Outside::Origin, || self.origin.probe(url, ask)).await;
        match asked {
            Err(Halt::Trouble(trouble, _)) if is_known && !trouble.outage => Ok(Err(trouble)),
            asked => {
                let again = async |url: &str| self.origin.probe(url, ask).await.is_ok();
                self.of_origin.judge(asked, url, "the origin", again).await
            }
        }
    }

    /// Asks the CDN, for a transformation if there is one.
    ///
    /// # Errors
    /// When the CDN is away as a whole; or was not set up, because no image was completed when it was counted.
    pub async fn cdn(&self, url: &str, steps: Option<&str>, ask: &Ask<'_>) -> Result<Asked, Failure> {
        let cdn = self.cdn.as_ref().ok_or_else(|| {
            Failure::usage("images were completed while this looked")
                .hint("`longshore verify` again; for completed images it needs ImageKit's settings")
        })?;
        let asked = self.retry.run(Outside::Delivery, || cdn.probe(url, steps, ask)).await;
        let again = async |url: &str| cdn.probe(url, None, ask).await.is_ok();
        self.of_cdn.judge(asked, url, "the CDN", again).await
    }

    /// Sees at the end that neither part was silent all the time, which few images could hide.
    ///
    /// # Errors
    /// When one was.
    pub fn check_silence(&self) -> Result<(), Failure> {
        for (answers, whom) in [(&self.of_origin, "the origin"), (&self.of_cdn, "the CDN")] {
            if answers.none.load(Relaxed) > 0 && answers.good.load(Relaxed) == 0 {
                return Err(away(whom, "it answered nothing at all"));
            }
        }
        Ok(())
    }
}

impl Answers {
    /// What an answer says of the whole part. Before that is taken for away, it is asked `again` for what it has answered
    /// before: a dozen broken images in a row are a dozen findings.
    async fn judge(
        &self,
        asked: Result<Tried<Seen>, Halt>,
        url: &str,
        whom: &str,
        again: impl AsyncFnOnce(&str) -> bool,
    ) -> Result<Asked, Failure> {
        match asked {
            Ok(tried) => {
                self.good.fetch_add(1, Relaxed);
                self.none_in_a_row.store(0, Relaxed);
                *self.answered() = Some(url.to_owned());
                Ok(Ok(tried.value))
            }
            Err(Halt::Trouble(trouble, _)) if trouble.kind == TroubleKind::ForbiddenUrl => Ok(Err(trouble)),
            Err(Halt::Trouble(trouble, _)) => {
                self.none.fetch_add(1, Relaxed);
                let in_a_row = self.none_in_a_row.fetch_add(1, Relaxed) + 1;
                if !trouble.outage && in_a_row < UNANSWERED_MAX {
                    return Ok(Err(trouble));
                }
                let before = self.answered().clone();
                match before {
                    Some(url) if again(&url).await => {
                        self.none_in_a_row.store(0, Relaxed);
                        Ok(Err(trouble))
                    }
                    _ => Err(away(whom, trouble)),
                }
            }
            Err(Halt::GivenUp | Halt::Deferred) => Err(Failure::new(Exit::CannotGoOn, "it was stopped")),
        }
    }

    fn answered(&self) -> MutexGuard<'_, Option<String>> {
        self.answered.lock().expect("nothing panics while it holds this")
    }
}

fn away(whom: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::CannotGoOn, format!("{whom} is away, so nothing can be said about the images"))
        .because(why)
        .hint("`longshore verify` again, later; nothing was changed")
}
