//! The queue between the code that logs and the log itself; it never makes a caller wait.
//!
//! A thread of its own writes. Its sink may block (a full pipe, a stuck journal, a disk that is
//! gone): then the queue fills up, further lines are counted instead of kept, and their number is
//! reported after the first line that gets through again.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;

/// A line of the log, without secrets or terminal control sequences.
#[derive(Debug)]
pub(super) struct LogLine {
    #[cfg_attr(
        target_os = "macos",
        expect(dead_code, reason = "only systemd's journal asks for it")
    )]
    pub(super) level: Level,
    pub(super) text: Vec<u8>,
}

/// A destination of the log. Its calls may take any time.
pub(super) trait Sink: Send {
    /// Writes these lines.
    ///
    /// # Errors
    /// How many of them were not written, and are lost.
    fn write(&mut self, lines: &[LogLine]) -> Result<(), usize>;

    /// Reopens a file that may have been moved away.
    fn reopen(&mut self) {}
}

/// What else the thread has to do. It may log.
pub(super) trait Duties: Send {
    /// Does what is due, and returns when to call again.
    fn tick(&mut self, now: Instant) -> Option<Instant>;

    /// This many lines are missing before the next one.
    fn lost(&mut self, lines: usize);
}

/// The queue. Clones share it.
#[derive(Clone)]
pub(super) struct Queue(Arc<QueueShared>);

struct QueueShared {
    state: Mutex<QueueState>,
    /// Signals that there is work.
    wanted: Condvar,
    /// Signals that everything is written.
    idle: Condvar,
}

#[derive(Default)]
struct QueueState {
    lines: VecDeque<LogLine>,
    bytes: usize,
    lost: usize,
    is_writing: bool,
    is_to_reopen: bool,
}

impl Queue {
    /// A queue to `sink`, and its thread.
    ///
    /// # Errors
    /// If the system can't start a thread.
    pub(super) fn start(
        sink: impl Sink + 'static,
        duties: impl Duties + 'static,
    ) -> io::Result<Self> {
        let queue = Self(Arc::new(QueueShared {
            state: Mutex::default(),
            wanted: Condvar::new(),
            idle: Condvar::new(),
        }));
        let shared = Arc::clone(&queue.0);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.work(sink, duties))?;
        Ok(queue)
    }

    /// Adds a line, or counts it if there is no room.
    pub(super) fn push(&self, line: LogLine) {
        let mut state = self.0.lock();
        if state.lines.len() >= LINES_MAX || state.bytes + line.text.len() > BYTES_MAX {
            state.lost += 1;
            return;
        }
        state.bytes += line.text.len();
        state.lines.push_back(line);
        drop(state);
        self.0.wanted.notify_one();
    }

    /// Has the sink reopened, after what was logged before.
    pub(super) fn reopen(&self) {
        self.0.lock().is_to_reopen = true;
        self.0.wanted.notify_one();
    }

    /// Waits until all lines are written, for `patience` at most.
    pub(super) fn flush(&self, patience: Duration) {
        let state = self.0.lock();
        let is_busy = |state: &mut QueueState| !state.is_idle();
        let waited = self.0.idle.wait_timeout_while(state, patience, is_busy);
        drop(waited);
    }
}

