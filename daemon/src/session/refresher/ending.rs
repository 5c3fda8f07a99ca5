//! Making sure at Zendesk that a pair, or one of its tokens, is good for nothing any more.

use crate::failpoint;
use crate::session::model::checks::Revocation;
use crate::session::model::outcome::Answer;
use crate::session::model::token_pair::{AccessToken, Pair, Renewal};
use crate::session::store::kept::Keeper;
use crate::session::store::leftover::Leftover;
use crate::session::zendesk::setup::Setup;

/// Makes sure that neither of the pair's tokens is good for anything any more. Where that takes a
/// refresh, its answer is kept by `keeper`.
pub(in crate::session) async fn end_pair(
    setup: &Setup,
    pair: &Pair,
    keeper: Option<&Keeper>,
) -> Result<(), String> {
    if end_access(setup, pair).await? {
        return Ok(());
    }
    end_refresh(setup, pair, keeper).await
}

/// Revokes the access token; `true` if that was the end of the pair.
pub(in crate::session) async fn end_access(setup: &Setup, pair: &Pair) -> Result<bool, String> {
    match setup.zendesk.revoke(&pair.access).await {
        Revocation::Done => Ok(true),
        Revocation::Failed(why) => Err(why),
        // A refresh token outlives its access token.
        Revocation::WasDead => Ok(matches!(pair.renewal, Renewal::ClientSecret(_))),
    }
}

/// Ends a refresh token whose access token is dead: only a living one can kill it.
pub(in crate::session) async fn end_refresh(
    setup: &Setup,
    pair: &Pair,
    keeper: Option<&Keeper>,
) -> Result<(), String> {
    match setup.zendesk.refresh(&pair.renewal, keeper).await {
        Answer::InvalidGrant(_) => Ok(()),
        Answer::Granted(grant) => revoke_fresh(setup, &grant.access).await,
        Answer::Refused(block) => Err(block.why),
        Answer::Transient { why, .. } | Answer::Lost(why) => Err(why),
    }
}

/// Ends an access token after which the client has got another one.
pub(in crate::session) async fn end_outdated(setup: &Setup, access: &AccessToken) {
    if let Err(why) = revoke_fresh(setup, access).await {
        let account = &setup.account.name;
        tracing::info!(%account, why, "the access token before is not revoked; it will expire");
    }
}

/// Ends a pair that a login has replaced; `over`: Zendesk has killed its refresh token already.
pub(in crate::session) async fn end_replaced(
    setup: &Setup,
    pair: &Pair,
    leftover: Option<Leftover>,
    over: bool,
) {
    let ended = if over {
        revoke_fresh(setup, &pair.access).await
    } else {
        end_pair(setup, pair, leftover.as_ref().map(Leftover::keeper)).await
    };
    failpoint::reach(failpoint::OLD_ENDED);
    match (ended, leftover) {
        (Ok(()), Some(leftover)) => leftover.forget(),
        (Ok(()), None) => {}
        (Err(why), _) => {
            let account = &setup.account.name;
            tracing::warn!(%account, why, "the tokens of the login before are not revoked yet");
        }
    }
    failpoint::reach(failpoint::LEFT_FORGOTTEN);
}

async fn revoke_fresh(setup: &Setup, access: &AccessToken) -> Result<(), String> {
    match setup.zendesk.revoke(access).await {
        Revocation::Done | Revocation::WasDead => Ok(()),
        Revocation::Failed(why) => Err(why),
    }
}
