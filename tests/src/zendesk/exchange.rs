//! One request from its head to its response: recorded, subjected to faults, answered.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::api;
use super::call::{Call, Query};
use super::connections::Connection;
use super::faults::{Early, Instead, Plan, Shape, Then};
use super::files;
use super::oauth::{self, Standing};
use super::record::{Credential, Host, Outcome, Record};
use super::response_body::{ResponseBody, Step};
use super::response_headers;
use super::shared::{Shared, lock};

/// Why a request gets no response.
#[derive(Clone, Copy, Debug)]
pub(super) enum Broken {
    Reset,
    RefusedStream,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault ends the request")
    }
}

impl Error for Broken {}

/// Serves one request.
pub(super) async fn exchange(
    shared: &Arc<Shared>,
    connection: &Connection,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Broken> {
    let (head, body) = request.into_parts();
    let record = begin(shared, connection, &head);
    let id = shared.records.begin(record.clone());
    let plan = shared.faults.strike(&record, false);
    let exchange = Exchange {
        shared,
        connection,
        id,
        head,
        plan: plan.unwrap_or_default(),
    };
    let answer = exchange.serve(record, body).await;
    shared.records.update(id, |record| {
        record.outcome = match &answer {
            Ok(answer) => Outcome::Answered(answer.status()),
            Err(_) if record.outcome == Outcome::Lost => Outcome::Lost,
            Err(_) => Outcome::Reset,
        };
    });
    answer
}

struct Exchange<'a> {
    shared: &'a Arc<Shared>,
    connection: &'a Connection,
    id: usize,
    head: Parts,
    plan: Plan,
}

impl Exchange<'_> {
    async fn serve(
        mut self,
        record: Record,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, Broken> {
        if let Some(Early::Answer(answer)) = &self.plan.early {
            // Refused at the head, without reading the body.
            return Ok(shape(answer.clone(), &self.plan.shape, &self.head));
        }
        if let Some(Early::Hold(gate)) = &self.plan.early {
            gate.pass().await;
        }
        let body = self.read(body).await?;
        if let Some(plan) = self.strike_with_body(&record, &body) {
            self.plan = plan;
        }
        for wait in &self.plan.before {
            wait.over().await;
        }
        let answer = match &self.plan.instead {
            Some(Instead::Reset) => return Err(self.reset()),
            Some(Instead::RefuseStream) => return Err(Broken::RefusedStream),
            Some(Instead::Answer(answer)) => answer.clone(),
            None => self.act(body),
        };
        for wait in &self.plan.after {
            wait.over().await;
        }
        let answer = match &self.plan.then {
            Some(Then::Reset) => return Err(self.reset()),
            Some(Then::Replace(answer)) => answer.clone(),
            Some(Then::Edit(edit)) => {
                let mut answer = answer;
                edit(&mut answer);
                answer
            }
            None => answer,
        };
        self.note_error(&answer);
        Ok(shape(answer, &self.plan.shape, &self.head))
    }

    /// Records the `error` in the response to a token request.
    fn note_error(&self, answer: &Answer) {
        let body = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
        let error = body.and_then(|body| Some(body.get("error")?.as_str()?.to_owned()));
        self.shared.records.update(self.id, |record| {
            if let Some(post) = &mut record.token_post {
                post.error = error;
            }
        });
    }

    /// Zendesk's behaviour. There is no await in here: a request is processed as a whole or not at
    /// all.
    fn act(&self, body: Bytes) -> Answer {
        let shared = self.shared;
        let call = Call {
            method: self.head.method.clone(),
            path: self.head.uri.path().to_owned(),
            query: Query::parse(self.head.uri.query()),
            headers: self.head.headers.clone(),
            body,
            now: shared.clock.now(),
        };
        if self.connection.host() == Host::Files {
            return files::serve(shared, &call);
        }
        let known = authority(&self.head).is_some_and(|name| shared.places.knows(&name));
        if !known {
            return Answer::text(421, "No help desk at this address.\n");
        }
        let answer = if call.path.starts_with("/oauth/") {
            oauth::serve(shared, &call)
        } else {
            api::serve(shared, &call)
        };
        response_headers::finish(shared, &call, self.id, answer)
    }

    /// Reads the body, which shows up in the record as it arrives, and keeps as much as an endpoint
    /// may need.
    async fn read(&self, mut body: Incoming) -> Result<Bytes, Broken> {
        let (cap, kept_limit) = {
            let settings = lock(&self.shared.settings);
            (settings.body_cap, settings.upload_limit)
        };
        let mut kept = BytesMut::new();
        let mut length = 0_u64;
        let mut digest = Sha256::new();
        loop {
            if let Some(Early::ResetAt(limit)) = self.plan.early
                && length >= limit
            {
                return Err(self.reset());
            }
            let data = match body.frame().await {
                None => break,
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(_)) => {
                    self.shared
                        .records
                        .update(self.id, |record| record.outcome = Outcome::Lost);
                    return Err(Broken::Reset);
                }
            };
            length += data.len() as u64;
            digest.update(&data);
            // One byte above the limit tells the endpoint that there was more.
            let room = usize::try_from(kept_limit).unwrap_or(usize::MAX - 1) + 1 - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
            self.shared.records.update(self.id, |record| {
                record.body_length = length;
                if record.body.len() < cap {
                    record.body = Bytes::copy_from_slice(&kept[..kept.len().min(cap)]);
                }
            });
        }
        let sha256: String = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.shared
            .records
            .update(self.id, |record| record.body_sha256 = Some(sha256));
        Ok(kept.freeze())
    }

    /// Records what the body says about tokens, and asks the faults that need the body.
    fn strike_with_body(&self, record: &Record, body: &Bytes) -> Option<Plan> {
        let post = (self.connection.host() == Host::Account
            && self.head.method == Method::POST
            && self.head.uri.path() == "/oauth/tokens")
            .then(|| oauth::describe_post(self.shared, &self.head.headers, body));
        let mut whole = record.clone();
        whole.body = body.clone();
        whole.body_length = body.len() as u64;
        whole.token_post = post.clone();
        self.shared
            .records
            .update(self.id, |record| record.token_post = post);
        self.shared.faults.strike(&whole, true)
    }

    fn reset(&self) -> Broken {
        self.connection.reset();
        Broken::Reset
    }
}

