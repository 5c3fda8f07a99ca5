//! A login: from the proof that its result can be kept, to a session that is stored and in use.
//!
//! ```text
//!  vault and disk proved ─► callback bound ─► authorize URL out ─► the browser comes back
//!                                                                  (or its address is pasted)
//!  in use, old pair revoked ◄─ stored ◄─ whose? ◄─ code exchanged ◄────────┘
//! ```
//!
//! An account that wants a read-only pair has this once more, from the authorize URL on, in the same
//! visit (`read_only`): the page that ends one leads to the next.
//!
//! Nothing changes before the last steps. Until the browser comes back, the login is abandoned
//! when nobody listens to its events any more; from then on it runs to its end, so that no token
//! is left behind unrevoked.

mod exchange;
mod read_only;
mod secret;
pub(in crate::session) mod text;

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::login::{Authorize, Done};
use loopdesk_protocol::status::{Role, State};
use loopdesk_protocol::{Kind, Problem, SecretText};
use tokio::sync::{mpsc, oneshot};

pub use loopdesk_protocol::login::Event;

use self::read_only::{RedirectTarget, Visit};
use self::text::{abandoned, no_random};

use super::callback::page::{Page, Pages};
use super::callback::pending::{AuthorizationResponse, CallbackResult, LoginCallback, OneTimeLink};
use super::callback::server::{CallbackServer, Listening};
use super::crypto::data_key::DataKey;
use super::handle::{LOAD_PATIENCE, Session};
use super::model::blocking::blocking;
use super::model::schedule;
use super::model::token_pair::SessionTokens;
use super::refresher::Command;
use super::zendesk::account_context::AccountContext;
use super::zendesk::oauth::Authorization;
use crate::config::{GrantType, RedirectUri};

impl Session {
    /// Logs a person in. What happens is told on `events`; dropping their receiver abandons the
    /// login as long as the browser has not come back.
    pub async fn login(
        &self,
        wish: LoginOptions,
        redirect_uris: &[RedirectUri],
        base_urls: Vec<String>,
        events: mpsc::Sender<Event>,
    ) {
        let login = Login {
            session: self.clone(),
            context: self.0.context.load_full(),
            wish,
            redirect_uris: redirect_uris.to_vec(),
            base_urls,
            events,
            _under_way: Arc::clone(&self.0.logins),
        };
        // On a task of its own: the caller may go away in the middle of the exchange.
        let task = self.0.tracker.spawn(login.run());
        drop(task.await);
    }

    /// Takes the address of the page that failed to load in a browser on another machine.
    ///
    /// # Errors
    /// Where no login waits for it, or the address belongs to another one.
    #[cfg(test)]
    fn paste(&self, address: &str) -> Result<(), Problem> {
        paste(std::slice::from_ref(self), address)
    }

    /// Why an address isn't taken, if it isn't.
    fn why_not(&self, offer: &CallbackResult) -> Option<Problem> {
        let name = &self.account().name;
        let again = format!("run `loopdesk login {name} --no-browser` again");
        let (kind, message, hint) = match offer {
            CallbackResult::Accepted(_) => return None,
            CallbackResult::NoLogin => (
                Kind::Login,
                format!("no login of account `{name}` is waiting for an address"),
                again,
            ),
            CallbackResult::Used => (
                Kind::Login,
                "that address was used already: each one is good for one login".to_owned(),
                again,
            ),
            CallbackResult::Malformed(what) => (
                Kind::Usage,
                format!("that is not the address of the last page: {what}"),
                "copy the whole address of the page that failed to load, from `http` to its end"
                    .to_owned(),
            ),
            CallbackResult::NotOurs => (
                Kind::Login,
                "that address belongs to another login".to_owned(),
                "paste the address of the page that this login's link led to".to_owned(),
            ),
        };
        Some(Problem::new(kind, message).hint(hint))
    }
}