impl QueueShared {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut sink: impl Sink, mut duties: impl Duties) {
        loop {
            let next = duties.tick(Instant::now());
            let mut state = self.lock();
            if state.is_idle() {
                self.idle.notify_all();
                state = self.wait(state, next);
            }
            let lines = Vec::from(std::mem::take(&mut state.lines));
            let is_to_reopen = std::mem::take(&mut state.is_to_reopen);
            state.bytes = 0;
            state.is_writing = true;
            drop(state);
            let written = match &lines[..] {
                [] => Ok(()),
                lines => sink.write(lines),
            };
            if is_to_reopen {
                sink.reopen();
            }
            let mut state = self.lock();
            state.is_writing = false;
            let lost = match written {
                // To be reported once writing works again.
                Err(lines) => {
                    state.lost += lines;
                    0
                }
                Ok(()) if lines.is_empty() || state.lines.len() > LINES_MAX / 2 => 0,
                Ok(()) => std::mem::take(&mut state.lost),
            };
            drop(state);
            if lost > 0 {
                duties.lost(lost);
            }
        }
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, QueueState>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, QueueState> {
        let Some(until) = until else {
            let woken = self.wanted.wait(state);
            return woken.unwrap_or_else(PoisonError::into_inner);
        };
        let time = until.saturating_duration_since(Instant::now());
        let woken = self.wanted.wait_timeout(state, time);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl QueueState {
    fn is_idle(&self) -> bool {
        self.lines.is_empty() && !self.is_writing && !self.is_to_reopen
    }
}

/// A few seconds at the most verbose level; normal use never comes near.
const LINES_MAX: usize = 16 << 10;
/// At most twice that is in memory: what waits, and what is being written.
const BYTES_MAX: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Writes a batch each time it is let to, and reports what it wrote.
    struct Gate {
        open: Receiver<()>,
        written: Sender<Vec<String>>,
        fails: bool,
    }

    impl Sink for Gate {
        fn write(&mut self, lines: &[LogLine]) -> Result<(), usize> {
            // After the test's end nothing opens it any more.
            let _opened = self.open.recv();
            if std::mem::take(&mut self.fails) {
                return Err(lines.len());
            }
            let texts = lines.iter().map(|line| line.text.clone());
            let texts = texts.map(|text| String::from_utf8(text).unwrap());
            drop(self.written.send(texts.collect()));
            Ok(())
        }
    }

    struct Teller(Sender<usize>);

    impl Duties for Teller {
        fn tick(&mut self, _: Instant) -> Option<Instant> {
            None
        }

        fn lost(&mut self, lines: usize) {
            let _heard = self.0.send(lines);
        }
    }

    struct Bench {
        queue: Queue,
        open: Sender<()>,
        written: Receiver<Vec<String>>,
        lost: Receiver<usize>,
    }

    fn bench(fails: bool) -> Bench {
        let (open, opened) = channel();
        let (writes, written) = channel();
        let (tells, lost) = channel();
        let sink = Gate {
            open: opened,
            written: writes,
            fails,
        };
        let queue = Queue::start(sink, Teller(tells)).unwrap();
        Bench {
            queue,
            open,
            written,
            lost,
        }
    }

    fn line(text: impl Into<String>) -> LogLine {
        LogLine {
            level: Level::INFO,
            text: text.into().into_bytes(),
        }
    }

    #[test]
    fn d1_a_sink_that_takes_nothing_holds_up_nobody_and_what_is_lost_is_counted() {
        let bench = bench(false);
        let total = 3 * LINES_MAX;
        for number in 0..total {
            bench.queue.push(line(format!("{number}")));
        }
        bench.queue.flush(Duration::ZERO);
        let (mut kept, mut lost) = (0, 0);
        while kept + lost < total {
            bench.open.send(()).unwrap();
            for text in bench.written.recv().unwrap() {
                assert_eq!(text, kept.to_string(), "in order, without a gap");
                kept += 1;
            }
            // What it took before the queue was full is written first.
            if kept >= LINES_MAX {
                lost += bench.lost.recv().unwrap();
            }
        }
        assert!((LINES_MAX..=2 * LINES_MAX).contains(&kept), "{kept}");
        bench.queue.push(line("after"));
        bench.open.send(()).unwrap();
        assert_eq!(bench.written.recv().unwrap(), ["after"]);
    }

    #[test]
    fn memory_is_bounded_by_bytes_too() {
        let bench = bench(false);
        let long = "x".repeat(BYTES_MAX / 8);
        for _ in 0..64 {
            bench.queue.push(line(&*long));
        }
        let state = bench.queue.0.lock();
        assert!(state.bytes <= BYTES_MAX && state.lost >= 48);
    }

    #[test]
    fn what_could_not_be_written_is_told_once_something_can() {
        let bench = bench(true);
        bench.queue.push(line("never seen"));
        bench.open.send(()).unwrap();
        bench.queue.flush(Duration::from_secs(60));
        bench.queue.push(line("seen"));
        bench.open.send(()).unwrap();
        assert_eq!(bench.written.recv().unwrap(), ["seen"]);
        assert_eq!(bench.lost.recv().unwrap(), 1);
    }

    #[test]
    fn a_flush_waits_for_what_was_said_before() {
        let bench = bench(false);
        bench.queue.push(line("last words"));
        bench.open.send(()).unwrap();
        bench.queue.flush(Duration::from_secs(60));
        assert_eq!(bench.written.try_recv().unwrap(), ["last words"]);
    }
}
