//! A request's way through the session: gate, token, Zendesk, and what a 401 means.

mod unauthorized;

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use loopdesk_protocol::status::Role;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::handle::Session;
use super::model::token_pair::Generation;
use super::refresher::gate::Replayability;
use super::refresher::{Command, Verdict};
use super::report::snapshot::{Ready, RequestToken, Snapshot};
use super::report::token_policy::TokenPolicy;
use crate::body::Body;
use crate::config::Origin;
use crate::error_response::ErrorResponse;
use crate::upstream::{self, Outgoing, Upstream};

impl Session {
    /// Sends a script's request with the account's token. No caller ever sees a 401 that a refresh
    /// could have spared it, as far as the request can be sent again (R1, R2).
    ///
    /// # Errors
    /// Where there is no token, or no answer.
    pub async fn forward(&self, outgoing: Outgoing) -> Result<Response<Body>, ErrorResponse> {
        self.forward_by(TokenPolicy::default(), outgoing).await
    }

    /// The same with one of the tokens that `policy` admits.
    ///
    /// # Errors
    /// Where there is no such token, or no answer.
    pub async fn forward_by(
        &self,
        policy: TokenPolicy,
        outgoing: Outgoing,
    ) -> Result<Response<Body>, ErrorResponse> {
        // The token that is sent may be replaced meanwhile, and live on for a moment.
        let sent = self.snapshot();
        let mut response = self.answer_to(policy, outgoing).await?;
        let secrets = sent.secrets.and(&self.snapshot().secrets);
        // Whoever passes the answer on keeps them out of it.
        response.extensions_mut().insert(secrets);
        Ok(response)
    }

    async fn answer_to(
        &self,
        policy: TokenPolicy,
        mut outgoing: Outgoing,
    ) -> Result<Response<Body>, ErrorResponse> {
        let upstream = self.upstream()?;
        if outgoing.credential() != upstream::Credential::Injected {
            self.allow_person(policy)?;
            let sent = upstream.send(&mut outgoing, None).await;
            return sent.map_err(|failure| failure.refusal(outgoing.origin()));
        }
        let (response, used) = self.send_once(&upstream, &mut outgoing, policy).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        match self.consider(&outgoing, used, response, policy).await? {
            On401::PassOn(response) => Ok(response),
            On401::Replay => self.replay(&upstream, &mut outgoing, policy).await,
        }
    }

    /// Sends a request again whose token was dead. The new token's 401 is the script's, unless that
    /// one has died as well before the request came to Zendesk: a machine that stands still for
    /// longer than a token lives does that.
    async fn replay(
        &self,
        upstream: &Upstream,
        outgoing: &mut Outgoing,
        policy: TokenPolicy,
    ) -> Result<Response<Body>, ErrorResponse> {
        for _ in 0..REPLAYS {
            let (response, used) = self.send_once(upstream, outgoing, policy).await?;
            if response.status() != StatusCode::UNAUTHORIZED || !outgoing.can_send_again() {
                return Ok(response);
            }
            if !self.is_dead(used, policy) {
                // A rotation may be under way whose result is not published yet. Whether the token
                // is dead is known only then, so this waits as long as an upload would.
                drop(
                    self.gate(used.role)
                        .enter(Replayability::Unreplayable)
                        .await,
                );
                if !self.is_dead(used, policy) {
                    return Ok(response);
                }
            }
        }
        // A 401 would tell the script to give up its credentials.
        Err(ErrorResponse::Unavailable {
            account: self.account().name.to_string(),
            why: format!(
                "a request has met {} dead access tokens in a row: they expire faster than it \
                 comes to Zendesk",
                REPLAYS + 1
            ),
            fix: "raise `access-token-ttl`, or try again".to_owned(),
        })
    }

    fn upstream(&self) -> Result<Upstream, ErrorResponse> {
        let setup = self.0.setup.load();
        setup
            .upstream
            .clone()
            .map_err(|problem| ErrorResponse::Unavailable {
                account: setup.account.name.to_string(),
                why: problem.message,
                fix: problem.hints.first().cloned().unwrap_or_default(),
            })
    }

    async fn send_once(
        &self,
        upstream: &Upstream,
        outgoing: &mut Outgoing,
        policy: TokenPolicy,
    ) -> Result<(Response<Body>, TokenRef), ErrorResponse> {
        let load = if outgoing.is_replayable() {
            Replayability::Replayable
        } else {
            Replayability::Unreplayable
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Some(token) = self.token(outgoing.origin(), policy)? else {
                self.wait_until_ready(deadline, policy).await?;
                continue;
            };
            let lease = self.gate(token.used.role).enter(load).await;
            // Read behind the gate, so that no refresh comes between this and the lease.
            let token = match self.token(outgoing.origin(), policy)? {
                Some(now) if now.used.role == token.used.role => now,
                Some(_) | None => continue,
            };
            let sent = upstream.send(outgoing, Some(&token.header)).await;
            drop(lease);
            return match sent {
                Ok(response) => Ok((response, token.used)),
                Err(failure) => Err(failure.refusal(outgoing.origin())),
            };
        }
    }

    /// The token for requests to `origin`, if there is one that has not expired (R6).
    fn token(&self, origin: &Origin, policy: TokenPolicy) -> Result<Option<Token>, ErrorResponse> {
        let snapshot = self.snapshot();
        match snapshot.ready(policy.rights()) {
            Ready::Yes(credential) if !credential.origins.contains(origin) => {
                Err(ErrorResponse::Unavailable {
                    account: snapshot.view.name.to_string(),
                    why: format!("its tokens are not meant for {origin}"),
                    fix: "run `loopdesk status`".to_owned(),
                })
            }
            Ready::Yes(credential) if !policy.admits(&credential.person) => {
                Err(suspended(&snapshot, credential))
            }
            Ready::Yes(credential) if credential.expires_at > self.0.clock.now() => {
                Ok(Some(Token {
                    header: credential.header.clone(),
                    used: TokenRef {
                        role: credential.role,
                        generation: credential.generation,
                        expires_at: credential.expires_at,
                    },
                }))
            }
            Ready::Yes(_) | Ready::Soon | Ready::No(_) => Ok(None),
        }
    }

