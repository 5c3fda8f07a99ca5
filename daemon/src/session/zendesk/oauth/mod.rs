//! OAuth with Zendesk: authorize URL, code exchange, refresh. The `oauth2` crate builds the
//! requests. `response` reads the answers, which come in more forms than the crate accepts.

mod request;
mod response;

use ::http::Response;
use jiff::Timestamp;
use oauth2::basic::{BasicClient, BasicErrorResponse};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError,
    Scope, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};

use self::request::{Answered, TokenRequests};
use crate::clock::Clock;
use crate::config::Account;
use crate::session::model::outcome::{Grant, TokenOutcome};
use crate::session::model::token_pair::{Renewal, Secret};
use crate::session::store::journal::{AnswerJournal, JournaledAnswer};
use crate::telemetry::redact::{self, Hidden};
use crate::upstream::Upstream;

/// An account's token endpoint.
#[derive(Debug)]
pub(in crate::session) struct TokenEndpoint<'a> {
    account: &'a Account,
    upstream: &'a Upstream,
    clock: &'a Clock,
}

impl<'a> TokenEndpoint<'a> {
    /// The token endpoint of `account`, reached through `upstream`.
    pub(in crate::session) fn new(
        account: &'a Account,
        upstream: &'a Upstream,
        clock: &'a Clock,
    ) -> Self {
        Self {
            account,
            upstream,
            clock,
        }
    }

    /// Gets the next tokens with `renewal`.
    pub(in crate::session) async fn refresh(
        &self,
        renewal: &Renewal,
        journal: Option<&AnswerJournal>,
    ) -> TokenOutcome {
        match renewal {
            Renewal::RefreshToken(token) => self.replace(token, journal).await,
            Renewal::ClientSecret(secret) => self.obtain(secret).await,
        }
    }

    /// Replaces the pair whose refresh token is `token`.
    async fn replace(&self, token: &Secret, journal: Option<&AnswerJournal>) -> TokenOutcome {
        let client = match client(self.account) {
            Ok(client) => client,
            Err(why) => return TokenOutcome::unsendable(why),
        };
        let token = RefreshToken::new(token.expose_secret().to_owned());
        let asked_at = self.clock.now();
        let http = self.http(journal.map(|journal| (journal, asked_at)));
        let answer = client
            .exchange_refresh_token(&token)
            .add_extra_param(EXPIRES_IN, self.access_lifetime())
            .add_extra_param(REFRESH_EXPIRES_IN, self.refresh_lifetime())
            .request_async(&http)
            .await;
        self.read(answer, asked_at)
    }

    /// Gets an access token with the client's own `secret`. This replaces nothing, so a lost or odd
    /// answer leaves no doubt about the session.
    async fn obtain(&self, secret: &Secret) -> TokenOutcome {
        let client = match client(self.account) {
            Ok(client) => client,
            Err(why) => return TokenOutcome::unsendable(why),
        };
        let asked_at = self.clock.now();
        let http = self.http(None);
        let scopes = self.account.scopes.iter();
        let answer = client
            .set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
            .exchange_client_credentials()
            .add_scopes(scopes.map(|scope| Scope::new(scope.as_str().to_owned())))
            .add_extra_param(EXPIRES_IN, self.access_lifetime())
            .request_async(&http)
            .await;
        match self.read(answer, asked_at) {
            TokenOutcome::Lost(why) | TokenOutcome::Transient { why, .. } => {
                TokenOutcome::unsendable(why)
            }
            decided @ (TokenOutcome::Granted(_)
            | TokenOutcome::InvalidGrant(_)
            | TokenOutcome::Refused(_)) => decided,
        }
    }

    /// Exchanges a login's code for its first pair.
    pub(in crate::session) async fn exchange(
        &self,
        login: Authorization,
        code: &SecretString,
        journal: &AnswerJournal,
    ) -> TokenOutcome {
        let client = match client(self.account) {
            Ok(client) => client,
            Err(why) => return TokenOutcome::unsendable(why),
        };
        let redirect = match RedirectUrl::new(login.redirect_uri) {
            Ok(redirect) => redirect,
            Err(error) => return TokenOutcome::unsendable(error.to_string()),
        };
        let asked_at = self.clock.now();
        let http = self.http(Some((journal, asked_at)));
        let answer = client
            .set_redirect_uri(redirect)
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(login.verifier)
            .add_extra_param(EXPIRES_IN, self.access_lifetime())
            .add_extra_param(REFRESH_EXPIRES_IN, self.refresh_lifetime())
            .request_async(&http)
            .await;
        self.read(answer, asked_at)
    }

