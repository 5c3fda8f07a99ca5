//! A control server that answers as it is told.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use loopdesk_protocol::call::Call;
use loopdesk_protocol::version::{self, Version};
use loopdesk_protocol::{PROTOCOL, Paths, Problem, VERSION, client};
use serde::Serialize;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use super::Home;

/// A control server that answers what it was told, and remembers what it was asked.
pub(crate) struct Daemon {
    socket: PathBuf,
    answers: Answers,
    asked: Arc<Asked>,
}

/// By method and path, so that a call with another method than the contract's is answered 404.
type Answers = HashMap<(Method, String), Answer>;

/// Methods, targets and bodies of requests.
#[derive(Default)]
struct Asked {
    requests: Mutex<Vec<(Method, String, String)>>,
    new: tokio::sync::Notify,
}

enum Answer {
    Whole(StatusCode, Bytes),
    Lines(mpsc::UnboundedReceiver<Bytes>),
}

impl Daemon {
    pub(crate) fn new(home: &Home) -> Self {
        Self::at(&home.paths)
    }

    /// One that has its socket there.
    pub(crate) fn at(paths: &Paths) -> Self {
        let daemon = Self {
            socket: paths.control_socket(),
            answers: HashMap::new(),
            asked: Arc::default(),
        };
        daemon.json(version::CALL, &own(false))
    }

    /// The service's.
    pub(crate) fn supervised(self) -> Self {
        self.json(version::CALL, &own(true))
    }

    pub(crate) fn json<Q, A: Serialize>(self, call: Call<Q, A>, answer: &A) -> Self {
        self.whole(call, StatusCode::OK, answer)
    }

    /// An answer that may lack what this release's has.
    pub(crate) fn of_another_release<Q, A>(
        self,
        call: Call<Q, A>,
        answer: &serde_json::Value,
    ) -> Self {
        self.whole(call, StatusCode::OK, answer)
    }

    pub(crate) fn problem<Q, A>(self, call: Call<Q, A>, problem: &Problem) -> Self {
        self.whole(call, StatusCode::CONFLICT, problem)
    }

    /// Answers with lines that the test sends when it likes; the end of the sender ends them.
    pub(crate) fn lines<Q, A>(self, call: Call<Q, client::Lines<A>>) -> (Self, Lines) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (self.answer(call, Answer::Lines(receiver)), Lines(sender))
    }

    fn whole<Q, A>(self, call: Call<Q, A>, status: StatusCode, answer: &impl Serialize) -> Self {
        let body = serde_json::to_vec(answer).unwrap().into();
        self.answer(call, Answer::Whole(status, body))
    }

    fn answer<Q, A>(mut self, call: Call<Q, A>, answer: Answer) -> Self {
        let at = (call.method, call.path.to_owned());
        self.answers.insert(at, answer);
        self
    }

    /// Listens until the answer is dropped.
    pub(crate) fn serve(self) -> Serving {
        let listener = UnixListener::bind(&self.socket).unwrap();
        let asked = Arc::clone(&self.asked);
        let answers = Arc::new(Mutex::new(self.answers));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let answers = Arc::clone(&answers);
                let asked = Arc::clone(&self.asked);
                let service = service_fn(move |request| {
                    answer(request, Arc::clone(&answers), Arc::clone(&asked))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Serving { task, asked }
    }
}

fn own(supervised: bool) -> Version {
    Version {
        version: VERSION.to_owned(),
        protocol: PROTOCOL,
        pid: 4711,
        supervised,
    }
}

async fn answer(
    request: Request<Incoming>,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Asked>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let at = (request.method().clone(), request.uri().path().to_owned());
    let target = request.uri().to_string();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    asked
        .requests
        .lock()
        .unwrap()
        .push((at.0.clone(), target, body));
    asked.new.notify_one();
    let mut answers = answers.lock().unwrap();
    let (status, body) = match answers.remove(&at) {
        Some(Answer::Whole(status, bytes)) => {
            answers.insert(at, Answer::Whole(status, bytes.clone()));
            (status, Full::new(bytes).boxed())
        }
        Some(Answer::Lines(lines)) => (StatusCode::OK, LineBody(lines).boxed()),
        None => (StatusCode::NOT_FOUND, Full::default().boxed()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    Ok(response)
}

/// Sends the lines of an answer.
pub(crate) struct Lines(mpsc::UnboundedSender<Bytes>);

impl Lines {
    pub(crate) fn send(&self, line: &impl Serialize) {
        let mut bytes = serde_json::to_vec(line).unwrap();
        bytes.push(b'\n');
        self.0.send(bytes.into()).unwrap();
    }
}

struct LineBody(mpsc::UnboundedReceiver<Bytes>);

impl Body for LineBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

/// A daemon that listens.
pub(crate) struct Serving {
    task: tokio::task::JoinHandle<()>,
    asked: Arc<Asked>,
}

impl Serving {
    /// Targets and bodies of the requests that made this call.
    pub(crate) fn asked<Q, A>(&self, call: Call<Q, A>) -> Vec<(String, String)> {
        self.asked_at(&(call.method, call.path))
    }

    fn asked_at(&self, (method, path): &(Method, &str)) -> Vec<(String, String)> {
        let mut asked = self.asked.requests.lock().unwrap().clone();
        asked.retain(|(m, target, _)| m == method && target.split('?').next() == Some(*path));
        asked
            .into_iter()
            .map(|(_, target, body)| (target, body))
            .collect()
    }

    /// Waits for a request that makes this call.
    pub(crate) async fn until_asked<Q, A>(&self, call: Call<Q, A>) {
        let at = (call.method, call.path);
        while self.asked_at(&at).is_empty() {
            self.asked.new.notified().await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}
