//! OAuth with Zendesk: authorize URL, code exchange, refresh. The `oauth2` crate ends here.

mod http;

use jiff::Timestamp;
use loopdesk_protocol::text;
use oauth2::basic::{BasicErrorResponse, BasicTokenType};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use self::http::{Http, HttpError};
use crate::clock::Clock;
use crate::config::{Account, GrantType};
use crate::session::model::oauth_error::{Cause, ErrorBody};
use crate::session::model::outcome::{Grant, TokenOutcome};
use crate::session::model::token_pair::{AccessToken, Renewal, Secret};
use crate::session::store::journal::{AnswerJournal, JournaledAnswer};
use crate::telemetry::redact::{self, Hidden};
use crate::upstream::Upstream;

/// An account's authorization server.
#[derive(Debug)]
pub(in crate::session) struct Server<'a> {
    account: &'a Account,
    upstream: &'a Upstream,
    clock: &'a Clock,
}

impl<'a> Server<'a> {
    /// The server of `account`, reached by `upstream`.
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

    /// Gets the tokens that follow, by what there is to get them with.
    pub(in crate::session) async fn refresh(
        &self,
        renewal: &Renewal,
        keeper: Option<&AnswerJournal>,
    ) -> TokenOutcome {
        match renewal {
            Renewal::RefreshToken(token) => self.replace(token, keeper).await,
            Renewal::ClientSecret(secret) => self.obtain(secret).await,
        }
    }

    /// Replaces the pair whose refresh token is `token`.
    async fn replace(&self, token: &Secret, keeper: Option<&AnswerJournal>) -> TokenOutcome {
        let client = match client(self.account) {
            Ok(client) => client,
            Err(why) => return TokenOutcome::unsendable(why),
        };
        let token = RefreshToken::new(token.expose_secret().to_owned());
        let asked_at = self.clock.now();
        let http = self.http(keeper.map(|keeper| (keeper, asked_at)));
        let answer = client
            .exchange_refresh_token(&token)
            .add_extra_param(
                http::EXPIRES_IN,
                ttl(self.account.access_token_ttl.as_secs()),
            )
            .add_extra_param(
                http::REFRESH_EXPIRES_IN,
                ttl(self.account.refresh_token_ttl.as_secs()),
            )
            .request_async(&http)
            .await;
        read(answer, self.account, asked_at)
    }

    /// Gets an access token by the client's own `secret`. Nothing is replaced by it, so that no
    /// lost or odd answer leaves any doubt.
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
            .add_extra_param(
                http::EXPIRES_IN,
                ttl(self.account.access_token_ttl.as_secs()),
            )
            .request_async(&http)
            .await;
        match read(answer, self.account, asked_at) {
            TokenOutcome::Lost(why) | TokenOutcome::Transient { why, .. } => {
                TokenOutcome::unsendable(why)
            }
            decided @ (TokenOutcome::Granted(_)
            | TokenOutcome::InvalidGrant(_)
            | TokenOutcome::Refused(_)) => decided,
        }
    }

    /// Turns the code of a login into its first pair.
    pub(in crate::session) async fn exchange(
        &self,
        login: Authorization,
        code: &SecretString,
        keeper: &AnswerJournal,
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
        let http = self.http(Some((keeper, asked_at)));
        let answer = client
            .set_redirect_uri(redirect)
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(login.verifier)
            .add_extra_param(
                http::EXPIRES_IN,
                ttl(self.account.access_token_ttl.as_secs()),
            )
            .add_extra_param(
                http::REFRESH_EXPIRES_IN,
                ttl(self.account.refresh_token_ttl.as_secs()),
            )
            .request_async(&http)
            .await;
        read(answer, self.account, asked_at)
    }

    fn http<'h>(&self, keeper: Option<(&'h AnswerJournal, Timestamp)>) -> Http<'h>
    where
        'a: 'h,
    {
        Http::new(self.upstream, self.account.token_encoding, keeper)
    }
}

/// What a kept answer brought: `None` where it brought no tokens.
pub(in crate::session) async fn reread(account: &Account, kept: &JournaledAnswer) -> Option<Grant> {
    let http = http::Before(kept.body.0.expose_secret().as_bytes().to_vec().into());
    let nobodys = RefreshToken::new(String::new());
    let client = client(account).ok()?;
    let answer = client
        .exchange_refresh_token(&nobodys)
        .request_async(&http)
        .await;
    match read(answer, account, kept.asked_at) {
        TokenOutcome::Granted(grant) => Some(grant),
        TokenOutcome::InvalidGrant(_)
        | TokenOutcome::Refused(_)
        | TokenOutcome::Transient { .. }
        | TokenOutcome::Lost(_) => None,
    }
}

