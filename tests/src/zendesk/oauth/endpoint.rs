//! `POST /oauth/tokens`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderMap;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::scopes::within;
use super::{Client, ClientKind, Grant, OAuth, Standing};
use crate::zendesk::answer::Answer;
use crate::zendesk::call::{Call, Query, media_type};
use crate::zendesk::record::TokenPost;
use crate::zendesk::shared::{Settings, Shared, lock};

/// Something odd about the answers of the token endpoint to requests that succeed.
#[derive(Clone)]
pub enum Oddity {
    /// `"expires_in": "1800"`, and the same for the refresh token.
    ExpiresInAsText,
    /// No `expires_in` although it was asked for; the token dies all the same.
    NoExpiresIn,
    /// `expires_in` also when it was not asked for, as the documentation's sample shows it.
    ExpiresInAlways,
    /// No `refresh_token` in the answer to a refresh; the old one stays good.
    NoRefreshToken,
    /// No `scope`.
    NoScope,
    /// Another `Content-Type` than JSON's, around the same JSON.
    ContentType(String),
    /// So many bytes of white space behind the JSON.
    Padding(usize),
    /// Whatever this does to the answer's object.
    Edited(Arc<dyn Fn(&mut Map<String, Value>) + Send + Sync>),
}

impl Oddity {
    /// Changes the answer's object by `edit`.
    pub fn edited(edit: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) -> Self {
        Self::Edited(Arc::new(edit))
    }
}

impl fmt::Debug for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpiresInAsText => f.write_str("ExpiresInAsText"),
            Self::NoExpiresIn => f.write_str("NoExpiresIn"),
            Self::ExpiresInAlways => f.write_str("ExpiresInAlways"),
            Self::NoRefreshToken => f.write_str("NoRefreshToken"),
            Self::NoScope => f.write_str("NoScope"),
            Self::ContentType(value) => f.debug_tuple("ContentType").field(value).finish(),
            Self::Padding(bytes) => f.debug_tuple("Padding").field(bytes).finish(),
            Self::Edited(_) => f.write_str("Edited"),
        }
    }
}

pub(super) fn serve(shared: &Shared, call: &Call) -> Answer {
    let settings = lock(&shared.settings).clone();
    let mut oauth = lock(&shared.oauth);
    match grant(shared, &mut oauth, call, &settings) {
        Ok(answer) => answer,
        Err(error) => error.answer(),
    }
}

/// What a request to the token endpoint asks, for its record.
pub(in crate::zendesk) fn describe_post(
    shared: &Shared,
    headers: &HeaderMap,
    body: &Bytes,
) -> TokenPost {
    let parameters = Parameters::read(headers, body).unwrap_or_default();
    let oauth = lock(&shared.oauth);
    let refresh = parameters.text("refresh_token");
    let pair = refresh.and_then(|token| oauth.tokens.by_refresh(token));
    TokenPost {
        grant: parameters.text("grant_type").unwrap_or("").to_owned(),
        client_id: parameters.text("client_id").unwrap_or("").to_owned(),
        refresh_token: refresh.map(|_| {
            pair.map_or(Standing::Unknown, |pair| {
                pair.refresh_standing(shared.clock.now())
            })
        }),
        generation: pair.map(|pair| pair.generation),
        error: None,
    }
}

