//! Gates, with which a test holds requests and responses without sleeping.

use std::sync::Arc;

use tokio::sync::watch;

/// Holds everything that waits at it until it is opened. Clones are the same gate.
///
/// ```no_run
/// # use loopdesk_tests::zendesk::{Fault, Gate, Zendesk};
/// # async fn example(zendesk: Zendesk) {
/// let gate = Gate::closed();
/// zendesk.fault(Fault::on("POST", "/oauth/tokens").hold_answer(&gate));
/// // ... something starts a refresh ...
/// gate.reached(1).await; // the new pair exists, its answer is held back
/// gate.open();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

impl Gate {
    /// A gate that lets nothing through yet.
    pub fn closed() -> Self {
        Self(Arc::new(Inner {
            open: watch::Sender::new(false),
            arrivals: watch::Sender::new(0),
        }))
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Holds what arrives from now on.
    pub fn close(&self) {
        self.0.open.send_replace(false);
    }

    /// How many have reached the gate so far, whether or not they had to wait.
    pub fn arrivals(&self) -> usize {
        *self.0.arrivals.borrow()
    }

    /// Returns once `count` have reached the gate.
    pub async fn reached(&self, count: usize) {
        let mut arrivals = self.0.arrivals.subscribe();
        // The sender lives as long as `self`, so waiting can't fail.
        drop(arrivals.wait_for(|now| *now >= count).await);
    }

    /// Arrives at the gate and waits until it is open.
    pub(super) async fn pass(&self) {
        self.0.arrivals.send_modify(|count| *count += 1);
        let mut open = self.0.open.subscribe();
        drop(open.wait_for(|open| *open).await);
    }
}

#[derive(Debug)]
struct Inner {
    open: watch::Sender<bool>,
    arrivals: watch::Sender<usize>,
}
