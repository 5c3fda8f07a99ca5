//! The rotation gate (R1): requests pass through it, and a refresh closes it for a moment.
//!
//! A refresh deletes the token that requests in flight carry, so it waits for those that can't be
//! sent again: uploads. While it waits, the gate stays open and holds up no request. It closes only
//! for the POST and the store:
//!
//! ```text
//!  planned   ── uploads in flight ──┐ gate closes ── drain ── POST ── store ── gate opens
//!               (bounded)           ┘                ≤ 250 ms
//!  forced    ──────────────────────── gate closes ────────── POST ── store ── gate opens
//! ```
//!
//! A lease ends when the head of the answer arrives: by then Zendesk has checked the token. So a
//! download that feeds an upload (`curl A | curl -T - B`) holds nothing up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::session::model::schedule::Urgency;

/// One account's gate. Clones share it.
#[derive(Clone, Debug)]
pub(in crate::session) struct Gate {
    state: Arc<watch::Sender<Traffic>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    closed: bool,
    /// A refresh that waits for uploads should stop waiting.
    hurry: bool,
    replayable: usize,
    unreplayable: usize,
}

/// Whether a request can be sent a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Replayability {
    Replayable,
    Unreplayable,
}

impl Gate {
    pub(in crate::session) fn new() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(Traffic::default())),
        }
    }

    /// Passes the gate, waiting while it is closed. A request that has waited long enough goes on with
    /// the old token.
    pub(in crate::session) async fn enter(&self, replayability: Replayability) -> Lease {
        let patience = match replayability {
            Replayability::Replayable => REPLAYABLE_PATIENCE,
            Replayability::Unreplayable => UNREPLAYABLE_PATIENCE,
        };
        let deadline = Instant::now() + patience;
        while !self.count(replayability, |traffic| !traffic.closed) {
            let mut changes = self.state.subscribe();
            let opened = changes.wait_for(|traffic| !traffic.closed);
            if timeout_at(deadline, opened).await.is_err() {
                self.count(replayability, |_| true);
                break;
            }
        }
        Lease {
            gate: self.clone(),
            replayability,
        }
    }

    /// Closes the gate for a refresh, once it may be closed. Dropping the result opens it again.
    pub(in crate::session) async fn close(&self, urgency: Urgency) -> Closed {
        let mut changes = self.state.subscribe();
        let mut forced = urgency == Urgency::Forced;
        if let Urgency::Planned { patience } = urgency {
            let deadline = Instant::now() + patience;
            let free = |traffic: &Traffic| traffic.hurry || traffic.unreplayable == 0;
            while !self.shut(free, &mut forced) {
                // New uploads may keep coming. A planned refresh must happen before the expiry anyway.
                if timeout_at(deadline, changes.wait_for(free)).await.is_err() {
                    break;
                }
            }
        }
        self.shut(|_| true, &mut forced);
        let closed = Closed(self.clone());
        if !forced {
            let drained = changes.wait_for(|t| t.replayable == 0 && t.unreplayable == 0);
            drop(timeout(DRAIN, drained).await);
        }
        closed
    }

    /// Makes a refresh that waits for uploads stop waiting.
    pub(in crate::session) fn hurry(&self) {
        self.state
            .send_modify(|traffic| traffic.hurry = !traffic.closed);
    }

    /// Undoes [`Gate::hurry`] if the refresh ended without reaching the gate.
    pub(in crate::session) fn calm(&self) {
        self.state.send_if_modified(|traffic| {
            traffic.hurry = false;
            false
        });
    }

    /// Whether a refresh is under way.
    pub(in crate::session) fn is_closed(&self) -> bool {
        self.state.borrow().closed
    }

    /// Admits a request if `may_pass`, and counts it in the same step.
    fn count(&self, replayability: Replayability, may_pass: impl Fn(&Traffic) -> bool) -> bool {
        let mut entered = false;
        self.state.send_if_modified(|traffic| {
            entered = may_pass(traffic);
            if entered {
                *traffic.of(replayability) += 1;
            }
            // Nothing waits for more traffic.
            false
        });
        entered
    }

    /// Closes the gate if `may_close`, in one step with that check.
    fn shut(&self, may_close: impl Fn(&Traffic) -> bool, hurried: &mut bool) -> bool {
        self.state.send_if_modified(|traffic| {
            let closes = !traffic.closed && may_close(traffic);
            if closes {
                *hurried |= traffic.hurry;
                traffic.closed = true;
                traffic.hurry = false;
            }
            closes
        })
    }
}

/// A request in flight, until the head of its answer arrives.
#[derive(Debug)]
pub(in crate::session) struct Lease {
    gate: Gate,
    replayability: Replayability,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.gate.state.send_if_modified(|traffic| {
            let count = traffic.of(self.replayability);
            *count = count.saturating_sub(1);
            *count == 0
        });
    }
}

