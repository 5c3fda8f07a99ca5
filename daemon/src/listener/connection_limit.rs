//! Limits the number of connections, and chooses which one gives way when there are more.
//!
//! The first to give way are connections without a request in flight, the longest idle first: those
//! that were left open, or whose head doesn't arrive. Next are those that wait because limited keys
//! have enough in flight (`shares`), then those whose client neither sends nor reads. If all are
//! working, the new connection waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::shares::Shares;
use crate::facts::{ConnectionPlace, Sharing};
use crate::keys::KeyId;

/// The places for connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct ConnectionLimit(Arc<LimitShared>);

#[derive(Debug)]
struct LimitShared {
    free: Arc<Semaphore>,
    taken: Mutex<LimitState>,
    /// The origin of all times below.
    start: Instant,
}

#[derive(Debug)]
struct LimitState {
    states: BTreeMap<u64, Arc<ConnState>>,
    next: u64,
    shares: Shares,
}

impl ConnectionLimit {
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(LimitShared {
            free: Arc::new(Semaphore::new(count)),
            taken: Mutex::new(LimitState {
                states: BTreeMap::new(),
                next: 0,
                shares: Shares::new(count.div_ceil(2)),
            }),
            start: Instant::now(),
        }))
    }

    /// Takes a place as soon as one is free; another connection may be asked to leave for it.
    pub(super) async fn take(&self) -> ConnPermit {
        loop {
            let free = Arc::clone(&self.0.free);
            if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
                return self.with_permit(permit);
            }
            if self.ask_one_to_leave() {
                tracing::debug!("out of connections: the longest idle one gives way");
            }
            // The semaphore is never closed. Time out, since a connection may only become eligible
            // once it has stalled for long enough.
            if let Ok(Ok(permit)) = tokio::time::timeout(LOOK_AGAIN, free.acquire_owned()).await {
                return self.with_permit(permit);
            }
        }
    }

    /// Whether any connection has a request in flight.
    pub(super) fn is_busy(&self) -> bool {
        let taken = self.0.taken();
        let mut states = taken.states.values();
        states.any(|state| state.idle_since.load(Ordering::Relaxed) == 0)
    }

    fn with_permit(&self, permit: OwnedSemaphorePermit) -> ConnPermit {
        let state = Arc::new(ConnState {
            start: self.0.start,
            idle_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            owed: AtomicU64::new(0),
            granted: Notify::new(),
            is_leaving: AtomicBool::new(false),
            is_excused_by_work: AtomicBool::new(false),
            leave: Notify::new(),
        });
        state.idle();
        let mut taken = self.0.taken();
        let number = taken.next;
        taken.next += 1;
        taken.states.insert(number, Arc::clone(&state));
        ConnPermit {
            place: Arc::new(TakenPlace {
                state,
                number,
                limit: Arc::clone(&self.0),
                is_limited: AtomicBool::new(false),
            }),
            _permit: permit,
        }
    }

    fn ask_one_to_leave(&self) -> bool {
        let taken = self.0.taken();
        let staying = || {
            let states = taken.states.values();
            states.filter(|state| !state.is_leaving.load(Ordering::Relaxed))
        };
        let longest = |since: fn(&ConnState) -> u64| {
            let known = staying().filter(|state| since(state) != 0);
            known.min_by_key(|state| since(state))
        };
        let idle = longest(|state| state.idle_since.load(Ordering::Relaxed));
        let waiting = || {
            let state = taken.states.get(&taken.shares.last_in_line()?)?;
            (!state.is_leaving.load(Ordering::Relaxed)).then_some(state)
        };
        let stalled = || {
            let state = longest(|state| state.stalled_since.load(Ordering::Relaxed))?;
            let since = Duration::from_millis(state.stalled_since.load(Ordering::Relaxed));
            (self.0.start.elapsed().saturating_sub(since) >= STALLED).then_some(state)
        };
        // A connection that has just arrived is about to send its request, so it may stay.
        let is_fresh = |state: &Arc<ConnState>| state.idles_for() < FRESH;
        let (state, is_excused_by_work) = match (idle, waiting(), stalled()) {
            (Some(state), None, _) | (None, None, Some(state)) => (state, true),
            (Some(state), Some(_), _) if !is_fresh(state) => (state, true),
            (_, Some(state), _) => (state, false),
            (None, None, None) => return false,
        };
        state.ask_to_leave(is_excused_by_work);
        true
    }
}

impl LimitShared {
    /// Hands out the free shares of limited keys. Returns whether the place `number` has one; if
    /// not, a slow one may be asked to leave.
    fn settle(&self, number: u64) -> bool {
        let mut taken = self.taken();
        taken.grant();
        if taken.shares.has(number) {
            return true;
        }
        let state = |number| taken.states.get(&number);
        let is_leaving = |state: &&Arc<ConnState>| state.is_leaving.load(Ordering::Relaxed);
        let leaving = taken.shares.held().filter_map(state).filter(is_leaving);
        if leaving.count() < taken.shares.waiting() {
            let its = taken.shares.of_the_greediest().filter_map(state);
            let slow = its.filter(|state| !is_leaving(state) && state.is_slow());
            if let Some(oldest) = slow.min_by_key(|state| state.busy_since.load(Ordering::Relaxed))
            {
                tracing::debug!(
                    "limited keys have used up their share: the oldest slow one gives way"
                );
                oldest.ask_to_leave(false);
            }
        }
        false
    }

