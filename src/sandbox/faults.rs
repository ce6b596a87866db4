//! Faults to order: which request of which operation goes wrong, and how.
//!
//! The stand-ins ask [`Faults::next_at`] once per request, before they do anything, so a test can say "the third
//! upload loses its answer" and be sure that it is the third. Operations are known by short names, those of
//! [`order::CDN_OPERATIONS`] and [`order::ORIGIN_OPERATIONS`]. People order in one small language, [`Order`]; tests
//! may also hand over a [`Fault`] as it is.

mod amount;
pub mod kinds;
pub mod order;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::amount::Amount;
use self::order::{CDN_OPERATIONS, ORIGIN_OPERATIONS, Part, Place, What};
use super::lag::Lag;
use super::wire::Reach;

pub use self::order::{NotAnOrder, Order};

/// One way of going wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer is given instead; nothing is done.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Further headers.
        headers: Vec<(String, String)>,
        /// The body, as it is.
        body: String,
    },
    /// This status is given instead, in the words and with the headers that the stand-in has for it; nothing is done.
    Refusal(Refusal),
    /// A redirect is given instead: to this address, or back to the one asked for, which makes a loop.
    Redirect(Option<String>),
    /// A page for people is given instead, with 200: what a captive portal does.
    Page,
    /// The connection is closed without an answer; nothing is done.
    DropBefore,
    /// The request takes its effect, then the connection is closed without an answer.
    DropAfter,
    /// The request is served as usual, but only after this long.
    Delay(Duration),
    /// The request is served as if it asked for no transformation.
    Untransformed,
    /// The request is served as if it did not say which formats it takes.
    Unnegotiated,
    /// The request is served as usual, and the answer lacks this header.
    WithoutHeader(&'static str),
    /// The answer has its right `Content-Length`, but the connection breaks after this many bytes of the body.
    CutBody {
        /// Bytes of the body that are still sent.
        after_bytes: usize,
    },
    /// The body comes in pieces with waits between them.
    Trickle {
        /// Bytes of a piece.
        bytes: usize,
        /// How long each piece but the first waits.
        every: Duration,
    },
    /// The body stops after this many bytes, and the connection stays open.
    Stall {
        /// Bytes of the body that are still sent.
        after_bytes: usize,
    },
    /// `Content-Length` says half of what is sent.
    ShortLength,
    /// `Content-Length` says twice what is sent; then the connection is closed.
    LongLength,
    /// The body goes on with zeros for ever, and no length is said.
    Endless,
    /// The body is sent compressed, whatever the request takes.
    Gzip,
    /// A body is sent compressed that is gigabytes of zeros.
    Bomb,
    /// The JSON of the answer says one byte more than was stored.
    Misreported,
}

/// A status, and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// How long the client is told to wait.
    pub reset: Option<Duration>,
    /// ImageKit's message, where not the usual one for this status.
    pub message: Option<String>,
}

/// The faults that are waiting for their requests, and how many requests there were.
///
/// One value may be shared by several stand-ins; all methods take `&self`.
#[derive(Default)]
pub struct Faults {
    inner: Mutex<Inner>,
    seed: u64,
    pub(super) cdn: Arc<Reach>,
    pub(super) origin: Arc<Reach>,
    pub(super) list_lag: Arc<Lag>,
}

#[derive(Default)]
struct Inner {
    counts: BTreeMap<String, u64>,
    orders: Vec<Standing>,
    planted: BTreeMap<(String, String), Fault>,
}

/// An order that waits for its requests.
struct Standing {
    order: Order,
    /// Requests that it could have been for.
    seen: u64,
    /// Those that got it.
    given: u64,
    until: Option<Instant>,
}

impl Faults {
    /// No faults yet; which requests make up a share of them follows from the seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Orders a fault: after `skip` further requests of `op`, the next `times` get it.
    ///
    /// Several orders for one operation count their skips side by side; when two are due at once, the older goes first
    /// and the younger waits for the next request.
    pub fn inject(&self, op: &str, skip: u64, times: u64, fault: Fault) {
        if times > 0 {
            self.stand(Order::of(op, skip, times, fault));
        }
    }

    /// Orders what a person wrote. An outage that is not to wait for a request begins now; [`Faults::settled`] waits
    /// for it.
    pub fn order(&self, order: Order) {
        match order.what() {
            What::Nothing => self.take_back(order.place()),
            What::Lag(lag) => self.list_lag.set(*lag),
            What::Away(lasts) if order.after() == 0 => self.leave(order.place(), *lasts),
            _ => self.stand(order),
        }
    }

    /// Plants a fault where it stays: every request of `op` for this path gets it, unless an order is due.
    pub fn plant(&self, op: &str, path: &str, fault: Fault) {
        self.lock().planted.insert((op.to_owned(), path.to_owned()), fault);
    }

