//! Slows down guesses, and nothing else.
//!
//! The answer to a wrong key is delayed, longer with each failure on the same connection or with the
//! same id. A right key is never delayed. The 256 bits of a secret are the protection; the delay only
//! keeps a script with a revoked key from keeping a core busy, and guessing from being fast enough to
//! go unnoticed.
//!
//! Failures are counted per id in a table of fixed size, whether or not a key has that id. So the table
//! never grows, and the delay doesn't reveal which ids exist.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::format::KeyId;

/// How often a connection has sent a wrong key. It lives as long as the connection.
#[derive(Debug, Default)]
pub struct Failures(Mutex<FailureCount>);

/// Delays wrong keys.
#[derive(Debug)]
pub(super) struct Throttle {
    ids: Mutex<Box<[FailureCount]>>,
    /// Randomly seeded, so that an attacker can't choose ids that share an entry with another id.
    hasher: RandomState,
    waiting: Semaphore,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self {
            ids: Mutex::new(vec![FailureCount::default(); PLACES].into()),
            hasher: RandomState::new(),
            waiting: Semaphore::new(WAITING),
        }
    }

    /// Delays a request with a wrong key.
    pub(super) async fn delay(&self, id: KeyId, failures: &Failures) {
        let time = self.count(id, failures);
        if time.is_zero() {
            return;
        }
        // With too many waiting already, more would take connections away from other scripts.
        if let Ok(_place) = self.waiting.try_acquire() {
            tokio::time::sleep(time).await;
        }
    }

    fn count(&self, id: KeyId, failures: &Failures) -> Duration {
        let now = Instant::now();
        let mut of_connection = failures.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_connection = of_connection.one_more(now);
        let place = self.hasher.hash_one(id.number()) % PLACES as u64;
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let of_id = usize::try_from(place)
            .ok()
            .and_then(|place| ids.get_mut(place));
        let of_id = of_id.map_or(0, |count| count.one_more(now));
        time_for(of_connection.max(of_id))
    }
}

/// Failures, which are forgotten one by one over time.
#[derive(Clone, Copy, Debug, Default)]
struct FailureCount {
    failures: u32,
    last: Option<Instant>,
}

impl FailureCount {
    fn one_more(&mut self, now: Instant) -> u32 {
        let idle = self.last.map(|last| now.saturating_duration_since(last));
        let forgotten = idle.map_or(0, |idle| idle.as_secs() / FORGOTTEN_AFTER.as_secs());
        let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_sub(forgotten).min(MOST) + 1;
        self.last = Some(now);
        self.failures
    }
}

fn time_for(failures: u32) -> Duration {
    match failures.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(doublings) => (FIRST * 2_u32.saturating_pow(doublings)).min(LONGEST),
    }
}

/// Enough to try a new key, and then the old one.
const FREE: u32 = 3;
const FIRST: Duration = Duration::from_millis(25);
/// Shorter than the time-out of any client.
const LONGEST: Duration = Duration::from_secs(5);
/// The delay reaches `LONGEST` well before this count; a higher one would only take longer to forget.
const MOST: u32 = 16;
/// Longer than the longest delay, so that steady guessing is never forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15);
/// Two wrong ids rarely share an entry, and then both just wait.
const PLACES: usize = 1024;
/// A quarter of the maximum number of connections.
const WAITING: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    async fn guesses(
        throttle: &Throttle,
        count: u32,
        mut guess: impl AsyncFnMut(&Throttle),
    ) -> Duration {
        let start = Instant::now();
        for _ in 0..count {
            guess(throttle).await;
        }
        start.elapsed()
    }

    fn id() -> KeyId {
        KeyId::random().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn d2_w6_a_thousand_wrong_keys_take_an_hour() {
        let hour = Duration::from_secs(3600);
        // On one connection, whatever the ids.
        let (throttle, failures) = (Throttle::new(), Failures::default());
        let time = guesses(&throttle, 1_000, async |t: &Throttle| {
            t.delay(id(), &failures).await
        })
        .await;
        assert!(time > hour, "{time:?}");
        // On new connections, at one id, be there such a key or not.
        let (throttle, one) = (Throttle::new(), id());
        let time = guesses(&throttle, 1_000, async |t: &Throttle| {
            t.delay(one, &Failures::default()).await
        })
        .await;
        assert!(time > hour, "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn d2_the_first_mistakes_cost_nothing_and_are_forgotten() {
        let (throttle, one) = (Throttle::new(), id());
        let three = async |t: &Throttle| t.delay(one, &Failures::default()).await;
        assert_eq!(guesses(&throttle, FREE, three).await, Duration::ZERO);
        assert_eq!(guesses(&throttle, 2, three).await, FIRST * 3);
        tokio::time::advance(FORGOTTEN_AFTER * (FREE + 2)).await;
        assert_eq!(guesses(&throttle, FREE, three).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn d2_another_id_on_another_connection_is_not_held_up() {
        let (throttle, one) = (Throttle::new(), id());
        guesses(&throttle, 50, async |t: &Throttle| {
            t.delay(one, &Failures::default()).await
        })
        .await;
        let place = |id: KeyId| throttle.hasher.hash_one(id.number()) % PLACES as u64;
        let other = loop {
            let other = id();
            if place(other) != place(one) {
                break other;
            }
        };
        let start = Instant::now();
        throttle.delay(other, &Failures::default()).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn d2_those_who_wait_leave_connections_to_others() {
        let throttle = std::sync::Arc::new(Throttle::new());
        let one = id();
        for _ in 0..MOST {
            throttle.count(one, &Failures::default());
        }
        let start = Instant::now();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..WAITING + 10 {
            let throttle = std::sync::Arc::clone(&throttle);
            waiting.spawn(async move {
                throttle.delay(one, &Failures::default()).await;
                start.elapsed()
            });
        }
        let times = waiting.join_all().await;
        let at_once = times.iter().filter(|time| time.is_zero()).count();
        assert_eq!((at_once, times.len() - at_once), (10, WAITING));
    }
}