fn begin(shared: &Shared, connection: &Connection, head: &Parts) -> Record {
    Record {
        id: 0,
        at: shared.clock.now(),
        since_start: std::time::Duration::ZERO,
        ended_since_start: None,
        host: connection.host(),
        connection: connection.id(),
        version: head.version,
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        authority: authority(head),
        headers: head.headers.clone(),
        body: Bytes::new(),
        body_length: 0,
        body_sha256: None,
        credential: credential(shared, &head.headers),
        token_post: None,
        outcome: Outcome::Pending,
    }
}

fn authority(head: &Parts) -> Option<String> {
    // On HTTP/1.1 the request line contains a host only in absolute form, which an origin must
    // honour too.
    if let Some(authority) = head.uri.authority() {
        return Some(authority.to_string());
    }
    Some(head.headers.get(HOST)?.to_str().ok()?.to_owned())
}

fn credential(shared: &Shared, headers: &HeaderMap) -> Credential {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Credential::None;
    };
    if values.next().is_some() {
        return Credential::Several;
    }
    let value = value.to_str().unwrap_or("");
    if let Some(token) = oauth::bearer(value) {
        let oauth = lock(&shared.oauth);
        let (standing, generation) = match oauth.tokens.by_access(token) {
            Some(pair) => (
                pair.access_standing(shared.clock.now()),
                Some(pair.generation),
            ),
            None => (Standing::Unknown, None),
        };
        return Credential::Bearer {
            standing,
            generation,
        };
    }
    if value
        .get(..6)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic "))
    {
        return Credential::Basic;
    }
    Credential::Other
}

/// The response's body in the pieces that a fault wants.
fn shape(answer: Answer, shape: &Shape, head: &Parts) -> Response<ResponseBody> {
    let is_head = head.method == Method::HEAD;
    let no_body = matches!(
        answer.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    let mut length = Some(answer.body.len() as u64);
    if let Some((piece, times)) = &shape.repeat {
        length = length.map(|length| length + piece.len() as u64 * times);
    }
    // Like Zendesk's front: compressed bodies are streamed, so their length isn't known in advance.
    if shape.chunk.is_some()
        || shape.trailers.is_some()
        || answer.headers.contains_key(http::header::CONTENT_ENCODING)
    {
        length = None;
    }
    let response_body = if is_head || no_body {
        ResponseBody::new([], None)
    } else {
        ResponseBody::new(steps(&answer.body, shape), length)
    };
    let mut response = Response::new(response_body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    for name in shape.trailers.iter().flat_map(HeaderMap::keys) {
        let name = http::HeaderValue::from_name(name.clone());
        response.headers_mut().append(http::header::TRAILER, name);
    }
    if is_head
        && !no_body
        && let Some(length) = length
    {
        response
            .headers_mut()
            .insert(http::header::CONTENT_LENGTH, length.into());
    }
    // hyper would send hop-by-hop headers to HTTP/2 peers, where they are forbidden.
    if head.version == Version::HTTP_2 {
        response.headers_mut().remove(http::header::CONNECTION);
    }
    response
}

fn steps(body: &Bytes, shape: &Shape) -> Vec<Step> {
    let end = shape.truncate.unwrap_or(body.len()).min(body.len());
    let pause_at = shape.pause.as_ref().map(|(after, _)| (*after).min(end));
    let mut steps = Vec::new();
    let mut at = 0;
    while at < end {
        let mut next = shape.chunk.map_or(end, |chunk| (at + chunk).min(end));
        if let Some(pause) = pause_at
            && at < pause
        {
            next = next.min(pause);
        }
        steps.push(Step::Send(body.slice(at..next)));
        at = next;
        if let Some((_, gate)) = &shape.pause
            && pause_at == Some(at)
        {
            steps.push(Step::Wait(gate.clone()));
        }
    }
    if let Some((_, gate)) = &shape.pause
        && pause_at == Some(0)
    {
        steps.insert(0, Step::Wait(gate.clone()));
    }
    if let Some((piece, times)) = &shape.repeat {
        steps.push(Step::Repeat(piece.clone(), *times));
    }
    if let Some(trailers) = &shape.trailers {
        steps.push(Step::Trailers(trailers.clone()));
    }
    if shape.truncate.is_some() {
        steps.extend([Step::Flush, Step::Break]);
    }
    steps
}
