//! Turns a login's code into a pair that is stored and in use, or else revoked.

use std::sync::Arc;

use loopdesk_protocol::status::Role;
use loopdesk_protocol::{Kind, Problem};
use secrecy::{ExposeSecret, SecretString};

use super::Login;
use crate::failpoint;
use crate::session::crypto::data_key::DataKey;
use crate::session::model::blocking::blocking;
use crate::session::model::checks::Revocation;
use crate::session::model::outcome::{Grant, TokenOutcome};
use crate::session::model::token_pair::{AccessToken, Renewal, SessionTokens};
use crate::session::refresher::Adoption;
use crate::session::store::orphan::OrphanedPair;
use crate::session::zendesk::account_context::AccountContext;
use crate::session::zendesk::oauth::Authorization;
use crate::telemetry::redact;

impl Login {
    pub(super) async fn exchange(
        &self,
        authorization: Authorization,
        code: SecretString,
        key: Arc<DataKey>,
    ) -> Result<Arc<SessionTokens>, Problem> {
        let (grant, renewal, orphan) = self
            .redeem(&self.context, authorization, code, &key)
            .await?;
        self.adopt(grant, renewal, key, Some(orphan)).await
    }

    /// Exchanges a code for a pair, which is orphaned until it is in use.
    ///
    /// # Errors
    /// Why there is no usable pair. What Zendesk may have granted is revoked, now or later.
    pub(super) async fn redeem(
        &self,
        context: &Arc<AccountContext>,
        authorization: Authorization,
        code: SecretString,
        key: &Arc<DataKey>,
    ) -> Result<(Grant, Renewal, OrphanedPair), Problem> {
        let _hidden = redact::hide(code.expose_secret());
        let zendesk = &context.zendesk;
        let store = self.session.0.store.of(context.binding.role);
        let (context, opening) = (Arc::clone(context), Arc::clone(key));
        let orphan = blocking(move || {
            OrphanedPair::expected(&context.account.name, &context.binding, &store, &opening)
        });
        let orphan = orphan
            .await
            .map_err(|why| Problem::new(Kind::Internal, why))?;
        let orphan = orphan.map_err(|error| error.problem())?;
        failpoint::reach(failpoint::FRESH_MADE);
        let answer = zendesk
            .exchange(authorization, &code, orphan.journal())
            .await;
        failpoint::reach(failpoint::PARSED);
        let grant = match answer {
            TokenOutcome::Granted(grant) => grant,
            TokenOutcome::InvalidGrant(_) => {
                let why = "Zendesk no longer accepts this login's code (it is valid once, for two \
                           minutes)";
                return Err(self.failed(Kind::Login, why));
            }
            TokenOutcome::Refused(block) => {
                let mut problem = self.failed(Kind::Zendesk, &block.why);
                // First, because trying again helps only after that.
                problem.hints.insert(0, block.fix);
                return Err(problem);
            }
            TokenOutcome::Transient { why, .. } | TokenOutcome::Lost(why) => {
                return Err(self.failed(Kind::Zendesk, &why));
            }
        };
        match grant.refresh.clone() {
            Some(token) => Ok((grant, Renewal::RefreshToken(token), orphan)),
            None => {
                zendesk.revoke(&grant.access).await;
                let why = "Zendesk granted a token that can't be refreshed";
                Err(self
                    .failed(Kind::Zendesk, why)
                    .hint("ask a Zendesk admin to let the OAuth client use refresh tokens"))
            }
        }
    }

    /// Stores the granted pair and uses it, or revokes it.
    ///
    /// # Errors
    /// Why the pair isn't in use.
    pub(super) async fn adopt(
        &self,
        mut grant: Grant,
        renewal: Renewal,
        key: Arc<DataKey>,
        orphan: Option<OrphanedPair>,
    ) -> Result<Arc<SessionTokens>, Problem> {
        // RFC 6749 section 5.1: `scope` may be left out if it is what was requested.
        grant
            .scopes
            .get_or_insert_with(|| self.requested().collect());
        let zendesk = &self.context.zendesk;
        let access = grant.access.clone();
        let person = zendesk.person(&access).await;
        let adopted = match person {
            Ok(person) => {
                let switch_user = self.options.switch_user;
                let adoption = |reply| Adoption {
                    grant,
                    renewal,
                    person,
                    switch_user,
                    key,
                    reply,
                };
                self.session.adopt(Role::Primary, adoption).await
            }
            Err(why) => Err(self.failed(Kind::Zendesk, &why)),
        };
        if adopted.is_err() {
            self.discard(&access, orphan).await;
            return adopted;
        }
        if let Some(orphan) = orphan {
            orphan.forget();
        }
        failpoint::reach(failpoint::FRESH_FORGOTTEN);
        adopted
    }

    /// Revokes a pair that won't be used, so that it doesn't stay valid at Zendesk.
    pub(super) async fn discard(&self, access: &AccessToken, orphan: Option<OrphanedPair>) {
        let revoked = self.context.zendesk.revoke(access).await;
        if let (Revocation::Done, Some(orphan)) = (revoked, orphan) {
            orphan.forget();
        }
    }
}