/// Checks a request and, if it is good, makes the pair.
fn grant(
    shared: &Shared,
    oauth: &mut OAuth,
    call: &Call,
    settings: &Settings,
) -> Result<Answer, Error> {
    let parameters = Parameters::read(&call.headers, &call.body)?;
    let access_ttl = parameters.ttl("expires_in", ACCESS_TTL)?;
    let refresh_ttl = parameters.ttl("refresh_token_expires_in", REFRESH_TTL)?;
    let identifier = parameters.text("client_id").unwrap_or("");
    let client = oauth.client(identifier).ok_or(INVALID_CLIENT)?.clone();
    let secret = parameters.text("client_secret");
    let grant_type = parameters.text("grant_type").unwrap_or("");
    let mut grant = match grant_type {
        "authorization_code" => by_code(oauth, &parameters, &client, call, settings)?,
        "refresh_token" => by_refresh(oauth, &parameters, &client, call)?,
        "client_credentials" => by_client(&parameters, &client, secret)?,
        "" => return Err(Error::invalid_request("grant_type is missing")),
        _ => return Err(UNSUPPORTED_GRANT_TYPE),
    };
    if !grant
        .scopes
        .iter()
        .all(|scope| within(&client.allowed_scopes, scope))
    {
        return Err(INVALID_SCOPE);
    }
    if lock(&shared.store).is_suspended(grant.user) {
        return Err(INVALID_GRANT);
    }
    if grant_type == "authorization_code"
        && let Some(code) = oauth
            .codes
            .iter_mut()
            .find(|code| Some(code.code.as_str()) == parameters.text("code"))
    {
        code.is_used = true;
    }
    grant.access_ttl = settings
        .granted_access_ttl
        .or(access_ttl)
        .unwrap_or(ACCESS_TTL.default);
    grant.refresh_ttl = (grant_type != "client_credentials").then(|| {
        settings
            .granted_refresh_ttl
            .or(refresh_ttl)
            .unwrap_or(REFRESH_TTL.default)
    });
    Ok(hand_out(
        oauth,
        call,
        settings,
        &grant,
        access_ttl.is_some(),
        refresh_ttl.is_some(),
    ))
}

fn by_code(
    oauth: &OAuth,
    parameters: &Parameters,
    client: &Client,
    call: &Call,
    settings: &Settings,
) -> Result<Grant, Error> {
    let given = parameters
        .text("code")
        .ok_or(Error::invalid_request("code is missing"))?;
    let code = oauth
        .codes
        .iter()
        .find(|code| code.code == given)
        .ok_or(INVALID_GRANT)?;
    let age = call.now.duration_since(code.made_at);
    let ttl = SignedDuration::try_from(settings.code_ttl).unwrap_or(SignedDuration::MAX);
    if code.is_used
        || age > ttl
        || code.client != client.identifier
        || parameters.text("redirect_uri") != Some(code.redirect_uri.as_str())
    {
        return Err(INVALID_GRANT);
    }
    match (&code.challenge, parameters.text("code_verifier")) {
        (Some(challenge), Some(verifier)) => {
            let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
            if digest != *challenge || !(43..=128).contains(&verifier.len()) {
                return Err(INVALID_GRANT);
            }
        }
        (Some(_), None) => return Err(INVALID_GRANT),
        // Without PKCE, which only a confidential client may leave out, the secret is the proof.
        (None, _) => {
            if !client.proves_itself(parameters.text("client_secret")) {
                return Err(INVALID_CLIENT);
            }
        }
    }
    // The scope may be repeated here; it can narrow what was allowed, not widen it.
    let scopes = match parameters.text("scope") {
        None => code.scopes.clone(),
        Some(scopes) => {
            let scopes = split(scopes);
            if scopes.iter().any(|scope| !code.scopes.contains(scope)) {
                return Err(INVALID_SCOPE);
            }
            scopes
        }
    };
    Ok(unfinished(client, code.user, scopes, None))
}

fn by_refresh(
    oauth: &OAuth,
    parameters: &Parameters,
    client: &Client,
    call: &Call,
) -> Result<Grant, Error> {
    if !client.proves_itself(parameters.text("client_secret")) {
        return Err(INVALID_CLIENT);
    }
    let token = parameters
        .text("refresh_token")
        .ok_or(Error::invalid_request("refresh_token is missing"))?;
    let pair = oauth.tokens.by_refresh(token).ok_or(INVALID_GRANT)?;
    if pair.refresh_standing(call.now) != Standing::Live || pair.client != client.identifier {
        return Err(INVALID_GRANT);
    }
    Ok(unfinished(
        client,
        pair.user,
        pair.scopes.clone(),
        Some(pair.id),
    ))
}

