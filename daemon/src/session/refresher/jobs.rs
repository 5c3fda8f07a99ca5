//! The refresher's work: whatever waits for Zendesk, the disk or the vault.
//!
//! Each job runs to its end on a task of its own, whoever stops waiting for it.

use std::sync::Arc;

use loopdesk_protocol::session::LoggedOut;
use loopdesk_protocol::{Kind, Problem};

use super::gate::{Closed, Gate};
use super::recovery;
use super::retired_spare;
use crate::failpoint;
use crate::session::crypto::data_key::DataKey;
use crate::session::model::blocking::blocking;
use crate::session::model::checks::TokenCheck;
use crate::session::model::outcome::TokenOutcome;
use crate::session::model::schedule::Urgency;
use crate::session::model::token_pair::{Generation, SessionTokens};
use crate::session::state::LoadResult;
use crate::session::state::health::ProbeInput;
use crate::session::store::journal::AnswerJournal;
use crate::session::store::orphan::OrphanedPair;
use crate::session::store::record::{self, RecordBody, Sealed};
use crate::session::store::{Slot, Store};
use crate::session::vault::{self, Vault};
use crate::session::zendesk::account_context::AccountContext;

/// What a job brings back.
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
    /// The daily probe's.
    Health(Option<ProbeInput>),
    /// An old pair was revoked, or not.
    Revoked,
    /// What has come of an attempt to retire the spare pair.
    Spare(retired_spare::SpareOutcome),
}

/// Why `tokens/current` was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Purpose {
    /// The token answer has left something out.
    Learn,
    /// A request was answered 401.
    Judge,
}

/// A refresh that has ended, and what it holds.
#[derive(Debug)]
pub(in crate::session) struct Attempt {
    pub(in crate::session) answer: Result<TokenOutcome, Unsent>,
    pub(in crate::session) guards: RefreshGuards,
}

/// Why a refresh was not sent.
#[derive(Debug)]
pub(in crate::session) enum Unsent {
    Because(Problem),
    /// Another process has stored a newer session.
    Superseded(Box<LoadResult>),
}

/// What has come of storing something.
#[derive(Debug)]
pub(in crate::session) enum StoreResult {
    Done,
    Failed(Problem),
    /// Another process has stored a session that is as new: it was left as it is.
    Superseded(Box<LoadResult>),
}

/// What a refresh holds while it is under way.
#[derive(Debug, Default)]
pub(in crate::session) struct RefreshGuards {
    pub(in crate::session) closed: Option<Closed>,
    pub(in crate::session) slot: Option<Slot>,
}

/// Reads the record of `setup`'s account, or its spare's where its own was lost.
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

