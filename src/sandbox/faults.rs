//! Faults to order: which request of which operation goes wrong, and how.
//!
//! The stand-ins ask [`Faults::next`] once per request, before they do anything, so a test can say "the third upload
//! loses its answer" and be sure that it is the third. Operations are known by short names: `upload`, `list`,
//! `details`, `update`, `delete`, `bulk_delete`, `purge`, `usage`, `delivery`, `delivery_original` at ImageKit, and
//! `origin` and, for its sizes, `origin_head` at the origin.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
}

/// The faults that are waiting for their requests, and how many requests there were.
///
/// One value may be shared by several stand-ins; all methods take `&self`.
#[derive(Default)]
pub struct Faults {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    counts: BTreeMap<String, u64>,
    orders: Vec<Order>,
    planted: BTreeMap<(String, String), Fault>,
}

struct Order {
    op: String,
    skip: u64,
    times: u64,
    fault: Fault,
}

impl Faults {
    /// Orders a fault: after `skip` further requests of `op`, the next `times` get it.
    ///
    /// Several orders for one operation count their skips side by side; when two are due at once, the older goes first
    /// and the younger waits for the next request.
    pub fn inject(&self, op: &str, skip: u64, times: u64, fault: Fault) {
        if times > 0 {
            self.lock().orders.push(Order { op: op.to_owned(), skip, times, fault });
        }
    }

    /// Plants a fault where it stays: every request of `op` for this path gets it, unless an order is due.
    pub fn plant(&self, op: &str, path: &str, fault: Fault) {
        self.lock().planted.insert((op.to_owned(), path.to_owned()), fault);
    }

    /// Counts one request of `op` for a path and says which fault it gets, if any.
    pub fn next_at(&self, op: &str, path: &str) -> Option<Fault> {
        let ordered = self.next(op);
        ordered.or_else(|| self.lock().planted.get(&(op.to_owned(), path.to_owned())).cloned())
    }

    /// Counts one request of `op` and says which fault it gets, if any.
    pub fn next(&self, op: &str) -> Option<Fault> {
        let mut inner = self.lock();
        match inner.counts.get_mut(op) {
            Some(count) => *count += 1,
            None => drop(inner.counts.insert(op.to_owned(), 1)),
        }
        let mut due = None;
        for order in inner.orders.iter_mut().filter(|order| order.op == op) {
            if order.skip > 0 {
                order.skip -= 1;
            } else if due.is_none() {
                order.times -= 1;
                due = Some(order.fault.clone());
            }
        }
        inner.orders.retain(|order| order.times > 0);
        due
    }

    /// Requests so far by operation; an operation without a request is absent.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.lock().counts.clone()
    }

    /// Forgets all counts and all orders.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    /// A thread that panicked while it held the lock has left nothing half done that could mislead.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