fn by_client(
    parameters: &Parameters,
    client: &Client,
    secret: Option<&str>,
) -> Result<Grant, Error> {
    if client.kind == ClientKind::Public {
        return Err(UNAUTHORIZED_CLIENT);
    }
    if !client.proves_itself(secret) {
        return Err(INVALID_CLIENT);
    }
    let scopes = split(parameters.text("scope").unwrap_or("read"));
    Ok(unfinished(client, client.user, scopes, None))
}

/// A grant whose lifetimes are still to be set.
fn unfinished(client: &Client, user: u64, scopes: Vec<String>, replaces: Option<u64>) -> Grant {
    Grant {
        client: client.identifier.clone(),
        user,
        scopes,
        access_ttl: Duration::ZERO,
        refresh_ttl: None,
        replaces,
    }
}

/// Makes the pair and the answer that carries it.
fn hand_out(
    oauth: &mut OAuth,
    call: &Call,
    settings: &Settings,
    grant: &Grant,
    access_ttl_asked: bool,
    refresh_ttl_asked: bool,
) -> Answer {
    let oddity = settings.oddity.as_ref();
    let always = matches!(oddity, Some(Oddity::ExpiresInAlways));
    let pair = oauth.tokens.grant(grant, call.now);
    let mut body = Map::new();
    body.insert("access_token".to_owned(), json!(pair.access));
    body.insert("token_type".to_owned(), json!("bearer"));
    body.insert("scope".to_owned(), json!(pair.scopes.join(" ")));
    if access_ttl_asked || always {
        body.insert("expires_in".to_owned(), json!(grant.access_ttl.as_secs()));
    }
    if let (Some(refresh), Some(ttl)) = (&pair.refresh, grant.refresh_ttl) {
        body.insert("refresh_token".to_owned(), json!(refresh));
        if refresh_ttl_asked || always {
            body.insert("refresh_token_expires_in".to_owned(), json!(ttl.as_secs()));
        }
    }
    if let Some(oddity) = oddity {
        distort(oauth, &mut body, oddity, grant);
    }
    let status = settings.token_status.as_u16();
    let mut answer = Answer::json(status, &Value::Object(body));
    match oddity {
        Some(Oddity::ContentType(value)) => answer = answer.header("content-type", value),
        Some(Oddity::Padding(bytes)) => {
            let mut padded = answer.body.to_vec();
            padded.resize(padded.len() + bytes, b' ');
            answer = answer.body(padded);
        }
        _ => {}
    }
    answer
        .header("cache-control", "no-store")
        .header("pragma", "no-cache")
}

fn distort(oauth: &mut OAuth, body: &mut Map<String, Value>, oddity: &Oddity, grant: &Grant) {
    match oddity {
        Oddity::ExpiresInAsText => {
            for key in ["expires_in", "refresh_token_expires_in"] {
                if let Some(value) = body.get_mut(key) {
                    *value = json!(value.to_string());
                }
            }
        }
        Oddity::NoExpiresIn => {
            body.remove("expires_in");
            body.remove("refresh_token_expires_in");
        }
        Oddity::NoRefreshToken => {
            if let Some(id) = grant.replaces
                && let Some(new) = body.remove("refresh_token")
            {
                oauth.tokens.keep_refresh(id, new.as_str().unwrap_or(""));
            }
        }
        Oddity::NoScope => {
            body.remove("scope");
        }
        Oddity::Edited(edit) => edit(body),
        Oddity::ExpiresInAlways | Oddity::ContentType(_) | Oddity::Padding(_) => {}
    }
}

/// The parameters of a request, from JSON or from a form.
#[derive(Debug, Default)]
struct Parameters {
    values: Map<String, Value>,
    is_form: bool,
}

