//! What a start finds of a refresh that was cut short, and what another process has left (R3).

use std::sync::Arc;

use loopdesk_protocol::{Kind, Problem};

use super::jobs::{self, StoreResult};
use super::revoke;
use crate::session::crypto::data_key::DataKey;
use crate::session::model::binding::Binding;
use crate::session::model::blocking::blocking;
use crate::session::model::token_pair::{Generation, SessionTokens};
use crate::session::state::LoadResult;
use crate::session::store::Store;
use crate::session::store::journal::{self, AnswerJournal, JournaledAnswer};
use crate::session::store::record::{RecordBody, Sealed};
use crate::session::zendesk::account_context::AccountContext;
use crate::session::zendesk::oauth;

/// Takes up a refresh that was sent before this process was started: `kept` is its answer, if it
/// came (R3, R5).
pub(in crate::session) async fn recover(
    context: Arc<AccountContext>,
    store: Store,
    key: Arc<DataKey>,
    tokens: SessionTokens,
    next: Generation,
    kept: Option<Vec<u8>>,
) -> LoadResult {
    let aad = aad(&context, next);
    let kept = kept.and_then(|kept| JournaledAnswer::open(&kept, &aad, &key));
    let grant = match kept {
        Some(kept) => oauth::reread(&context.account, &kept),
        None => None,
    };
    let Some(grant) = grant else {
        return LoadResult::Found {
            tokens,
            doubt: Some("loopdesk was stopped while it waited for the answer".to_owned()),
        };
    };
    let tokens = SessionTokens {
        pair: grant.renew(next, &tokens.pair),
        ..tokens
    };
    tracing::info!(account = %context.account.name, generation = %next, "took up an answer that was kept");
    let stored = RecordBody::Live(tokens.clone());
    match jobs::store(context, store, Some(key), stored, None).await {
        StoreResult::Done => LoadResult::Found {
            tokens,
            doubt: None,
        },
        // The answer stays where it is, and is taken up again.
        StoreResult::Failed(problem) => LoadResult::NoKey(problem),
        StoreResult::Superseded(load) => *load,
    }
}

/// What another process has put in the record's place, if it is of generation `least` or newer:
/// whoever refreshes after a newer one ends the session. Blocks.
pub(in crate::session) fn concurrent_writer(
    context: &AccountContext,
    store: &Store,
    key: &DataKey,
    least: Generation,
) -> Option<LoadResult> {
    let account = &context.account.name;
    let bytes = store.changed(account).ok()??;
    let path = store.path(account);
    let record = Sealed::parse(&path, &bytes).ok()?;
    let generation = Generation::new(record.header.generation);
    if record.header.binding != context.binding || generation < least {
        return None;
    }
    let stored = record.open(key).ok()?;
    store.adopt(account, &bytes);
    tracing::warn!(%account, %generation, "another process has changed the stored session: using that");
    Some(match stored {
        RecordBody::Live(tokens) => LoadResult::Found {
            tokens,
            doubt: None,
        },
        RecordBody::Over {
            end,
            person,
            generation,
        } => LoadResult::Over {
            end,
            person,
            generation,
        },
    })
}

/// What binds the answer to the refresh that makes generation `next`.
pub(in crate::session) fn aad(context: &AccountContext, next: Generation) -> Vec<u8> {
    journal::aad(&context.binding, &format!("answer {next}"))
}

/// Ends the pair in use. Should that take a refresh, a start after a crash finds its answer.
pub(in crate::session) async fn leave(
    context: Arc<AccountContext>,
    store: Store,
    key: Option<Arc<DataKey>>,
    tokens: Arc<SessionTokens>,
) -> Result<(), String> {
    let pair = &tokens.pair;
    if revoke::revoke_access(&context, pair).await? {
        return Ok(());
    }
    let next = pair.generation.next();
    let account = context.account.name.clone();
    let place = blocking(move || store.note_refresh(&account, next)).await?;
    let journal = place.ok().zip(key).map(|(place, key)| AnswerJournal {
        place,
        aad: aad(&context, next),
        key,
    });
    revoke::revoke_refresh_token(&context, pair, journal.as_ref()).await
}

/// Why a record that was made for `theirs` must not be used here, if it must not (S5, R3).
pub(in crate::session) fn binding_mismatch(
    context: &AccountContext,
    theirs: &Binding,
) -> Option<Problem> {
    let ours = &context.binding;
    if ours == theirs {
        return None;
    }
    let name = &ours.account;
    let why = if ours.machine != theirs.machine {
        format!(
            "the stored session of account `{name}` was made on another machine, and two machines \
             that share one session end it for each other"
        )
    } else if ours.account != theirs.account {
        format!(
            "the stored session of account `{name}` is that of account `{}` under another name",
            theirs.account
        )
    } else if ours.role != theirs.role {
        format!(
            "the stored {} pair of account `{name}` is its {} pair under another name",
            ours.role.name(),
            theirs.role.name()
        )
    } else if ours.grant != theirs.grant {
        format!(
            "the stored session of account `{name}` was obtained by the grant `{}`, the \
             configuration now says `{}`",
            theirs.grant, ours.grant
        )
    } else {
        format!(
            "the stored session of account `{name}` belongs to {} and client `{}`, the \
             configuration now says {} and client `{}`",
            theirs.api_origin, theirs.client_id, ours.api_origin, ours.client_id
        )
    };
    let problem = Problem::new(Kind::Login, why).hint(context.how_to_log_in());
    Some(if ours.machine == theirs.machine {
        problem.hint("or change the configuration back: the stored session is kept")
    } else {
        problem
    })
}