    /// A key that waits for its confirmation opens nothing, whatever credential its request has.
    fn allow_person(&self, policy: TokenPolicy) -> Result<(), ErrorResponse> {
        let snapshot = self.snapshot();
        match snapshot.ready(policy.rights()) {
            Ready::Yes(credential) if !policy.admits(&credential.person) => {
                Err(suspended(&snapshot, credential))
            }
            Ready::Yes(_) | Ready::Soon | Ready::No(_) => Ok(()),
        }
    }

    /// Lets the refresher know that a token is wanted, and waits for it.
    async fn wait_until_ready(
        &self,
        deadline: Instant,
        policy: TokenPolicy,
    ) -> Result<(), ErrorResponse> {
        let mut changes = self.changes();
        let rights = policy.rights();
        let role = self.snapshot().role_for(rights);
        let (reply, heard) = oneshot::channel();
        if !self.send_to(role, Command::Wanted(reply)).await || heard.await.is_err() {
            return Err(ErrorResponse::Stopping);
        }
        let decided = changes.wait_for(|snapshot| match snapshot.ready(rights) {
            // There turns out to be no read-only pair: the account's own has to be asked for.
            Ready::Soon => snapshot.role_for(rights) != role,
            Ready::Yes(_) | Ready::No(_) => true,
        });
        match timeout_at(deadline, decided).await {
            Ok(Ok(snapshot)) => match snapshot.ready(rights) {
                Ready::No(refusal) => Err(refusal.clone()),
                Ready::Yes(_) | Ready::Soon => Ok(()),
            },
            Ok(Err(_)) => Err(ErrorResponse::Stopping),
            Err(_) => Err(ErrorResponse::TooSlow {
                what: format!("a new access token for account `{}`", self.account().name),
                after: PATIENCE,
            }),
        }
    }

    async fn consider(
        &self,
        outgoing: &Outgoing,
        used: TokenRef,
        response: Response<Body>,
        policy: TokenPolicy,
    ) -> Result<On401, ErrorResponse> {
        let again = outgoing.can_send_again();
        if again && self.is_dead(used, policy) {
            return Ok(On401::Replay);
        }
        let (speaks_of_token, response) = unauthorized::read(outgoing.method(), response).await;
        if !speaks_of_token {
            return Ok(On401::PassOn(response));
        }
        let (reply, verdict) = oneshot::channel();
        let rejected = Command::Rejected {
            generation: used.generation,
            reply,
        };
        if !self.send_to(used.role, rejected).await || !again {
            return Ok(On401::PassOn(response));
        }
        let deadline = Instant::now() + PATIENCE;
        match timeout_at(deadline, verdict).await {
            Ok(Ok(Verdict::Replay)) => Ok(On401::Replay),
            // Our own refusal says what happened and what to do; Zendesk's 401 can't.
            Ok(Ok(Verdict::Unusable)) => {
                let snapshot = self.snapshot();
                match snapshot.ready(policy.rights()) {
                    Ready::No(refusal) => Err(refusal.clone()),
                    Ready::Yes(_) if self.is_dead(used, policy) => Ok(On401::Replay),
                    Ready::Yes(_) => Ok(On401::PassOn(response)),
                    Ready::Soon => {
                        self.wait_until_ready(deadline, policy).await?;
                        Ok(On401::Replay)
                    }
                }
            }
            Ok(Ok(Verdict::PassOn) | Err(_)) | Err(_) if self.is_dead(used, policy) => {
                Ok(On401::Replay)
            }
            Ok(Ok(Verdict::PassOn) | Err(_)) | Err(_) => Ok(On401::PassOn(response)),
        }
    }

    /// Whether this token is dead by our own knowledge, so that its 401 says nothing of the script:
    /// replaced, or expired. Zendesk counts a lifetime from later on than we do.
    fn is_dead(&self, used: TokenRef, policy: TokenPolicy) -> bool {
        used.expires_at <= self.0.clock.now() || self.is_replaced(used, policy)
    }

    fn is_replaced(&self, used: TokenRef, policy: TokenPolicy) -> bool {
        let snapshot = self.snapshot();
        match snapshot.ready(policy.rights()) {
            Ready::Yes(now) => now.role != used.role || now.generation > used.generation,
            Ready::Soon | Ready::No(_) => false,
        }
    }
}

fn suspended(snapshot: &Snapshot, token: &RequestToken) -> ErrorResponse {
    ErrorResponse::KeySuspended {
        account: snapshot.view.name.to_string(),
        person: token.person.name.clone(),
    }
}

/// A token that may be sent.
struct Token {
    header: HeaderValue,
    used: TokenRef,
}

/// Which token a request has carried.
#[derive(Clone, Copy, Debug)]
struct TokenRef {
    role: Role,
    generation: Generation,
    expires_at: Timestamp,
}

enum On401 {
    PassOn(Response<Body>),
    Replay,
}

/// A request that meets a dead token more often is slower than the tokens live. Each replay takes a
/// newer token, and refreshes have a pace of their own: this makes no storm.
const REPLAYS: usize = 8;

/// How long a script waits for a session that is about to be usable: as long as one refresh takes
/// at worst, and less than the time-outs that scripts commonly set (60 s).
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
