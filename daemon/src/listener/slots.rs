//! A fixed number of connections, and who gives way when there are more.
//!
//! A connection without a request in flight gives way to a new one, the longest idle first: one
//! that was left open, or whose head doesn't get finished. Where all are in flight, those whose
//! client neither sends nor reads give way. Where all are at work, the new one waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The places for connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
    /// What times are counted from.
    start: Instant,
}

#[derive(Debug, Default)]
struct Taken {
    seats: BTreeMap<u64, Arc<Seat>>,
    next: u64,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Shared {
            free: Arc::new(Semaphore::new(count)),
            taken: Mutex::default(),
            start: Instant::now(),
        }))
    }

    /// A place, as soon as there is one; another connection may have to go for it.
    pub(super) async fn take(&self) -> Slot {
        loop {
            let free = Arc::clone(&self.0.free);
            if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
                return self.seated(permit);
            }
            if self.ask_one_to_leave() {
                tracing::debug!("out of connections: the longest idle one gives way");
            }
            // Nobody closes the semaphore; and nobody may leave until one has stalled for longer.
            if let Ok(Ok(permit)) = tokio::time::timeout(LOOK_AGAIN, free.acquire_owned()).await {
                return self.seated(permit);
            }
        }
    }

    /// Whether any connection has a request in flight.
    pub(super) fn is_busy(&self) -> bool {
        let taken = self.0.taken();
        let mut seats = taken.seats.values();
        seats.any(|seat| seat.idle_since.load(Ordering::Relaxed) == 0)
    }

    fn seated(&self, permit: OwnedSemaphorePermit) -> Slot {
        let seat = Arc::new(Seat {
            start: self.0.start,
            idle_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(0),
            is_leaving: AtomicBool::new(false),
            leave: Notify::new(),
        });
        seat.idle();
        let mut taken = self.0.taken();
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, Arc::clone(&seat));
        Slot {
            seat,
            number,
            slots: Arc::clone(&self.0),
            _permit: permit,
        }
    }

    fn ask_one_to_leave(&self) -> bool {
        let taken = self.0.taken();
        let staying = || {
            let seats = taken.seats.values();
            seats.filter(|seat| !seat.is_leaving.load(Ordering::Relaxed))
        };
        let longest = |since: fn(&Seat) -> u64| {
            let known = staying().filter(|seat| since(seat) != 0);
            known.min_by_key(|seat| since(seat))
        };
        let idle = longest(|seat| seat.idle_since.load(Ordering::Relaxed));
        let stalled = || {
            let seat = longest(|seat| seat.stalled_since.load(Ordering::Relaxed))?;
            let since = Duration::from_millis(seat.stalled_since.load(Ordering::Relaxed));
            (self.0.start.elapsed().saturating_sub(since) >= STALLED).then_some(seat)
        };
        let Some(seat) = idle.or_else(stalled) else {
            return false;
        };
        seat.is_leaving.store(true, Ordering::Relaxed);
        seat.leave.notify_one();
        true
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place, which is free again once this is gone.
#[derive(Debug)]
pub(super) struct Slot {
    seat: Arc<Seat>,
    number: u64,
    slots: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// What the connection's parts tell about it.
    pub(super) fn seat(&self) -> Arc<Seat> {
        Arc::clone(&self.seat)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken().seats.remove(&self.number);
    }
}

/// What a connection does just now. Times are milliseconds, 0 for "not".
#[derive(Debug)]
pub(super) struct Seat {
    start: Instant,
    idle_since: AtomicU64,
    stalled_since: AtomicU64,
    is_leaving: AtomicBool,
    leave: Notify,
}

impl Seat {
    /// A request is in flight.
    pub(super) fn busy(&self) {
        self.idle_since.store(0, Ordering::Relaxed);
    }

    /// No request is in flight.
    pub(super) fn idle(&self) {
        self.stalled_since.store(0, Ordering::Relaxed);
        self.idle_since.store(self.now(), Ordering::Relaxed);
    }

    /// The client owes bytes, or doesn't take any.
    pub(super) fn stalls(&self) {
        let now = self.now();
        let since = &self.stalled_since;
        // Known already, if that fails.
        let _known = since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The client sends or takes bytes again.
    pub(super) fn flows(&self) {
        self.stalled_since.store(0, Ordering::Relaxed);
    }

    /// Waits until the connection has to go, each time that it was chosen.
    pub(super) async fn has_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Whether a request has begun since the connection was chosen for being idle. If so, it isn't
    /// chosen any more, and can be again.
    pub(super) fn takes_up_work(&self) -> bool {
        let is_busy = self.idle_since.load(Ordering::Relaxed) == 0;
        let has_stalled = self.stalled_since.load(Ordering::Relaxed) != 0;
        let stays = is_busy && !has_stalled;
        self.is_leaving.store(!stays, Ordering::Relaxed);
        stays
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

/// A client that does nothing for so long doesn't wait for the next packet.
const STALLED: Duration = Duration::from_secs(10);

/// How often it is looked whether one has stalled for long enough.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    /// Whether somebody gets a place within a moment.
    async fn gets_in(slots: &Slots) -> bool {
        let moment = LOOK_AGAIN / 2;
        tokio::time::timeout(moment, slots.take()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn d1_p18_the_longest_idle_gives_way_and_work_does_not() {
        let slots = Slots::new(3);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(slots.take().await);
            advance(Duration::from_secs(1)).await;
        }
        let (first, second, third) = (held[0].seat(), held[1].seat(), held[2].seat());
        assert!(!slots.is_busy());
        first.busy();
        second.busy();
        second.idle();
        assert!(slots.is_busy());
        // The third has been idle for longer than the second by now.
        assert!(!gets_in(&slots).await, "it has been asked, and isn't gone");
        assert!(third.is_leaving.load(Ordering::Relaxed));
        assert!(!second.is_leaving.load(Ordering::Relaxed));
        drop(held.remove(2));
        let new = slots.take().await;
        new.seat().busy();
        assert!(!gets_in(&slots).await);
        assert!(second.is_leaving.load(Ordering::Relaxed));
        assert!(!first.is_leaving.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn d1_p18_a_client_that_neither_reads_nor_sends_gives_way_after_a_while() {
        let slots = Slots::new(1);
        let held = slots.take().await;
        let seat = held.seat();
        seat.busy();
        assert!(!gets_in(&slots).await);
        seat.stalls();
        advance(STALLED / 2).await;
        seat.flows();
        seat.stalls();
        assert!(!gets_in(&slots).await && !seat.is_leaving.load(Ordering::Relaxed));
        advance(STALLED).await;
        assert!(!gets_in(&slots).await && seat.is_leaving.load(Ordering::Relaxed));
        seat.has_to_leave().await;
        drop(held);
        assert!(gets_in(&slots).await);
    }
}
