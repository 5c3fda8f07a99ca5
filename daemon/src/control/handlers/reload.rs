//! `POST /v1/config/reload`.

use std::sync::Arc;

use loopdesk_protocol::call::Empty;
use loopdesk_protocol::{Kind, Problem};
use tokio::sync::oneshot;

use super::super::Control;

/// Reads the configuration again. If it has errors, the old one stays in use.
pub(in crate::control) async fn reload(control: Arc<Control>) -> Result<Empty, Problem> {
    let stopping = || Problem::new(Kind::Daemon, "the daemon is shutting down");
    let (answer, reloaded) = oneshot::channel();
    control.reload.send(answer).await.map_err(|_| stopping())?;
    reloaded.await.map_err(|_| stopping())??;
    Ok(Empty {})
}
