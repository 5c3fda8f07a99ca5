//! The refresher's jobs: all work that waits for Zendesk, the disk or the vault.
//!
//! Each job runs to completion on its own task, even if nothing waits for it any more.

use std::sync::Arc;

use loopdesk_protocol::session::LoggedOut;
use loopdesk_protocol::{Kind, Problem};

use super::recovery;
use super::refresh::Attempt;
use super::retired_spare;
use crate::failpoint;
use crate::session::crypto::data_key::DataKey;
use crate::session::model::blocking::blocking;
use crate::session::model::checks::TokenCheck;
use crate::session::model::token_pair::{Generation, SessionTokens};
use crate::session::state::LoadResult;
use crate::session::state::health::ProbeInput;
use crate::session::store::orphan::OrphanedPair;
use crate::session::store::record::{self, RecordBody, Sealed};
use crate::session::store::{Slot, Store};
use crate::session::vault::{self, Vault};
use crate::session::zendesk::account_context::AccountContext;

/// The result of a job.
#[derive(Debug)]
pub(in crate::session) enum Done {
    Loaded(LoadResult),
    Refreshed(Attempt),
    Stored(StoreResult),
    Checked {
        generation: Generation,
        purpose: Purpose,
        check: TokenCheck,
    },
    Adopted(Result<(SessionTokens, Option<OrphanedPair>), Problem>),
    LoggedOut(Result<LoggedOut, Problem>),
    /// Of the daily probe.
    Health(Option<ProbeInput>),
    /// An attempt to revoke old pairs has ended, successfully or not.
    Revoked,
    /// Of an attempt to retire the spare pair.
    Spare(retired_spare::SpareOutcome),
}

/// Why `tokens/current` was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Purpose {
    /// The token endpoint's answer left something out.
    Learn,
    /// A request was answered 401.
    On401,
}

/// The result of storing a record.
#[derive(Debug)]
pub(in crate::session) enum StoreResult {
    Done,
    Failed(Problem),
    /// Another process has stored a session that is at least as new, and keeps its place.
    Superseded(Box<LoadResult>),
}

/// Reads the account's record, or that of its spare pair if the account's own pair was lost.
pub(in crate::session) async fn load(
    context: Arc<AccountContext>,
    store: Store,
    vault: Arc<Vault>,
) -> LoadResult {
    let load = read(Arc::clone(&context), store.clone(), Arc::clone(&vault)).await;
    if let LoadResult::Over { end, person, .. } = &load
        && end.answer_lost
        && retired_spare::take_over(&context, &store, &vault, person.as_ref()).await
    {
        return read(context, store, vault).await;
    }
    load
}

/// Reads the record of this role, and recovers what a crash left beside it.
pub(in crate::session) async fn read(
    context: Arc<AccountContext>,
    store: Store,
    vault: Arc<Vault>,
) -> LoadResult {
    let account = context.account.name.clone();
    let path = store.path(&account);
    let reading = (store.clone(), account.clone());
    let read = blocking(move || {
        let (store, account) = reading;
        store.sweep(&account);
        let bytes = store.read(&account).map_err(|e| e.problem())?;
        let noted = store.noted(&account);
        Ok::<_, Problem>((
            bytes,
            noted.map(|noted| (noted, store.journaled_answer(&account))),
        ))
    });
    let (bytes, noted) = match read.await {
        Ok(Ok((Some(bytes), noted))) => (bytes, noted),
        Ok(Ok((None, _))) => return LoadResult::Nothing,
        Ok(Err(problem)) => return LoadResult::NoKey(problem),
        Err(why) => return LoadResult::NoKey(Problem::new(Kind::Internal, why)),
    };
    let unusable = |problem, generation| LoadResult::Unusable {
        problem,
        generation,
    };
    let record = match Sealed::parse(&path, &bytes) {
        Ok(record) => record,
        Err(problem) => return unusable(problem, None),
    };
    let generation = Generation::new(record.header.generation);
    let was_moved = retired_spare::was_moved(&context, &record.header.binding);
    if let Some(problem) = recovery::binding_mismatch(&context, &record.header.binding)
        && !was_moved
    {
        return unusable(problem, Some(generation));
    }
    let key = match vault.key().await {
        Ok(key) => key,
        Err(problem) => {
            return LoadResult::NoKey(vault::lost_key(problem, &path, account.as_str()));
        }
    };
    if key.id() != record.header.key_id {
        let problem = Problem::new(
            Kind::Vault,
            format!(
                "the {} holds a different data key from the one it needs",
                vault.name()
            ),
        )
        .hint("set `vault` back to what it was, or put the old key back");
        return LoadResult::NoKey(vault::lost_key(problem, &path, account.as_str()));
    }
    match record.open(&key) {
        Ok(RecordBody::Live(tokens)) => {
            let noted = noted.filter(|(noted, _)| *noted > generation);
            match noted.filter(|_| tokens.pair.renewal.is_consumed()) {
                None => {
                    if was_moved {
                        // If this fails, the next refresh writes the record in any case.
                        let stored = RecordBody::Live(tokens.clone());
                        drop(self::store(context, store, Some(key), stored, None).await);
                    }
                    LoadResult::Found {
                        tokens,
                        doubt: None,
                    }
                }
                Some((next, journaled)) => {
                    recovery::recover(context, store, key, tokens, next, journaled).await
                }
            }
        }
        Ok(RecordBody::Over {
            end,
            person,
            generation,
        }) => LoadResult::Over {
            end,
            person,
            generation,
        },
        Err(problem) => unusable(problem, Some(generation)),
    }
}