/// Hands the address of the page that failed to load in a browser on another machine to the one of
/// `sessions` whose login waits for it.
///
/// # Errors
/// What the login says for which it was most likely meant: one that waits, before those that don't.
pub fn paste(sessions: &[Session], address: &str) -> Result<(), Problem> {
    let mut nearest = None;
    for session in sessions {
        let offer = session.0.pending_callback.paste(address);
        let Some(problem) = session.why_not(&offer) else {
            return Ok(());
        };
        let distance = match offer {
            CallbackResult::Accepted(_) | CallbackResult::Used => 0,
            CallbackResult::Malformed(_) => 1,
            CallbackResult::NotOurs => 2,
            CallbackResult::NoLogin => 3,
        };
        if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
            nearest = Some((distance, problem));
        }
    }
    match nearest {
        Some((distance, problem)) if distance < 3 || sessions.len() == 1 => Err(problem),
        _ => Err(
            Problem::new(Kind::Login, "no login is waiting for an address")
                .hint("run `loopdesk login --no-browser`"),
        ),
    }
}

/// What the person wants of a login.
#[derive(Clone, Debug, Default)]
pub struct LoginOptions {
    /// Another person than before is meant.
    pub switch_user: bool,
    /// The secret of the account's client.
    pub client_secret: Option<SecretText>,
    /// The address of the last page may be pasted, so that nothing need listen for the browser.
    pub no_browser: bool,
}

struct Login {
    session: Session,
    context: Arc<AccountContext>,
    wish: LoginOptions,
    redirect_uris: Vec<RedirectUri>,
    base_urls: Vec<String>,
    events: mpsc::Sender<Event>,
    _under_way: Arc<()>,
}

