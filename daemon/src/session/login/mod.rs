//! A login: from the proof that its result can be kept, to a session that is stored and in use.
//!
//! ```text
//!  vault and disk proved ─► callback bound ─► authorize URL out ─► the browser comes back
//!                                                                  (or its address is pasted)
//!  in use, old pair revoked ◄─ stored ◄─ whose? ◄─ code exchanged ◄────────┘
//! ```
//!
//! Nothing changes before the last steps. Until the browser comes back, the login is abandoned
//! when nobody listens to its events any more; from then on it runs to its end, so that no token
//! is left behind unrevoked.

mod callback;
mod desk;
mod page;
mod secret;

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::login::{Authorize, Done};
use loopdesk_protocol::status::State;
use loopdesk_protocol::{Kind, Problem, SecretText};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{mpsc, oneshot};

pub use loopdesk_protocol::login::Event;

pub(super) use self::callback::Callbacks;
pub(super) use self::desk::Desk;
use self::desk::{Came, Offer};
use self::page::Page;
use super::handle::{LOAD_PATIENCE, Session};
use super::identity::Revocation;
use super::leftovers::Leftover;
use super::oauth::{Answer, Authorization, Grant};
use super::pair::Renewal;
use super::refresher::{Adoption, Command};
use super::vault::DataKey;
use super::{Setup, jobs, schedule};
use crate::config::{GrantType, RedirectUri};
use crate::failpoint;
use crate::telemetry::redact;

impl Session {
    /// Logs a person in. What happens is told on `events`; dropping their receiver abandons the
    /// login as long as the browser has not come back.
    pub async fn login(
        &self,
        wish: Wish,
        redirect_uris: &[RedirectUri],
        base_urls: Vec<String>,
        events: mpsc::Sender<Event>,
    ) {
        let login = Login {
            session: self.clone(),
            setup: self.0.setup.load_full(),
            wish,
            redirect_uris: redirect_uris.to_vec(),
            base_urls,
            events,
        };
        // On a task of its own: the caller may go away in the middle of the exchange.
        let task = self.0.tracker.spawn(login.run());
        drop(task.await);
    }

    /// Takes the address of the page that failed to load in a browser on another machine.
    ///
    /// # Errors
    /// Where no login waits for it, or the address belongs to another one.
    pub fn paste(&self, address: &str) -> Result<(), Problem> {
        let name = &self.account().name;
        let again = format!("run `loopdesk login {name} --no-browser` again");
        let (kind, message, hint) = match self.0.desk.paste(address) {
            Offer::Taken(_) => return Ok(()),
            Offer::Nobody => (
                Kind::Login,
                format!("no login of account `{name}` is waiting for an address"),
                again,
            ),
            Offer::Used => (
                Kind::Login,
                "that address was used already: each one is good for one login".to_owned(),
                again,
            ),
            Offer::Malformed(what) => (
                Kind::Usage,
                format!("that is not the address of the last page: {what}"),
                "copy the whole address of the page that failed to load, from `http` to its end"
                    .to_owned(),
            ),
            Offer::NotOurs => (
                Kind::Login,
                "that address belongs to another login".to_owned(),
                "paste the address of the page that this login's link led to".to_owned(),
            ),
        };
        Err(Problem::new(kind, message).hint(hint))
    }
}

/// What the person wants of a login.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Another person than before is meant.
    pub switch_user: bool,
    /// The secret of the account's client.
    pub client_secret: Option<SecretText>,
}

struct Login {
    session: Session,
    setup: Arc<Setup>,
    wish: Wish,
    redirect_uris: Vec<RedirectUri>,
    base_urls: Vec<String>,
    events: mpsc::Sender<Event>,
}

impl Login {
    async fn run(self) {
        let attempt = match self.setup.account.grant {
            GrantType::AuthorizationCode => self.attempt().await,
            GrantType::ClientCredentials => self.attempt_by_secret().await,
        };
        let event = match attempt {
            Ok(done) => Event::Done(done),
            Err(problem) => Event::Failed(problem),
        };
        drop(self.events.send(event).await);
    }

