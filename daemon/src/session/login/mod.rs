//! A login: from the proof that its result can be stored, to a session that is stored and in use.
//!
//! ```text
//!  vault and disk tested ─► callback bound ─► authorize URL out ─► the browser comes back
//!                                                                  (or its address is pasted)
//!  in use, old pair revoked ◄─ stored ◄─ whose? ◄─ code exchanged ◄────────┘
//! ```
//!
//! For an account that wants a read-only pair, the steps from the authorize URL on are repeated in the
//! same visit (`read_only`): the page that ends one authorization leads to the next.
//!
//! Nothing changes before the last steps. Until the browser comes back, the login is abandoned if the
//! receiver of its events is dropped. From then on it runs to completion, so that no token is left
//! behind unrevoked.

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

pub use loopdesk_protocol::login::LoginEvent;

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
    /// Logs a user in, and reports progress on `events`. Until the browser comes back, dropping the
    /// receiver abandons the login.
    pub async fn login(
        &self,
        options: LoginOptions,
        redirect_uris: &[RedirectUri],
        base_urls: Vec<String>,
        events: mpsc::Sender<LoginEvent>,
    ) {
        let login = Login {
            session: self.clone(),
            context: self.0.context.load_full(),
            options,
            redirect_uris: redirect_uris.to_vec(),
            base_urls,
            events,
            _under_way: Arc::clone(&self.0.logins),
        };
        // On its own task, because the caller may disconnect in the middle of the exchange.
        let task = self.0.tracker.spawn(login.run());
        drop(task.await);
    }

    /// Completes a login with the address of the page that failed to load in a browser on another
    /// machine.
    ///
    /// # Errors
    /// No login waits for an address, or this one belongs to another login.
    #[cfg(test)]
    fn paste(&self, address: &str) -> Result<(), Problem> {
        paste(std::slice::from_ref(self), address)
    }

    /// Why an address was rejected; `None` if it was accepted.
    fn paste_problem(&self, result: &CallbackResult) -> Option<Problem> {
        let name = &self.account().name;
        let again = format!("run `loopdesk login {name} --no-browser` again");
        let (kind, message, hint) = match result {
            CallbackResult::Accepted(_) => return None,
            CallbackResult::NoLogin => (
                Kind::Login,
                format!("no login of account `{name}` is waiting for an address"),
                again,
            ),
            CallbackResult::Used => (
                Kind::Login,
                "that address was used already: each one works for one login only".to_owned(),
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

/// Completes the login of one of `sessions` with the address of the page that failed to load in a
/// browser on another machine.
///
/// # Errors
/// The problem of the login that the address was most likely meant for. A waiting login comes before
/// those that aren't.
pub fn paste(sessions: &[Session], address: &str) -> Result<(), Problem> {
    let mut nearest = None;
    for session in sessions {
        let result = session.0.pending_callback.paste(address);
        let Some(problem) = session.paste_problem(&result) else {
            return Ok(());
        };
        let distance = match result {
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

/// The user's choices for a login.
#[derive(Clone, Debug, Default)]
pub struct LoginOptions {
    /// Whether the account may be handed over to another user.
    pub switch_user: bool,
    /// The secret of the account's client.
    pub client_secret: Option<SecretText>,
    /// Whether the user may paste the last page's address, so that nothing has to listen for the
    /// browser.
    pub no_browser: bool,
}

struct Login {
    session: Session,
    context: Arc<AccountContext>,
    options: LoginOptions,
    redirect_uris: Vec<RedirectUri>,
    base_urls: Vec<String>,
    events: mpsc::Sender<LoginEvent>,
    _under_way: Arc<()>,
}

impl Login {
    async fn run(self) {
        let attempt = match self.context.account.grant {
            GrantType::AuthorizationCode => self.attempt().await,
            GrantType::ClientCredentials => self.attempt_by_secret().await,
        };
        let event = match attempt {
            Ok(done) => LoginEvent::Done(done),
            Err(problem) => LoginEvent::Failed(problem),
        };
        drop(self.events.send(event).await);
    }

    async fn attempt(&self) -> Result<Done, Problem> {
        if self.options.client_secret.is_some() {
            return Err(self.secret_not_needed());
        }
        let shared = &self.session.0;
        if shared.pending_callback.is_closed() {
            return Err(self.superseded());
        }
        let key = self.ensure_storable().await?;
        let before = self.person();
        let (target, listening) = self.redirect_target().await?;
        let not_started = |why| Problem::new(Kind::Config, format!("can't start a login: {why}"));
        let authorization = Authorization::new(&self.context.account, &target.redirect_uri);
        let authorization = authorization.map_err(not_started)?;
        let state = authorization.state.clone();
        let address = listening.as_ref().map(Listening::address);
        let link = match address.filter(|_| !self.options.no_browser) {
            Some(at) => Some((at, OneTimeLink::to(&authorization.url).map_err(no_random)?)),
            None => None,
        };
        let route = BrowserRoute {
            entrance: link.as_ref().map(|(at, link)| link.address(*at)),
            listens: listening.is_some(),
        };
        let link = link.map(|(_, link)| link);
        let pending = shared.pending_callback.open(&target.path, state, link);
        let mut server = listening.map(|it| it.serve(&shared.pending_callback, &shared.tracker));
        let pages = Pages {
            role: Role::Primary,
            page: 1,
            pages: 1 + self.extra_pages(),
        };
        self.send_authorize(&authorization, pages, route, PATIENCE)
            .await?;
        let callback = self
            .await_callback(pending, server.as_ref(), PATIENCE)
            .await?;
        if let Some(server) = &mut server {
            server.linger();
        }
        let (result, error_page): (_, fn(&Problem) -> Page) = match callback.response {
            AuthorizationResponse::Code(code) => {
                let exchanged = self.exchange(authorization, code, Arc::clone(&key)).await;
                (exchanged, Page::failed)
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
                    target,
                    server,
                    key,
                    before,
                };
                Ok(self
                    .obtain_extra_grants(tokens, callback.page, &visit)
                    .await)
            }
            Err(problem) => {
                // Fails if the address was pasted: then no browser waits for the page.
                drop(callback.page.send(error_page(&problem)));
                Err(problem)
            }
        }
    }

    /// Where the browser will come back to, and what listens there.
    async fn redirect_target(&self) -> Result<(RedirectTarget, Option<Listening>), Problem> {
        let (callbacks, account) = (&self.session.0.callbacks, &self.context.account.name);
        let (uri, listening) = match callbacks.bind(account, &self.redirect_uris).await {
            Ok(listening) => (listening.uri().clone(), Some(listening)),
            // Zendesk accepts only redirect URIs that it knows, so use one of them: the user pastes the
            // address.
            Err(problem) if problem.kind == Kind::Login && self.options.no_browser => {
                (self.redirect_uris.first().ok_or(problem)?.clone(), None)
            }
            Err(problem) => return Err(problem),
        };
        let target = RedirectTarget {
            path: uri.path().to_owned(),
            redirect_uri: uri.as_str().to_owned(),
        };
        Ok((target, listening))
    }

    /// The id of the user who is logged in.
    fn person(&self) -> Option<u64> {
        self.session.view().person.map(|person| person.id)
    }

    /// Tells the user which page to open.
    async fn send_authorize(
        &self,
        authorization: &Authorization,
        pages: Pages,
        route: BrowserRoute,
        patience: Duration,
    ) -> Result<(), Problem> {
        let now = self.session.0.clock.now();
        let authorize = LoginEvent::Authorize(Authorize {
            account: self.name(),
            url: authorization.url.clone(),
            redirect_uri: authorization.redirect_uri.clone(),
            entrance: route.entrance,
            listens: route.listens,
            waits_until: schedule::shift(now, schedule::signed(patience)),
            role: pages.role,
            page: pages.page,
            pages: pages.pages,
        });
        let sent = self.events.send(authorize).await;
        sent.map_err(|_| abandoned())
    }

    /// Waits for the browser, or for a pasted address.
    async fn await_callback(
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
            // First, so that a callback that has arrived isn't dropped.
            biased;
            callback = pending => callback.map_err(|_| self.superseded()),
            () = ended => Err(self.superseded()),
            () = self.events.closed() => Err(abandoned()),
            () = tokio::time::sleep(patience) => Err(self.timed_out(patience)),
        }
    }

    /// Proves that the result could be stored, before the user is asked for anything (R9).
    async fn ensure_storable(&self) -> Result<Arc<DataKey>, Problem> {
        let shared = &self.session.0;
        let internal = |why| Problem::new(Kind::Internal, why);
        let store = shared.store.clone();
        let has_records = blocking(move || store.has_records());
        let has_records = has_records.await.map_err(internal)?;
        let vault = shared.vault.load_full();
        let key = vault.key_or_new(has_records).await.map_err(|problem| {
            if has_records {
                problem.hint(
                    "if the key is lost for good, remove the sessions that need it: `loopdesk logout \
                     ACCOUNT --forget` for each account, then log in again",
                )
            } else {
                problem
            }
        })?;
        self.ensure_loaded().await?;
        let (store, account) = (shared.store.clone(), self.context.account.name.clone());
        blocking(move || store.is_writable(&account))
            .await
            .map_err(internal)?
            .map_err(|error| error.problem())?;
        Ok(key)
    }

    /// Opens the stored record first, if it can be opened: it says whose account this is (R8).
    async fn ensure_loaded(&self) -> Result<(), Problem> {
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

    /// The result of a login, with these `remarks` for the user. `before` is the user who was logged in
    /// before.
    fn done(&self, tokens: &Arc<SessionTokens>, remarks: Vec<String>, before: Option<u64>) -> Done {
        let scopes = tokens.pair.scopes.clone();
        let missing = self.requested().filter(|scope| !scopes.contains(scope));
        let warning: Vec<_> = self.warning(tokens).into_iter().chain(remarks).collect();
        Done {
            account: self.name(),
            person: tokens.person.as_ref().clone(),
            missing_scopes: missing.collect(),
            access_expires_at: tokens.pair.expires_at,
            refresh_expires_at: tokens.pair.refresh_expires_at,
            base_urls: self.base_urls.clone(),
            warning: (!warning.is_empty()).then(|| warning.join("\n")),
            pairs: self.live_pairs(),
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

/// Long enough to find a second factor, but a forgotten login must not listen all day.
const PATIENCE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
