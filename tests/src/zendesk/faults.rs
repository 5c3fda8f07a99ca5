//! Faults that a test installs: what goes wrong, at which endpoint, and how often.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::answer::Answer;
use super::gate::Gate;
use super::record::{Host, Record};
use super::shared::lock;

/// Something that goes wrong at one endpoint.
///
/// A fault defines where it strikes ([`on`](Self::on), [`at_host`](Self::at_host),
/// [`when`](Self::when)), how often ([`after`](Self::after), [`times`](Self::times); without them,
/// at every request until it is removed), and what happens. At most one fault strikes a request:
/// the first one installed that matches. The effects of a fault can be combined and happen in this
/// order:
///
/// 1. **while the request is read**: [`answer_early`](Self::answer_early),
///    [`reset_in_body`](Self::reset_in_body), [`hold_body`](Self::hold_body);
/// 2. **before anything has changed**: [`delay`](Self::delay), [`hold`](Self::hold), then
///    [`reset_before_commit`](Self::reset_before_commit), [`refuse_stream`](Self::refuse_stream) or
///    [`answer`](Self::answer) instead of Zendesk's doing anything;
/// 3. **after Zendesk has acted**, a new pair of tokens made, say:
///    [`delay_answer`](Self::delay_answer), [`hold_answer`](Self::hold_answer), then
///    [`reset_after_commit`](Self::reset_after_commit), or an answer that is changed by
///    [`replace_answer`](Self::replace_answer) or [`edit_answer`](Self::edit_answer);
/// 4. **while the answer is sent**: [`truncate`](Self::truncate), [`chunk`](Self::chunk),
///    [`pause_body`](Self::pause_body), [`repeat_body`](Self::repeat_body),
///    [`trailers`](Self::trailers).
#[derive(Clone)]
pub struct Fault {
    method: String,
    path: String,
    host: Host,
    predicate: Option<Predicate>,
    after: usize,
    times: Option<usize>,
    plan: Plan,
}