    /// Reads the answer to a request that was sent at `asked_at`.
    fn read<T>(&self, sent: TokenRequestResult<T>, asked_at: Timestamp) -> TokenOutcome {
        match sent {
            Err(RequestTokenError::Request(Answered(answer))) => match *answer {
                Ok(response) => response::read(&response, self.account, asked_at),
                Err(outcome) => outcome,
            },
            // `TokenRequests` never gives the crate an answer to read.
            Ok(_)
            | Err(
                RequestTokenError::ServerResponse(_)
                | RequestTokenError::Parse(..)
                | RequestTokenError::Other(_),
            ) => TokenOutcome::unsendable("the token request can't be built".to_owned()),
        }
    }

    /// The longest lifetime that the account wants of an access token, in seconds.
    fn access_lifetime(&self) -> String {
        self.account.access_token_ttl.as_secs().to_string()
    }

    /// The same of a refresh token.
    fn refresh_lifetime(&self) -> String {
        self.account.refresh_token_ttl.as_secs().to_string()
    }

    fn http<'h>(&self, journal: Option<(&'h AnswerJournal, Timestamp)>) -> TokenRequests<'h>
    where
        'a: 'h,
    {
        TokenRequests::new(self.upstream, self.account.token_encoding, journal)
    }
}

/// The tokens in an answer that an earlier run journaled, if it contains any.
pub(in crate::session) fn reread(account: &Account, journaled: &JournaledAnswer) -> Option<Grant> {
    let body = journaled.body.0.expose_secret().as_bytes().to_vec();
    match response::read(&Response::new(body.into()), account, journaled.asked_at) {
        TokenOutcome::Granted(grant) => Some(grant),
        TokenOutcome::InvalidGrant(_)
        | TokenOutcome::Refused(_)
        | TokenOutcome::Transient { .. }
        | TokenOutcome::Lost(_) => None,
    }
}

/// A login in progress: what the browser gets, and what must match when it comes back.
pub(in crate::session) struct Authorization {
    /// Zendesk's page that asks for consent.
    pub(in crate::session) url: String,
    /// Must come back with the code, or the callback isn't this login's.
    pub(in crate::session) state: SecretString,
    /// Where Zendesk sends the browser back to.
    pub(in crate::session) redirect_uri: String,
    verifier: PkceCodeVerifier,
    _hidden: Hidden,
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the URL, which contains the state.
        f.debug_struct("Authorization")
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

impl Authorization {
    /// A new login of `account`, with its own state and PKCE verifier.
    ///
    /// # Errors
    /// If the configured origin or `redirect_uri` isn't a valid URL.
    pub(in crate::session) fn new(account: &Account, redirect_uri: &str) -> Result<Self, String> {
        let redirect = RedirectUrl::new(redirect_uri.to_owned()).map_err(|e| e.to_string())?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = client(account)?.set_redirect_uri(redirect);
        let scopes = account.scopes.iter();
        let (url, state) = client
            .authorize_url(|| CsrfToken::new_random_len(STATE_BYTES))
            .add_scopes(scopes.map(|scope| Scope::new(scope.as_str().to_owned())))
            .set_pkce_challenge(challenge)
            .url();
        Ok(Self {
            url: url.into(),
            state: state.into_secret().into(),
            redirect_uri: redirect_uri.to_owned(),
            _hidden: redact::hide(verifier.secret()),
            verifier,
        })
    }
}

/// A client with an authorize URL and a token URL.
type OAuthClient =
    BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

fn client(account: &Account) -> Result<OAuthClient, String> {
    let origin = &account.oauth_origin;
    let authorize = AuthUrl::new(format!("{origin}/oauth/authorizations/new"));
    let token = TokenUrl::new(format!("{origin}/oauth/tokens"));
    let bad = |e: url::ParseError| format!("`{origin}` isn't a valid URL: {e}");
    Ok(BasicClient::new(ClientId::new(account.client_id.clone()))
        .set_auth_uri(authorize.map_err(bad)?)
        .set_token_uri(token.map_err(bad)?)
        // A public client sends its identifier in the body, never in a Basic header.
        .set_auth_type(AuthType::RequestBody))
}

type TokenRequestResult<T> = Result<T, RequestTokenError<Answered, BasicErrorResponse>>;

/// Fields of token requests and answers, by Zendesk's names.
const EXPIRES_IN: &str = "expires_in";
const REFRESH_EXPIRES_IN: &str = "refresh_token_expires_in";

/// 256 bits.
const STATE_BYTES: u32 = 32;

#[cfg(test)]
mod tests;