    fn leave(&self, number: u64) {
        let mut taken = self.taken();
        taken.shares.leave(number);
        taken.grant();
    }

    fn taken(&self) -> MutexGuard<'_, LimitState> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LimitState {
    fn grant(&mut self) {
        for number in self.shares.grant() {
            if let Some(state) = self.states.get(&number) {
                state.granted.notify_one();
            }
        }
    }
}

/// One connection's place; dropping it frees the place.
#[derive(Debug)]
pub(super) struct ConnPermit {
    place: Arc<TakenPlace>,
    _permit: OwnedSemaphorePermit,
}

impl ConnPermit {
    /// The state that the connection's stream reports to.
    pub(super) fn state(&self) -> Arc<ConnState> {
        Arc::clone(&self.place.state)
    }

    /// The place that its requests report to.
    pub(super) fn place(&self) -> Arc<TakenPlace> {
        Arc::clone(&self.place)
    }
}

impl Drop for ConnPermit {
    fn drop(&mut self) {
        let number = self.place.number;
        let mut taken = self.place.limit.taken();
        taken.states.remove(&number);
        taken.shares.leave(number);
        taken.grant();
    }
}

/// A connection's place, as its requests see it.
#[derive(Debug)]
pub(super) struct TakenPlace {
    state: Arc<ConnState>,
    number: u64,
    limit: Arc<LimitShared>,
    /// Whether the request in flight has one of the limited keys' shares, or is waiting for one.
    is_limited: AtomicBool,
}

impl TakenPlace {
    /// The state that the connection's stream reports to.
    pub(super) fn state(&self) -> Arc<ConnState> {
        Arc::clone(&self.state)
    }

    /// A request is in flight.
    pub(super) fn begin(&self) {
        self.state.busy();
    }

    /// The request has ended.
    pub(super) fn end(&self) {
        self.state.idle();
        if self.is_limited.swap(false, Ordering::Relaxed) {
            self.limit.leave(self.number);
        }
    }
}

impl ConnectionPlace for TakenPlace {
    fn share(&self, key: KeyId) -> Sharing<'_> {
        self.is_limited.store(true, Ordering::Relaxed);
        self.limit.taken().shares.ask(self.number, key);
        Box::pin(async {
            while !self.limit.settle(self.number) {
                // Another connection may become slow without notice.
                let granted = self.state.granted.notified();
                let _late = tokio::time::timeout(LOOK_AGAIN, granted).await;
            }
        })
    }
}

/// What a connection is doing now. Times are in milliseconds, 0 for "not".
#[derive(Debug)]
pub(super) struct ConnState {
    start: Instant,
    idle_since: AtomicU64,
    stalled_since: AtomicU64,
    busy_since: AtomicU64,
    /// How long the client of the request in flight has kept us waiting, up to its last progress.
    owed: AtomicU64,
    granted: Notify,
    is_leaving: AtomicBool,
    /// Whether it was chosen because it was inactive, so that new work excuses it.
    is_excused_by_work: AtomicBool,
    leave: Notify,
}

impl ConnState {
    /// A request is in flight.
    pub(super) fn busy(&self) {
        self.idle_since.store(0, Ordering::Relaxed);
        self.busy_since.store(self.now(), Ordering::Relaxed);
        self.owed.store(0, Ordering::Relaxed);
    }

    /// No request is in flight.
    pub(super) fn idle(&self) {
        self.stalled_since.store(0, Ordering::Relaxed);
        self.idle_since.store(self.now(), Ordering::Relaxed);
    }

