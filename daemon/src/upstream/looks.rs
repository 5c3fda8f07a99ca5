//! The moments at which unanswered requests are checked, the same for all of them.
//!
//! A timer for each request would cost it two system calls on a quiet machine: a timer that is due before
//! all others wakes the thread that waits for them. This one runs while there are requests, and for a
//! while after the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Wakes everything that waits for the next moment. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks(Arc<LooksShared>);

#[derive(Debug, Default)]
struct LooksShared {
    moment: Notify,
    /// Whether the task runs.
    runs: AtomicBool,
    /// Whether anything has waited since the last moment.
    is_used: AtomicBool,
}

impl Looks {
    /// Waits for the next moment, which comes within [`LOOK`].
    pub(super) async fn next(&self) {
        let looks = &self.0;
        let moment = looks.moment.notified();
        looks.is_used.store(true, Ordering::SeqCst);
        if !looks.runs.load(Ordering::SeqCst) && !looks.runs.swap(true, Ordering::SeqCst) {
            tokio::spawn(Arc::clone(looks).run());
        }
        moment.await;
    }
}

impl LooksShared {
    async fn run(self: Arc<Self>) {
        let mut unused = 0;
        while unused < UNUSED_MAX {
            tokio::time::sleep(LOOK).await;
            unused = match self.is_used.swap(false, Ordering::SeqCst) {
                true => 0,
                false => unused + 1,
            };
            self.moment.notify_waiters();
        }
        self.runs.store(false, Ordering::SeqCst);
        // Something may have begun to wait just before that.
        if self.is_used.load(Ordering::SeqCst) && !self.runs.swap(true, Ordering::SeqCst) {
            Box::pin(self.run()).await;
        }
    }
}

/// How often an unanswered request is checked: often enough to notice within 1.5 s that nothing of it is
/// acknowledged.
const LOOK: Duration = Duration::from_millis(250);

/// Two seconds: a script that sends one request after another doesn't start the task anew each time.
const UNUSED_MAX: u32 = 8;

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn r10_each_unanswered_request_is_checked_four_times_a_second() {
        let looks = Looks::default();
        let runs = || looks.0.runs.load(Ordering::SeqCst);
        for pause in [0, 1, 100, 251, 1999, 2000, 2001, 2250, 60_000] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let began = Instant::now();
            looks.next().await;
            assert!(began.elapsed() <= LOOK, "{pause} ms: {:?}", began.elapsed());
            assert!(runs());
        }
        tokio::time::sleep(LOOK * (UNUSED_MAX + 2)).await;
        assert!(!runs());
    }
}