impl Login {
    async fn run(self) {
        let attempt = match self.context.account.grant {
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
        if shared.pending_callback.is_closed() {
            return Err(self.sent_away());
        }
        let key = self.prove().await?;
        let before = self.person();
        let (place, listening) = self.place().await?;
        let started = |why| Problem::new(Kind::Config, format!("no login can be started: {why}"));
        let authorization = Authorization::new(&self.context.account, &place.redirect_uri);
        let authorization = authorization.map_err(started)?;
        let state = authorization.state.clone();
        let address = listening.as_ref().map(Listening::address);
        let entrance = match address.filter(|_| !self.wish.no_browser) {
            Some(at) => Some((at, OneTimeLink::to(&authorization.url).map_err(no_random)?)),
            None => None,
        };
        let way = BrowserRoute {
            entrance: entrance
                .as_ref()
                .map(|(at, entrance)| entrance.address(*at)),
            listens: listening.is_some(),
        };
        let entrance = entrance.map(|(_, entrance)| entrance);
        let pending = shared.pending_callback.open(&place.path, state, entrance);
        let mut server = listening.map(|it| it.serve(&shared.pending_callback, &shared.tracker));
        let pages = Pages {
            role: Role::Primary,
            page: 1,
            pages: 1 + self.may_follow(),
        };
        self.send_out(&authorization, pages, way, PATIENCE).await?;
        let arrival = self.arrival(pending, server.as_ref(), PATIENCE).await?;
        if let Some(server) = &mut server {
            server.linger();
        }
        let (result, unhappy): (_, fn(&Problem) -> Page) = match arrival.response {
            AuthorizationResponse::Code(code) => {
                let got = self.exchange(authorization, code, Arc::clone(&key)).await;
                (got, Page::failed)
            }
            AuthorizationResponse::Denied => (Err(self.denied()), Page::denied),
            AuthorizationResponse::Error { error, description } => (
                Err(self.refused(&error, description.as_ref())),
                Page::failed,
            ),
        };
        match result {
            Ok(tokens) => {
                let visit = Visit {
                    place,
                    server,
                    key,
                    before,
                };
                Ok(self.go_on(tokens, arrival.page, &visit).await)
            }
            Err(problem) => {
                // A pasted address has no browser that waits.
                drop(arrival.page.send(unhappy(&problem)));
                Err(problem)
            }
        }
    }

    /// Where the browser is to come back to, and what listens there.
    async fn place(&self) -> Result<(RedirectTarget, Option<Listening>), Problem> {
        let (callbacks, account) = (&self.session.0.callbacks, &self.context.account.name);
        let (uri, listening) = match callbacks.bind(account, &self.redirect_uris).await {
            Ok(listening) => (listening.uri().clone(), Some(listening)),
            // Zendesk wants one that it knows. What comes there is pasted.
            Err(problem) if problem.kind == Kind::Login && self.wish.no_browser => {
                (self.redirect_uris.first().ok_or(problem)?.clone(), None)
            }
            Err(problem) => return Err(problem),
        };
        let place = RedirectTarget {
            path: uri.path().to_owned(),
            redirect_uri: uri.as_str().to_owned(),
        };
        Ok((place, listening))
    }

    /// Who is logged in.
    fn person(&self) -> Option<u64> {
        self.session.view().person.map(|person| person.id)
    }

    /// Tells the person which page to open.
    async fn send_out(
        &self,
        authorization: &Authorization,
        pages: Pages,
        way: BrowserRoute,
        patience: Duration,
    ) -> Result<(), Problem> {
        let now = self.session.0.clock.now();
        let authorize = Event::Authorize(Authorize {
            account: self.name(),
            url: authorization.url.clone(),
            redirect_uri: authorization.redirect_uri.clone(),
            entrance: way.entrance,
            listens: way.listens,
            waits_until: schedule::shift(now, schedule::signed(patience)),
            role: pages.role,
            page: pages.page,
            pages: pages.pages,
        });
        let sent = self.events.send(authorize).await;
        sent.map_err(|_| abandoned())
    }

    /// Waits for the browser, or for a pasted address.
    async fn arrival(
        &self,
        pending: oneshot::Receiver<LoginCallback>,
        server: Option<&CallbackServer>,
        patience: Duration,
    ) -> Result<LoginCallback, Problem> {
        let ended = async {
            match server {
                Some(server) => server.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What has come is not thrown away.
            biased;
            arrival = pending => arrival.map_err(|_| self.sent_away()),
            () = ended => Err(self.sent_away()),
            () = self.events.closed() => Err(abandoned()),
            () = tokio::time::sleep(patience) => Err(self.too_late(patience)),
        }
    }

    /// Proves that the result could be kept, before a person is troubled (R9).
    async fn prove(&self) -> Result<Arc<DataKey>, Problem> {
        let shared = &self.session.0;
        let internal = |why| Problem::new(Kind::Internal, why);
        let store = shared.store.clone();
        let has_records = blocking(move || store.has_records());
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
        let (store, account) = (shared.store.clone(), self.context.account.name.clone());
        blocking(move || store.is_writable(&account))
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

    /// The login as it has ended; `told`: what the person should mind; `before`: who was logged in.
    fn done(&self, tokens: &Arc<SessionTokens>, told: Vec<String>, before: Option<u64>) -> Done {
        let scopes = tokens.pair.scopes.clone();
        let missing = self.requested().filter(|scope| !scopes.contains(scope));
        let warning: Vec<_> = self.warning(tokens).into_iter().chain(told).collect();
        Done {
            account: self.name(),
            person: tokens.person.as_ref().clone(),
            missing_scopes: missing.collect(),
            access_expires_at: tokens.pair.expires_at,
            refresh_expires_at: tokens.pair.refresh_expires_at,
            base_urls: self.base_urls.clone(),
            warning: (!warning.is_empty()).then(|| warning.join("\n")),
            pairs: self.living(),
            new_person: before != Some(tokens.person.id),
            scopes,
        }
    }

    fn requested(&self) -> impl Iterator<Item = String> {
        let scopes = self.context.account.scopes.iter();
        scopes.map(|scope| scope.as_str().to_owned())
    }

    fn name(&self) -> String {
        self.context.account.name.to_string()
    }
}

/// How the browser gets to a page, and back.
#[derive(Debug)]
struct BrowserRoute {
    entrance: Option<String>,
    listens: bool,
}

/// Long enough to find a second factor; a forgotten login must not listen all day.
const PATIENCE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
