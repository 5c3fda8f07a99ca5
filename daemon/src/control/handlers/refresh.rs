//! `POST /v1/refresh`.

use std::sync::Arc;

use loopdesk_protocol::Problem;
use loopdesk_protocol::session::{RefreshRequest, Refreshed};

use super::super::Control;

/// Refreshes the token pair now.
pub(in crate::control) async fn refresh(
    control: Arc<Control>,
    asked: RefreshRequest,
) -> Result<Refreshed, Problem> {
    let (_, session) = super::pick(&control, asked.account.as_deref())?;
    session.refresh().await
}