/// Reads the record of this role, and takes up what a crash has left beside it.
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
                "the {} holds another data key than the one it needs",
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
                        // The next refresh would write it anew, too: this can't be lost by a failure.
                        let stored = RecordBody::Live(tokens.clone());
                        drop(self::store(context, store, Some(key), stored, None).await);
                    }
                    LoadResult::Found {
                        tokens,
                        doubt: None,
                    }
                }
                Some((next, kept)) => {
                    recovery::recover(context, store, key, tokens, next, kept).await
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

/// What a refresh needs.
#[derive(Debug)]
pub(in crate::session) struct Refresh {
    pub(in crate::session) context: Arc<AccountContext>,
    pub(in crate::session) store: Store,
    pub(in crate::session) vault: Arc<Vault>,
    pub(in crate::session) gate: Gate,
    pub(in crate::session) tokens: Arc<SessionTokens>,
    pub(in crate::session) next: Generation,
    pub(in crate::session) urgency: Urgency,
    /// Without it nothing can be stored.
    pub(in crate::session) key: Option<Arc<DataKey>>,
    /// What the attempt before this one still holds.
    pub(in crate::session) guards: RefreshGuards,
}

impl Refresh {
    /// Proves that the new pair could be stored, waits at the gate, and asks Zendesk.
    pub(in crate::session) async fn run(self) -> Attempt {
        let Self {
            context,
            store,
            vault,
            gate,
            tokens,
            next,
            urgency,
            key,
            guards,
        } = self;
        failpoint::reach(failpoint::BEGUN);
        let Some(key) = key else {
            return unsent(no_key(), guards.closed, guards.slot);
        };
        let account = context.account.name.clone();
        let slot = match guards.slot {
            Some(slot) => slot,
            None => {
                let (store, account) = (store.clone(), account.clone());
                match flat(blocking(move || store.prepare(&account)).await) {
                    Ok(slot) => slot,
                    Err(why) => return unsent(why, guards.closed, None),
                }
            }
        };
        let closed = match guards.closed {
            Some(closed) => closed,
            None => gate.close(urgency).await,
        };
        failpoint::reach(failpoint::GATE_CLOSED);
        let renewal = &tokens.pair.renewal;
        let noting = (store.clone(), account.clone(), tokens.pair.generation);
        let judging = (Arc::clone(&context), Arc::clone(&key));
        // What replaces nothing leaves no doubt, and nothing to note.
        let is_noted = renewal.is_consumed();
        let noted = blocking(move || {
            let (store, account, current) = noting;
            let (context, key) = judging;
            if let Some(load) = recovery::concurrent_writer(&context, &store, &key, current) {
                return Ok(Err(load));
            }
            let was_noted = store.noted(&account).is_some_and(|noted| noted > current);
            let place = is_noted.then(|| store.note_refresh(&account, next));
            let journal = place.transpose()?.map(|place| AnswerJournal {
                place,
                aad: recovery::aad(&context, next),
                key,
            });
            Ok(Ok((was_noted, journal)))
        });
        let (was_noted, journal) = match flat(noted.await) {
            Ok(Ok(noted)) => noted,
            Ok(Err(load)) => {
                return Attempt {
                    answer: Err(Unsent::Superseded(Box::new(load))),
                    guards: RefreshGuards {
                        closed: Some(closed),
                        slot: Some(slot),
                    },
                };
            }
            Err(why) => return unsent(why, Some(closed), Some(slot)),
        };
        let answer = context.zendesk.refresh(renewal, journal.as_ref()).await;
        failpoint::reach(failpoint::PARSED);
        let guards = RefreshGuards {
            closed: Some(closed),
            slot: Some(slot),
        };
        if was_noted
            && matches!(answer, TokenOutcome::InvalidGrant(_))
            && retired_spare::take_over(&context, &store, &vault, Some(&tokens.person)).await
        {
            let load = Box::new(read(context, store, vault).await);
            let answer = Err(Unsent::Superseded(load));
            return Attempt { answer, guards };
        }
        let settled = match &answer {
            // An answer that was lost earlier stays lost.
            TokenOutcome::Transient { may_have_acted, .. } => !may_have_acted && !was_noted,
            TokenOutcome::Refused(_) => !was_noted,
            TokenOutcome::InvalidGrant(_) => true,
            // The note goes when the new pair is stored; until then it is the truth.
            TokenOutcome::Granted(_) | TokenOutcome::Lost(_) => false,
        };
        if settled {
            drop(blocking(move || store.clear_note(&account)).await);
        }
        Attempt {
            answer: Ok(answer),
            guards,
        }
    }
}

fn unsent(why: Problem, closed: Option<Closed>, slot: Option<Slot>) -> Attempt {
    Attempt {
        answer: Err(Unsent::Because(why)),
        guards: RefreshGuards { closed, slot },
    }
}

/// Makes what is to be stored durable, in `slot` or in a new place.
pub(in crate::session) async fn store(
    context: Arc<AccountContext>,
    store: Store,
    key: Option<Arc<DataKey>>,
    stored: RecordBody,
    slot: Option<Slot>,
) -> StoreResult {
    // A session is live only if its record was opened, or written, with this key.
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

/// Makes a login's pair durable, and `replaced` a leftover; `aside`: there is a record in the way
/// that nobody can use.
pub(in crate::session) async fn adopt(
    context: Arc<AccountContext>,
    store: Store,
    key: Arc<DataKey>,
    tokens: SessionTokens,
    replaced: Option<Arc<SessionTokens>>,
    aside: bool,
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
        if aside {
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

/// A session that a logout finds.
#[derive(Debug)]
pub(in crate::session) enum Leaving {
    /// Nobody is logged in, and there is no record.
    Nobody,
    /// A pair that lives.
    Live(Arc<SessionTokens>),
    /// A session that Zendesk has ended; perhaps an access token is left.
    Ended(
        Option<Arc<SessionTokens>>,
        Option<loopdesk_protocol::account::Person>,
    ),
    /// A record that can't be used, and why.
    Sealed(Problem),
}

/// Revokes and erases a session (R8).
pub(in crate::session) async fn logout(
    context: Arc<AccountContext>,
    store: Store,
    vault: Arc<Vault>,
    leaving: Leaving,
    forget: bool,
) -> Result<LoggedOut, Problem> {
    failpoint::reach(failpoint::LEAVING);
    let name = context.account.name.clone();
    let not_revoked = |why| {
        let message =
            format!("account `{name}` is still logged in, its tokens can't be revoked: {why}");
        Problem::new(Kind::Zendesk, message)
            .hint("try again when Zendesk can be reached")
            .hint(format!(
                "or remove them from this machine only: `loopdesk logout {name} --forget`"
            ))
    };
    let spare = retired_spare::end(&context, &store, &vault).await;
    let is_spare_revoked = match spare {
        Ok(()) => true,
        Err(_) if forget => false,
        Err(kept) => return Err(not_revoked(kept.why)),
    };
    let (person, revoked) = match leaving {
        Leaving::Nobody => (None, Ok(false)),
        Leaving::Live(tokens) => {
            let person = Some(tokens.person.as_ref().clone());
            let (context, store) = (Arc::clone(&context), store.clone());
            (
                person,
                recovery::leave(context, store, vault.key_in_memory(), tokens)
                    .await
                    .map(|()| true),
            )
        }
        Leaving::Ended(left, person) => {
            if let Some(tokens) = left {
                context.zendesk.revoke(&tokens.pair.access).await;
            }
            // Its refresh token is dead by Zendesk's own word.
            (person, Ok(true))
        }
        Leaving::Sealed(problem) => (None, Err(problem.message)),
    };
    let revoked = match revoked {
        Ok(revoked) => revoked,
        Err(_) if forget => false,
        Err(why) => return Err(not_revoked(why)),
    };
    failpoint::reach(failpoint::TOKEN_ENDED);
    if !is_spare_revoked {
        let erased = retired_spare::erase(&store, &name).await;
        erased.map_err(internal)?;
    }
    let erasing = name.clone();
    match blocking(move || store.erase(&erasing)).await {
        Ok(Ok(())) => Ok(LoggedOut {
            account: name.to_string(),
            person,
            revoked: revoked && is_spare_revoked,
        }),
        Ok(Err(error)) => Err(error.problem()),
        Err(why) => Err(Problem::new(Kind::Internal, why)),
    }
}

fn flat<T>(
    result: Result<Result<T, crate::session::store::DurableError>, String>,
) -> Result<T, Problem> {
    let result = result.map_err(internal)?;
    result.map_err(|error| error.problem())
}

fn internal(why: String) -> Problem {
    Problem::new(Kind::Internal, why)
}

fn no_key() -> Problem {
    Problem::new(Kind::Vault, "the data key is not at hand").hint("run `loopdesk unlock`")
}
