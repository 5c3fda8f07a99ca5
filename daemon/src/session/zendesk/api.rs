//! Zendesk as a session needs it: seven calls. Tests put a scripted one in its place.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use loopdesk_protocol::Problem;
use loopdesk_protocol::account::Person;
use secrecy::SecretString;

use super::introspection;
use super::oauth::{Authorization, Server};
use crate::clock::Clock;
use crate::config::Account;
use crate::session::model::checks::{ProbeResult, Revocation, TokenCheck};
use crate::session::model::outcome::TokenOutcome;
use crate::session::model::token_pair::{AccessToken, Renewal};
use crate::session::store::journal::AnswerJournal;
use crate::upstream::Upstream;

/// An answer that is on its way.
pub(in crate::session) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One account's Zendesk.
pub(in crate::session) trait ZendeskApi: fmt::Debug + Send + Sync {
    /// Replaces the pair that this refresh token belongs to, or gets a token by the client's secret.
    /// The answer is kept by `keeper` before anything is done with it.
    fn refresh<'a>(
        &'a self,
        renewal: &'a Renewal,
        journal: Option<&'a AnswerJournal>,
    ) -> Pending<'a, TokenOutcome>;
    /// Turns a login's code into its first pair. The answer is kept as that of a refresh is.
    fn exchange<'a>(
        &'a self,
        login: Authorization,
        code: &'a SecretString,
        journal: &'a AnswerJournal,
    ) -> Pending<'a, TokenOutcome>;
    /// Whether the token lives.
    fn check<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, TokenCheck>;
    /// Deletes the token and its refresh token.
    fn revoke<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Revocation>;
    /// Whose token it is.
    fn person<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Result<Person, String>>;
    /// Whether the token lives, and still is somebody's.
    fn probe<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, ProbeResult>;
}

/// The real one.
#[derive(Debug)]
pub(in crate::session) struct HttpZendesk {
    pub(in crate::session) account: Arc<Account>,
    pub(in crate::session) upstream: Upstream,
    pub(in crate::session) clock: Clock,
}

impl HttpZendesk {
    fn server(&self) -> Server<'_> {
        Server::new(&self.account, &self.upstream, &self.clock)
    }
}

impl ZendeskApi for HttpZendesk {
    fn refresh<'a>(
        &'a self,
        renewal: &'a Renewal,
        journal: Option<&'a AnswerJournal>,
    ) -> Pending<'a, TokenOutcome> {
        Box::pin(async move { self.server().refresh(renewal, journal).await })
    }

    fn exchange<'a>(
        &'a self,
        login: Authorization,
        code: &'a SecretString,
        journal: &'a AnswerJournal,
    ) -> Pending<'a, TokenOutcome> {
        Box::pin(async move { self.server().exchange(login, code, journal).await })
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

/// An account that has no way to Zendesk, because its configuration gives none.
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
