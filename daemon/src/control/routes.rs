//! The table of routes: where each call is, what it needs, and which handler answers it.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use loopdesk_protocol::call::{Call, Empty, Query};
use loopdesk_protocol::client::Lines;
use loopdesk_protocol::{
    Kind, Problem, config, exec, key, login, proof, session, status, unlock, vault, version, wait,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lines::JsonLines;
use super::{Control, handlers, reply};
use crate::body::Body;
use crate::telemetry::Sent;

static ROUTES: LazyLock<Vec<ControlRoute>> = LazyLock::new(|| {
    vec![
        plain(version::CALL, |_| ready(Ok(handlers::version::version()))),
        plain(status::CALL, handlers::status::status),
        query(wait::CALL, handlers::wait::wait),
        lines(login::CALL, |control, asked| {
            ready(handlers::login::login(&control, &asked))
        }),
        body(login::CALLBACK, |control, asked| {
            ready(handlers::login::paste(&control, &asked))
        }),
        body(session::LOGOUT, handlers::logout::logout),
        body(session::REFRESH, handlers::refresh::refresh),
        body(unlock::CALL, handlers::unlock::unlock),
        plain(vault::FORGET, handlers::vault::forget),
        body(proof::CALL, |control, asked| {
            ready(handlers::proof::proof(&control, &asked))
        }),
        plain(key::LIST, handlers::keys::list),
        body(key::CREATE, handlers::keys::create),
        body(key::ROTATE, handlers::keys::rotate),
        body(key::REVOKE, handlers::keys::revoke),
        body(key::CONFIRM, handlers::keys::confirm),
        body(key::CALLERS, |control, asked| {
            ready(handlers::keys::callers(&control, &asked))
        }),
        body(key::EXPLAIN, handlers::keys::explain),
        body(exec::PLAN, handlers::exec::plan),
        lines(exec::TICKET, handlers::exec::ticket),
        plain(config::RELOAD, handlers::reload::reload),
    ]
});

/// Method and path of every route.
pub fn calls() -> Vec<(Method, &'static str)> {
    let routes = ROUTES.iter();
    routes.map(|r| (r.method.clone(), r.path)).collect()
}

/// Answers a request by its route.
pub(super) async fn answer(control: Arc<Control>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let mut allowed = Vec::new();
    for route in ROUTES.iter().filter(|r| r.path == head.uri.path()) {
        if route.method == head.method {
            let query = head.uri.query().unwrap_or_default().to_owned();
            return (route.handler)(control, RouteInput { query, body }).await;
        }
        allowed.push(route.method.as_str());
    }
    unsupported(&head.method, head.uri.path(), &allowed)
}

struct ControlRoute {
    method: Method,
    path: &'static str,
    handler: Box<dyn Fn(Arc<Control>, RouteInput) -> Answering + Send + Sync>,
}

struct RouteInput {
    query: String,
    body: Body,
}

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Asks for nothing. A body is ignored.
fn plain<N: Nothing, A: Serialize + 'static, F>(
    call: Call<N, A>,
    handler: impl Fn(Arc<Control>) -> F + Send + Sync + Copy + 'static,
) -> ControlRoute
where
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    route(call, move |control, _| async move {
        reply::from(handler(control).await)
    })
}

/// Asks in its query.
fn query<Q: Query + Send + 'static, A: Serialize + 'static, F>(
    call: Call<Q, A>,
    handler: impl Fn(Arc<Control>, Q) -> F + Send + Sync + Copy + 'static,
) -> ControlRoute
where
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    route(call, move |control, input| async move {
        match Q::from_query(&input.query) {
            Ok(asked) => reply::from(handler(control, asked).await),
            Err(problem) => reply::problem(&problem),
        }
    })
}

/// Asks in its body.
fn body<B: DeserializeOwned + Send + 'static, A: Serialize + 'static, F>(
    call: Call<B, A>,
    handler: impl Fn(Arc<Control>, B) -> F + Send + Sync + Copy + 'static,
) -> ControlRoute
where
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    route(call, move |control, input| async move {
        match reply::read(input.body).await {
            Ok(asked) => reply::from(handler(control, asked).await),
            Err(problem) => reply::problem(&problem),
        }
    })
}

/// Asks in its body, and is answered line by line.
fn lines<B: DeserializeOwned + Send + 'static, L: Serialize + Send + 'static, F>(
    call: Call<B, Lines<L>>,
    handler: impl Fn(Arc<Control>, B) -> F + Send + Sync + Copy + 'static,
) -> ControlRoute
where
    F: Future<Output = Result<JsonLines<L>, Problem>> + Send + 'static,
{
    route(call, move |control, input| async move {
        let asked = match reply::read(input.body).await {
            Ok(asked) => asked,
            Err(problem) => return reply::problem(&problem),
        };
        match handler(control, asked).await {
            Ok(lines) => reply::lines(lines),
            Err(problem) => reply::problem(&problem),
        }
    })
}

fn route<Q, A, F>(
    call: Call<Q, A>,
    handler: impl Fn(Arc<Control>, RouteInput) -> F + Send + Sync + 'static,
) -> ControlRoute
where
    F: Future<Output = Response<Body>> + Send + 'static,
{
    ControlRoute {
        method: call.method,
        path: call.path,
        handler: Box::new(move |control, input| Box::pin(handler(control, input))),
    }
}

/// What a call may ask for whose body isn't read.
trait Nothing {}
impl Nothing for () {}
impl Nothing for Empty {}

/// The command line may be newer than this daemon.
fn unsupported(method: &Method, path: &str, allowed: &[&str]) -> Response<Body> {
    let own = handlers::version::version();
    let call = Sent::escaped(format!("{method} {path}"));
    let message = format!(
        "the running daemon, loopdesk {} (process {}), doesn't support `{call}`",
        own.version, own.pid
    );
    let hint = "run `loopdesk version`: it says what to do if this command is newer";
    let mut response = reply::problem(&Problem::new(Kind::Daemon, message).hint(hint));
    *response.status_mut() = StatusCode::NOT_FOUND;
    if !allowed.is_empty() {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        if let Ok(allowed) = HeaderValue::try_from(allowed.join(", ")) {
            response.headers_mut().insert(ALLOW, allowed);
        }
    }
    response
}

#[cfg(test)]
mod tests;
