//! Recovers from a refresh that was cut short, and from records that another process wrote (R3).

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

/// Completes a refresh that an earlier process sent: `journaled` is its answer, if it arrived
/// (R3, R5).
pub(in crate::session) async fn recover(
    context: Arc<AccountContext>,
    store: Store,
    key: Arc<DataKey>,
    tokens: SessionTokens,
    next: Generation,
    journaled: Option<Vec<u8>>,
) -> LoadResult {
    let aad = aad(&context, next);
    let answer = journaled.and_then(|sealed| JournaledAnswer::open(&sealed, &aad, &key));
    let grant = answer.and_then(|answer| oauth::reread(&context.account, &answer));
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
    tracing::info!(account = %context.account.name, generation = %next, "recovered the answer to a refresh from the journal");
    let stored = RecordBody::Live(tokens.clone());
    match jobs::store(context, store, Some(key), stored, None).await {
        StoreResult::Done => LoadResult::Found {
            tokens,
            doubt: None,
        },
        // The answer stays in the journal for the next attempt.
        StoreResult::Failed(problem) => LoadResult::NoKey(problem),
        StoreResult::Superseded(load) => *load,
    }
}

/// The session that another process has stored, if its generation is `at_least` or newer: refreshing
/// an older pair would end the session. Blocks.
pub(in crate::session) fn concurrent_writer(
    context: &AccountContext,
    store: &Store,
    key: &DataKey,
    at_least: Generation,
) -> Option<LoadResult> {
    let account = &context.account.name;
    let bytes = store.changed(account).ok()??;
    let path = store.path(account);
    let record = Sealed::parse(&path, &bytes).ok()?;
    let generation = Generation::new(record.header.generation);
    if record.header.binding != context.binding || generation < at_least {
        return None;
    }
    let stored = record.open(key).ok()?;
    store.adopt(account, &bytes);
    tracing::warn!(%account, %generation, "another process has stored a newer session: using that one");
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

/// Binds a journaled answer to the refresh that makes generation `next`.
pub(in crate::session) fn aad(context: &AccountContext, next: Generation) -> Vec<u8> {
    journal::aad(&context.binding, &format!("answer {next}"))
}

/// Revokes a stored pair. If that takes a refresh, its answer is journaled, so that a start after a
/// crash finds it.
///
/// # Errors
/// Why the pair may still work.
pub(in crate::session) async fn revoke_stored(
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
    let file = blocking(move || store.note_refresh(&account, next)).await?;
    let journal = file.ok().zip(key).map(|(place, key)| AnswerJournal {
        place,
        aad: aad(&context, next),
        key,
    });
    revoke::revoke_refresh_token(&context, pair, journal.as_ref()).await
}

/// Why a record that is bound to `theirs` must not be used here; `None` if it may (S5, R3).
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
             that share a session break it for each other"
        )
    } else if ours.account != theirs.account {
        format!(
            "the stored session of account `{name}` is a renamed copy of account `{}`'s",
            theirs.account
        )
    } else if ours.role != theirs.role {
        format!(
            "the stored {} pair of account `{name}` is a renamed copy of its {} pair",
            ours.role.name(),
            theirs.role.name()
        )
    } else if ours.grant != theirs.grant {
        format!(
            "the stored session of account `{name}` was obtained by the grant `{}`, but the \
             configuration now says `{}`",
            theirs.grant, ours.grant
        )
    } else {
        format!(
            "the stored session of account `{name}` belongs to {} and client `{}`, but the \
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
