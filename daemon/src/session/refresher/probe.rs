//! The health probe's work: the note on disk, and the two questions to Zendesk.
//!
//! The note holds a time and a role, nothing secret. Without it, or with a damaged one, the probe
//! comes a day after the login, as if there never had been one.

use std::sync::Arc;

use crate::session::model::blocking::blocking;
use crate::session::model::checks::ProbeResult;
use crate::session::state::health::{Note, ProbeAction, ProbeInput};
use crate::session::store::{self, Store};
use crate::session::zendesk::account_context::AccountContext;

/// Does what the machine wants; `None` where nothing comes of it.
pub(in crate::session) async fn run(
    context: Arc<AccountContext>,
    store: Store,
    act: ProbeAction,
) -> Option<ProbeInput> {
    let account = context.account.name.clone();
    let path = store.file(&account, "health");
    match act {
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
            // First, so that a daemon that is restarted all the time doesn't ask all the time.
            remember(store, path, note).await;
            let found = context.zendesk.probe(&tokens.pair.access).await;
            match &found {
                ProbeResult::Alive { .. } => tracing::debug!(%account, "the session is healthy"),
                ProbeResult::Unclear(why) => {
                    tracing::debug!(%account, why, "no answer to the probe")
                }
                ProbeResult::Anonymous | ProbeResult::Dead => {
                    tracing::warn!(%account, ?found, "the access token is no good");
                }
                ProbeResult::Refused(block) => {
                    tracing::error!(%account, why = block.why, "Zendesk refuses the session");
                }
            }
            Some(ProbeInput::Probed(tokens.pair.generation, found))
        }
        ProbeAction::Forget => {
            // There may be none.
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
        Ok(Err(error)) => tracing::debug!(%error, "the time of the next probe is not noted"),
        Err(why) => tracing::debug!(why, "the time of the next probe is not noted"),
    }
}