    async fn attempt(&self) -> Result<Done, Problem> {
        if self.wish.client_secret.is_some() {
            return Err(self.needs_no_secret());
        }
        let shared = &self.session.0;
        if shared.desk.is_closed() {
            return Err(self.sent_away());
        }
        let key = self.prove().await?;
        let account = &self.setup.account.name;
        let listening = shared.callbacks.bind(account, &self.redirect_uris).await?;
        let authorization = Authorization::new(&self.setup.account, listening.redirect_uri())
            .map_err(|why| Problem::new(Kind::Config, format!("no login can be started: {why}")))?;
        let state = authorization.state.clone();
        let pending = shared.desk.open(listening.path(), state);
        let mut server = listening.serve(&shared.desk, &shared.tracker);
        let authorize = Event::Authorize(Authorize {
            account: self.name(),
            url: authorization.url.clone(),
            redirect_uri: authorization.redirect_uri.clone(),
            waits_until: schedule::shift(shared.clock.now(), schedule::signed(PATIENCE)),
        });
        if self.events.send(authorize).await.is_err() {
            return Err(abandoned());
        }
        let arrival = tokio::select! {
            // What has come is not thrown away.
            biased;
            arrival = pending => arrival.map_err(|_| self.sent_away())?,
            () = server.ended() => return Err(self.sent_away()),
            () = self.events.closed() => return Err(abandoned()),
            () = tokio::time::sleep(PATIENCE) => return Err(self.too_late()),
        };
        server.linger();
        let (result, unhappy): (_, fn(&Problem) -> Page) = match arrival.came {
            Came::Code(code) => (self.exchange(authorization, code, key).await, Page::failed),
            Came::Denied => (Err(self.denied()), Page::denied),
            Came::Error { error, description } => {
                (Err(self.refused(&error, &description)), Page::failed)
            }
        };
        let page = match &result {
            Ok(done) => Page::done(done),
            Err(problem) => unhappy(problem),
        };
        // A pasted address has no browser that waits.
        drop(arrival.page.send(page));
        result
    }

    /// Proves that the result could be kept, before a person is troubled (R9).
    async fn prove(&self) -> Result<Arc<DataKey>, Problem> {
        let shared = &self.session.0;
        let internal = |why| Problem::new(Kind::Internal, why);
        let store = shared.store.clone();
        let has_records = jobs::blocking(move || store.has_records());
        let has_records = has_records.await.map_err(internal)?;
        let vault = shared.vault.load_full();
        let key = vault.key_or_new(has_records).await.map_err(|problem| {
            if has_records {
                problem.hint(
                    "if the key is gone for good, forget what it opened: `loopdesk logout ACCOUNT \
                     --forget` for each account, then log in again",
                )
            } else {
                problem
            }
        })?;
        self.let_it_load().await?;
        let (store, account) = (shared.store.clone(), self.setup.account.name.clone());
        jobs::blocking(move || store.is_writable(&account))
            .await
            .map_err(internal)?
            .map_err(|error| error.problem())?;
        Ok(key)
    }

    /// A record that can be opened is opened first: it says whose account this is (R8).
    async fn let_it_load(&self) -> Result<(), Problem> {
        let (reply, heard) = oneshot::channel();
        self.session.send(Command::Wanted(reply)).await;
        drop(heard.await);
        self.session.loaded(LOAD_PATIENCE).await;
        let view = self.session.view();
        match view.problem {
            _ if view.state != State::KeyMissing => Ok(()),
            Some(problem) => Err(problem),
            None => Err(Problem::new(
                Kind::Vault,
                format!(
                    "the stored session of account `{}` is still being opened",
                    view.name
                ),
            )
            .hint("try again in a moment")),
        }
    }

    async fn exchange(
        &self,
        authorization: Authorization,
        code: SecretString,
        key: Arc<DataKey>,
    ) -> Result<Done, Problem> {
        let _hidden = redact::hide(code.expose_secret());
        let zendesk = &self.setup.zendesk;
        let (setup, store) = (Arc::clone(&self.setup), self.session.0.store.clone());
        let opening = Arc::clone(&key);
        let fresh = jobs::blocking(move || Leftover::expected(&setup, &store, &opening));
        let fresh = fresh
            .await
            .map_err(|why| Problem::new(Kind::Internal, why))?;
        let fresh = fresh.map_err(|error| error.problem())?;
        failpoint::reach(failpoint::FRESH_MADE);
        let answer = zendesk.exchange(authorization, &code, fresh.keeper()).await;
        failpoint::reach(failpoint::PARSED);
        let grant = match answer {
            Answer::Granted(grant) => grant,
            Answer::InvalidGrant(_) => {
                let why = "Zendesk no longer accepts this login's code (it is good for two \
                           minutes, and once)";
                return Err(self.failed(Kind::Login, why));
            }
            Answer::Refused(block) => {
                let mut problem = self.failed(Kind::Zendesk, &block.why);
                // Trying again helps after that only.
                problem.hints.insert(0, block.fix);
                return Err(problem);
            }
            Answer::Transient { why, .. } | Answer::Lost(why) => {
                return Err(self.failed(Kind::Zendesk, &why));
            }
        };
        match grant.refresh.clone() {
            Some(token) => {
                let renewal = Renewal::RefreshToken(token);
                self.adopt(grant, renewal, key, Some(fresh)).await
            }
            None => {
                zendesk.revoke(&grant.access).await;
                let why = "Zendesk granted a token that can't be refreshed";
                Err(self
                    .failed(Kind::Zendesk, why)
                    .hint("ask a Zendesk admin to let the OAuth client use refresh tokens"))
            }
        }
    }

