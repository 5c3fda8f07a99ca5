//! The page on which a person clicks Allow or Deny.

use jiff::{SignedDuration, Timestamp};
use url::form_urlencoded;

use super::{OAuth, random_text};
use crate::zendesk::answer::Answer;
use crate::zendesk::call::{Call, Query};
use crate::zendesk::shared::{Shared, lock};
use crate::zendesk::store::Store;

/// An authorization code.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) code: String,
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) user: u64,
    pub(super) scopes: Vec<String>,
    pub(super) made_at: Timestamp,
    pub(super) is_used: bool,
}

/// A page that has been shown and waits for a click.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    form_token: String,
    client: String,
    redirect_uri: String,
    state: Option<String>,
    challenge: Option<String>,
    scopes: Vec<String>,
    shown_at: Timestamp,
}

/// `GET /oauth/authorizations/new`
pub(super) fn page(shared: &Shared, call: &Call) -> Answer {
    let mut oauth = lock(&shared.oauth);
    let pending = match check(&oauth, call) {
        Ok(pending) => pending,
        Err(why) => return invalid(why),
    };
    let name = oauth
        .client(&pending.client)
        .map_or("", |client| &client.name)
        .to_owned();
    let consenting = oauth.consenting_user;
    let store = lock(&shared.store);
    let page = render(&pending, &name, consenting, &store);
    oauth.pending.push(pending);
    Answer::html(200, page).header("cache-control", "no-store")
}

/// `POST /oauth/authorizations`: a person has clicked Allow or Deny.
pub(super) fn decide(shared: &Shared, call: &Call) -> Answer {
    let form = Query::form(&call.body);
    let mut oauth = lock(&shared.oauth);
    let token = form.get("authenticity_token").unwrap_or("");
    let found = oauth
        .pending
        .iter()
        .position(|pending| pending.form_token == token);
    let Some(found) = found else {
        return invalid("This page has expired");
    };
    let pending = oauth.pending.remove(found);
    if call.now.duration_since(pending.shown_at) > PAGE_TTL {
        return invalid("This page has expired");
    }
    if form.get("decision") != Some("allow") {
        return redirect(
            &pending,
            &[
                ("error", "access_denied"),
                (
                    "error_description",
                    "The end-user or authorization server denied the request.",
                ),
            ],
        );
    }
    let user = form.number("user_id").unwrap_or(oauth.consenting_user);
    if lock(&shared.store).is_suspended(user) {
        return Answer::html(
            403,
            "<!DOCTYPE html>\n<html><body><h1>Your account is suspended</h1></body></html>\n",
        );
    }
    let code = random_text();
    oauth.codes.push(Code {
        code: code.clone(),
        client: pending.client.clone(),
        redirect_uri: pending.redirect_uri.clone(),
        challenge: pending.challenge.clone(),
        user,
        scopes: pending.scopes.clone(),
        made_at: call.now,
        is_used: false,
    });
    redirect(&pending, &[("code", &code)])
}

/// Checks an authorization request. Mistakes are shown on a page: without a valid client and
/// redirect URI, there is nowhere to send an error.
fn check(oauth: &OAuth, call: &Call) -> Result<Pending, &'static str> {
    let query = &call.query;
    let identifier = query.get("client_id").unwrap_or("");
    let client = oauth.client(identifier).ok_or("No such client")?;
    let redirect_uri = query.get("redirect_uri").unwrap_or("");
    if !client.accepts_redirect(redirect_uri) {
        return Err("The redirect URI provided does not match the registered redirect URIs");
    }
    if query.get("response_type") != Some("code") {
        return Err("Unsupported response type");
    }
    let challenge = query.get("code_challenge");
    match (challenge, query.get("code_challenge_method")) {
        (Some(challenge), Some("S256")) if is_challenge(challenge) => {}
        (Some(_), _) => return Err("Invalid code challenge: only S256 is supported"),
        (None, _) if client.kind == super::ClientKind::Public => {
            return Err("A public client must use PKCE");
        }
        (None, _) => {}
    }
    let scopes = query.get("scope").unwrap_or("read");
    Ok(Pending {
        form_token: random_text(),
        client: client.identifier.clone(),
        redirect_uri: redirect_uri.to_owned(),
        state: query.get("state").map(str::to_owned),
        challenge: challenge.map(str::to_owned),
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        shown_at: call.now,
    })
}

/// SHA-256 in base64url without padding.
fn is_challenge(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn redirect(pending: &Pending, parameters: &[(&str, &str)]) -> Answer {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    if let Some(state) = &pending.state {
        query.append_pair("state", state);
    }
    let uri = &pending.redirect_uri;
    let mark = if uri.contains('?') { '&' } else { '?' };
    Answer::redirect(302, &format!("{uri}{mark}{}", query.finish()))
        .header("cache-control", "no-store")
}

fn invalid(why: &str) -> Answer {
    let why = escape(why);
    Answer::html(
        400,
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Invalid Authorization Request</title>\
             {STYLE}</head><body><main><h1>Invalid Authorization Request</h1><p>{why}</p>\
             </main></body></html>\n"
        ),
    )
}

fn render(pending: &Pending, client: &str, consenting: u64, store: &Store) -> String {
    let client = escape(client);
    let scopes: String = pending
        .scopes
        .iter()
        .map(|scope| format!("<li><code>{}</code></li>", escape(scope)))
        .collect();
    let users: String = store
        .people()
        .iter()
        .map(|(id, name, role)| {
            let selected = if *id == consenting { " selected" } else { "" };
            let name = escape(name);
            format!("<option value=\"{id}\"{selected}>{name} ({role})</option>")
        })
        .collect();
    let token = &pending.form_token;
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>Authorize {client}</title>{STYLE}</head><body><main>\n\
         <p class=\"note\">Simulated Zendesk: no real account is involved.</p>\n\
         <h1>Allow {client} to access your Zendesk account?</h1>\n\
         <ul>{scopes}</ul>\n\
         <form method=\"post\" action=\"/oauth/authorizations\">\n\
         <input type=\"hidden\" name=\"authenticity_token\" value=\"{token}\">\n\
         <label>Signed in as <select name=\"user_id\">{users}</select></label>\n\
         <p><button type=\"submit\" name=\"decision\" value=\"allow\">Allow</button>\n\
         <button type=\"submit\" name=\"decision\" value=\"deny\">Deny</button></p>\n\
         </form></main></body></html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const STYLE: &str = "<style>body{font:16px sans-serif;background:#f4f6f8}main{max-width:32em;\
    margin:4em auto;padding:2em;background:#fff;border-radius:4px}.note{color:#68737d}\
    button{font:inherit;padding:.5em 2em}</style>";
/// Long enough for a person who is called away, short enough that the list stays short.
const PAGE_TTL: SignedDuration = SignedDuration::from_mins(30);
