//! The one verb that meets the world: an order in, an outcome out. Every effect here is repeatable or recognisable,
//! so that dying at any line costs at most doing it again.

mod remove;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

pub use self::remove::Held;
use ledger::decide::{self, Bytes, File, Outcome, Row, Seen, check_stored};
use ledger::event::Acquired;
use ledger::ids::{ImageId, LedgerId, RunId};
use ledger::order::{Fetch, Order, Put, RowOrder};
use ledger::plan::Step;
use ledger::trouble::TroubleKind;

use super::deferred::Deferred;
use super::parts::Outside;
use super::retry::{Halt, Retry, Tried};
use super::witness::Given;
use crate::outside::catalog::{self, Catalog, Claim, ClaimRefused, Rewrite};
use crate::outside::imagekit::{Cdn, CdnFile, Stored, Upload};
use crate::outside::origin::Origin;
use crate::outside::spool::Spool;
use crate::outside::{self, Trouble};

/// What Longshore does not own.
#[derive(Clone)]
pub struct World {
    /// The rows that refer to the images.
    pub catalog: Arc<dyn Catalog>,
    /// What only a run forward meets; a rollback works without any of it.
    pub forward: Option<Forward>,
}

/// The way of the bytes.
#[derive(Clone)]
pub struct Forward {
    /// Where they are.
    pub origin: Arc<dyn Origin>,
    /// Where they go.
    pub cdn: Arc<dyn Cdn>,
    /// Where they lie between.
    pub spool: Spool,
}

/// What performing needs beside the order.
#[derive(Clone)]
pub struct Performer {
    /// The outside.
    pub world: World,
    /// How things are tried.
    pub retry: Retry,
    /// The ledger, for the tags of its files.
    pub ledger: LedgerId,
    /// The run, for the same.
    pub run: RunId,
    /// Whether a file must be served before a row may point at it.
    pub delivery_check: bool,
    /// What the parts have given; none where nothing goes forward.
    pub given: Option<Arc<Given>>,
    /// Steps that others are tried before, with what was tried of them.
    pub deferred: Arc<Deferred>,
    /// Files of such steps that are stored and were not served yet.
    pub stored: Arc<Mutex<HashMap<ImageId, Located>>>,
}

/// A file on the CDN, and how it was come by.
pub type Located = Tried<(CdnFile, Acquired)>;

/// What came of a step.
#[derive(Debug)]
pub enum Performed {
    /// This.
    Outcome(Outcome),
    /// Nothing yet: its part of the outside may be away, and other steps are to be tried before it.
    Deferred,
    /// Nothing: the run stops.
    GivenUp,
}

impl Performer {
    /// Performs an order of a step. `claim` is the one its row is updated under.
    pub async fn perform(&self, step: Step, order: &Order, claim: Option<Arc<dyn Claim>>) -> Performed {
        // What an image is given up for is known: it is not deferred to be tried again.
        let retry = match order {
            Order::PutBack(_) => self.retry.clone(),
            _ => self.retry.of(step, self.deferred.clone()),
        };
        let this = Self { retry, ..self.clone() };
        let outcome = match order {
            Order::Download(fetch) => this.fetch(fetch).await,
            Order::Upload(put) => this.store(put).await,
            Order::UpdateRow(row) | Order::RestoreRow(row) => this.row(row, claim).await,
            Order::PutBack(back) => this.row(&back.row, claim).await,
        };
        match outcome {
            Ok(outcome) => Performed::Outcome(outcome),
            Err(Halt::GivenUp) => Performed::GivenUp,
            Err(Halt::Deferred) => Performed::Deferred,
            Err(Halt::Trouble(trouble, attempts)) => Performed::Outcome(Outcome::Trouble(decide::Trouble {
                kind: trouble.kind,
                message: trouble.message,
                attempts,
                outage: trouble.outage,
                file: trouble.file,
            })),
        }
    }

    fn forward(&self) -> &Forward {
        self.world.forward.as_ref().expect("whoever starts a run forward gives it an origin and a CDN")
    }

