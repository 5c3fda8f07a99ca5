//! Sessions of a client that authenticates with its own secret.

use std::sync::Arc;

use loopdesk_protocol::login::{Done, LoginEvent};
use loopdesk_protocol::{Problem, SecretText};
use tokio::sync::mpsc;

use super::{Bench, Scripted, account, context_of, session_tokens};
use crate::config::{Account, GrantType};
use crate::session::login::LoginOptions;
use crate::session::model::token_pair::Renewal;
use crate::session::zendesk::account_context::AccountContext;

/// The context of an account with such a client.
pub(in crate::session) fn by_secret(zendesk: &Arc<Scripted>) -> Arc<AccountContext> {
    let account = Account {
        grant: GrantType::ClientCredentials,
        ..account("acme", "https://acme.zendesk.com")
    };
    context_of(zendesk, account)
}

impl Bench {
    /// The client acts as person 42 and has the secret `secret`. Its token 1 lives for `lifetime` seconds.
    pub(in crate::session) async fn by_secret(lifetime: u32) -> Self {
        let mut bench = Self::signed_out(lifetime).await;
        bench.context = by_secret(&bench.zendesk);
        let mut tokens = session_tokens(1, bench.deps.clock.now(), lifetime.into());
        tokens.pair.renewal = Renewal::ClientSecret("secret".to_owned().into());
        tokens.pair.refresh_expires_at = None;
        bench.write(tokens, "m4ch1ne").await;
        bench.zendesk.set_issued(1);
        bench.restarted().await
    }

    /// Logs in with this secret, or the stored one.
    pub(in crate::session) async fn log_in_by_secret(
        &self,
        secret: Option<&str>,
        switch_user: bool,
    ) -> Result<Done, Problem> {
        let options = LoginOptions {
            switch_user,
            client_secret: secret.map(|secret| SecretText::new(secret.to_owned())),
            no_browser: false,
        };
        let (events, mut heard) = mpsc::channel(8);
        self.session.login(options, &[], Vec::new(), events).await;
        match heard.recv().await {
            Some(LoginEvent::Done(done)) => Ok(done),
            Some(LoginEvent::Failed(problem)) => Err(problem),
            other => panic!("{other:?}"),
        }
    }
}
