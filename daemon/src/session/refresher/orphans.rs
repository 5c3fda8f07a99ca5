//! Pairs that nobody will use and that must not live on at Zendesk (R8).
//!
//! Each has a file from before it could exist until it is surely dead: the pair that a login is
//! about to get, and the one that a login replaces. Whatever a crash leaves behind, the next start
//! ends all of them but the pair that is in use.

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

/// Ends the leftovers of earlier runs, all but `in_use`.
pub(in crate::session) async fn end_all(
    context: Arc<AccountContext>,
    store: Store,
    vault: Arc<Vault>,
    in_use: Option<Arc<SessionTokens>>,
) {
    let account = context.account.name.clone();
    let listing = store.clone();
    let found = blocking(move || listing.orphans(&account)).await;
    for (path, sealed) in found.unwrap_or_default() {
        let Some(_taken) = store.orphan_claims().try_claim(&path) else {
            continue;
        };
        // Nothing had come yet.
        let is_over = sealed.is_empty() || {
            let Ok(key) = vault.key().await else {
                return;
            };
            end_one(&context, &store, &key, &path, &sealed, in_use.as_deref()).await
        };
        if is_over {
            drop(std::fs::remove_file(&path));
        }
    }
}

/// Whether the leftover in the file at `path` needs no more work.
async fn end_one(
    context: &AccountContext,
    store: &Store,
    key: &Arc<DataKey>,
    path: &Path,
    sealed: &[u8],
    in_use: Option<&SessionTokens>,
) -> bool {
    let account = &context.account.name;
    let aad = orphan::aad(&context.binding);
    let Some(kept) = JournaledAnswer::open(sealed, &aad, key) else {
        // Of another configuration: it is sent nowhere else (S5).
        tracing::debug!(%account, path = %path.display(), "a leftover can't be opened");
        return false;
    };
    let Some(grant) = oauth::reread(&context.account, &kept) else {
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
            tracing::info!(%account, "a pair that an earlier login left behind is revoked");
            true
        }
        Err(why) => {
            tracing::warn!(%account, why, "a pair of an earlier login is not revoked yet");
            false
        }
    }
}

/// Whether a record of any of the account's pairs holds this token: a page of a login may bring a
/// pair for another role than the one it was opened for.
async fn is_stored(
    store: &Store,
    account: &AccountName,
    key: &Arc<DataKey>,
    access: &AccessToken,
) -> bool {
    let (store, account, key) = (store.clone(), account.clone(), Arc::clone(key));
    let access = access.clone();
    let looking = blocking(move || {
        let records = store.records(&account);
        records.iter().any(|(path, bytes)| {
            let record = Sealed::parse(path, bytes).and_then(|sealed| sealed.open(&key));
            matches!(record, Ok(RecordBody::Live(tokens))
                if tokens.pair.access.expose_secret() == access.expose_secret())
        })
    });
    looking.await.unwrap_or(true)
}