    /// Forgets what was tried of steps that were put off: the run rests, and what was stored may be gone afterwards.
    pub fn forget(&self) {
        self.stored().clear();
        self.deferred.clear();
    }

    fn given(&self) -> &Given {
        self.given.as_ref().expect("whoever starts a run forward keeps what it was given")
    }

    fn stored(&self) -> MutexGuard<'_, HashMap<ImageId, Located>> {
        self.stored.lock().expect("nothing panics while it holds this")
    }

    async fn fetch(&self, fetch: &Fetch) -> Result<Outcome, Halt> {
        let Forward { origin, spool, .. } = self.forward();
        let Tried { value, attempts, ms } =
            self.retry.run(Outside::Origin, || origin.fetch(&fetch.url, spool)).await?;
        self.given().fetched(&fetch.url);
        Ok(Outcome::Fetched(Bytes {
            hash: value.hash,
            bytes: value.bytes,
            format: value.format,
            width: value.width,
            height: value.height,
            ms,
            attempts,
        }))
    }

    /// Upload, or recognise the file; then see that it is served. A file that the ledger knows of is asked for by id, then
    /// by path; only then is anything sent.
    async fn store(&self, put: &Put) -> Result<Outcome, Halt> {
        if let Some(known) = put.known.as_ref().filter(|known| known.is_believed) {
            let (id, url, acquired) = (known.file_id.clone(), known.url.clone(), known.acquired.again());
            return Ok(Outcome::Stored(File { id, url, ms: 0, attempts: 0, acquired }));
        }
        let deferred = self.stored().remove(&put.fetch.image);
        let stored = match deferred {
            Some(stored) => stored,
            None => match self.recognise(put).await? {
                Some(found) => found,
                None => match self.send(put).await? {
                    Some(sent) => sent,
                    // The spool is a cache that has lost the bytes: the step becomes a download, and comes again.
                    None => return self.fetch(&put.fetch).await,
                },
            },
        };
        let (file, acquired) = &stored.value;
        if self.delivery_check {
            let check = || self.forward().cdn.check_delivery(&file.url);
            match self.retry.complete(Outside::Delivery, check).await {
                Ok(_) => self.given().served(&file.url),
                Err(Halt::Trouble(trouble, tries)) => {
                    return Err(Halt::Trouble(trouble.with_file(file.id.clone()), tries));
                }
                Err(Halt::Deferred) => {
                    self.stored().insert(put.fetch.image, stored);
                    return Err(Halt::Deferred);
                }
                Err(Halt::GivenUp) => return Err(Halt::GivenUp),
            }
        }
        let (id, url) = (file.id.clone(), file.url.clone());
        let (attempts, ms) = (stored.attempts, stored.ms);
        Ok(Outcome::Stored(File { id, url, ms, attempts, acquired: *acquired }))
    }

    /// The file that the ledger knows of, or another that is at its path by now; `None` when there is none.
    async fn recognise(&self, put: &Put) -> Result<Option<Located>, Halt> {
        let Some(known) = &put.known else { return Ok(None) };
        let look = || async {
            match self.forward().cdn.details(&known.file_id).await? {
                Some(file) if file.path == put.path => Ok(Some(file)),
                // Gone, or moved elsewhere.
                Some(_) | None => self.at_path(put).await,
            }
        };
        let Tried { value, attempts, ms } = self.retry.run(Outside::Api, look).await?;
        match value {
            Some(file) => Ok(Some(Tried { value: self.take(put, file).await?, attempts, ms })),
            None => Ok(None),
        }
    }

    /// The file at the path, as ImageKit tells of it by its id. A listing lags: it may name a file that is gone, which is
    /// then no file, or not yet name one that is there.
    async fn at_path(&self, put: &Put) -> Result<Option<CdnFile>, Trouble> {
        let cdn = &self.forward().cdn;
        let Some(listed) = cdn.find(&put.path).await? else { return Ok(None) };
        Ok(cdn.details(&listed.id).await?.filter(|file| file.path == put.path))
    }

    /// Sends the bytes, create-only. `None` when the spool lacks them.
    async fn send(&self, put: &Put) -> Result<Option<Located>, Halt> {
        let upload = Upload {
            path: put.path.clone(),
            hash: put.hash,
            bytes: put.bytes,
            format: put.format,
            tags: self.tags(put),
        };
        let Forward { cdn, spool, .. } = self.forward();
        let answer_was_lost = std::sync::atomic::AtomicBool::new(false);
        let lost = &answer_was_lost;
        let order = std::sync::atomic::Ordering::Relaxed;
        let attempt = || async {
            if lost.load(order)
                && let Some(file) = self.at_path(put).await?
            {
                return Ok(Some((file, true)));
            }
            match cdn.upload(&upload, spool).await {
                Ok(Stored::Now(file)) => Ok(Some((file, false))),
                Ok(Stored::NotSpooled) => Ok(None),
                Ok(Stored::Conflict) => match self.at_path(put).await? {
                    Some(file) => Ok(Some((file, true))),
                    None => {
                        let message = format!("{} exists, but ImageKit does not list it yet", put.path);
                        Err(Trouble::new(TroubleKind::ApiError, message).lagging())
                    }
                },
                Err(trouble) => {
                    // What was refused for its rate was not stored, and looking would be limited too.
                    lost.fetch_or(trouble.kind != TroubleKind::RateLimited, order);
                    Err(trouble)
                }
            }
        };
        let Tried { value, attempts, ms } = self.retry.run(Outside::Upload, attempt).await?;
        let Some((file, found_done)) = value else { return Ok(None) };
        if found_done {
            return Ok(Some(Tried { value: self.take(put, file).await?, attempts, ms }));
        }
        if let Err(differs) = check(put, &file) {
            return Err(Halt::Trouble(self.removed(put, &file, &differs).await, attempts));
        }
        // Of two uploads of one name at the same time ImageKit may make one file: the second is then a version of it.
        let acquired = if file.is_first_version() { Acquired::Sent } else { Acquired::Adopted };
        Ok(Some(Tried { value: (file, acquired), attempts, ms }))
    }

    /// Takes a file that is there already. One of this ledger's own that cannot be taken is named by its id, so that the
    /// ledger tells of it even if no other try follows.
    async fn take(&self, put: &Put, file: CdnFile) -> Result<(CdnFile, Acquired), Halt> {
        let (id, acquired) = (file.id.clone(), self.acquired(put, &file));
        let taken = self.take_as(acquired, put, file).await;
        taken.map(|file| (file, acquired)).map_err(|halt| match halt {
            Halt::Trouble(trouble, tries) if acquired != Acquired::Adopted => {
                Halt::Trouble(trouble.with_file(id), tries)
            }
            other => other,
        })
    }

    /// Takes it once its untouched bytes prove to be the same: whatever the ledger says of it, somebody may have put other
    /// bytes of the same size there since.
    async fn take_as(&self, acquired: Acquired, put: &Put, file: CdnFile) -> Result<CdnFile, Halt> {
        let differs = |what: String| Halt::Trouble(Trouble::new(TroubleKind::IntegrityMismatch, what), 1);
        check(put, &file).map_err(|why| differs(format!("{why}; the file {} stays", file.id)))?;
        let cdn = &self.forward().cdn;
        let hash = self.retry.run(Outside::Delivery, || cdn.original_hash(&file.url, put.bytes));
        if hash.await?.value != put.hash {
            let (id, path) = (&file.id, &put.path);
            return Err(differs(format!("another file, {id}, with other bytes is at {path}, and stays")));
        }
        self.tag(put, file, acquired).await
    }

    /// How a file that is there already is come by. What this ledger knows is its own or somebody's stays so; else its tags
    /// tell, before anybody of this ledger touches them: an adoption that was cut off has left its mark there.
    fn acquired(&self, put: &Put, file: &CdnFile) -> Acquired {
        let is_tagged = |tag: String| file.tags.contains(&tag);
        match put.known.as_ref().filter(|known| known.file_id == file.id) {
            Some(known) => known.acquired.again(),
            None if is_tagged(self.ledger.tag()) && !is_tagged(self.ledger.adopted_tag()) => {
                Acquired::Recognised
            }
            None => Acquired::Adopted,
        }
    }

    /// Whoever adopts a file adds their ledger's id to its tags first, and that it was adopted.
    async fn tag(&self, put: &Put, file: CdnFile, acquired: Acquired) -> Result<CdnFile, Halt> {
        let mut wanted = self.tags(put);
        let must = match acquired {
            Acquired::Adopted => {
                wanted.push(self.ledger.adopted_tag());
                vec![self.ledger.tag(), self.ledger.adopted_tag()]
            }
            Acquired::Sent | Acquired::Recognised => vec![self.ledger.tag()],
        };
        if must.iter().all(|tag| file.tags.contains(tag)) {
            return Ok(file);
        }
        let mut tags = file.tags.clone();
        tags.extend(wanted.into_iter().filter(|tag| !file.tags.contains(tag)));
        let cdn = &self.forward().cdn;
        let tagged = self.retry.run(Outside::Api, || cdn.set_tags(&file.id, &tags)).await?.value;
        let moved = |what: String| Halt::Trouble(Trouble::new(TroubleKind::IntegrityMismatch, what), 1);
        check(put, &tagged).map_err(moved)?;
        Ok(tagged)
    }

    fn tags(&self, put: &Put) -> Vec<String> {
        let mut tags = vec!["longshore".to_owned(), self.ledger.tag(), format!("run-{}", self.run)];
        tags.extend(put.country.clone());
        tags
    }

    async fn row(&self, order: &RowOrder, claim: Option<Arc<dyn Claim>>) -> Result<Outcome, Halt> {
        let claim = claim.expect("a row is updated under a claim");
        write_row(&*self.world.catalog, &self.retry, order, &*claim).await.map(Outcome::Row)
    }
}