    /// The client owes bytes, or isn't reading any.
    pub(super) fn stalls(&self) {
        let now = self.now();
        let since = &self.stalled_since;
        // If this fails, the stall is known already.
        let _known = since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The client is sending or reading again.
    pub(super) fn flows(&self) {
        let waited = self.stalls_for();
        self.stalled_since.store(0, Ordering::Relaxed);
        self.owed.fetch_add(waited, Ordering::Relaxed);
    }

    /// Whether the client has kept us waiting for long in total, even in small steps.
    fn is_slow(&self) -> bool {
        let owed = self.owed.load(Ordering::Relaxed) + self.stalls_for();
        Duration::from_millis(owed) >= STALLED
    }

    fn idles_for(&self) -> Duration {
        let since = self.idle_since.load(Ordering::Relaxed);
        Duration::from_millis(self.now().saturating_sub(since))
    }

    fn stalls_for(&self) -> u64 {
        match self.stalled_since.load(Ordering::Relaxed) {
            0 => 0,
            since => self.now().saturating_sub(since),
        }
    }

    fn ask_to_leave(&self, is_excused_by_work: bool) {
        self.is_leaving.store(true, Ordering::Relaxed);
        self.is_excused_by_work
            .store(is_excused_by_work, Ordering::Relaxed);
        self.leave.notify_one();
    }

    /// Waits until the connection is asked to leave; returns each time that it is.
    pub(super) async fn has_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Whether the connection, chosen for being inactive, has begun or resumed a request since. If
    /// so, the request to leave is withdrawn; it may be chosen again.
    pub(super) fn takes_up_work(&self) -> bool {
        let is_busy = self.idle_since.load(Ordering::Relaxed) == 0;
        let has_stalled = self.stalled_since.load(Ordering::Relaxed) != 0;
        let stays = is_busy && !has_stalled && self.is_excused_by_work.load(Ordering::Relaxed);
        self.is_leaving.store(!stays, Ordering::Relaxed);
        stays
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

/// A client that does nothing for this long isn't just waiting for the next packet.
const STALLED: Duration = Duration::from_secs(10);

/// Longer than a client takes from connecting to sending its request.
const FRESH: Duration = Duration::from_secs(1);

/// How often to check whether a connection has stalled for long enough.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    /// Whether a new connection gets a place within a moment.
    async fn gets_in(limit: &ConnectionLimit) -> bool {
        let moment = LOOK_AGAIN / 2;
        tokio::time::timeout(moment, limit.take()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn d1_p18_the_longest_idle_gives_way_and_work_does_not() {
        let limit = ConnectionLimit::new(3);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(limit.take().await);
            advance(Duration::from_secs(1)).await;
        }
        let (first, second, third) = (held[0].state(), held[1].state(), held[2].state());
        assert!(!limit.is_busy());
        first.busy();
        second.busy();
        second.idle();
        assert!(limit.is_busy());
        // By now the third has been idle for longer than the second.
        assert!(!gets_in(&limit).await, "it has been asked, and isn't gone");
        assert!(third.is_leaving.load(Ordering::Relaxed));
        assert!(!second.is_leaving.load(Ordering::Relaxed));
        drop(held.remove(2));
        let new = limit.take().await;
        new.state().busy();
        assert!(!gets_in(&limit).await);
        assert!(second.is_leaving.load(Ordering::Relaxed));
        assert!(!first.is_leaving.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn d1_p18_a_client_that_neither_reads_nor_sends_gives_way_after_a_while() {
        let limit = ConnectionLimit::new(1);
        let held = limit.take().await;
        let state = held.state();
        state.busy();
        assert!(!gets_in(&limit).await);
        state.stalls();
        advance(STALLED / 2).await;
        state.flows();
        state.stalls();
        assert!(!gets_in(&limit).await && !state.is_leaving.load(Ordering::Relaxed));
        advance(STALLED).await;
        assert!(!gets_in(&limit).await && state.is_leaving.load(Ordering::Relaxed));
        state.has_to_leave().await;
        drop(held);
        assert!(gets_in(&limit).await);
    }

    #[tokio::test(start_paused = true)]
    async fn d1_p18_limited_keys_share_half_and_the_oldest_slow_one_gives_way() {
        let limit = ConnectionLimit::new(4);
        let key = KeyId::random().unwrap();
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(limit.take().await);
        }
        for permit in &held {
            permit.place().begin();
            advance(Duration::from_secs(1)).await;
        }
        let shares = async |permit: &ConnPermit| {
            let moment = LOOK_AGAIN / 2;
            let place = permit.place();
            tokio::time::timeout(moment, place.share(key)).await.is_ok()
        };
        assert!(shares(&held[0]).await && shares(&held[1]).await);
        assert!(!shares(&held[2]).await, "two of four are half");
        // A drip each second is slow in total, but never a long stall.
        for _ in 0..STALLED.as_secs() {
            for permit in &held[..2] {
                permit.state().stalls();
            }
            advance(Duration::from_secs(1)).await;
            for permit in &held[..2] {
                permit.state().flows();
            }
        }
        assert!(!shares(&held[2]).await);
        let leaving = |permit: &ConnPermit| permit.state().is_leaving.load(Ordering::Relaxed);
        assert!(leaving(&held[0]), "the oldest is asked");
        assert!(!shares(&held[2]).await);
        assert!(!leaving(&held[1]), "one for one");
        drop(held.remove(0));
        assert!(shares(&held[1]).await);
        // A waiting request gives way to one without a limited key, before any slow one does, and
        // before a connection that has just arrived and is about to send its request.
        let more = [limit.take().await, limit.take().await];
        more[0].place().begin();
        assert!(!shares(&more[0]).await);
        assert!(!gets_in(&limit).await);
        assert!(leaving(&more[0]) && !leaving(&more[1]));
        held[0].place().end();
        assert!(shares(&more[0]).await, "free again with the request's end");
    }
}
