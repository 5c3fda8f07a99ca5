//! A login without a browser: the OAuth client acts by its own secret, as the user whose it is.

use std::sync::Arc;

use loopdesk_protocol::login::Done;
use loopdesk_protocol::{Kind, Problem};

use super::Login;
use crate::config::GrantType;
use crate::session::model::outcome::TokenOutcome;
use crate::session::model::token_pair::{Renewal, Secret, SessionTokens};

impl Login {
    /// Proves the secret, the one that was given or the one that is stored, by getting a token.
    pub(super) async fn attempt_by_secret(&self) -> Result<Done, Problem> {
        let key = self.prove().await?;
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
        if let Some(given) = &self.wish.client_secret {
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

    pub(super) fn needs_no_secret(&self) -> Problem {
        let name = self.name();
        Problem::new(
            Kind::Usage,
            format!("account `{name}` has a person log in, so that a client secret is of no use"),
        )
        .hint(format!("run `loopdesk login {name}` without it"))
        .hint(format!(
            "or let the client act by itself: `loopdesk account set {name} grant \
             client-credentials`"
        ))
    }

    /// What to mind about whoever is logged in now.
    pub(super) fn warning(&self, tokens: &Arc<SessionTokens>) -> Option<String> {
        let acts_alone = self.context.account.grant == GrantType::ClientCredentials;
        (acts_alone && tokens.person.is_admin()).then(|| {
            format!(
                "whatever scripts do through account `{}` is done as {}, an admin. The OAuth \
                 client of a user with fewer rights would do less harm.",
                self.name(),
                tokens.person.name
            )
        })
    }
}
