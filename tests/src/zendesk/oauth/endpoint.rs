//! `POST /oauth/tokens`

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderMap;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::parameters::{ACCESS_TTL, Parameters, REFRESH_TTL};
use super::refusal::{
    INVALID_CLIENT, INVALID_GRANT, INVALID_SCOPE, Refusal, UNAUTHORIZED_CLIENT,
    UNSUPPORTED_GRANT_TYPE,
};
use super::scopes::within;
use super::{Client, ClientKind, Grant, Malformed, OAuth, Standing};
use crate::zendesk::answer::Answer;
use crate::zendesk::call::Call;
use crate::zendesk::policy;
use crate::zendesk::record::TokenPost;
use crate::zendesk::shared::{Settings, Shared, lock};

pub(super) fn serve(shared: &Shared, call: &Call) -> Answer {
    if let Some(refusal) = policy::at_the_front(shared) {
        return refusal;
    }
    let settings = lock(&shared.settings).clone();
    let mut oauth = lock(&shared.oauth);
    match grant(shared, &mut oauth, call, &settings) {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(),
    }
}

/// What a token request asks for, for its record.
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
        chain: pair.map(|pair| pair.chain),
        error: None,
    }
}

/// Checks a request and, if it is valid, creates the pair.
fn grant(
    shared: &Shared,
    oauth: &mut OAuth,
    call: &Call,
    settings: &Settings,
) -> Result<Answer, Refusal> {
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
        "" => return Err(Refusal::invalid_request("grant_type is missing")),
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
        return policy::of_suspended(shared).ok_or(INVALID_GRANT);
    }
    if grant_type == "refresh_token"
        && let Some(refusal) = policy::of_a_refresh(shared)
    {
        return Ok(refusal);
    }
    if grant_type == "authorization_code"
        && let Some(code) = oauth
            .codes
            .iter_mut()
            .find(|code| Some(code.code.as_str()) == parameters.text("code"))
    {
        code.is_used = true;
    }
    if grant_type == "authorization_code" && settings.one_authorization {
        let (client, user) = (grant.client.clone(), grant.user);
        oauth
            .tokens
            .revoke(|pair| pair.client == client && pair.user == user);
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
) -> Result<Grant, Refusal> {
    let given = parameters
        .text("code")
        .ok_or_else(|| Refusal::invalid_request("code is missing"))?;
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
    // The scope may be repeated here; it can narrow the granted scope, but not widen it.
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
) -> Result<Grant, Refusal> {
    if !client.proves_itself(parameters.text("client_secret")) {
        return Err(INVALID_CLIENT);
    }
    let token = parameters
        .text("refresh_token")
        .ok_or_else(|| Refusal::invalid_request("refresh_token is missing"))?;
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
) -> Result<Grant, Refusal> {
    if client.kind == ClientKind::Public {
        return Err(UNAUTHORIZED_CLIENT);
    }
    if !client.proves_itself(secret) {
        return Err(INVALID_CLIENT);
    }
    let scopes = split(parameters.text("scope").unwrap_or("read"));
    Ok(unfinished(client, client.user, scopes, None))
}

/// A grant whose lifetimes haven't been set yet.
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

/// Creates the pair and the response that contains it.
fn hand_out(
    oauth: &mut OAuth,
    call: &Call,
    settings: &Settings,
    grant: &Grant,
    access_ttl_asked: bool,
    refresh_ttl_asked: bool,
) -> Answer {
    let malformed = settings.malformed.as_ref();
    let always = matches!(malformed, Some(Malformed::ExpiresInAlways));
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
    if let Some(malformed) = malformed {
        malformed.distort(&mut body, &mut oauth.tokens, grant);
    }
    let status = settings.token_status.as_u16();
    let mut answer = Answer::json(status, &Value::Object(body));
    if let Some(malformed) = malformed {
        answer = malformed.wrap(answer);
    }
    answer
        .header("cache-control", "no-store")
        .header("pragma", "no-cache")
}

fn split(scopes: &str) -> Vec<String> {
    scopes.split_whitespace().map(str::to_owned).collect()
}
