//! `/api/v2/oauth/tokens`: what a token can learn about itself, and how it is revoked.

use http::Method;
use serde_json::{Value, json};

use super::access::{Visitor, check_token_endpoint};
use super::{Outcome, errors};
use crate::zendesk::answer::Answer;
use crate::zendesk::call::Call;
use crate::zendesk::oauth::{Pair, Standing};
use crate::zendesk::shared::{Shared, lock};

pub(super) fn serve(shared: &Shared, call: &Call, visitor: &Visitor, path: &[&str]) -> Outcome {
    let own = check_token_endpoint(visitor)?;
    let mut oauth = lock(&shared.oauth);
    let wanted = match path {
        [] if call.method == Method::GET => {
            let live = |pair: &&Pair| {
                Some(pair.user) == visitor.user && pair.access_standing(call.now) == Standing::Live
            };
            let tokens: Vec<_> = oauth
                .tokens
                .iter()
                .filter(live)
                .map(|pair| show(shared, pair))
                .collect();
            return Ok(Answer::json(200, &json!({"tokens": tokens})));
        }
        ["current"] => own,
        [id] => id.parse().map_err(|_| errors::not_found())?,
        _ => return Err(errors::invalid_endpoint()),
    };
    let pair = oauth
        .tokens
        .iter()
        .find(|pair| pair.id == wanted)
        .filter(|pair| Some(pair.user) == visitor.user || visitor.role == "admin")
        .ok_or_else(errors::not_found)?;
    match call.method {
        Method::GET | Method::HEAD => Ok(Answer::json(200, &json!({"token": show(shared, pair)}))),
        Method::DELETE => {
            oauth.tokens.revoke(|pair| pair.id == wanted);
            Ok(Answer::new(204))
        }
        _ => Err(errors::invalid_endpoint()),
    }
}

/// A token as shown to its owner: only its first ten characters.
fn show(shared: &Shared, pair: &Pair) -> Value {
    let start = |token: &str| token.chars().take(10).collect::<String>();
    let refresh = pair.refresh.as_deref();
    json!({
        "id": pair.id,
        "url": format!("{}/api/v2/oauth/tokens/{}.json", shared.places.public_origin, pair.id),
        "client_id": 223_443_u64,
        "user_id": pair.user,
        "token": start(&pair.access),
        "refresh_token": refresh.map(start),
        "scopes": pair.scopes,
        "created_at": pair.created_at.to_string(),
        "used_at": pair.used_at.map(|at| at.to_string()),
        "expires_at": pair.access_expires_at.to_string(),
        "refresh_token_expires_at": refresh.map(|_| pair.refresh_expires_at.to_string()),
    })
}
