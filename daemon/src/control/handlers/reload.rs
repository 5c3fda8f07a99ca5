//! `POST /v1/config/reload`.

use loopdesk_protocol::{Kind, Problem};
use tokio::sync::oneshot;

use super::super::Control;

/// Reads the configuration again; on an error the old one stays in use.
pub(in crate::control) async fn reload(control: &Control) -> Result<serde_json::Value, Problem> {
    let stopping = || Problem::new(Kind::Daemon, "the daemon is shutting down");
    let (answer, told) = oneshot::channel();
    control.reload.send(answer).await.map_err(|_| stopping())?;
    told.await.map_err(|_| stopping())??;
    Ok(serde_json::json!({}))
}
