//! `POST /v1/login` and `POST /v1/login/callback`.

use http::Response;
use loopdesk_protocol::Problem;
use loopdesk_protocol::login::{LoginRequest, Pasted};
use tokio::sync::mpsc;

use super::super::lines::JsonLines;
use super::super::{Control, reply};
use crate::body::Body;
use crate::session::login::{self, Wish};

/// Starts a login and streams its events, one a line. It ends with the connection.
pub(in crate::control) fn login(control: &Control, asked: &LoginRequest) -> Response<Body> {
    let (account, session) = match super::pick(control, asked.account.as_deref()) {
        Ok(picked) => picked,
        Err(problem) => return reply::problem(&problem),
    };
    let config = std::sync::Arc::clone(&control.loaded.borrow().config);
    let wish = Wish {
        switch_user: asked.switch_user,
        client_secret: asked.client_secret.clone(),
        no_browser: asked.no_browser,
    };
    let (events, lines) = mpsc::channel(EVENTS);
    control.tracker.spawn(async move {
        let base_urls = config.base_urls(&account);
        session
            .login(wish, &config.redirect_uris, base_urls, events)
            .await;
    });
    reply::typed(Body::adapted(JsonLines(lines)), "application/x-ndjson")
}

/// Hands the pasted address to the login that is waiting for it.
pub(in crate::control) fn paste(
    control: &Control,
    pasted: &Pasted,
) -> Result<serde_json::Value, Problem> {
    login::paste(&control.sessions.all(), pasted.address.expose())?;
    Ok(serde_json::json!({}))
}

/// A login has at most two events per page; a slow reader must not block it.
const EVENTS: usize = 8;
