//! Revokes pairs and tokens at Zendesk, and makes sure of it.

use crate::failpoint;
use crate::session::model::checks::Revocation;
use crate::session::model::outcome::TokenOutcome;
use crate::session::model::token_pair::{AccessToken, Pair, Renewal};
use crate::session::store::journal::AnswerJournal;
use crate::session::store::orphan::OrphanedPair;
use crate::session::zendesk::account_context::AccountContext;

/// Makes sure that neither of the pair's tokens works any more. If that takes a refresh, its answer goes
/// to `journal` first.
///
/// # Errors
/// Why a token may still work.
pub(in crate::session) async fn revoke_pair(
    context: &AccountContext,
    pair: &Pair,
    journal: Option<&AnswerJournal>,
) -> Result<(), String> {
    if revoke_access(context, pair).await? {
        return Ok(());
    }
    revoke_refresh_token(context, pair, journal).await
}

/// Revokes the access token; `true` if that revoked the whole pair.
///
/// # Errors
/// Why Zendesk didn't confirm that.
pub(in crate::session) async fn revoke_access(
    context: &AccountContext,
    pair: &Pair,
) -> Result<bool, String> {
    match context.zendesk.revoke(&pair.access).await {
        Revocation::Done => Ok(true),
        Revocation::Failed(why) => Err(why),
        // A refresh token outlives its access token. A client's secret isn't revoked with a pair.
        Revocation::WasDead => Ok(matches!(pair.renewal, Renewal::ClientSecret(_))),
    }
}

/// Revokes a refresh token whose access token is dead. Zendesk revokes a pair only by a live access
/// token, so this refreshes first.
///
/// # Errors
/// Why the refresh token may still work.
pub(in crate::session) async fn revoke_refresh_token(
    context: &AccountContext,
    pair: &Pair,
    journal: Option<&AnswerJournal>,
) -> Result<(), String> {
    match context.zendesk.refresh(&pair.renewal, journal).await {
        TokenOutcome::InvalidGrant(_) => Ok(()),
        TokenOutcome::Granted(grant) => revoke_new(context, &grant.access).await,
        TokenOutcome::Refused(block) => Err(block.why),
        TokenOutcome::Transient { why, .. } | TokenOutcome::Lost(why) => Err(why),
    }
}

/// Revokes an access token that its client has replaced by another.
pub(in crate::session) async fn revoke_outdated(context: &AccountContext, access: &AccessToken) {
    if let Err(why) = revoke_new(context, access).await {
        let account = &context.account.name;
        tracing::info!(%account, why, "can't revoke the previous access token; it will expire");
    }
}

/// Revokes a pair that a login has replaced. If its session was `over`, Zendesk had already revoked the
/// refresh token.
pub(in crate::session) async fn revoke_replaced(
    context: &AccountContext,
    pair: &Pair,
    orphan: Option<OrphanedPair>,
    over: bool,
) {
    let revoked = if over {
        revoke_new(context, &pair.access).await
    } else {
        revoke_pair(context, pair, orphan.as_ref().map(OrphanedPair::journal)).await
    };
    failpoint::reach(failpoint::OLD_ENDED);
    match (revoked, orphan) {
        (Ok(()), Some(orphan)) => orphan.forget(),
        (Ok(()), None) => {}
        (Err(why), _) => {
            let account = &context.account.name;
            tracing::warn!(%account, why, "can't revoke the tokens of the previous login yet; trying again later");
        }
    }
    failpoint::reach(failpoint::LEFT_FORGOTTEN);
}

async fn revoke_new(context: &AccountContext, access: &AccessToken) -> Result<(), String> {
    match context.zendesk.revoke(access).await {
        Revocation::Done | Revocation::WasDead => Ok(()),
        Revocation::Failed(why) => Err(why),
    }
}