/// Has a row hold what an order wants of it, under the claim on its country.
///
/// # Errors
/// As [`Retry::run`].
pub(super) async fn write_row(
    catalog: &dyn Catalog,
    retry: &Retry,
    order: &RowOrder,
    claim: &dyn Claim,
) -> Result<Row, Halt> {
    let rewrite = |held: Option<&str>| match order.rewrite(held) {
        Some(text) => Rewrite::Write(text),
        None => Rewrite::Leave,
    };
    let went_away = AtomicBool::new(false);
    let attempt = async || {
        claim.check().await.map_err(|refused| match refused {
            ClaimRefused::Held(by) => {
                let message = format!("the claim was lost, and is held by {by}");
                Trouble::new(TroubleKind::CatalogError, message).outage()
            }
            ClaimRefused::Trouble(trouble) => trouble,
        })?;
        let written = outside::rewrite(catalog, order.venue, &rewrite).await;
        went_away.fetch_or(written.as_ref().is_err_and(|no| no.outage), Ordering::Relaxed);
        written
    };
    // A later attempt finds the row updated, where one comes as far as that.
    let tried = retry.run(Outside::Catalog, attempt).await.map_err(|halt| match halt {
        Halt::Trouble(mut trouble, attempts) if went_away.load(Ordering::Relaxed) => {
            trouble.message.push_str(MAY_BE_UPDATED);
            Halt::Trouble(trouble, attempts)
        }
        halt => halt,
    });
    let Tried { value, ms, .. } = tried?;
    let seen = match value {
        catalog::Row::Missing => Seen::Missing,
        catalog::Row::Left(held) => Seen::Left(held),
        catalog::Row::Written { before, after } => Seen::Written { before, after },
    };
    Ok(Row { seen, ms })
}

/// What is said of a row update that failed, and of which one attempt was not answered.
const MAY_BE_UPDATED: &str =
    "; the database went away during an earlier attempt, so the row may be updated all the same";

fn check(put: &Put, file: &CdnFile) -> Result<(), String> {
    check_stored(put, &file.path, file.bytes, file.width.zip(file.height))?;
    file.unfit.clone().map_or(Ok(()), Err)
}