/// A login on its way: what the browser is given, and what has to match when it comes back.
pub(in crate::session) struct Authorization {
    /// The page that asks the person.
    pub(in crate::session) url: String,
    /// Comes back with the code, or the callback isn't ours.
    pub(in crate::session) state: SecretString,
    /// Where Zendesk sends the browser.
    pub(in crate::session) redirect_uri: String,
    verifier: PkceCodeVerifier,
    _hidden: Hidden,
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL carries the state.
        f.debug_struct("Authorization")
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

impl Authorization {
    /// A new login of `account` with a state and a PKCE verifier of its own.
    ///
    /// # Errors
    /// A sentence, where the configured origin or redirect URI makes no URL.
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

type ZendeskClient = Client<
    BasicErrorResponse,
    ZendeskTokens,
    oauth2::basic::BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    oauth2::basic::BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

type ZendeskTokens = StandardTokenResponse<Extra, BasicTokenType>;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Extra {
    refresh_token_expires_in: Option<u64>,
}

impl ExtraTokenFields for Extra {}

fn client(account: &Account) -> Result<ZendeskClient, String> {
    let origin = &account.oauth_origin;
    let authorize = AuthUrl::new(format!("{origin}/oauth/authorizations/new"));
    let token = TokenUrl::new(format!("{origin}/oauth/tokens"));
    let bad = |e: url::ParseError| format!("`{origin}` makes no URL: {e}");
    Ok(Client::new(ClientId::new(account.client_id.clone()))
        .set_auth_uri(authorize.map_err(bad)?)
        .set_token_uri(token.map_err(bad)?)
        // A public client sends its identifier in the body, and never a Basic header.
        .set_auth_type(AuthType::RequestBody))
}

fn ttl(seconds: u64) -> String {
    seconds.to_string()
}

type Outcome = Result<ZendeskTokens, RequestTokenError<HttpError, BasicErrorResponse>>;

/// What Zendesk's answer means for the session (R4).
fn read(outcome: Outcome, account: &Account, asked_at: Timestamp) -> TokenOutcome {
    let tokens = match outcome {
        Ok(tokens) => tokens,
        Err(RequestTokenError::Request(HttpError::Judged(answer))) => return *answer,
        Err(RequestTokenError::Request(HttpError::Refused(status, said))) => {
            return refused(account, status, *said);
        }
        // `Http` passes on nothing else that the crate can't read; its texts could hold tokens.
        Err(
            RequestTokenError::ServerResponse(_)
            | RequestTokenError::Parse(..)
            | RequestTokenError::Other(_),
        ) => {
            return TokenOutcome::Transient {
                why: "the token endpoint's answer can't be read".to_owned(),
                may_have_acted: true,
            };
        }
    };
    let access = SecretString::from(tokens.access_token().secret().as_str());
    let Some(access) = AccessToken::new(access) else {
        return TokenOutcome::Transient {
            why: "Zendesk sent an access token that can't be put in a header".to_owned(),
            may_have_acted: true,
        };
    };
    TokenOutcome::Granted(Grant {
        access,
        refresh: tokens
            .refresh_token()
            .map(|token| token.secret().clone().into()),
        asked_at,
        expires_in: tokens.expires_in(),
        refresh_expires_in: tokens
            .extra_fields()
            .refresh_token_expires_in
            .map(std::time::Duration::from_secs),
        scopes: tokens
            .scopes()
            .map(|scopes| scopes.iter().map(|s| text::line(s)).collect()),
    })
}

/// What a refusal means: only `invalid_grant` is the end, and never of a client with a secret, which
/// has nothing that could be revoked.
fn refused(account: &Account, status: ::http::StatusCode, said: ErrorBody) -> TokenOutcome {
    let by_secret = account.grant == GrantType::ClientCredentials;
    if said.code() != http::INVALID_GRANT {
        return TokenOutcome::Refused(Cause::of(status, &said).block(account, &said));
    }
    if by_secret {
        TokenOutcome::Refused(Cause::ClientMayNot.block(account, &said))
    } else {
        TokenOutcome::InvalidGrant(said)
    }
}

/// 256 bits.
const STATE_BYTES: u32 = 32;

#[cfg(test)]
mod tests;
