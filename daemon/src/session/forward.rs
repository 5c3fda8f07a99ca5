//! A request's way through the session: take a token, pass the gate, send, and decide what a 401
//! means.
//!
//! ```text
//!  forward_by
//!    │
//!    ▼
//!  run ── the script sends its own credential ──► send_unchanged ──────────────► script
//!    │
//!    ▼
//!  send_with_token                                      any status but 401
//!    token ─► gate ─► token again ─► Zendesk ──┬───────────────────────────────► script
//!      │ none yet                              │ 401
//!      └► wait_for_token                       ▼
//!                                            on_401
//!  replay ◄── the token was dead ──────────────┤
//!    send_with_token again,                    ├── the 401 is the script's own ──► script
//!    up to `REPLAYS` times                     └── no token to be had: refusal ──► script
//! ```
//!
//! `on_401` first uses what this process knows: a token that has expired or been replaced is dead.
//! Only then does it read the answer, and if that blames the token it asks the pair's worker, which
//! checks the token at Zendesk and refreshes it if need be: one check and one refresh, however many
//! requests met the 401 (R2).

mod unauthorized;

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use loopdesk_protocol::status::Role;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::handle::Session;
use super::model::token_pair::Generation;
use super::refresher::gate::{Lease, Replayability};
use super::refresher::{Command, Verdict};
use super::report::snapshot::{Ready, RequestToken, Snapshot};
use super::report::token_policy::TokenPolicy;
use crate::body::Body;
use crate::error_response::ErrorResponse;
use crate::upstream::{self, Outgoing, Upstream};

impl Session {
    /// Sends a script's request with the account's token. As far as the request can be sent again,
    /// the script never sees a 401 that a refresh could have spared it (R1, R2).
    ///
    /// # Errors
    /// The account has no usable token, or Zendesk didn't answer.
    pub async fn forward(&self, outgoing: Outgoing) -> Result<Response<Body>, ErrorResponse> {
        self.forward_by(TokenPolicy::default(), outgoing).await
    }

    /// Like [`Session::forward`], with one of the tokens that `policy` admits.
    ///
    /// # Errors
    /// The account has no usable token that `policy` admits, or Zendesk didn't answer.
    pub async fn forward_by(
        &self,
        policy: TokenPolicy,
        outgoing: Outgoing,
    ) -> Result<Response<Body>, ErrorResponse> {
        // A refresh may replace the token on the way, and the old one lives on for a moment: the
        // answer must repeat neither the tokens from before nor those from after.
        let before = self.snapshot();
        let mut request = Forwarding {
            session: self,
            policy,
            upstream: self.upstream()?,
            outgoing,
        };
        let mut response = request.run().await?;
        let secrets = before.secrets.and(&self.snapshot().secrets);
        // The leak filter takes them from here.
        response.extensions_mut().insert(secrets);
        Ok(response)
    }

    fn upstream(&self) -> Result<Upstream, ErrorResponse> {
        let context = self.0.context.load();
        context
            .upstream
            .clone()
            .map_err(|problem| ErrorResponse::Unavailable {
                account: context.account.name.to_string(),
                why: problem.message,
                fix: problem.hints.first().cloned().unwrap_or_default(),
            })
    }
}

/// One request on its way through the session.
struct Forwarding<'a> {
    session: &'a Session,
    policy: TokenPolicy,
    upstream: Upstream,
    outgoing: Outgoing,
}

