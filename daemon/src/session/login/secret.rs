//! A login without a browser: the OAuth client uses its own secret and acts as the user it belongs to.

use std::sync::Arc;

use loopdesk_protocol::login::Done;
use loopdesk_protocol::{Kind, Problem};

use super::Login;
use crate::config::GrantType;
use crate::session::model::outcome::TokenOutcome;
use crate::session::model::token_pair::{Renewal, Secret, SessionTokens};

impl Login {
    /// Logs in with the given secret, or else the stored one, by obtaining a token.
    ///
    /// # Errors
    /// Why the account isn't logged in.
    pub(super) async fn attempt_by_secret(&self) -> Result<Done, Problem> {
        let key = self.ensure_storable().await?;
        let before = self.person();
        let renewal = Renewal::ClientSecret(self.secret().await?);
        match self.context.zendesk.refresh(&renewal, None).await {
            TokenOutcome::Granted(grant) => {
                let tokens = self.adopt(grant, renewal, key, None).await?;
                Ok(self.done(&tokens, Vec::new(), before))
            }
            TokenOutcome::Refused(block) => {
                let message = format!(
                    "the login of account `{}` failed: {}",
                    self.name(),
                    block.why
                );
                Err(Problem::new(Kind::Zendesk, message).hint(block.fix))
            }
            TokenOutcome::Transient { why, .. } | TokenOutcome::Lost(why) => {
                Err(self.failed(Kind::Zendesk, &why))
            }
            TokenOutcome::InvalidGrant(_) => Err(self.failed(Kind::Zendesk, "invalid_grant")),
        }
    }

    async fn secret(&self) -> Result<Secret, Problem> {
        let name = self.name();
        let how = format!("run `loopdesk login {name} --client-secret-stdin`");
        if let Some(given) = &self.options.client_secret {
            if given.expose().is_empty() {
                let message = format!("the client secret for account `{name}` is empty");
                return Err(Problem::new(Kind::Usage, message).hint(how));
            }
            return Ok(given.expose().to_owned().into());
        }
        self.session.client_secret().await.ok_or_else(|| {
            let message = format!("account `{name}` needs the secret of its OAuth client");
            Problem::new(Kind::Login, message).hint(how)
        })
    }

    pub(super) fn secret_not_needed(&self) -> Problem {
        let name = self.name();
        Problem::new(
            Kind::Usage,
            format!("account `{name}` logs in with a browser and doesn't use a client secret"),
        )
        .hint(format!("run `loopdesk login {name}` without it"))
        .hint(format!(
            "or let the OAuth client act on its own: `loopdesk account set {name} grant \
             client-credentials`"
        ))
    }

    /// A warning about the user who is logged in now.
    pub(super) fn warning(&self, tokens: &Arc<SessionTokens>) -> Option<String> {
        let is_by_secret = self.context.account.grant == GrantType::ClientCredentials;
        (is_by_secret && tokens.person.is_admin()).then(|| {
            format!(
                "whatever scripts do through account `{}` is done as {}, an admin. The OAuth \
                 client of a user with fewer rights could do less harm.",
                self.name(),
                tokens.person.name
            )
        })
    }
}
