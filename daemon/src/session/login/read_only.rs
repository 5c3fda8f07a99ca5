//! The read-only pair of an account, in the same visit to the browser as its own.
//!
//! Zendesk lets one person and client have several authorizations side by side (ZENDESK.md,
//! Rotation), and promises that nowhere. So after the second one Zendesk is asked about the first. If
//! that has died, the new pair takes its place until a third page has brought one that may write.

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::login::{Done, Event, Obtained};
use loopdesk_protocol::status::{Role, State};
use loopdesk_protocol::{Kind, Problem};
use secrecy::SecretString;
use tokio::sync::oneshot;

use super::{BrowserRoute, Login};
use crate::session::callback::page::Page;
use crate::session::callback::page::Pages;
use crate::session::callback::pending::AuthorizationResponse;
use crate::session::callback::server::CallbackServer;
use crate::session::crypto::data_key::DataKey;
use crate::session::model::checks::TokenCheck;
use crate::session::model::outcome::Grant;
use crate::session::model::person::display_name;
use crate::session::model::token_pair::{Renewal, SessionTokens};
use crate::session::refresher::Adoption;
use crate::session::zendesk::oauth::Authorization;

/// Where the browser comes back to.
pub(super) struct RedirectTarget {
    pub(super) path: String,
    pub(super) redirect_uri: String,
}

/// A visit to the browser.
pub(super) struct Visit {
    pub(super) place: RedirectTarget,
    /// What waits for the browser there.
    pub(super) server: Option<CallbackServer>,
    pub(super) key: Arc<DataKey>,
    /// Who was logged in when it began.
    pub(super) before: Option<u64>,
}

/// What a further page has brought.
enum PageResult {
    /// The pair that it was for.
    Pair,
    /// A new primary, since Zendesk has ended the one before.
    Only(Arc<SessionTokens>),
}

impl Login {
    /// How many further pages there will be, as far as is known.
    pub(super) fn may_follow(&self) -> u32 {
        u32::from(self.context.wants(Role::ReadOnly) && !self.may_stay())
    }

    /// Leads the browser through the further pages. Whatever comes of them, the login has succeeded:
    /// `held` is stored and in use. `shown` takes the page that the browser waits for.
    pub(super) async fn go_on(
        &self,
        tokens: Arc<SessionTokens>,
        shown: oneshot::Sender<Page>,
        visit: &Visit,
    ) -> Done {
        let mut walk = ExtraGrants {
            told: Vec::new(),
            primary: tokens,
            shown: Some(shown),
            last: Role::Primary,
            page: 1,
        };
        let mut next = match self.is_missing(&walk.primary).await {
            true => Some(Role::ReadOnly),
            false => None,
        };
        while let Some(role) = next.take() {
            match self.step(role, &mut walk, visit).await {
                Ok(PageResult::Pair) => {}
                Ok(PageResult::Only(tokens)) => {
                    walk.primary = tokens;
                    if role == Role::ReadOnly {
                        walk.told.push(self.only_one());
                        // That one may not write, and the account has no other any more.
                        next = Some(Role::Primary);
                    }
                }
                Err(problem) => walk.told.push(self.without(role, &problem)),
            }
            walk.last = role;
        }
        let done = self.done(&walk.primary, walk.told, visit.before);
        if let Some(shown) = walk.shown {
            drop(shown.send(Page::done(&done)));
        }
        done
    }

    /// One further page, from its address to the pair.
    async fn step(
        &self,
        role: Role,
        walk: &mut ExtraGrants,
        visit: &Visit,
    ) -> Result<PageResult, Problem> {
        let place = &visit.place;
        let context = self.context.for_role(role);
        let authorization = Authorization::new(&context.account, &place.redirect_uri)
            .map_err(|why| Problem::new(Kind::Config, why))?;
        let state = authorization.state.clone();
        let pending = self
            .session
            .0
            .pending_callback
            .open(&place.path, state, None);
        walk.page += 1;
        let pages = Pages {
            role,
            page: walk.page,
            pages: walk.page,
        };
        let obtained = Event::Obtained(Obtained {
            account: self.name(),
            role: walk.last,
            person: walk.primary.person.as_ref().clone(),
        });
        drop(self.events.send(obtained).await);
        let way = BrowserRoute {
            entrance: None,
            listens: visit.server.is_some(),
        };
        self.send_out(&authorization, pages, way, PATIENCE).await?;
        if let Some(shown) = walk.shown.take() {
            let name = &self.context.account.name;
            let page = Page::next(name.as_str(), pages, &authorization.url);
            drop(shown.send(page));
        }
        let arrival = self
            .arrival(pending, visit.server.as_ref(), PATIENCE)
            .await?;
        walk.shown = Some(arrival.page);
        match arrival.response {
            AuthorizationResponse::Code(code) => {
                self.further(role, authorization, code, &walk.primary, &visit.key)
                    .await
            }
            AuthorizationResponse::Denied => Err(self.denied()),
            AuthorizationResponse::Error { error, description } => {
                Err(self.refused(&error, description.as_ref()))
            }
        }
    }