/// Makes a record durable, in `slot` or in a new file.
pub(in crate::session) async fn store(
    context: Arc<AccountContext>,
    store: Store,
    key: Option<Arc<DataKey>>,
    stored: RecordBody,
    slot: Option<Slot>,
) -> StoreResult {
    // No live session gets here: its record was opened, or written, with this key.
    let Some(key) = key else {
        return StoreResult::Failed(no_key());
    };
    let work = move || {
        let account = &context.account.name;
        let generation = match &stored {
            RecordBody::Live(tokens) => tokens.pair.generation,
            RecordBody::Over { generation, .. } => *generation,
        };
        if let Some(load) = recovery::concurrent_writer(&context, &store, &key, generation) {
            if let Some(slot) = slot {
                slot.discard();
            }
            return Ok(Some(load));
        }
        let bytes = record::seal(&stored, &context.binding, &key).map_err(internal)?;
        let slot = match slot {
            Some(slot) => slot,
            None => store.prepare(account).map_err(|e| e.problem())?,
        };
        slot.commit(&bytes).map_err(|e| e.problem())?;
        store.clear_note(account);
        Ok::<_, Problem>(None)
    };
    match blocking(work).await.map_err(internal).flatten() {
        Ok(None) => StoreResult::Done,
        Ok(Some(load)) => StoreResult::Superseded(Box::new(load)),
        Err(problem) => StoreResult::Failed(problem),
    }
}

/// Makes a login's pair durable, and the pair that it replaces an orphaned one. With `set_aside`, moves
/// an unusable record out of the way first.
///
/// # Errors
/// Why the pair isn't durable.
pub(in crate::session) async fn adopt(
    context: Arc<AccountContext>,
    store: Store,
    key: Arc<DataKey>,
    tokens: SessionTokens,
    replaced: Option<Arc<SessionTokens>>,
    set_aside: bool,
) -> Result<(SessionTokens, Option<OrphanedPair>), Problem> {
    let work = move || {
        let account = &context.account.name;
        let replaced = replaced.filter(|old| old.pair.renewal.is_consumed());
        let replaced = replaced.map(|old| {
            OrphanedPair::of(
                &context.account.name,
                &context.binding,
                &store,
                &key,
                &old.pair,
            )
        });
        let replaced = replaced.transpose().map_err(|e| e.problem())?;
        failpoint::reach(failpoint::OLD_NOTED);
        if set_aside {
            store.set_aside(account).map_err(|e| e.problem())?;
        }
        let slot = store.prepare(account).map_err(|e| e.problem())?;
        let stored = RecordBody::Live(tokens.clone());
        let bytes = record::seal(&stored, &context.binding, &key)
            .map_err(|why| Problem::new(Kind::Internal, why))?;
        slot.commit(&bytes).map_err(|e| e.problem())?;
        store.clear_note(account);
        Ok((tokens, replaced))
    };
    blocking(work)
        .await
        .unwrap_or_else(|why| Err(Problem::new(Kind::Internal, why)))
}

pub(super) fn flat<T>(
    result: Result<Result<T, crate::session::store::DurableError>, String>,
) -> Result<T, Problem> {
    let result = result.map_err(internal)?;
    result.map_err(|error| error.problem())
}

pub(super) fn internal(why: String) -> Problem {
    Problem::new(Kind::Internal, why)
}

pub(super) fn no_key() -> Problem {
    Problem::new(Kind::Vault, "the data key is not available").hint("run `loopdesk unlock`")
}
