//! The record of every request, for assertions about what Zendesk saw.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::call::Query;
use super::oauth::Standing;
use super::shared::lock;

/// One request, as it arrived, and its outcome.
///
/// A record exists as soon as its head has been read; body, status and outcome are added later.
#[derive(Clone, Debug)]
pub struct Record {
    /// Counts requests from 0, in the order in which their heads arrived.
    pub id: usize,
    /// When the head arrived, by the simulation's clock.
    pub at: Timestamp,
    /// The same as the time since the simulation started, by a clock that can't be moved.
    pub since_start: Duration,
    /// When the outcome was known, by the same clock.
    pub ended_since_start: Option<Duration>,
    /// Which of the two hosts received it.
    pub host: Host,
    /// Which connection it came on; counts from 0.
    pub connection: usize,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// The method.
    pub method: Method,
    /// The path, byte for byte.
    pub path: String,
    /// The query, byte for byte, without its `?`.
    pub query: Option<String>,
    /// `Host`, or `:authority` on HTTP/2.
    pub authority: Option<String>,
    /// All headers; a repeated one has several values.
    pub headers: HeaderMap,
    /// The body so far, up to the cap set by [`Builder::body_cap`](super::Builder::body_cap).
    pub body: Bytes,
    /// How many bytes of the body have arrived.
    pub body_length: u64,
    /// SHA-256 of the complete body in hexadecimal digits, once it has arrived.
    pub body_sha256: Option<String>,
    /// Its kind of credential, and the credential's state on arrival.
    pub credential: Credential,
    /// What it asked of `POST /oauth/tokens`, if it was such a request.
    pub token_post: Option<TokenPost>,
    /// Its outcome.
    pub outcome: Outcome,
}

impl Record {
    /// The response's status, once the response's head exists.
    pub fn status(&self) -> Option<StatusCode> {
        match self.outcome {
            Outcome::Answered(status) => Some(status),
            Outcome::Pending | Outcome::Reset | Outcome::Lost => None,
        }
    }

    /// A header's first value as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first value of a parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        Query::parse(self.query.as_deref())
            .get(name)
            .map(str::to_owned)
    }

    /// The body as JSON, if it is.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Path and query as on the wire.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Whether it is `METHOD path`; the path without query, with or without `.json`.
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method.as_str() == method
            && self.path.strip_suffix(".json").unwrap_or(&self.path) == path
    }
}

/// One readable line: the request and its outcome.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "#{} +{:.3}s {:?} {} {} {:?} {:?}",
            self.id,
            self.since_start.as_secs_f64(),
            self.host,
            self.method,
            self.target(),
            self.credential,
            self.outcome
        )
    }
}

/// The two hosts of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The account's own: OAuth, API, help center.
    Account,
    /// The one that serves files, like `*.zdusercontent.com`. It must never receive a token.
    Files,
}

/// The kind of credential in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// No `Authorization`.
    None,
    /// A bearer token.
    Bearer {
        /// Its state on arrival.
        standing: Standing,
        /// Its pair's number within the chain: 1 for the pair of the login, 2 after the first
        /// refresh. `None` for a token that Zendesk doesn't know.
        generation: Option<u64>,
    },
    /// Basic: a password or an API token.
    Basic,
    /// Something else.
    Other,
    /// More than one `Authorization`.
    Several,
}

/// What a request asked of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPost {
    /// `grant_type`, or an empty text.
    pub grant: String,
    /// `client_id`, or an empty text.
    pub client_id: String,
    /// The state of the refresh token on arrival, if there was one.
    pub refresh_token: Option<Standing>,
    /// The number of the refresh token's pair within its chain.
    pub generation: Option<u64>,
    /// The chain of the refresh token: each login starts one.
    pub chain: Option<u64>,
    /// The `error` of the response, if it has one.
    pub error: Option<String>,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is being read or processed.
    Pending,
    /// The head of a response was created.
    Answered(StatusCode),
    /// A fault reset its connection or its stream.
    Reset,
    /// The client disconnected before its request was complete.
    Lost,
}

/// Timed out before a condition became true; shows the requests that were seen.
#[derive(Clone)]
pub struct TimedOut {
    after: Duration,
    seen: Vec<String>,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not within {:?}; the requests were:\n{}",
            self.after,
            self.seen.join("\n")
        )
    }
}

impl fmt::Debug for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for TimedOut {}

/// All records.
#[derive(Clone, Debug)]
pub(super) struct Records(Arc<Inner>);

impl Records {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            list: Mutex::new(List::default()),
            changed: watch::Sender::new(()),
        }))
    }

    /// Adds a record and gives it its id.
    pub(super) fn begin(&self, mut record: Record) -> usize {
        record.since_start = self.0.started.elapsed();
        let mut list = lock(&self.0.list);
        record.id = list.next;
        list.next += 1;
        let id = record.id;
        list.records.push(record);
        drop(list);
        self.0.changed.send_replace(());
        id
    }

    /// Changes a record, unless it has been cleared.
    pub(super) fn update(&self, id: usize, change: impl FnOnce(&mut Record)) {
        let mut list = lock(&self.0.list);
        if let Ok(at) = list.records.binary_search_by_key(&id, |record| record.id) {
            let record = &mut list.records[at];
            change(record);
            if record.outcome != Outcome::Pending {
                let now = self.0.started.elapsed();
                record.ended_since_start.get_or_insert(now);
            }
        }
        drop(list);
        self.0.changed.send_replace(());
    }

    pub(super) fn all(&self) -> Vec<Record> {
        lock(&self.0.list).records.clone()
    }

    pub(super) fn count(&self, fits: impl Fn(&Record) -> bool) -> usize {
        let list = lock(&self.0.list);
        list.records.iter().filter(|record| fits(record)).count()
    }

    pub(super) fn clear(&self) {
        lock(&self.0.list).records.clear();
    }

    pub(super) async fn wait_for(
        &self,
        within: Duration,
        condition: impl Fn(&[Record]) -> bool,
    ) -> Result<(), TimedOut> {
        // Subscribed before the first look, so that no change in between is missed.
        let mut changed = self.0.changed.subscribe();
        let come_true = async {
            while !condition(&lock(&self.0.list).records) {
                // The sender lives as long as `self`.
                drop(changed.changed().await);
            }
        };
        tokio::time::timeout(within, come_true)
            .await
            .map_err(|_| TimedOut {
                after: within,
                seen: self.all().iter().map(ToString::to_string).collect(),
            })
    }
}

#[derive(Debug)]
struct Inner {
    started: Instant,
    list: Mutex<List>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct List {
    next: usize,
    records: Vec<Record>,
}
