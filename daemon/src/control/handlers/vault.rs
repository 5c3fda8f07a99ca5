//! `POST /v1/vault/forget`.

use std::sync::Arc;

use loopdesk_protocol::Problem;
use loopdesk_protocol::vault::Forgotten;

use super::super::Control;

/// Removes the data key once nothing depends on it.
pub(in crate::control) async fn forget(control: Arc<Control>) -> Result<Forgotten, Problem> {
    let removed = control.sessions.forget_key().await?;
    Ok(Forgotten { removed })
}
