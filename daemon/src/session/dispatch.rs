//! A request's way through the session: gate, token, Zendesk, and what a 401 means.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::gate::Load;
use super::handle::Session;
use super::pair::Generation;
use super::refresher::{Command, Verdict};
use super::snapshot::Ready;
use super::verdict;
use crate::body::Body;
use crate::config::Origin;
use crate::refusal::Refusal;
use crate::upstream::{self, Outgoing, Upstream};

impl Session {
    /// Sends a script's request with the account's token. No caller ever sees a 401 that a refresh
    /// could have spared it, as far as the request can be sent again (R1, R2).
    ///
    /// # Errors
    /// Where there is no token, or no answer.
    pub async fn forward(&self, outgoing: Outgoing) -> Result<Response<Body>, Refusal> {
        // The token that is sent may be replaced meanwhile, and live on for a moment.
        let sent = self.snapshot();
        let mut response = self.answer_to(outgoing).await?;
        let secrets = sent.secrets.and(&self.snapshot().secrets);
        // Whoever passes the answer on keeps them out of it.
        response.extensions_mut().insert(secrets);
        Ok(response)
    }

    async fn answer_to(&self, mut outgoing: Outgoing) -> Result<Response<Body>, Refusal> {
        let upstream = self.upstream()?;
        if outgoing.credential() == upstream::Credential::Own {
            let sent = upstream.send(&mut outgoing, None).await;
            return sent.map_err(|failure| failure.refusal(outgoing.origin()));
        }
        let (response, used) = self.send_once(&upstream, &mut outgoing).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        match self.consider(&outgoing, used, response).await? {
            Considered::PassOn(response) => Ok(response),
            // The new token's 401, should there be one, is the script's: no loop.
            Considered::Replay => {
                let (response, _) = self.send_once(&upstream, &mut outgoing).await?;
                Ok(response)
            }
        }
    }

    fn upstream(&self) -> Result<Upstream, Refusal> {
        let setup = self.0.setup.load();
        setup
            .upstream
            .clone()
            .map_err(|problem| Refusal::Unavailable {
                account: setup.account.name.to_string(),
                why: problem.message,
                fix: problem.hints.first().cloned().unwrap_or_default(),
            })
    }

    async fn send_once(
        &self,
        upstream: &Upstream,
        outgoing: &mut Outgoing,
    ) -> Result<(Response<Body>, Generation), Refusal> {
        let load = if outgoing.is_replayable() {
            Load::Replayable
        } else {
            Load::Unreplayable
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lease = self.0.gate.enter(load).await;
            // Read behind the gate, so that no refresh comes between this and the lease.
            let Some((token, generation)) = self.token(outgoing.origin())? else {
                drop(lease);
                self.wait_until_ready(deadline).await?;
                continue;
            };
            let sent = upstream.send(outgoing, Some(&token)).await;
            drop(lease);
            return match sent {
                Ok(response) => Ok((response, generation)),
                Err(failure) => Err(failure.refusal(outgoing.origin())),
            };
        }
    }

    /// The token for requests to `origin`, if there is one that has not expired (R6).
    fn token(&self, origin: &Origin) -> Result<Option<(HeaderValue, Generation)>, Refusal> {
        let snapshot = self.snapshot();
        match &snapshot.readiness {
            Ready::Yes(credential) if !credential.origins.contains(origin) => {
                Err(Refusal::Unavailable {
                    account: snapshot.view.name.to_string(),
                    why: format!("its tokens are not meant for {origin}"),
                    fix: "run `loopdesk status`".to_owned(),
                })
            }
            Ready::Yes(credential) if credential.expires_at > self.0.clock.now() => {
                Ok(Some((credential.header.clone(), credential.generation)))
            }
            Ready::Yes(_) | Ready::Soon | Ready::No(_) => Ok(None),
        }
    }

    /// Lets the refresher know that a token is wanted, and waits for it.
    async fn wait_until_ready(&self, deadline: Instant) -> Result<(), Refusal> {
        let mut changes = self.changes();
        let (reply, heard) = oneshot::channel();
        if !self.send(Command::Wanted(reply)).await || heard.await.is_err() {
            return Err(Refusal::Stopping);
        }
        let decided = changes.wait_for(|snapshot| match &snapshot.readiness {
            Ready::Soon => false,
            Ready::Yes(_) | Ready::No(_) => true,
        });
        match timeout_at(deadline, decided).await {
            Ok(Ok(snapshot)) => match &snapshot.readiness {
                Ready::No(refusal) => Err(refusal.clone()),
                Ready::Yes(_) | Ready::Soon => Ok(()),
            },
            Ok(Err(_)) => Err(Refusal::Stopping),
            Err(_) => Err(Refusal::TooSlow {
                what: format!("a new access token for account `{}`", self.account().name),
                after: PATIENCE,
            }),
        }
    }

    async fn consider(
        &self,
        outgoing: &Outgoing,
        used: Generation,
        response: Response<Body>,
    ) -> Result<Considered, Refusal> {
        let again = outgoing.can_send_again();
        if again && self.is_replaced(used) {
            return Ok(Considered::Replay);
        }
        let (speaks_of_token, response) = verdict::read(outgoing.method(), response).await;
        if !speaks_of_token {
            return Ok(Considered::PassOn(response));
        }
        let (reply, verdict) = oneshot::channel();
        let rejected = Command::Rejected {
            generation: used,
            reply,
        };
        if !self.send(rejected).await || !again {
            return Ok(Considered::PassOn(response));
        }
        match timeout(PATIENCE, verdict).await {
            Ok(Ok(Verdict::Replay)) => Ok(Considered::Replay),
            // Our own refusal says what happened and what to do; Zendesk's 401 can't.
            Ok(Ok(Verdict::Unusable)) => match &self.snapshot().readiness {
                Ready::No(refusal) => Err(refusal.clone()),
                Ready::Yes(_) | Ready::Soon => Ok(Considered::PassOn(response)),
            },
            Ok(Ok(Verdict::PassOn) | Err(_)) | Err(_) => Ok(Considered::PassOn(response)),
        }
    }

    fn is_replaced(&self, used: Generation) -> bool {
        let snapshot = self.snapshot();
        matches!(&snapshot.readiness, Ready::Yes(now) if now.generation > used)
    }
}

enum Considered {
    PassOn(Response<Body>),
    Replay,
}

/// How long a script waits for a session that is about to be usable: as long as one refresh takes
/// at worst, and less than the time-outs that scripts commonly set (60 s).
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
