//! `POST /v1/logout`.

use std::sync::Arc;

use loopdesk_protocol::Problem;
use loopdesk_protocol::session::{LoggedOut, LogoutRequest};

use super::super::Control;

/// Revokes the session's tokens and forgets them.
pub(in crate::control) async fn logout(
    control: Arc<Control>,
    asked: LogoutRequest,
) -> Result<LoggedOut, Problem> {
    let (_, session) = super::pick(&control, asked.account.as_deref())?;
    session.logout(asked.forget).await
}
