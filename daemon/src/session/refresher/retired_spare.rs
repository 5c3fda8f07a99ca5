//! Retires the spare token pair that earlier releases kept beside an account's own (`spare = true`).
//!
//! A state folder of theirs may hold two pairs, and nobody is logged out by there being one only:
//!
//! - The account's own pair was lost: the answer to its refresh never came, and the spare served in its
//!   place. Then the spare's record is moved to the place of the account's own. It is moved and not
//!   copied, so that no crash leaves one pair in two records, which would be refreshed twice.
//! - The account's own pair lives: once Zendesk has answered 200 to it, the spare is revoked, tried
//!   until Zendesk confirms that, and erased. A logout revokes it, too.
//! - Neither is known to live: nothing is revoked.

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

/// Whether the record of the account's own pair, made for `theirs`, is the spare's that was moved
/// there, and was not written anew since.
pub(in crate::session) fn was_moved(context: &AccountContext, theirs: &Binding) -> bool {
    context.binding.role == RecordRole::Primary && *theirs == for_spare(context).binding
}

/// Puts the spare pair in the place of the account's own, which was lost and was `person`'s. Whether
/// there was one that can be used.
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
    let Some(_taken) = store.orphan_claims().try_claim(&spare.path(account)) else {
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
            tracing::warn!(%account, "the account's own token pair was lost: its spare one takes its place");
            true
        }
        Ok(Err(error)) => {
            tracing::error!(%account, %error, "can't put the spare pair in the place of the lost one");
            false
        }
        Err(why) => {
            tracing::error!(%account, why, "can't put the spare pair in the place of the lost one");
            false
        }
    }
}

fn move_record(from: &Store, to: &Store, account: &AccountName) -> std::io::Result<()> {
    // What was noted of the lost pair must not be taken for this one's.
    to.clear_note(account);
    fs::rename(from.path(account), to.path(account))?;
    failpoint::reach(failpoint::SPARE_MOVED);
    // There is a note only where an answer to the spare was lost as well.
    drop(fs::rename(
        from.file(account, "journal"),
        to.file(account, "journal"),
    ));
    sync_folder(to.dir())
}

/// What has come of an attempt to retire the spare pair.
#[derive(Debug)]
pub(in crate::session) enum SpareOutcome {
    /// There is none, or none that could be revoked.
    Over,
    /// It has to be tried again.
    NotYet,
}

/// Revokes and erases the spare pair, if there is one, once the account's own, `held`, has proved to
/// be alive.
pub(in crate::session) async fn retire(
    context: Arc<AccountContext>,
    store: Store,
    vault: Arc<Vault>,
    tokens: Arc<SessionTokens>,
) -> SpareOutcome {
    let account = &context.account.name;
    // That Zendesk had ended one pair when it granted another was remembered here.
    let lone = store.file(account, "lone");
    drop(blocking(move || fs::remove_file(lone)).await);
    if !is_there(&store, account).await {
        return SpareOutcome::Over;
    }
    let check = context.zendesk.check(&tokens.pair.access).await;
    if !matches!(check, TokenCheck::Alive { .. }) {
        return SpareOutcome::NotYet;
    }
    match end(&context, &store, &vault).await {
        Ok(()) => {
            tracing::info!(%account, "the spare pair is revoked: one pair is all that is kept");
            SpareOutcome::Over
        }
        Err(KeptPair { why, is_unusable }) if is_unusable => {
            tracing::warn!(%account, why, "the spare pair can't be revoked");
            SpareOutcome::Over
        }
        Err(KeptPair { why, .. }) => {
            tracing::info!(%account, why, "the spare pair is not revoked yet");
            SpareOutcome::NotYet
        }
    }
}

/// Why there still is a spare pair.
#[derive(Debug)]
pub(in crate::session) struct KeptPair {
    pub(in crate::session) why: String,
    /// Trying again is of no use.
    is_unusable: bool,
}

impl KeptPair {
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
/// Where it is still there.
pub(in crate::session) async fn end(
    context: &Arc<AccountContext>,
    store: &Store,
    vault: &Arc<Vault>,
) -> Result<(), KeptPair> {
    let account = &context.account.name;
    if context.binding.role != RecordRole::Primary || !is_there(store, account).await {
        return Ok(());
    }
    let (context, store) = (for_spare(context), store.of(RecordRole::Spare));
    let _taken = take(&store, account).await;
    let (of, files, with) = (Arc::clone(&context), store.clone(), Arc::clone(vault));
    orphans::end_all(of, files, with, None).await;
    match jobs::read(Arc::clone(&context), store.clone(), Arc::clone(vault)).await {
        LoadResult::Found { tokens, .. } => {
            let (of, files, key) = (Arc::clone(&context), store.clone(), vault.key_in_memory());
            let left = recovery::leave(of, files, key, Arc::new(tokens)).await;
            left.map_err(KeptPair::for_now)?;
        }
        LoadResult::Nothing | LoadResult::Over { .. } => {}
        LoadResult::Unusable { problem, .. } => {
            return Err(KeptPair {
                why: problem.message,
                is_unusable: true,
            });
        }
        LoadResult::NoKey(problem) => return Err(KeptPair::for_now(problem.message)),
    }
    failpoint::reach(failpoint::TOKEN_ENDED);
    erase(&store, account).await.map_err(KeptPair::for_now)?;
    if is_there(&store, account).await {
        return Err(KeptPair::for_now("a login's pair is left over".to_owned()));
    }
    Ok(())
}

/// Removes the spare pair from this machine.
///
/// # Errors
/// Where it is still there.
pub(in crate::session) async fn erase(store: &Store, account: &AccountName) -> Result<(), String> {
    let (store, account) = (store.of(RecordRole::Spare), account.clone());
    let erased = blocking(move || {
        drop(fs::remove_file(store.file(&account, "health")));
        store.erase(&account)
    });
    erased.await?.map_err(|error| error.problem().message)
}

async fn is_there(store: &Store, account: &AccountName) -> bool {
    let (store, account) = (store.of(RecordRole::Spare), account.clone());
    let looking =
        blocking(move || store.path(&account).exists() || !store.orphans(&account).is_empty());
    looking.await.unwrap_or(true)
}

/// Waits until nobody else works on it.
async fn take(store: &Store, account: &AccountName) -> OrphanClaim {
    loop {
        if let Some(taken) = store.orphan_claims().try_claim(&store.path(account)) {
            return taken;
        }
        tokio::time::sleep(TAKEN_PAUSE).await;
    }
}

fn for_spare(context: &AccountContext) -> Arc<AccountContext> {
    let mut context = context.clone();
    context.binding.role = RecordRole::Spare;
    Arc::new(context)
}

/// When to try next.
#[derive(Debug)]
pub(in crate::session) struct Schedule {
    next: Option<Instant>,
    pause: Duration,
}

impl Schedule {
    /// At once, beside the account's own pair; never beside another one.
    pub(in crate::session) fn beside(role: Role) -> Self {
        Self {
            next: (role == Role::Primary).then(Instant::now),
            pause: PAUSE_MIN,
        }
    }

    /// Whether it is time. If so, it isn't again until this attempt has [ended](Self::ended).
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

/// Zendesk may be out of reach for a moment, or for a night.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(900);
/// Two requests to Zendesk may be all that it takes.
const TAKEN_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
