//! `POST /v1/unlock`.

use std::sync::Arc;

use loopdesk_protocol::Problem;
use loopdesk_protocol::unlock::{UnlockRequest, Unlocked};

use super::super::Control;

/// Opens the vault. Closing the connection dismisses a keyring's prompt.
pub(in crate::control) async fn unlock(
    control: Arc<Control>,
    asked: UnlockRequest,
) -> Result<Unlocked, Problem> {
    let vault = control.sessions.unlock(asked.passphrase.as_ref()).await?;
    Ok(Unlocked { vault })
}
