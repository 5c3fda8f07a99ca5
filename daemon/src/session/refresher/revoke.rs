//! Making sure at Zendesk that a pair, or one of its tokens, is good for nothing any more.

use crate::failpoint;
use crate::session::model::checks::Revocation;
use crate::session::model::outcome::TokenOutcome;
use crate::session::model::token_pair::{AccessToken, Pair, Renewal};
use crate::session::store::journal::AnswerJournal;
use crate::session::store::orphan::OrphanedPair;
use crate::session::zendesk::account_context::AccountContext;

/// Makes sure that neither of the pair's tokens is good for anything any more. Where that takes a
/// refresh, its answer is kept by `keeper`.
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

/// Revokes the access token; `true` if that was the end of the pair.
pub(in crate::session) async fn revoke_access(
    context: &AccountContext,
    pair: &Pair,
) -> Result<bool, String> {
    match context.zendesk.revoke(&pair.access).await {
        Revocation::Done => Ok(true),
        Revocation::Failed(why) => Err(why),
        // A refresh token outlives its access token.
        Revocation::WasDead => Ok(matches!(pair.renewal, Renewal::ClientSecret(_))),
    }
}

/// Ends a refresh token whose access token is dead: only a living one can kill it.
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

/// Ends an access token after which the client has got another one.
pub(in crate::session) async fn revoke_outdated(context: &AccountContext, access: &AccessToken) {
    if let Err(why) = revoke_new(context, access).await {
        let account = &context.account.name;
        tracing::info!(%account, why, "the access token before is not revoked; it will expire");
    }
}

/// Ends a pair that a login has replaced; `over`: Zendesk has killed its refresh token already.
pub(in crate::session) async fn revoke_replaced(
    context: &AccountContext,
    pair: &Pair,
    leftover: Option<OrphanedPair>,
    over: bool,
) {
    let ended = if over {
        revoke_new(context, &pair.access).await
    } else {
        revoke_pair(context, pair, leftover.as_ref().map(OrphanedPair::journal)).await
    };
    failpoint::reach(failpoint::OLD_ENDED);
    match (ended, leftover) {
        (Ok(()), Some(leftover)) => leftover.forget(),
        (Ok(()), None) => {}
        (Err(why), _) => {
            let account = &context.account.name;
            tracing::warn!(%account, why, "the tokens of the login before are not revoked yet");
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
