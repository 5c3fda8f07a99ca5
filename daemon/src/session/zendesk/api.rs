//! What a session asks of Zendesk, as a trait: tests substitute a scripted Zendesk.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use loopdesk_protocol::Problem;
use loopdesk_protocol::account::Person;
use secrecy::SecretString;

use super::introspection;
use super::oauth::{Authorization, TokenEndpoint};
use crate::clock::Clock;
use crate::config::Account;
use crate::session::model::checks::{ProbeResult, Revocation, TokenCheck};
use crate::session::model::outcome::TokenOutcome;
use crate::session::model::token_pair::{AccessToken, Renewal};
use crate::session::store::journal::AnswerJournal;
use crate::upstream::Upstream;

/// A pending answer.
pub(in crate::session) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One account's Zendesk.
pub(in crate::session) trait ZendeskApi: fmt::Debug + Send + Sync {
    /// Replaces the pair that this refresh token belongs to, or gets a token with the client's
    /// secret. The answer goes to `journal` before anything else happens to it.
    fn refresh<'a>(
        &'a self,
        renewal: &'a Renewal,
        journal: Option<&'a AnswerJournal>,
    ) -> Pending<'a, TokenOutcome>;
    /// Exchanges a login's code for its first pair. The answer goes to `journal` first, as in
    /// [`ZendeskApi::refresh`].
    fn exchange<'a>(
        &'a self,
        login: Authorization,
        code: &'a SecretString,
        journal: &'a AnswerJournal,
    ) -> Pending<'a, TokenOutcome>;
    /// Whether the token works.
    fn check<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, TokenCheck>;
    /// Revokes the token and its refresh token.
    fn revoke<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Revocation>;
    /// Whose token it is.
    ///
    /// # Errors
    /// If Zendesk doesn't answer, or the token doesn't stand for a user.
    fn person<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Result<Person, String>>;
    /// Whether the token works and still stands for a user.
    fn probe<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, ProbeResult>;
}

/// The real Zendesk.
#[derive(Debug)]
pub(in crate::session) struct HttpZendesk {
    pub(in crate::session) account: Arc<Account>,
    pub(in crate::session) upstream: Upstream,
    pub(in crate::session) clock: Clock,
}

impl HttpZendesk {
    fn token_endpoint(&self) -> TokenEndpoint<'_> {
        TokenEndpoint::new(&self.account, &self.upstream, &self.clock)
    }
}

impl ZendeskApi for HttpZendesk {
    fn refresh<'a>(
        &'a self,
        renewal: &'a Renewal,
        journal: Option<&'a AnswerJournal>,
    ) -> Pending<'a, TokenOutcome> {
        Box::pin(async move { self.token_endpoint().refresh(renewal, journal).await })
    }

    fn exchange<'a>(
        &'a self,
        login: Authorization,
        code: &'a SecretString,
        journal: &'a AnswerJournal,
    ) -> Pending<'a, TokenOutcome> {
        Box::pin(async move { self.token_endpoint().exchange(login, code, journal).await })
    }

    fn check<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, TokenCheck> {
        Box::pin(introspection::check(&self.account, &self.upstream, access))
    }

    fn revoke<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Revocation> {
        Box::pin(introspection::revoke(&self.account, &self.upstream, access))
    }

    fn person<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Result<Person, String>> {
        Box::pin(introspection::person(&self.account, &self.upstream, access))
    }

    fn probe<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, ProbeResult> {
        Box::pin(introspection::probe(&self.account, &self.upstream, access))
    }
}

/// Stands in where the configuration leaves no way to Zendesk. Every call fails and says why.
#[derive(Debug)]
pub(in crate::session) struct UnreachableApi(pub(in crate::session) Problem);

impl UnreachableApi {
    fn why(&self) -> String {
        self.0.message.clone()
    }
}

impl ZendeskApi for UnreachableApi {
    fn refresh<'a>(
        &'a self,
        _: &'a Renewal,
        _: Option<&'a AnswerJournal>,
    ) -> Pending<'a, TokenOutcome> {
        let why = self.why();
        Box::pin(async move { TokenOutcome::unsendable(why) })
    }

    fn exchange<'a>(
        &'a self,
        _: Authorization,
        _: &'a SecretString,
        _: &'a AnswerJournal,
    ) -> Pending<'a, TokenOutcome> {
        let why = self.why();
        Box::pin(async move { TokenOutcome::unsendable(why) })
    }

    fn check<'a>(&'a self, _: &'a AccessToken) -> Pending<'a, TokenCheck> {
        let why = self.why();
        Box::pin(async move { TokenCheck::Unclear(why) })
    }

    fn revoke<'a>(&'a self, _: &'a AccessToken) -> Pending<'a, Revocation> {
        let why = self.why();
        Box::pin(async move { Revocation::Failed(why) })
    }

    fn person<'a>(&'a self, _: &'a AccessToken) -> Pending<'a, Result<Person, String>> {
        let why = self.why();
        Box::pin(async move { Err(why) })
    }

    fn probe<'a>(&'a self, _: &'a AccessToken) -> Pending<'a, ProbeResult> {
        let why = self.why();
        Box::pin(async move { ProbeResult::Unclear(why) })
    }
}
