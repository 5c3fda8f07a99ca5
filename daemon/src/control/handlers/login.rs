//! `POST /v1/login` and `POST /v1/login/callback`.

use std::sync::Arc;

use loopdesk_protocol::Problem;
use loopdesk_protocol::call::Empty;
use loopdesk_protocol::login::{LoginEvent, LoginRequest, Pasted};
use tokio::sync::mpsc;

use super::super::Control;
use super::super::lines::JsonLines;
use crate::session::login::{self, LoginOptions};

/// Starts a login and streams its events, one per line. Closing the connection cancels the login.
pub(in crate::control) fn login(
    control: &Control,
    asked: &LoginRequest,
) -> Result<JsonLines<LoginEvent>, Problem> {
    let (account, session) = super::pick(control, asked.account.as_deref())?;
    let config = Arc::clone(&control.loaded.borrow().config);
    let wish = LoginOptions {
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
    Ok(JsonLines(lines))
}

/// Hands the pasted address to the login that is waiting for it.
pub(in crate::control) fn paste(control: &Control, pasted: &Pasted) -> Result<Empty, Problem> {
    login::paste(&control.sessions.all(), pasted.address.expose())?;
    Ok(Empty {})
}

/// A login has at most two events per page; a slow reader must not block it.
const EVENTS: usize = 8;
