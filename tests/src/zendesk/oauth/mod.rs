//! Zendesk's OAuth: the consent page, the token endpoint, clients, and their tokens.

mod clients;
mod consent;
mod endpoint;
mod malformed;
mod parameters;
mod refusal;
mod scopes;
mod tokens;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;

pub use clients::{Client, ClientKind};
pub use malformed::Malformed;
pub use tokens::{Standing, TokenFormat, TokenPair};

pub(super) use endpoint::describe_post;
pub(super) use scopes::{allows, broad, is_any_known};
pub(super) use tokens::{Grant, Pair, Tokens};

use super::answer::Answer;
use super::call::Call;
use super::shared::Shared;
use consent::{Code, Pending};

/// OAuth's state.
#[derive(Debug)]
pub(super) struct OAuth {
    pub(super) clients: Vec<Client>,
    pub(super) tokens: Tokens,
    /// The user of the browser.
    pub(super) consenting_user: u64,
    codes: Vec<Code>,
    pending: Vec<Pending>,
}

impl OAuth {
    pub(super) fn new(clients: Vec<Client>, format: TokenFormat, consenting_user: u64) -> Self {
        Self {
            clients,
            tokens: Tokens::new(format),
            consenting_user,
            codes: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// The client with that identifier, unless it was deleted.
    pub(super) fn client(&self, identifier: &str) -> Option<&Client> {
        self.clients
            .iter()
            .find(|client| client.identifier == identifier)
    }
}

/// Responds to requests below `/oauth/`.
pub(super) fn serve(shared: &Shared, call: &Call) -> Answer {
    match (&call.method, call.path.as_str()) {
        (&Method::GET | &Method::HEAD, "/oauth/authorizations/new") => consent::page(shared, call),
        (&Method::POST, "/oauth/authorizations") => consent::decide(shared, call),
        (&Method::POST, "/oauth/tokens") => endpoint::serve(shared, call),
        // OPTIONS, too: the token endpoint doesn't support CORS.
        (_, "/oauth/tokens" | "/oauth/authorizations" | "/oauth/authorizations/new") => {
            Answer::new(405)
        }
        _ => Answer::html(404, "<html><body><h1>Page not found</h1></body></html>"),
    }
}

/// The token of an `Authorization: Bearer …`.
pub(super) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start())
}

/// An unguessable text.
pub(super) fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// Random on purpose: a token from an earlier simulation must not be valid here.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = getrandom::fill(&mut bytes);
    debug_assert!(filled.is_ok(), "the system gives no random bytes");
    bytes
}
