//! Revokes orphaned pairs: those that will never be used and must not stay valid at Zendesk (R8).
//!
//! The pair that a login is about to obtain and the one that it replaces each have a file, from
//! before they can be orphaned until they are known to be dead. Whatever a crash leaves behind, the
//! next start revokes all of them except the pair in use.

use std::path::Path;
use std::sync::Arc;

use secrecy::ExposeSecret;

use super::revoke::revoke_pair;
use crate::config::AccountName;
use crate::session::crypto::data_key::DataKey;
use crate::session::model::blocking::blocking;
use crate::session::model::token_pair::{AccessToken, Generation, Renewal, SessionTokens};
use crate::session::store::journal::JournaledAnswer;
use crate::session::store::record::{RecordBody, Sealed};
use crate::session::store::{Store, orphan};
use crate::session::vault::Vault;
use crate::session::zendesk::account_context::AccountContext;
use crate::session::zendesk::oauth;

/// Revokes the orphaned pairs of earlier runs, except `in_use`.
pub(in crate::session) async fn revoke_all(
    context: Arc<AccountContext>,
    store: Store,
    vault: Arc<Vault>,
    in_use: Option<Arc<SessionTokens>>,
) {
    let account = context.account.name.clone();
    let listing = store.clone();
    let found = blocking(move || listing.orphans(&account)).await;
    for (path, sealed) in found.unwrap_or_default() {
        let Some(_claim) = store.orphan_claims().try_claim(&path) else {
            continue;
        };
        // An empty file means that the answer never arrived.
        let is_done = sealed.is_empty() || {
            let Ok(key) = vault.key().await else {
                return;
            };
            revoke_one(&context, &store, &key, &path, &sealed, in_use.as_deref()).await
        };
        if is_done {
            drop(std::fs::remove_file(&path));
        }
    }
}

/// Revokes the pair in the file at `path`. `true` if the file is no longer needed.
async fn revoke_one(
    context: &AccountContext,
    store: &Store,
    key: &Arc<DataKey>,
    path: &Path,
    sealed: &[u8],
    in_use: Option<&SessionTokens>,
) -> bool {
    let account = &context.account.name;
    let aad = orphan::aad(&context.binding);
    let Some(answer) = JournaledAnswer::open(sealed, &aad, key) else {
        // It belongs to another configuration, and may be sent nowhere else (S5).
        tracing::debug!(%account, path = %path.display(), "can't open an orphaned pair");
        return false;
    };
    let Some(grant) = oauth::reread(&context.account, &answer) else {
        return true;
    };
    let is_in_use =
        |tokens: &SessionTokens| tokens.pair.access.expose_secret() == grant.access.expose_secret();
    if in_use.is_some_and(is_in_use) || is_stored(store, account, key, &grant.access).await {
        return true;
    }
    let renewal = match &grant.refresh {
        Some(token) => Renewal::RefreshToken(token.clone()),
        None => Renewal::ClientSecret(String::new().into()),
    };
    let pair = grant.begin(Generation::default(), renewal);
    let journal = store.reopen_orphan(path).ok();
    let journal = journal.map(|place| orphan::journal(place, aad, key));
    match revoke_pair(context, &pair, journal.as_ref()).await {
        Ok(()) => {
            tracing::info!(%account, "revoked a token pair that an earlier login left behind");
            true
        }
        Err(why) => {
            tracing::warn!(%account, why, "can't revoke a token pair that an earlier login left behind; trying again later");
            false
        }
    }
}

/// Whether a record of any of the account's pairs contains this token: a login may have used the pair
/// in another role than the one it was obtained for.
async fn is_stored(
    store: &Store,
    account: &AccountName,
    key: &Arc<DataKey>,
    access: &AccessToken,
) -> bool {
    let (store, account, key) = (store.clone(), account.clone(), Arc::clone(key));
    let access = access.clone();
    let is_found = blocking(move || {
        let records = store.records(&account);
        records.iter().any(|(path, bytes)| {
            let record = Sealed::parse(path, bytes).and_then(|sealed| sealed.open(&key));
            matches!(record, Ok(RecordBody::Live(tokens))
                if tokens.pair.access.expose_secret() == access.expose_secret())
        })
    });
    is_found.await.unwrap_or(true)
}