impl Fault {
    /// Strikes at this method (`*`: any) and path. The path is compared without its query and
    /// without a last `.json`; a `*` stands for any characters, `/` included, so that
    /// `/api/v2/tickets*` is a prefix and `/api/v2/*/count` a glob.
    pub fn on(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: without_suffix(path).to_owned(),
            host: Host::Account,
            predicate: None,
            after: 0,
            times: None,
            plan: Plan::default(),
        }
    }

    /// Strikes at this host; without it, at the account's own.
    #[must_use]
    pub fn at_host(mut self, host: Host) -> Self {
        self.host = host;
        self
    }

    /// Strikes only at requests that `predicate` accepts. It sees the whole body, so
    /// [`answer_early`](Self::answer_early) and [`reset_in_body`](Self::reset_in_body) have no
    /// effect together with it.
    #[must_use]
    pub fn when(mut self, predicate: impl Fn(&Record) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// Lets the first `count` matching requests pass.
    #[must_use]
    pub fn after(mut self, count: usize) -> Self {
        self.after = count;
        self
    }

    /// Strikes this many times, then never again.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.times = Some(count);
        self
    }

    /// Strikes once.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Responds at the request's head, without reading its body.
    #[must_use]
    pub fn answer_early(mut self, answer: Answer) -> Self {
        self.plan.early = Some(Early::Answer(answer));
        self
    }

    /// Resets the connection after this many bytes of the body have arrived.
    #[must_use]
    pub fn reset_in_body(mut self, bytes: u64) -> Self {
        self.plan.early = Some(Early::ResetAt(bytes));
        self
    }

    /// Reads nothing of the body until the gate is open.
    #[must_use]
    pub fn hold_body(mut self, gate: &Gate) -> Self {
        self.plan.early = Some(Early::Hold(gate.clone()));
        self
    }

    /// Waits before Zendesk acts.
    #[must_use]
    pub fn delay(mut self, time: Duration) -> Self {
        self.plan.before.push(Wait::For(time));
        self
    }

    /// Waits at the gate before Zendesk acts.
    #[must_use]
    pub fn hold(mut self, gate: &Gate) -> Self {
        self.plan.before.push(Wait::At(gate.clone()));
        self
    }

    /// Resets the connection; Zendesk has not acted.
    #[must_use]
    pub fn reset_before_commit(mut self) -> Self {
        self.plan.instead = Some(Instead::Reset);
        self
    }

    /// Refuses the HTTP/2 stream with `REFUSED_STREAM`: definitely not processed, and the
    /// connection stays open. On HTTP/1.1, which has no such thing, the connection is closed
    /// without a response.
    #[must_use]
    pub fn refuse_stream(mut self) -> Self {
        self.plan.instead = Some(Instead::RefuseStream);
        self
    }

    /// Sends this response; Zendesk has not acted.
    #[must_use]
    pub fn answer(mut self, answer: Answer) -> Self {
        self.plan.instead = Some(Instead::Answer(answer));
        self
    }

    /// Waits after Zendesk has acted, before it responds.
    #[must_use]
    pub fn delay_answer(mut self, time: Duration) -> Self {
        self.plan.after.push(Wait::For(time));
        self
    }

    /// Waits at the gate after Zendesk has acted, before it responds.
    #[must_use]
    pub fn hold_answer(mut self, gate: &Gate) -> Self {
        self.plan.after.push(Wait::At(gate.clone()));
        self
    }

    /// Resets the connection after Zendesk has acted: the response is lost.
    #[must_use]
    pub fn reset_after_commit(mut self) -> Self {
        self.plan.then = Some(Then::Reset);
        self
    }

    /// Sends this response although Zendesk has acted.
    #[must_use]
    pub fn replace_answer(mut self, answer: Answer) -> Self {
        self.plan.then = Some(Then::Replace(answer));
        self
    }

    /// Changes Zendesk's response before it is sent. If the client accepts gzip, the body is
    /// already compressed.
    #[must_use]
    pub fn edit_answer(mut self, edit: impl Fn(&mut Answer) + Send + Sync + 'static) -> Self {
        self.plan.then = Some(Then::Edit(Arc::new(edit)));
        self
    }

    /// Breaks the connection after this many bytes of the response's body, fewer than it should
    /// have.
    #[must_use]
    pub fn truncate(mut self, bytes: usize) -> Self {
        self.plan.shape.truncate = Some(bytes);
        self
    }

    /// Sends the response's body in pieces of this many bytes, without `Content-Length`.
    #[must_use]
    pub fn chunk(mut self, bytes: usize) -> Self {
        self.plan.shape.chunk = Some(bytes.max(1));
        self
    }

    /// Sends this many bytes of the response's body, and the rest once the gate is open.
    #[must_use]
    pub fn pause_body(mut self, after: usize, gate: &Gate) -> Self {
        self.plan.shape.pause = Some((after, gate.clone()));
        self
    }

    /// Sends `piece` this many times after the response's own body: large bodies without the
    /// memory. Switch gzip off for it: the pieces are sent as they are.
    #[must_use]
    pub fn repeat_body(mut self, piece: impl Into<Bytes>, times: u64) -> Self {
        self.plan.shape.repeat = Some((piece.into(), times));
        self
    }

    /// Sends a trailer section after the response's body, announced in `Trailer`.
    #[must_use]
    pub fn trailers(mut self, trailers: HeaderMap) -> Self {
        self.plan.shape.trailers = Some(trailers);
        self
    }

    fn fits(&self, record: &Record) -> bool {
        self.host == record.host
            && (self.method == "*" || record.method == self.method.as_str())
            && glob(&self.path, without_suffix(&record.path))
            && self
                .predicate
                .as_ref()
                .is_none_or(|accepts| accepts(record))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// An installed fault. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Installed {
    faults: Faults,
    entry: Arc<Entry>,
}

impl Installed {
    /// How often it has struck.
    pub fn hits(&self) -> usize {
        self.entry.hits.load(Ordering::SeqCst)
    }