    /// Stores what was granted, and makes it the session's.
    async fn adopt(
        &self,
        mut grant: Grant,
        renewal: Renewal,
        key: Arc<DataKey>,
        leftover: Option<Leftover>,
    ) -> Result<Done, Problem> {
        // RFC 6749 section 5.1: left out where it is what was asked for.
        grant
            .scopes
            .get_or_insert_with(|| self.requested().collect());
        let zendesk = &self.setup.zendesk;
        let fresh = grant.access.clone();
        let person = zendesk.person(&fresh).await;
        let adopted = match person {
            Ok(person) => {
                let switch_user = self.wish.switch_user;
                let adoption = |reply| Adoption {
                    grant,
                    renewal,
                    person,
                    switch_user,
                    key,
                    reply,
                };
                self.session.adopt(adoption).await
            }
            Err(why) => Err(self.failed(Kind::Zendesk, &why)),
        };
        let held = match adopted {
            Ok(held) => held,
            Err(problem) => {
                // Nobody will use this pair: it must not live on at Zendesk.
                let revoked = zendesk.revoke(&fresh).await;
                match (revoked, leftover) {
                    (Revocation::Done, Some(leftover)) => leftover.forget(),
                    (Revocation::Done | Revocation::WasDead | Revocation::Failed(_), _) => {}
                }
                return Err(problem);
            }
        };
        if let Some(leftover) = leftover {
            leftover.forget();
        }
        failpoint::reach(failpoint::FRESH_FORGOTTEN);
        let scopes = held.pair.scopes.clone();
        let missing = self.requested().filter(|scope| !scopes.contains(scope));
        Ok(Done {
            account: self.name(),
            person: held.person.as_ref().clone(),
            missing_scopes: missing.collect(),
            access_expires_at: held.pair.expires_at,
            refresh_expires_at: held.pair.refresh_expires_at,
            base_urls: self.base_urls.clone(),
            warning: self.warning(&held),
            scopes,
        })
    }

    fn requested(&self) -> impl Iterator<Item = String> {
        let scopes = self.setup.account.scopes.iter();
        scopes.map(|scope| scope.as_str().to_owned())
    }

    fn denied(&self) -> Problem {
        let name = self.name();
        let message = format!("the login of account `{name}` was not allowed in the browser");
        Problem::new(Kind::Login, message).hint(format!(
            "run `loopdesk login {name}` again and choose Allow"
        ))
    }

    fn refused(&self, error: &str, description: &str) -> Problem {
        let said = if description.is_empty() {
            error.to_owned()
        } else {
            format!("{description} ({error})")
        };
        self.failed(Kind::Login, &format!("Zendesk says: {said}"))
    }

    fn failed(&self, kind: Kind, why: &str) -> Problem {
        let name = self.name();
        Problem::new(kind, format!("the login of account `{name}` failed: {why}"))
            .hint(format!("run `loopdesk login {name}` again"))
    }

    fn sent_away(&self) -> Problem {
        if self.session.0.desk.is_closed() {
            return callback::stopping();
        }
        let message = "another login of this account was started meanwhile";
        Problem::new(Kind::Login, message).hint("go on with that one")
    }

    fn too_late(&self) -> Problem {
        let name = self.name();
        let minutes = PATIENCE.as_secs() / 60;
        Problem::new(
            Kind::Timeout,
            format!("nobody finished the login of account `{name}` within {minutes} minutes"),
        )
        .hint(format!("run `loopdesk login {name}` again"))
    }

    fn name(&self) -> String {
        self.setup.account.name.to_string()
    }
}

fn abandoned() -> Problem {
    Problem::new(Kind::Login, "the login was abandoned")
}

/// Long enough to find a second factor; a forgotten login must not listen all day.
const PATIENCE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