impl Parameters {
    fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Error> {
        let media_type = media_type(headers);
        if media_type == "application/json" {
            return match serde_json::from_slice(body) {
                Ok(Value::Object(values)) => Ok(Self {
                    values,
                    is_form: false,
                }),
                _ => Err(Error::invalid_request("the body is no JSON object")),
            };
        }
        if media_type == "application/x-www-form-urlencoded" {
            let pairs = Query::form(body).into_pairs();
            return Ok(Self {
                values: pairs
                    .into_iter()
                    .map(|(key, value)| (key, Value::String(value)))
                    .collect(),
                is_form: true,
            });
        }
        Err(Error::invalid_request(
            "parameters must be formatted as JSON",
        ))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    /// A lifetime in seconds: a JSON number, or the digits of a form. A JSON text isn't taken,
    /// though Zendesk might: a client should send what is documented.
    fn ttl(&self, name: &str, bounds: Bounds) -> Result<Option<Duration>, Error> {
        let Some(value) = self.values.get(name) else {
            return Ok(None);
        };
        let seconds = match value {
            Value::String(digits) if self.is_form => digits.parse().ok(),
            value => value.as_u64(),
        };
        match seconds.map(Duration::from_secs) {
            Some(ttl) if (bounds.min..=bounds.max).contains(&ttl) => Ok(Some(ttl)),
            _ => Err(Error {
                status: 400,
                code: "invalid_request",
                description: format!(
                    "{name} must be a number >= {} and <= {}",
                    bounds.min.as_secs(),
                    bounds.max.as_secs()
                )
                .into(),
            }),
        }
    }
}

fn split(scopes: &str) -> Vec<String> {
    scopes.split_whitespace().map(str::to_owned).collect()
}

/// A refusal of the token endpoint.
#[derive(Debug)]
struct Error {
    status: u16,
    code: &'static str,
    description: std::borrow::Cow<'static, str>,
}

impl Error {
    const fn new(status: u16, code: &'static str, description: &'static str) -> Self {
        Self {
            status,
            code,
            description: std::borrow::Cow::Borrowed(description),
        }
    }

    const fn invalid_request(description: &'static str) -> Self {
        Self::new(400, "invalid_request", description)
    }

    fn answer(&self) -> Answer {
        Answer::json(
            self.status,
            &json!({"error": self.code, "error_description": self.description}),
        )
        .header("cache-control", "no-store")
    }
}

const INVALID_GRANT: Error = Error::new(
    400,
    "invalid_grant",
    "The provided access grant is invalid, expired, or revoked (e.g. invalid assertion, expired \
     authorization token, bad end-user password credentials, or mismatching authorization code \
     and redirection URI).",
);
const INVALID_CLIENT: Error = Error::new(
    401,
    "invalid_client",
    "Client authentication failed (e.g. unknown client, no client authentication included, or \
     unsupported authentication method).",
);
const UNAUTHORIZED_CLIENT: Error = Error::new(
    400,
    "unauthorized_client",
    "The authenticated client is not authorized to use this authorization grant type.",
);
const INVALID_SCOPE: Error = Error::new(
    400,
    "invalid_scope",
    "The requested scope is invalid, unknown, malformed, or exceeds the scope granted by the \
     resource owner.",
);
const UNSUPPORTED_GRANT_TYPE: Error = Error::new(
    400,
    "unsupported_grant_type",
    "The authorization grant type is not supported by the authorization server.",
);

#[derive(Clone, Copy, Debug)]
struct Bounds {
    min: Duration,
    default: Duration,
    max: Duration,
}

const ACCESS_TTL: Bounds = Bounds {
    min: Duration::from_secs(300),
    default: Duration::from_secs(1800),
    max: Duration::from_secs(172_800),
};
const REFRESH_TTL: Bounds = Bounds {
    min: Duration::from_secs(604_800),
    default: Duration::from_secs(2_592_000),
    max: Duration::from_secs(7_776_000),
};