    /// Counts one request of `op` for a path and says which fault it gets, if any.
    pub fn next_at(&self, op: &str, path: &str) -> Option<Fault> {
        let mut inner = self.lock();
        match inner.counts.get_mut(op) {
            Some(count) => *count += 1,
            None => drop(inner.counts.insert(op.to_owned(), 1)),
        }
        let now = Instant::now();
        inner.orders.retain(|standing| standing.until.is_none_or(|until| now < until));
        let mut due = None;
        for standing in inner.orders.iter_mut().filter(|standing| standing.order.is_for(op, path)) {
            if standing.is_due(self.seed) && due.is_none() {
                due = Some((standing.order.what().clone(), standing.order.place().clone()));
                standing.give(now);
            }
        }
        inner.orders.retain(|standing| !standing.is_spent());
        let planted = inner.planted.get(&(op.to_owned(), path.to_owned())).cloned();
        drop(inner);
        match due {
            Some((What::Fault(fault), _)) => Some(fault),
            Some((What::Away(lasts), place)) => {
                self.leave(&place, lasts);
                // Whoever asked is cut off in any case, however soon the port closes.
                Some(Fault::DropBefore)
            }
            Some((What::Lag(_) | What::Nothing, _)) | None => planted,
        }
    }

    /// Counts one request of `op`, whatever its path, and says which fault it gets, if any.
    pub fn next(&self, op: &str) -> Option<Fault> {
        self.next_at(op, "")
    }

    /// Requests so far by operation; an operation without a request is absent.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.lock().counts.clone()
    }

    /// What is ordered and not spent, as it was written, with the requests that have got it so far.
    pub fn standing(&self) -> Vec<(String, u64)> {
        let now = Instant::now();
        let mut all: Vec<(String, u64)> = Vec::new();
        for part in [Part::Cdn, Part::Origin] {
            if self.reach(part).is_away() {
                all.push((format!("{}=away", part.name()), 0));
            }
        }
        let inner = self.lock();
        let orders = inner.orders.iter().filter(|standing| standing.until.is_none_or(|until| now < until));
        all.extend(orders.map(|standing| (standing.order.to_string(), standing.given)));
        all
    }

    /// Forgets all orders, and what was planted; everything can be reached, and the list is as quick as it was.
    pub fn well(&self) {
        let mut inner = self.lock();
        (inner.orders, inner.planted) = (Vec::new(), BTreeMap::new());
        drop(inner);
        self.cdn.back();
        self.origin.back();
        self.list_lag.reset();
    }

    /// The same, and forgets all counts.
    pub fn clear(&self) {
        self.well();
        self.lock().counts = BTreeMap::new();
    }

    /// Waits until the ports are as was ordered last: closed for a part that is away, else open.
    pub async fn settled(&self) {
        self.cdn.settled().await;
        self.origin.settled().await;
    }

    fn stand(&self, order: Order) {
        let until =
            order.lasts().filter(|_| order.after() == 0).and_then(|lasts| Instant::now().checked_add(lasts));
        self.lock().orders.push(Standing { order, seen: 0, given: 0, until });
    }

    fn take_back(&self, place: &Place) {
        let overlaps = |order: &Order| {
            let all = CDN_OPERATIONS.iter().chain(&ORIGIN_OPERATIONS);
            all.into_iter().any(|op| place.has(op) && order.place().has(op))
        };
        self.lock().orders.retain(|standing| !overlaps(&standing.order));
        for part in place.parts() {
            self.reach(*part).back();
        }
        if place.has("list") {
            self.list_lag.reset();
        }
    }

    fn leave(&self, place: &Place, lasts: Option<Duration>) {
        for part in place.parts() {
            self.reach(*part).leave(lasts);
        }
    }

    fn reach(&self, part: Part) -> &Reach {
        match part {
            Part::Cdn => &self.cdn,
            Part::Origin => &self.origin,
        }
    }

    /// A thread that panicked while it held the lock has left nothing half done that could mislead.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// Counts a request that it could be for, and says whether it is.
    fn is_due(&mut self, seed: u64) -> bool {
        if self.seen < self.order.after() {
            self.seen += 1;
            return false;
        }
        let turn = self.seen - self.order.after();
        // What is to come so often counts its own; a share goes by requests, whoever gets the fault.
        self.seen += 1;
        self.order.amount().is_due(turn, self.given, seed)
    }

    fn give(&mut self, now: Instant) {
        self.given += 1;
        if self.until.is_none() {
            self.until = self.order.lasts().and_then(|lasts| now.checked_add(lasts));
        }
    }

    fn is_spent(&self) -> bool {
        match (self.order.what(), self.order.amount()) {
            (What::Away(_), _) => self.given > 0,
            (_, Amount::Times(times)) => self.given >= *times,
            (_, Amount::Share(_) | Amount::Always) => false,
        }
    }
}

#[cfg(test)]
mod tests;