    /// Makes a code the pair of this role, or the primary pair if Zendesk has ended that.
    async fn further(
        &self,
        role: Role,
        authorization: Authorization,
        code: SecretString,
        primary: &SessionTokens,
        key: &Arc<DataKey>,
    ) -> Result<PageResult, Problem> {
        let context = self.context.for_role(role);
        let granted = self.granted(&context, authorization, code, key);
        let (mut grant, renewal, leftover) = granted.await?;
        let requested = context.account.scopes.iter();
        grant
            .scopes
            .get_or_insert_with(|| requested.map(|s| s.as_str().to_owned()).collect());
        let fresh = grant.access.clone();
        let taken = self.take(role, grant, renewal, primary, key).await;
        if taken.is_err() {
            self.discard(&fresh, Some(leftover)).await;
        } else {
            leftover.forget();
        }
        taken
    }

    async fn take(
        &self,
        role: Role,
        grant: Grant,
        renewal: Renewal,
        primary: &SessionTokens,
        key: &Arc<DataKey>,
    ) -> Result<PageResult, Problem> {
        let zendesk = &self.context.zendesk;
        let person = zendesk.person(&grant.access).await;
        let person = person.map_err(|why| self.failed(Kind::Zendesk, &why))?;
        if person.id != primary.person.id {
            return Err(self.somebody_else(&display_name(&primary.person), &display_name(&person)));
        }
        // A logout must not come between the look at the primary pair and the one beside it.
        let _turn = self.session.0.changing.lock().await;
        let into = match self.is_over(Role::Primary).await? {
            true => Role::Primary,
            false => role,
        };
        let adoption = |reply| Adoption {
            grant,
            renewal,
            person,
            // It is the primary pair's person; whoever else was here before has gone.
            switch_user: true,
            key: Arc::clone(key),
            reply,
        };
        let tokens = self.session.adopt(into, adoption).await?;
        Ok(match into {
            Role::Primary => PageResult::Only(tokens),
            Role::ReadOnly => PageResult::Pair,
        })
    }

    /// Whether Zendesk says that this pair, which the account has, is dead.
    async fn is_over(&self, role: Role) -> Result<bool, Problem> {
        let Some(mut tokens) = self.session.tokens(role).await else {
            return match role {
                // Logged out in the meantime.
                Role::Primary => Err(super::text::abandoned()),
                Role::ReadOnly => Ok(false),
            };
        };
        loop {
            let check = self.context.zendesk.check(&tokens.pair.access).await;
            if check != TokenCheck::Dead {
                return Ok(false);
            }
            match self.session.tokens(role).await {
                // It was refreshed while it was asked about.
                Some(now) if now.pair.generation != tokens.pair.generation => tokens = now,
                Some(_) | None => return Ok(true),
            }
        }
    }

    /// Whether the read-only pair is wanted and not there, beside the new primary one.
    async fn is_missing(&self, primary: &SessionTokens) -> bool {
        if !self.context.wants(Role::ReadOnly) {
            return false;
        }
        let stays = self.may_stay()
            && self
                .session
                .tokens(Role::ReadOnly)
                .await
                .is_some_and(|tokens| tokens.person.id == primary.person.id)
            && !self.is_over(Role::ReadOnly).await.unwrap_or(true);
        !stays
    }

    /// Whether the read-only pair looks as a new one would.
    fn may_stay(&self) -> bool {
        let snapshot = self.session.snapshot();
        let view = &snapshot.parts.get(Role::ReadOnly).view;
        let context = self.context.for_role(Role::ReadOnly);
        let mut asked = context.account.scopes.iter().map(|scope| scope.as_str());
        let is_well = matches!(view.state, State::Active | State::Rotating);
        is_well
            && view.scopes.len() == context.account.scopes.len()
            && asked.all(|scope| view.scopes.iter().any(|granted| granted == scope))
    }

    /// The pairs that live now.
    pub(super) fn living(&self) -> Vec<Role> {
        let snapshot = self.session.snapshot();
        let lives = |role: &Role| {
            let state = snapshot.parts.get(*role).view.state;
            matches!(state, State::Active | State::Rotating | State::Unsaved)
        };
        Role::ALL.into_iter().filter(lives).collect()
    }

    fn somebody_else(&self, first: &str, second: &str) -> Problem {
        let message = format!(
            "the first page was allowed by {first}, this one by {second}: what it granted was not \
             kept"
        );
        let name = self.name();
        Problem::new(Kind::Login, message).hint(format!("run `loopdesk login {name}` again"))
    }

    fn only_one(&self) -> String {
        let name = self.name();
        format!(
            "Zendesk ended the token pair of account `{name}` when it granted the read-only one, so \
             there can be one only: run `loopdesk account set {name} read-only-grant false`"
        )
    }

    /// What is missing, and why.
    fn without(&self, role: Role, why: &Problem) -> String {
        let name = self.name();
        let start = format!("the login of account `{name}` failed: ");
        let why = why.message.strip_prefix(&start).unwrap_or(&why.message);
        match role {
            Role::Primary => format!(
                "account `{name}` can only read, since its last page brought nothing ({why}): run \
                 `loopdesk login {name}` again"
            ),
            Role::ReadOnly => format!(
                "account `{name}` has no read-only pair ({why}): run `loopdesk login {name}` again to \
                 get it"
            ),
        }
    }
}

/// How far a visit has come.
struct ExtraGrants {
    /// What the person should mind.
    told: Vec<String>,
    primary: Arc<SessionTokens>,
    /// Where the browser waits for the next page.
    shown: Option<oneshot::Sender<Page>>,
    /// What the last page was for.
    last: Role,
    page: u32,
}

/// The person is at the browser already, and the session works without.
const PATIENCE: Duration = Duration::from_secs(120);
