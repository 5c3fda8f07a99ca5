//! The health probe's work: its note on disk, and its two requests to Zendesk.
//!
//! The note holds a time and a role, nothing secret. If it is missing or damaged, the probe runs a day
//! after the login, as if it were the first.

use std::sync::Arc;

use crate::session::model::blocking::blocking;
use crate::session::model::checks::ProbeResult;
use crate::session::state::health::{Note, ProbeAction, ProbeInput};
use crate::session::store::{self, Store};
use crate::session::zendesk::account_context::AccountContext;

/// Carries out `action` for the state machine; `None` if that yields no input.
pub(in crate::session) async fn run(
    context: Arc<AccountContext>,
    store: Store,
    action: ProbeAction,
) -> Option<ProbeInput> {
    let account = context.account.name.clone();
    let path = store.file(&account, "health");
    match action {
        ProbeAction::Recall => {
            let read = blocking(move || std::fs::read(path).ok()).await;
            let note = read.ok().flatten();
            Some(ProbeInput::Recalled(
                note.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            ))
        }
        ProbeAction::Remember(note) => {
            remember(store, path, note).await;
            None
        }
        ProbeAction::Probe(tokens, note) => {
            // Noted first, so that a daemon that keeps being restarted doesn't keep probing.
            remember(store, path, note).await;
            let result = context.zendesk.probe(&tokens.pair.access).await;
            match &result {
                ProbeResult::Alive { .. } => tracing::debug!(%account, "the session is healthy"),
                ProbeResult::Unclear(why) => {
                    tracing::debug!(%account, why, "the probe got no clear answer")
                }
                ProbeResult::Anonymous | ProbeResult::Dead => {
                    tracing::warn!(%account, ?result, "the access token no longer works");
                }
                ProbeResult::Refused(block) => {
                    tracing::error!(%account, why = block.why, "Zendesk refuses the session");
                }
            }
            Some(ProbeInput::Probed(tokens.pair.generation, result))
        }
        ProbeAction::Forget => {
            // It may not exist.
            drop(blocking(move || std::fs::remove_file(path)).await);
            None
        }
    }
}

async fn remember(store: Store, path: std::path::PathBuf, note: Note) {
    let write = move || {
        let text = serde_json::to_vec(&note)?;
        store::write_through(&path, &text, store.dir())
    };
    match blocking(write).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "can't note the time of the next probe"),
        Err(why) => tracing::debug!(why, "can't note the time of the next probe"),
    }
}