    /// Removes it.
    pub fn remove(&self) {
        lock(&self.faults.entries).retain(|entry| !Arc::ptr_eq(entry, &self.entry));
    }
}

/// The installed faults.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    entries: Arc<Mutex<Vec<Arc<Entry>>>>,
}

impl Faults {
    pub(super) fn install(&self, fault: Fault) -> Installed {
        let entry = Arc::new(Entry {
            fault,
            met: AtomicUsize::new(0),
            hits: AtomicUsize::new(0),
        });
        lock(&self.entries).push(Arc::clone(&entry));
        Installed {
            faults: self.clone(),
            entry,
        }
    }

    pub(super) fn clear(&self) {
        lock(&self.entries).clear();
    }

    /// The effect of the first fault that matches this request. Faults with a predicate are asked
    /// in a second call, once the body is complete.
    pub(super) fn strike(&self, record: &Record, with_body: bool) -> Option<Plan> {
        lock(&self.entries)
            .iter()
            .filter(|entry| entry.fault.predicate.is_some() == with_body)
            .find(|entry| entry.strikes(record))
            .map(|entry| entry.fault.plan.clone())
    }
}

#[derive(Debug)]
struct Entry {
    fault: Fault,
    met: AtomicUsize,
    hits: AtomicUsize,
}

impl Entry {
    /// Whether it strikes at this request, counted. Called under the list's lock.
    fn strikes(&self, record: &Record) -> bool {
        if !self.fault.fits(record) {
            return false;
        }
        let met = self.met.fetch_add(1, Ordering::SeqCst);
        let strikes = met >= self.fault.after
            && self
                .fault
                .times
                .is_none_or(|times| self.hits.load(Ordering::SeqCst) < times);
        if strikes {
            self.hits.fetch_add(1, Ordering::SeqCst);
        }
        strikes
    }
}

type Predicate = Arc<dyn Fn(&Record) -> bool + Send + Sync>;

/// What a fault does, by phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) early: Option<Early>,
    pub(super) before: Vec<Wait>,
    pub(super) instead: Option<Instead>,
    pub(super) after: Vec<Wait>,
    pub(super) then: Option<Then>,
    pub(super) shape: Shape,
}

#[derive(Clone, Debug)]
pub(super) enum Early {
    Answer(Answer),
    ResetAt(u64),
    Hold(Gate),
}

#[derive(Clone, Debug)]
pub(super) enum Wait {
    For(Duration),
    At(Gate),
}

impl Wait {
    pub(super) async fn over(&self) {
        match self {
            Self::For(time) => tokio::time::sleep(*time).await,
            Self::At(gate) => gate.pass().await,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Instead {
    Reset,
    RefuseStream,
    Answer(Answer),
}

#[derive(Clone)]
pub(super) enum Then {
    Reset,
    Replace(Answer),
    Edit(Arc<dyn Fn(&mut Answer) + Send + Sync>),
}

impl fmt::Debug for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "Reset",
            Self::Replace(_) => "Replace",
            Self::Edit(_) => "Edit",
        })
    }
}

/// How the response's body is sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) truncate: Option<usize>,
    pub(super) chunk: Option<usize>,
    pub(super) pause: Option<(usize, Gate)>,
    pub(super) repeat: Option<(Bytes, u64)>,
    pub(super) trailers: Option<HeaderMap>,
}

fn without_suffix(path: &str) -> &str {
    path.strip_suffix(".json").unwrap_or(path)
}

/// Whether `text` matches `pattern`, in which `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len())
                .filter(|at| text.is_char_boundary(*at))
                .any(|at| glob(rest, &text[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(glob("/api/v2/tickets*", "/api/v2/tickets/1/comments"));
        assert!(glob("/api/*/count", "/api/v2/tickets/count"));
        assert!(glob("*", "/x"));
        assert!(!glob("/api/v2/tickets", "/api/v2/tickets/1"));
        assert!(!glob("/api/*/count", "/api/v2/tickets/counts"));
    }
}