/// Keeps the gate closed as long as this exists.
#[derive(Debug)]
pub(in crate::session) struct Closed(Gate);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.state.send_modify(|traffic| {
            traffic.closed = false;
            traffic.hurry = false;
        });
    }
}

impl Traffic {
    fn of(&mut self, replayability: Replayability) -> &mut usize {
        match replayability {
            Replayability::Replayable => &mut self.replayable,
            Replayability::Unreplayable => &mut self.unreplayable,
        }
    }
}

/// R1: no longer, even if the token endpoint hangs, because a 401 can be replayed.
const REPLAYABLE_PATIENCE: Duration = Duration::from_secs(2);
/// An upload can't be replayed, so it waits as long as a refresh takes at worst. Then it goes on with
/// the old token rather than failing.
const UNREPLAYABLE_PATIENCE: Duration = Duration::from_secs(30);
/// Most answers begin within this time. Each of the others costs a 401 and a replay.
const DRAIN: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    const LONG: Urgency = Urgency::Planned {
        patience: Duration::from_secs(300),
    };

    fn spawn<T: Send + 'static>(
        future: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<(T, Duration)> {
        let start = Instant::now();
        tokio::spawn(async move {
            let value = future.await;
            (value, start.elapsed())
        })
    }

    async fn turn() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn r1_while_a_refresh_waits_for_uploads_nobody_else_waits() {
        let gate = Gate::new();
        let upload = gate.enter(Replayability::Unreplayable).await;
        let waiting = gate.clone();
        let refresh = spawn(async move { waiting.close(LONG).await });
        turn().await;
        let start = Instant::now();
        drop(gate.enter(Replayability::Replayable).await);
        drop(gate.enter(Replayability::Unreplayable).await);
        assert_eq!(start.elapsed(), Duration::ZERO);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!gate.is_closed());
        drop(upload);
        let (_closed, waited) = refresh.await.unwrap();
        assert_eq!(waited, Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn r1_new_uploads_don_t_starve_a_planned_refresh() {
        let gate = Gate::new();
        let _upload = gate.enter(Replayability::Unreplayable).await;
        let start = Instant::now();
        let patience = Duration::from_secs(5);
        let _closed = gate.close(Urgency::Planned { patience }).await;
        assert_eq!(start.elapsed(), patience + DRAIN);
    }

    #[tokio::test(start_paused = true)]
    async fn r1_a_forced_refresh_waits_for_nobody() {
        let gate = Gate::new();
        let _upload = gate.enter(Replayability::Unreplayable).await;
        let _request = gate.enter(Replayability::Replayable).await;
        let start = Instant::now();
        drop(gate.close(Urgency::Forced).await);
        assert_eq!(start.elapsed(), Duration::ZERO);
        // A refresh that already waits learns that the token is dead.
        let waiting = gate.clone();
        let refresh = spawn(async move { waiting.close(LONG).await });
        turn().await;
        gate.hurry();
        let (_closed, waited) = refresh.await.unwrap();
        assert_eq!(waited, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn r1_behind_a_closed_gate_replayable_requests_wait_two_seconds_and_uploads_longer() {
        let gate = Gate::new();
        let closed = gate.close(Urgency::Forced).await;
        let (one, two) = (gate.clone(), gate.clone());
        let get = spawn(async move { one.enter(Replayability::Replayable).await });
        let put = spawn(async move { two.enter(Replayability::Unreplayable).await });
        let (_lease, waited) = get.await.unwrap();
        assert_eq!(waited, REPLAYABLE_PATIENCE);
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(closed);
        let (_lease, waited) = put.await.unwrap();
        assert_eq!(waited, Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn r1_requests_in_flight_drain_for_a_moment_before_the_post() {
        let gate = Gate::new();
        let request = gate.enter(Replayability::Replayable).await;
        let closing = gate.clone();
        let refresh = spawn(async move { closing.close(LONG).await });
        turn().await;
        assert!(gate.is_closed(), "new requests wait");
        tokio::time::sleep(Duration::from_millis(40)).await;
        drop(request);
        let (closed, waited) = refresh.await.unwrap();
        assert_eq!(waited, Duration::from_millis(40));
        drop(closed);
        assert!(!gate.is_closed());
        let _slow = gate.enter(Replayability::Replayable).await;
        let start = Instant::now();
        let _closed = gate.close(LONG).await;
        assert_eq!(start.elapsed(), DRAIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_hangs_up_leaves_no_lease() {
        let gate = Gate::new();
        let entering = gate.clone();
        let task = spawn(async move {
            let _lease = entering.enter(Replayability::Unreplayable).await;
            std::future::pending::<()>().await;
        });
        turn().await;
        task.abort();
        let start = Instant::now();
        drop(gate.close(LONG).await);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
