//! The API, and the few other pages of the account's host.

mod access;
mod attachments;
mod availability;
mod echo;
mod errors;
mod help_center;
mod incremental;
mod jobs;
mod organizations;
mod search;
mod settings;
mod tickets;
mod tokens;
mod users;
mod voice;

use http::Method;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::call::Call;
use super::paging::Page;
use super::policy;
use super::shared::{Shared, lock};
use super::store::Store;
use access::Visitor;

/// Responds to everything that isn't below `/oauth/`.
pub(super) fn serve(shared: &Shared, call: &Call) -> Answer {
    if call.headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Answer::gateway_page(400);
    }
    let segments = call.segments();
    match segments.as_slice() {
        // Other products on the same host, with credentials of their own.
        ["api", "v2", "chat", ..] | ["sc", ..] => other_product(call),
        ["api", "v2", rest @ ..] => limited(shared, call, rest),
        ["attachments", "token", token] => attachments::redirect_by_token(shared, call, token),
        ["hc", "article_attachments", id] => attachments::redirect_of_article(shared, call, id),
        _ => Answer::html(
            404,
            "<!DOCTYPE html>\n<html><head><title>Oops</title></head><body>\
             <h1>The page you were looking for doesn't exist</h1></body></html>\n",
        ),
    }
}

/// One request to the API, with everything that an endpoint needs to process it.
struct Api<'a> {
    shared: &'a Shared,
    store: &'a mut Store,
    call: &'a Call,
    visitor: &'a Visitor,
    /// The origin in absolute URLs.
    origin: &'a str,
}

type Object = Map<String, Value>;

/// An endpoint's result; both variants are responses, so that `?` can be used.
type Outcome = Result<Answer, Answer>;

impl Api<'_> {
    /// A list and the fields next to it.
    fn list(&self, key: &str, page: Page<Value>) -> Answer {
        let mut body = page.envelope;
        body.insert(key.to_owned(), Value::Array(page.items));
        Answer::json(200, &Value::Object(body))
    }
}

fn limited(shared: &Shared, call: &Call, path: &[&str]) -> Answer {
    let budget = lock(&shared.settings).rate_limit;
    let left = lock(&shared.limits).take(budget, call.now);
    if left.is_exceeded {
        return Answer::too_many_requests(u32::try_from(left.resets).unwrap_or(60))
            .header("x-rate-limit", &left.limit.to_string());
    }
    if let Some(refusal) = policy::at_the_front(shared) {
        return refusal;
    }
    let answer = match access::identify(shared, call) {
        Ok(visitor) => routed(shared, call, &visitor, path),
        Err(refusal) => refusal,
    };
    let answer = answer
        .header("x-rate-limit", &left.limit.to_string())
        .header("x-rate-limit-remaining", &left.remaining.to_string());
    if path == ["tickets"] && call.method == Method::GET {
        return answer
            .header("ratelimit-limit", &left.limit.to_string())
            .header("ratelimit-remaining", &left.remaining.to_string())
            .header("ratelimit-reset", &left.resets.to_string())
            .header(
                "zendesk-ratelimit-tickets-index",
                &format!("total=100; remaining=99; resets={}", left.resets),
            );
    }
    answer
}

fn routed(shared: &Shared, call: &Call, visitor: &Visitor, path: &[&str]) -> Answer {
    if let ["oauth", "tokens", rest @ ..] = path {
        return tokens::serve(shared, call, visitor, rest).unwrap_or_else(|refusal| refusal);
    }
    let allowed = access::check(visitor, &call.method, path);
    if let Err(refusal) = allowed {
        return refusal;
    }
    let mut store = lock(&shared.store);
    let mut api = Api {
        shared,
        store: &mut store,
        call,
        visitor,
        origin: &shared.places.public_origin,
    };
    let outcome = match path {
        ["tickets", rest @ ..] => tickets::serve(&mut api, rest),
        ["users", rest @ ..] => users::serve(&mut api, rest),
        ["organizations", rest @ ..] => organizations::serve(&mut api, rest),
        ["search", rest @ ..] => search::serve(&api, rest),
        ["incremental", rest @ ..] => incremental::serve(&api, rest),
        ["uploads", rest @ ..] => attachments::uploads(&mut api, rest),
        ["attachments", rest @ ..] => attachments::serve(&api, rest),
        ["job_statuses", rest @ ..] => jobs::serve(&mut api, rest),
        ["help_center", rest @ ..] => help_center::serve(&api, rest),
        ["agent_availabilities", rest @ ..] => availability::serve(&api, rest),
        ["channels", "voice", "calls", rest @ ..] => voice::serve(&api, rest),
        ["echo"] => Ok(echo::serve(call)),
        _ => settings::serve(&api, path),
    };
    outcome.unwrap_or_else(|refusal| refusal)
}

/// Chat and Conversations require credentials of their own and accept no Support token.
fn other_product(call: &Call) -> Answer {
    let authorization = call.header(AUTHORIZATION.as_str()).unwrap_or("");
    if !authorization.contains(OTHER_PRODUCTS_CREDENTIAL) {
        return Answer::json(
            401,
            &serde_json::json!({
                "error": "unauthenticated",
                "message": "credentials for Support API resources cannot authenticate here",
            }),
        );
    }
    Answer::json(
        200,
        &serde_json::json!({"path": call.path, "method": call.method.as_str()}),
    )
}

/// What `Authorization` must contain for a 200 from Chat or Conversations.
pub const OTHER_PRODUCTS_CREDENTIAL: &str = "credential-of-another-product";
