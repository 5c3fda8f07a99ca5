//! Authenticates and authorizes requests to the API.

use http::Method;
use http::header::AUTHORIZATION;

use super::errors;
use crate::zendesk::answer::Answer;
use crate::zendesk::call::Call;
use crate::zendesk::oauth::{self, Standing, allows, broad, is_any_known};
use crate::zendesk::policy;
use crate::zendesk::shared::{Shared, lock};

/// The caller.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// `None`: an anonymous caller, without credentials.
    pub(super) user: Option<u64>,
    pub(super) role: String,
    pub(super) scopes: Vec<String>,
    /// The id of the token.
    pub(super) token: Option<u64>,
}

/// Identifies the caller by the header alone: credentials in the URL or the body are ignored.
pub(super) fn identify(shared: &Shared, call: &Call) -> Result<Visitor, Answer> {
    let Some(authorization) = call.headers.get(AUTHORIZATION) else {
        return Ok(Visitor {
            user: None,
            role: String::new(),
            scopes: Vec::new(),
            token: None,
        });
    };
    let token = authorization.to_str().ok().and_then(oauth::bearer);
    // Passwords and API tokens no longer work.
    let token = token.ok_or_else(errors::not_authenticated)?;
    let www_authenticate = lock(&shared.settings).www_authenticate;
    let invalid = || errors::invalid_token(www_authenticate);
    let (user, scopes, id) = {
        let mut oauth = lock(&shared.oauth);
        let pair = oauth.tokens.by_access(token).ok_or_else(invalid)?;
        if pair.access_standing(call.now) != Standing::Live {
            return Err(invalid());
        }
        let found = (pair.user, pair.scopes.clone(), pair.id);
        oauth.tokens.mark_used(found.2, call.now);
        found
    };
    let store = lock(&shared.store);
    if store.is_suspended(user) {
        return Err(policy::of_suspended(shared).unwrap_or_else(invalid));
    }
    let mut visitor = Visitor {
        user: Some(user),
        role: store.role(user),
        scopes,
        token: Some(id),
    };
    if let Some(other) = call.header("x-on-behalf-of") {
        if !visitor.scopes.iter().any(|scope| scope == "impersonate") {
            return Err(errors::missing_scope("impersonate"));
        }
        if visitor.role != "admin" {
            return Err(errors::not_allowed());
        }
        // Exactly the response to a dead token, though the token is good.
        let other = find_end_user(&store, other).ok_or_else(invalid)?;
        visitor.user = Some(other);
        visitor.role = store.role(other);
    }
    Ok(visitor)
}

/// Checks scope and role for what a path requires.
pub(super) fn check(visitor: &Visitor, method: &Method, path: &[&str]) -> Result<(), Answer> {
    let is_public = match path {
        ["users", "me"] => true,
        // Only agents may export articles.
        ["help_center", rest @ ..] => rest.first() != Some(&"incremental"),
        _ => false,
    };
    if visitor.user.is_none() {
        return if is_public && method.is_safe() {
            Ok(())
        } else {
            Err(errors::not_authenticated())
        };
    }
    if !allows(&visitor.scopes, method, resource(path)) {
        return Err(errors::missing_scope(broad(method)));
    }
    let may = match visitor.role.as_str() {
        "admin" => true,
        "agent" => !matches!(
            path.first(),
            Some(&("incremental" | "agent_availabilities"))
        ),
        _ => is_public || matches!(path, ["uploads", ..] | ["attachments", ..]),
    };
    if may {
        Ok(())
    } else {
        Err(errors::not_allowed())
    }
}

/// Checks what the endpoints about the token itself require: any scope that Zendesk knows.
pub(super) fn check_token_endpoint(visitor: &Visitor) -> Result<u64, Answer> {
    let token = visitor.token.ok_or_else(errors::not_authenticated)?;
    if !is_any_known(&visitor.scopes) {
        return Err(errors::missing_scope("read"));
    }
    Ok(token)
}

/// The resource name in the scopes of a path.
fn resource<'a>(path: &[&'a str]) -> &'a str {
    match path {
        ["help_center", ..] => "hc",
        ["incremental", resource, ..] => resource,
        ["uploads" | "attachments" | "job_statuses", ..] => "tickets",
        [resource, ..] => resource,
        [] => "",
    }
}

fn find_end_user(store: &crate::zendesk::store::Store, wanted: &str) -> Option<u64> {
    let found = store.users.all(&store.seed).into_iter().find(|user| {
        user["email"] == wanted
            || user["id"]
                .as_u64()
                .is_some_and(|id| id.to_string() == wanted)
    })?;
    (found["role"] == "end-user").then(|| found["id"].as_u64())?
}
