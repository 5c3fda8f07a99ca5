//! Retires the spare token pair that earlier releases kept beside an account's own (`spare = true`).
//!
//! Their state folders may hold two pairs. Reducing these to one logs no user out:
//!
//! - The account's own pair was lost: the answer to its refresh never came, and the spare served in its
//!   place. Then the spare's record replaces the account's own. It is moved, not copied, so that no
//!   crash can leave one pair in two records, which would be refreshed twice.
//! - The account's own pair is alive: once Zendesk has answered 200 to it, the spare is revoked, with
//!   retries until Zendesk confirms that, and erased. A logout revokes it, too.
//! - Neither is known to be alive: nothing is revoked.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::account::Person;
use loopdesk_protocol::status::Role;
use tokio::time::Instant;

use super::jobs;
use super::orphans;
use super::recovery;
use crate::config::AccountName;
use crate::durable::sync_folder;
use crate::failpoint;
use crate::session::model::binding::{Binding, RecordRole};
use crate::session::model::blocking::blocking;
use crate::session::model::checks::TokenCheck;
use crate::session::model::token_pair::SessionTokens;
use crate::session::state::LoadResult;
use crate::session::store::Store;
use crate::session::store::orphan::OrphanClaim;
use crate::session::vault::Vault;
use crate::session::zendesk::account_context::AccountContext;

/// Whether the record of the account's own pair, which is bound to `theirs`, is the spare's, moved there
/// and not rewritten since.
pub(in crate::session) fn was_moved(context: &AccountContext, theirs: &Binding) -> bool {
    context.binding.role == RecordRole::Primary && *theirs == for_spare(context).binding
}

/// Replaces the account's own pair, which was lost and belonged to `person`, by the spare one. `true`
/// if there was a usable spare pair.
pub(in crate::session) async fn take_over(
    context: &Arc<AccountContext>,
    store: &Store,
    vault: &Arc<Vault>,
    person: Option<&Person>,
) -> bool {
    let account = &context.account.name;
    let spare = store.of(RecordRole::Spare);
    if context.binding.role != RecordRole::Primary {
        return false;
    }
    let Some(_claim) = store.orphan_claims().try_claim(&spare.path(account)) else {
        return false;
    };
    let read = jobs::read(for_spare(context), spare.clone(), Arc::clone(vault));
    let LoadResult::Found { tokens, .. } = read.await else {
        return false;
    };
    if person.is_some_and(|person| person.id != tokens.person.id) {
        return false;
    }
    let (moving, own) = (account.clone(), store.clone());
    match blocking(move || move_record(&spare, &own, &moving)).await {
        Ok(Ok(())) => {
            tracing::warn!(%account, "the account's own token pair was lost: using its spare pair instead");
            true
        }
        Ok(Err(error)) => {
            tracing::error!(%account, %error, "can't replace the lost token pair by the spare one");
            false
        }
        Err(why) => {
            tracing::error!(%account, why, "can't replace the lost token pair by the spare one");
            false
        }
    }
}

fn move_record(from: &Store, to: &Store, account: &AccountName) -> std::io::Result<()> {
    // The lost pair's journal must not be taken for this pair's.
    to.clear_note(account);
    fs::rename(from.path(account), to.path(account))?;
    failpoint::reach(failpoint::SPARE_MOVED);
    // The spare has a journal only if an answer to its refresh was lost as well.
    drop(fs::rename(
        from.file(account, "journal"),
        to.file(account, "journal"),
    ));
    sync_folder(to.dir())
}

/// The result of an attempt to retire the spare pair.
#[derive(Debug)]
pub(in crate::session) enum SpareOutcome {
    /// There is no spare pair left, or only one that can never be revoked.
    Done,
    /// Try again later.
    NotYet,
}

/// Revokes and erases the spare pair, if there is one, after checking that the account's own pair,
/// `tokens`, is alive.
pub(in crate::session) async fn retire(
    context: Arc<AccountContext>,
    store: Store,
    vault: Arc<Vault>,
    tokens: Arc<SessionTokens>,
) -> SpareOutcome {
    let account = &context.account.name;
    // Earlier releases noted here that Zendesk had ended one pair when it granted another.
    let single_pair_note = store.file(account, "lone");
    drop(blocking(move || fs::remove_file(single_pair_note)).await);
    if !exists(&store, account).await {
        return SpareOutcome::Done;
    }
    let check = context.zendesk.check(&tokens.pair.access).await;
    if !matches!(check, TokenCheck::Alive { .. }) {
        return SpareOutcome::NotYet;
    }
    match revoke(&context, &store, &vault).await {
        Ok(()) => {
            tracing::info!(%account, "revoked the spare token pair, which this release no longer uses");
            SpareOutcome::Done
        }
        Err(RemainingSpare { why, is_unusable }) if is_unusable => {
            tracing::warn!(%account, why, "can't revoke the spare token pair");
            SpareOutcome::Done
        }
        Err(RemainingSpare { why, .. }) => {
            tracing::info!(%account, why, "can't revoke the spare token pair yet; trying again later");
            SpareOutcome::NotYet
        }
    }
}