impl Forwarding<'_> {
    async fn run(&mut self) -> Result<Response<Body>, ErrorResponse> {
        if self.outgoing.credential() != upstream::Credential::Injected {
            return self.send_unchanged().await;
        }
        let (response, sent) = self.send_with_token().await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        match self.on_401(sent, response).await? {
            On401::PassOn(response) => Ok(response),
            On401::Replay => self.replay().await,
        }
    }

    // === A credential of the script's own ===

    async fn send_unchanged(&mut self) -> Result<Response<Body>, ErrorResponse> {
        self.check_person()?;
        let sent = self.upstream.send(&mut self.outgoing, None).await;
        sent.map_err(|failure| failure.refusal(self.outgoing.origin()))
    }

    /// A key that waits for its confirmation opens nothing, whatever credential its request has.
    fn check_person(&self) -> Result<(), ErrorResponse> {
        let snapshot = self.session.snapshot();
        match snapshot.ready(self.policy.choice()) {
            Ready::Yes(token) if !self.policy.admits(&token.person) => {
                Err(suspended(&snapshot, token))
            }
            Ready::Yes(_) | Ready::Soon | Ready::No(_) => Ok(()),
        }
    }

    // === A token of the session's ===

    async fn send_with_token(&mut self) -> Result<(Response<Body>, TokenRef), ErrorResponse> {
        let (token, lease) = self.pass_gate().await?;
        let sent = self
            .upstream
            .send(&mut self.outgoing, Some(&token.header))
            .await;
        // The head of the answer is here, so Zendesk has checked the token: a refresh may delete it.
        drop(lease);
        match sent {
            Ok(response) => Ok((response, token.token_ref)),
            Err(failure) => Err(failure.refusal(self.outgoing.origin())),
        }
    }

    /// Waits for a usable token, then at the gate of its pair.
    async fn pass_gate(&self) -> Result<(SendableToken, Lease), ErrorResponse> {
        let replayability = if self.outgoing.is_replayable() {
            Replayability::Replayable
        } else {
            Replayability::Unreplayable
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Some(token) = self.token()? else {
                self.wait_for_token(deadline).await?;
                continue;
            };
            let role = token.token_ref.role;
            let lease = self.session.gate(role).enter(replayability).await;
            // Read again behind the gate: no refresh comes between this read and the lease.
            match self.token()? {
                Some(token) if token.token_ref.role == role => return Ok((token, lease)),
                Some(_) | None => {}
            }
        }
    }

    /// The token for this request, if there is one that has not expired (R6).
    fn token(&self) -> Result<Option<SendableToken>, ErrorResponse> {
        let snapshot = self.session.snapshot();
        let Ready::Yes(token) = snapshot.ready(self.policy.choice()) else {
            return Ok(None);
        };
        let origin = self.outgoing.origin();
        if !token.origins.contains(origin) {
            return Err(ErrorResponse::Unavailable {
                account: snapshot.view.name.to_string(),
                why: format!("its tokens must not be sent to {origin}"),
                fix: "run `loopdesk status`".to_owned(),
            });
        }
        if !self.policy.admits(&token.person) {
            return Err(suspended(&snapshot, token));
        }
        if token.expires_at <= self.session.0.clock.now() {
            return Ok(None);
        }
        Ok(Some(SendableToken {
            header: token.header.clone(),
            token_ref: TokenRef {
                role: token.role,
                generation: token.generation,
                expires_at: token.expires_at,
            },
        }))
    }

    /// Tells the pair's worker that a request wants a token, and waits until it has one or has given
    /// up.
    async fn wait_for_token(&self, deadline: Instant) -> Result<(), ErrorResponse> {
        let mut changes = self.session.changes();
        let choice = self.policy.choice();
        let role = self.session.snapshot().role_for(choice);
        let (reply, heard) = oneshot::channel();
        if !self.session.send_to(role, Command::Wanted(reply)).await || heard.await.is_err() {
            return Err(ErrorResponse::Stopping);
        }
        let decided = changes.wait_for(|snapshot| match snapshot.ready(choice) {
            // If there turns out to be no read-only pair, another worker has to be asked: the one
            // of the account's own.
            Ready::Soon => snapshot.role_for(choice) != role,
            Ready::Yes(_) | Ready::No(_) => true,
        });
        match timeout_at(deadline, decided).await {
            Ok(Ok(snapshot)) => match snapshot.ready(choice) {
                Ready::No(refusal) => Err(refusal.clone()),
                Ready::Yes(_) | Ready::Soon => Ok(()),
            },
            Ok(Err(_)) => Err(ErrorResponse::Stopping),
            Err(_) => Err(ErrorResponse::TooSlow {
                what: format!(
                    "a new access token for account `{}`",
                    self.session.account().name
                ),
                after: PATIENCE,
            }),
        }
    }

    // === A 401 ===

    /// Decides whether the 401 to the token `sent` is the script's, or calls for a replay.
    async fn on_401(
        &self,
        sent: TokenRef,
        response: Response<Body>,
    ) -> Result<On401, ErrorResponse> {
        let can_replay = self.outgoing.can_send_again();
        if can_replay && self.is_dead(sent) {
            return Ok(On401::Replay);
        }
        let (blames_token, response) = unauthorized::read(self.outgoing.method(), response).await;
        if !blames_token {
            return Ok(On401::PassOn(response));
        }
        // Reported even if this request can't be replayed: the next one then gets a live token.
        match self.report_401(sent).await {
            Some(verdict) if can_replay => self.on_verdict(sent, response, verdict).await,
            Some(_) | None => Ok(On401::PassOn(response)),
        }
    }

    /// Has the pair's worker look into the 401; `None` if the session has stopped.
    async fn report_401(&self, sent: TokenRef) -> Option<oneshot::Receiver<Verdict>> {
        let (reply, verdict) = oneshot::channel();
        let rejected = Command::Rejected {
            generation: sent.generation,
            reply,
        };
        let is_sent = self.session.send_to(sent.role, rejected).await;
        is_sent.then_some(verdict)
    }

    async fn on_verdict(
        &self,
        sent: TokenRef,
        response: Response<Body>,
        verdict: oneshot::Receiver<Verdict>,
    ) -> Result<On401, ErrorResponse> {
        let deadline = Instant::now() + PATIENCE;
        match timeout_at(deadline, verdict).await {
            Ok(Ok(Verdict::Replay)) => Ok(On401::Replay),
            Ok(Ok(Verdict::Unusable)) => self.on_unusable(sent, response, deadline).await,
            // The token isn't known to be dead, or the worker took too long or has stopped.
            Ok(Ok(Verdict::PassOn) | Err(_)) | Err(_) => Ok(self.replay_if_dead(sent, response)),
        }
    }

    /// The token is dead and the worker has no other. Loopdesk's own refusal says what happened and
    /// what to do, which Zendesk's 401 can't.
    async fn on_unusable(
        &self,
        sent: TokenRef,
        response: Response<Body>,
        deadline: Instant,
    ) -> Result<On401, ErrorResponse> {
        let snapshot = self.session.snapshot();
        match snapshot.ready(self.policy.choice()) {
            Ready::No(refusal) => Err(refusal.clone()),
            Ready::Yes(_) => Ok(self.replay_if_dead(sent, response)),
            Ready::Soon => {
                self.wait_for_token(deadline).await?;
                Ok(On401::Replay)
            }
        }
    }

    fn replay_if_dead(&self, sent: TokenRef, response: Response<Body>) -> On401 {
        if self.is_dead(sent) {
            On401::Replay
        } else {
            On401::PassOn(response)
        }
    }

    /// Whether this process knows the token to be dead, expired or replaced, so that its 401 says
    /// nothing about the script. Zendesk starts counting a lifetime later than we do, so a token that
    /// has expired there has expired here, too.
    fn is_dead(&self, sent: TokenRef) -> bool {
        sent.expires_at <= self.session.0.clock.now() || self.is_replaced(sent)
    }

    fn is_replaced(&self, sent: TokenRef) -> bool {
        let snapshot = self.session.snapshot();
        match snapshot.ready(self.policy.choice()) {
            Ready::Yes(now) => now.role != sent.role || now.generation > sent.generation,
            Ready::Soon | Ready::No(_) => false,
        }
    }

    /// Sends a request again that met a dead token. The next 401 is the script's, unless the new token
    /// died, too, before the request reached Zendesk: that happens on a machine that sleeps for longer
    /// than a token lives.
    async fn replay(&mut self) -> Result<Response<Body>, ErrorResponse> {
        for _ in 0..REPLAYS {
            let (response, sent) = self.send_with_token().await?;
            if response.status() != StatusCode::UNAUTHORIZED || !self.outgoing.can_send_again() {
                return Ok(response);
            }
            if !self.is_dead(sent) && !self.is_dead_after_refresh(sent).await {
                return Ok(response);
            }
        }
        // A 401 would make the script give up its credentials.
        Err(ErrorResponse::Unavailable {
            account: self.session.account().name.to_string(),
            why: format!(
                "the request met {} dead access tokens in a row: they expire before it reaches \
                 Zendesk",
                REPLAYS + 1
            ),
            fix: "raise `access-token-ttl`, or try again".to_owned(),
        })
    }

    /// Whether the token is dead once a refresh that may be in progress has published its result. Passing
    /// the gate waits for that, as long as an upload would.
    async fn is_dead_after_refresh(&self, sent: TokenRef) -> bool {
        let gate = self.session.gate(sent.role);
        drop(gate.enter(Replayability::Unreplayable).await);
        self.is_dead(sent)
    }
}

fn suspended(snapshot: &Snapshot, token: &RequestToken) -> ErrorResponse {
    ErrorResponse::KeySuspended {
        account: snapshot.view.name.to_string(),
        person: token.person.name.clone(),
    }
}

/// A token that may be sent now.
struct SendableToken {
    header: HeaderValue,
    token_ref: TokenRef,
}

/// Which token a request has carried.
#[derive(Clone, Copy, Debug)]
struct TokenRef {
    role: Role,
    generation: Generation,
    expires_at: Timestamp,
}

/// What to do with a 401.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, and 401s are rare"
)]
enum On401 {
    /// Give it to the script.
    PassOn(Response<Body>),
    /// Send the request again with another token.
    Replay,
}

/// A request that meets more dead tokens than this is slower than the tokens live. This can't become
/// a storm: each replay needs a newer token, and refreshes have their own pace.
const REPLAYS: usize = 8;

/// How long a script waits for a session that is about to be usable: as long as a refresh takes at
/// worst, and less than the time-outs that scripts commonly set (60 s).
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
