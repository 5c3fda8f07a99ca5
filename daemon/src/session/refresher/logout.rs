//! Logging out: revokes the account's pairs at Zendesk, then erases them (R8).

use std::sync::Arc;

use loopdesk_protocol::session::LoggedOut;
use loopdesk_protocol::{Kind, Problem};

use super::jobs::internal;
use super::recovery;
use super::retired_spare;
use crate::failpoint;
use crate::session::model::blocking::blocking;
use crate::session::model::token_pair::SessionTokens;
use crate::session::store::Store;
use crate::session::vault::Vault;
use crate::session::zendesk::account_context::AccountContext;

/// The session that a logout is to end.
#[derive(Debug)]
pub(in crate::session) enum LogoutTarget {
    /// No user is logged in, and there is no record.
    SignedOut,
    /// A session with a live pair.
    Live(Arc<SessionTokens>),
    /// A session that Zendesk has ended. An access token may be left.
    Ended(
        Option<Arc<SessionTokens>>,
        Option<loopdesk_protocol::account::Person>,
    ),
    /// A record that can't be used, and why.
    Unreadable(Problem),
}

/// Revokes and erases a session (R8).
///
/// # Errors
/// Zendesk didn't confirm that the tokens are revoked (ignored if `forget`), or a record is still on
/// disk.
pub(in crate::session) async fn logout(
    context: Arc<AccountContext>,
    store: Store,
    vault: Arc<Vault>,
    target: LogoutTarget,
    forget: bool,
) -> Result<LoggedOut, Problem> {
    failpoint::reach(failpoint::LEAVING);
    let name = context.account.name.clone();
    let not_revoked = |why| {
        let message = format!(
            "account `{name}` is still logged in, because its tokens can't be revoked: {why}"
        );
        Problem::new(Kind::Zendesk, message)
            .hint("try again when Zendesk is reachable")
            .hint(format!(
                "or remove them from this machine only: `loopdesk logout {name} --forget`"
            ))
    };
    let spare = retired_spare::revoke(&context, &store, &vault).await;
    let is_spare_revoked = match spare {
        Ok(()) => true,
        Err(_) if forget => false,
        Err(remaining) => return Err(not_revoked(remaining.why)),
    };
    let (person, revoked) = match target {
        LogoutTarget::SignedOut => (None, Ok(false)),
        LogoutTarget::Live(tokens) => {
            let person = Some(tokens.person.as_ref().clone());
            let (context, store) = (Arc::clone(&context), store.clone());
            (
                person,
                recovery::revoke_stored(context, store, vault.key_in_memory(), tokens)
                    .await
                    .map(|()| true),
            )
        }
        LogoutTarget::Ended(left, person) => {
            if let Some(tokens) = left {
                context.zendesk.revoke(&tokens.pair.access).await;
            }
            // Zendesk has said that the refresh token is dead.
            (person, Ok(true))
        }
        LogoutTarget::Unreadable(problem) => (None, Err(problem.message)),
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