/// Why the spare pair still exists.
#[derive(Debug)]
pub(in crate::session) struct RemainingSpare {
    pub(in crate::session) why: String,
    /// Whether trying again is pointless.
    is_unusable: bool,
}

impl RemainingSpare {
    fn for_now(why: String) -> Self {
        Self {
            why,
            is_unusable: false,
        }
    }
}

/// Revokes and erases the spare pair, if there is one.
///
/// # Errors
/// Why it still exists.
pub(in crate::session) async fn revoke(
    context: &Arc<AccountContext>,
    store: &Store,
    vault: &Arc<Vault>,
) -> Result<(), RemainingSpare> {
    let account = &context.account.name;
    if context.binding.role != RecordRole::Primary || !exists(store, account).await {
        return Ok(());
    }
    let (context, store) = (for_spare(context), store.of(RecordRole::Spare));
    let _claim = claim(&store, account).await;
    let (of, files, with) = (Arc::clone(&context), store.clone(), Arc::clone(vault));
    orphans::revoke_all(of, files, with, None).await;
    match jobs::read(Arc::clone(&context), store.clone(), Arc::clone(vault)).await {
        LoadResult::Found { tokens, .. } => {
            let (of, files, key) = (Arc::clone(&context), store.clone(), vault.key_in_memory());
            let revoked = recovery::revoke_stored(of, files, key, Arc::new(tokens)).await;
            revoked.map_err(RemainingSpare::for_now)?;
        }
        LoadResult::Nothing | LoadResult::Over { .. } => {}
        LoadResult::Unusable { problem, .. } => {
            return Err(RemainingSpare {
                why: problem.message,
                is_unusable: true,
            });
        }
        LoadResult::NoKey(problem) => return Err(RemainingSpare::for_now(problem.message)),
    }
    failpoint::reach(failpoint::TOKEN_ENDED);
    erase(&store, account)
        .await
        .map_err(RemainingSpare::for_now)?;
    if exists(&store, account).await {
        return Err(RemainingSpare::for_now(
            "a pair of an earlier login still has to be revoked".to_owned(),
        ));
    }
    Ok(())
}

/// Removes the spare pair from this machine.
///
/// # Errors
/// Why it is still on disk.
pub(in crate::session) async fn erase(store: &Store, account: &AccountName) -> Result<(), String> {
    let (store, account) = (store.of(RecordRole::Spare), account.clone());
    let erased = blocking(move || {
        drop(fs::remove_file(store.file(&account, "health")));
        store.erase(&account)
    });
    erased.await?.map_err(|error| error.problem().message)
}

async fn exists(store: &Store, account: &AccountName) -> bool {
    let (store, account) = (store.of(RecordRole::Spare), account.clone());
    let is_found =
        blocking(move || store.path(&account).exists() || !store.orphans(&account).is_empty());
    is_found.await.unwrap_or(true)
}

/// Waits until no other task works on the spare pair.
async fn claim(store: &Store, account: &AccountName) -> OrphanClaim {
    loop {
        if let Some(claim) = store.orphan_claims().try_claim(&store.path(account)) {
            return claim;
        }
        tokio::time::sleep(CLAIM_PAUSE).await;
    }
}

fn for_spare(context: &AccountContext) -> Arc<AccountContext> {
    let mut context = context.clone();
    context.binding.role = RecordRole::Spare;
    Arc::new(context)
}

/// When to try to retire the spare pair next.
#[derive(Debug)]
pub(in crate::session) struct Schedule {
    next: Option<Instant>,
    pause: Duration,
}

impl Schedule {
    /// At once, beside the account's own pair; never beside another pair.
    pub(in crate::session) fn beside(role: Role) -> Self {
        Self {
            next: (role == Role::Primary).then(Instant::now),
            pause: PAUSE_MIN,
        }
    }

    /// Whether it is time. After `true`, it isn't again until this attempt has [ended](Self::ended).
    pub(in crate::session) fn begin(&mut self) -> bool {
        self.next.take_if(|at| *at <= Instant::now()).is_some()
    }

    /// An attempt has ended.
    pub(in crate::session) fn ended(&mut self, outcome: &SpareOutcome) {
        if matches!(outcome, SpareOutcome::NotYet) {
            self.next = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
    }

    /// When it will be time, if it isn't yet.
    pub(in crate::session) fn next(&self) -> Option<Instant> {
        self.next.filter(|at| *at > Instant::now())
    }
}

/// Zendesk may be unreachable for a moment, or for a night.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(900);
/// The other task may need only two requests to Zendesk.
const CLAIM_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
