//! One refresh: proves that the new pair could be stored, closes the gate, and asks Zendesk for it.

use std::sync::Arc;

use loopdesk_protocol::Problem;

use super::gate::{Closed, Gate};
use super::jobs::{flat, no_key, read};
use super::recovery;
use super::retired_spare;
use crate::failpoint;
use crate::session::crypto::data_key::DataKey;
use crate::session::model::blocking::blocking;
use crate::session::model::outcome::TokenOutcome;
use crate::session::model::schedule::Urgency;
use crate::session::model::token_pair::{Generation, SessionTokens};
use crate::session::state::LoadResult;
use crate::session::store::journal::AnswerJournal;
use crate::session::store::{Slot, Store};
use crate::session::vault::Vault;
use crate::session::zendesk::account_context::AccountContext;

/// A refresh that is about to start.
#[derive(Debug)]
pub(in crate::session) struct Refresh {
    pub(in crate::session) context: Arc<AccountContext>,
    pub(in crate::session) store: Store,
    pub(in crate::session) vault: Arc<Vault>,
    pub(in crate::session) gate: Gate,
    pub(in crate::session) tokens: Arc<SessionTokens>,
    pub(in crate::session) next: Generation,
    pub(in crate::session) urgency: Urgency,
    /// `None` if the vault is closed: then nothing could be stored.
    pub(in crate::session) key: Option<Arc<DataKey>>,
    /// What the previous attempt still holds.
    pub(in crate::session) guards: RefreshGuards,
}

/// What a refresh holds while it is in progress.
#[derive(Debug, Default)]
pub(in crate::session) struct RefreshGuards {
    pub(in crate::session) closed: Option<Closed>,
    pub(in crate::session) slot: Option<Slot>,
}

/// A refresh that has ended, and what it still holds.
#[derive(Debug)]
pub(in crate::session) struct Attempt {
    pub(in crate::session) answer: Result<TokenOutcome, Unsent>,
    pub(in crate::session) guards: RefreshGuards,
}

/// Why a refresh was not sent.
#[derive(Debug)]
pub(in crate::session) enum Unsent {
    Because(Problem),
    /// The stored session is to be used instead: another process has refreshed it, or the spare pair
    /// has taken its place.
    Superseded(Box<LoadResult>),
}

/// The entry in the journal for a refresh that is about to be sent.
struct JournalEntry {
    /// Whether the answer to an earlier attempt is still missing.
    is_in_doubt: bool,
    /// Keeps the answer. `None` if the refresh replaces nothing, so that no answer can be lost.
    journal: Option<AnswerJournal>,
}

impl Refresh {
    /// Runs the refresh to its end. What the attempt returns keeps the gate closed.
    pub(in crate::session) async fn run(mut self) -> Attempt {
        failpoint::reach(failpoint::BEGUN);
        let Some(key) = self.key.clone() else {
            return self.unsent(no_key());
        };
        if let Err(why) = self.reserve_slot().await {
            return self.unsent(why);
        }
        self.close_gate().await;
        failpoint::reach(failpoint::GATE_CLOSED);
        let JournalEntry {
            is_in_doubt,
            journal,
        } = match self.note(key).await {
            Ok(Ok(entry)) => entry,
            Ok(Err(load)) => return self.superseded(load),
            Err(why) => return self.unsent(why),
        };
        let renewal = &self.tokens.pair.renewal;
        let answer = self.context.zendesk.refresh(renewal, journal.as_ref());
        let answer = answer.await;
        failpoint::reach(failpoint::PARSED);
        if is_in_doubt && matches!(answer, TokenOutcome::InvalidGrant(_)) && self.take_spare().await
        {
            let (store, vault) = (self.store.clone(), Arc::clone(&self.vault));
            let load = read(Arc::clone(&self.context), store, vault).await;
            return self.superseded(load);
        }
        if is_settled(&answer, is_in_doubt) {
            let (store, account) = (self.store.clone(), self.context.account.name.clone());
            drop(blocking(move || store.clear_note(&account)).await);
        }
        Attempt {
            answer: Ok(answer),
            guards: self.guards,
        }
    }

    /// Reserves the new record's space on disk, unless an earlier attempt has.
    async fn reserve_slot(&mut self) -> Result<(), Problem> {
        if self.guards.slot.is_none() {
            let (store, account) = (self.store.clone(), self.context.account.name.clone());
            let slot = flat(blocking(move || store.prepare(&account)).await)?;
            self.guards.slot = Some(slot);
        }
        Ok(())
    }

    async fn close_gate(&mut self) {
        if self.guards.closed.is_none() {
            self.guards.closed = Some(self.gate.close(self.urgency).await);
        }
    }

    /// Notes in the journal that a refresh is about to be sent, unless another process has stored a
    /// newer session, which is returned.
    async fn note(&self, key: Arc<DataKey>) -> Result<Result<JournalEntry, LoadResult>, Problem> {
        let (context, store) = (Arc::clone(&self.context), self.store.clone());
        let (current, next) = (self.tokens.pair.generation, self.next);
        let is_consumed = self.tokens.pair.renewal.is_consumed();
        let noted = blocking(move || {
            if let Some(load) = recovery::concurrent_writer(&context, &store, &key, current) {
                return Ok(Err(load));
            }
            let account = &context.account.name;
            let is_in_doubt = store.noted(account).is_some_and(|noted| noted > current);
            let file = is_consumed.then(|| store.note_refresh(account, next));
            let journal = file.transpose()?.map(|place| AnswerJournal {
                place,
                aad: recovery::aad(&context, next),
                key,
            });
            Ok(Ok(JournalEntry {
                is_in_doubt,
                journal,
            }))
        });
        flat(noted.await)
    }

    async fn take_spare(&self) -> bool {
        let person = Some(self.tokens.person.as_ref());
        retired_spare::take_over(&self.context, &self.store, &self.vault, person).await
    }

    fn unsent(self, why: Problem) -> Attempt {
        Attempt {
            answer: Err(Unsent::Because(why)),
            guards: self.guards,
        }
    }

    fn superseded(self, load: LoadResult) -> Attempt {
        Attempt {
            answer: Err(Unsent::Superseded(Box::new(load))),
            guards: self.guards,
        }
    }
}

/// Whether the journal's note can be removed: no answer is missing any more.
fn is_settled(answer: &TokenOutcome, is_in_doubt: bool) -> bool {
    match answer {
        // An answer that was lost earlier stays lost.
        TokenOutcome::Transient { may_have_acted, .. } => !may_have_acted && !is_in_doubt,
        TokenOutcome::Refused(_) => !is_in_doubt,
        TokenOutcome::InvalidGrant(_) => true,
        // The note is removed once the new pair is stored. Until then it is true.
        TokenOutcome::Granted(_) | TokenOutcome::Lost(_) => false,
    }
}
