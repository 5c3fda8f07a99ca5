//! Counts the requests of a key, or of a program without one, and remembers the last one.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use loopdesk_protocol::key;

/// A number of requests, and the last of them.
#[derive(Debug)]
pub(super) struct UsageCounter {
    requests: AtomicU64,
    /// The last use, in milliseconds since 1970; `NEVER` before the first one.
    pub(super) at: AtomicI64,
    sequence: AtomicU64,
    /// Whether a request came over TCP without a key.
    pub(super) over_tcp: AtomicBool,
    by: ArcSwapOption<CallerProgram>,
    /// Whether it is in an account's list of callers.
    is_listed: AtomicBool,
}

impl Default for UsageCounter {
    fn default() -> Self {
        Self {
            requests: AtomicU64::new(0),
            at: AtomicI64::new(NEVER),
            sequence: AtomicU64::new(0),
            over_tcp: AtomicBool::new(false),
            by: ArcSwapOption::empty(),
            is_listed: AtomicBool::new(false),
        }
    }
}

impl UsageCounter {
    pub(super) fn count(&self, now: Timestamp, sequence: u64, by: &Arc<CallerProgram>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.set(now.as_millisecond(), sequence, Some(by));
    }

    fn set(&self, at: i64, sequence: u64, by: Option<&Arc<CallerProgram>>) {
        self.at.store(at, Ordering::Relaxed);
        self.sequence.store(sequence, Ordering::Relaxed);
        let is_same = match (&*self.by.load(), by) {
            (Some(known), Some(by)) => Arc::ptr_eq(known, by),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_same {
            self.by.store(by.cloned());
        }
    }

    /// Moves the count of `other` here.
    pub(super) fn take_over(&self, other: &Self) {
        let requests = other.requests.swap(0, Ordering::Relaxed);
        if requests == 0 {
            return;
        }
        self.requests.fetch_add(requests, Ordering::Relaxed);
        if other.over_tcp.load(Ordering::Relaxed) {
            self.over_tcp.store(true, Ordering::Relaxed);
        }
        if other.sequence() > self.sequence() {
            let at = other.at.load(Ordering::Relaxed);
            self.set(at, other.sequence(), other.by.load().as_ref());
        }
    }

    pub(super) fn is_listed(&self) -> bool {
        self.is_listed.load(Ordering::Relaxed)
    }

    pub(super) fn set_listed(&self, is_listed: bool) {
        self.is_listed.store(is_listed, Ordering::Relaxed);
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }

    /// The last use and the number of requests, as the command line shows them.
    pub(super) fn shown(&self) -> (Option<key::Use>, u64) {
        let row = self.row();
        let requests = row.as_ref().map_or(0, |row| row.requests);
        let last = row.map(|row| key::Use {
            at: row.at,
            process: row.program.map(|program| match row.process {
                Some(process) => format!("{program} ({process})"),
                None => program,
            }),
        });
        (last, requests)
    }

    pub(super) fn row(&self) -> Option<UsageRow> {
        let at = self.at.load(Ordering::Relaxed);
        if at == NEVER {
            return None;
        }
        let by = self.by.load();
        let program = by.as_ref().and_then(|program| program.known()?.as_ref());
        Some(UsageRow {
            at: Timestamp::from_millisecond(at).ok()?,
            program: program.map(|program| program.name.to_string()),
            process: program.and_then(|program| program.process),
            requests: self.requests.load(Ordering::Relaxed),
            over_tcp: self.over_tcp.load(Ordering::Relaxed),
        })
    }

    pub(super) fn recall(&self, row: &UsageRow, sequence: u64) {
        self.requests.store(row.requests, Ordering::Relaxed);
        self.over_tcp.store(row.over_tcp, Ordering::Relaxed);
        let by = row.program.as_deref().map(|name| {
            CallerProgram::recalled(Program {
                name: Arc::from(name),
                process: row.process,
            })
        });
        self.set(row.at.as_millisecond(), sequence, by.as_ref());
    }
}

/// A stored count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UsageRow {
    pub(super) at: Timestamp,
    pub(super) program: Option<String>,
    pub(super) process: Option<u32>,
    pub(super) requests: u64,
    pub(super) over_tcp: bool,
}

/// The program behind a connection, once known.
#[derive(Debug, Default)]
pub(super) struct CallerProgram(OnceLock<Option<Program>>);

impl CallerProgram {
    pub(super) fn recalled(program: Program) -> Arc<Self> {
        Arc::new(Self(OnceLock::from(Some(program))))
    }

    /// The program; `Some(None)` if it couldn't be found.
    pub(super) fn known(&self) -> Option<&Option<Program>> {
        self.0.get()
    }

    pub(super) fn settle(&self, program: Option<Program>) {
        // The first result stands: a later search might find another process.
        let _known = self.0.set(program);
    }
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The executable's name. An interpreter's includes its script, so that all runs of a script are
    /// one program.
    pub name: Arc<str>,
    /// The process that runs it.
    pub process: Option<u32>,
}

const NEVER: i64 = i64::MIN;
