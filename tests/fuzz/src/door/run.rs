//! Runs one connection through the real stages, and records Zendesk's side.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use http::{Response, StatusCode};
use loopdeskd::app::pipeline::{Prepared, RequestRules};
use loopdeskd::body::Body;
use loopdeskd::facts::ConnFacts;
use loopdeskd::listener::{Handler, fuzzing as listener};
use loopdeskd::rewrite;
use loopdeskd::upstream::{Credential, fuzzing as upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::fuzz_config;
use crate::reading::{self, Read};

/// A request as it was judged, and what was sent for it.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) head: http::request::Parts,
    pub(super) forwarded: Option<Forwarded>,
}

/// What was sent on.
#[derive(Debug)]
pub(super) struct Forwarded {
    pub(super) account: String,
    pub(super) credential: Credential,
    /// Everything written to the connection with Zendesk.
    pub(super) bytes: Vec<u8>,
    /// Whether the complete request was sent and answered.
    pub(super) answered: bool,
}

/// Serves one connection on which a script sends `sent` and nothing more.
pub(super) fn connection(facts: ConnFacts, sent: &[u8]) -> Vec<Exchange> {
    RUNTIME.with_borrow(|runtime| {
        let connection = serve(facts, sent.to_owned());
        let within = async { tokio::time::timeout(PATIENCE, connection).await };
        runtime
            .block_on(within)
            .expect("the connection ends in time")
    })
}

async fn serve(facts: ConnFacts, sent: Vec<u8>) -> Vec<Exchange> {
    let gate = Arc::new(Gate::default());
    let (ours, script) = tokio::io::duplex(sent.len().max(PIPE));
    let served = tokio::spawn(listener::serve(ours, facts, Arc::clone(&gate)));
    let (mut answers, mut requests) = tokio::io::split(script);
    let send = async {
        // The daemon may hang up before that.
        drop(requests.write_all(&sent).await);
        drop(requests.shutdown().await);
    };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(send, answers.read_to_end(&mut heard));
    drop(read);
    let is_empty = |byte: &u8| matches!(byte, b'\r' | b'\n');
    assert!(
        heard.starts_with(b"HTTP/1.") || sent.iter().all(is_empty),
        "no answer: {}",
        heard.escape_ascii()
    );
    served.await.expect("it is served to its end");
    let passed = std::mem::take(&mut *gate.lock());
    let mut exchanges = Vec::new();
    for (head, passed) in passed {
        let forwarded = match passed {
            Some((mut forwarded, bytes)) => {
                forwarded.bytes = bytes.await.expect("it is kept");
                Some(forwarded)
            }
            None => None,
        };
        exchanges.push(Exchange { head, forwarded });
    }
    exchanges
}

type Passed = (
    http::request::Parts,
    Option<(Forwarded, JoinHandle<Vec<u8>>)>,
);

/// The stages between listener and session, and a Zendesk that responds to everything.
#[derive(Default)]
struct Gate(Mutex<Vec<Passed>>);

impl Gate {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Passed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Gate {
    async fn handle(&self, connection: &ConnFacts, request: http::Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let request = http::Request::from_parts(head.clone(), body);
        let prepared = match RULES.prepare(connection, request).await {
            Ok(prepared) => prepared,
            Err(refusal) => {
                self.lock().push((head, None));
                return refusal.into_response();
            }
        };
        let Prepared {
            account,
            outgoing,
            context,
            ..
        } = prepared;
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let bytes = tokio::spawn(zendesk(theirs));
        let answer = upstream::send(&outgoing, &fuzz_config::TOKEN, ours).await;
        let forwarded = Forwarded {
            account: account.name.to_string(),
            credential: outgoing.credential(),
            bytes: Vec::new(),
            answered: answer.is_some(),
        };
        self.lock().push((head, Some((forwarded, bytes))));
        match answer {
            Some(answer) => rewrite::response(answer, &context),
            None => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    }
}

/// Responds to the first complete request, and records everything until the connection ends.
async fn zendesk(mut stream: DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut answered = false;
    while let Ok(1..) = stream.read_buf(&mut bytes).await {
        // Responds even to what can't be read: `verdict` reports what is wrong with it.
        if !answered && !matches!(reading::request(&bytes), Read::Part) {
            answered = true;
            drop(stream.write_all(ANSWER).await);
        }
    }
    bytes
}

static RULES: LazyLock<RequestRules> =
    LazyLock::new(|| RequestRules::new(&fuzz_config::CONFIG, fuzz_config::KEYS.0.clone()));

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        Builder::new_current_thread()
            .enable_time()
            // Guesses at keys are delayed; here the delay takes no real time.
            .start_paused(true)
            .build()
            .expect("a runtime"),
    );
}

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
/// Room for any head that is accepted, so that neither side waits for the other.
const PIPE: usize = 128 << 10;
/// Longer than any number of wrong keys delays one connection.
const PATIENCE: Duration = Duration::from_secs(3600);
