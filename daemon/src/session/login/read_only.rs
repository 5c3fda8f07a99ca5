//! Obtains an account's read-only pair, in the same visit to the browser as the account's own.
//!
//! Zendesk lets one user and client have several authorizations side by side (ZENDESK.md, Rotation), but
//! doesn't document it. So after the second authorization, the first pair is checked. If it is dead, the
//! new pair takes its place until a third page brings one that can write.

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::login::{Done, LoginEvent, Obtained};
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

/// Where Zendesk sends the browser back to.
pub(super) struct RedirectTarget {
    pub(super) path: String,
    pub(super) redirect_uri: String,
}

/// One visit to the browser, which may take several pages.
pub(super) struct Visit {
    pub(super) target: RedirectTarget,
    /// Listens for the browser there.
    pub(super) server: Option<CallbackServer>,
    pub(super) key: Arc<DataKey>,
    /// The user who was logged in when the visit began.
    pub(super) before: Option<u64>,
}

/// What an extra page brought.
enum PageResult {
    /// The pair that it was for, which is in use.
    Pair,
    /// A new primary pair, because Zendesk has revoked the previous one.
    NewPrimary(Arc<SessionTokens>),
}

impl Login {
    /// How many extra pages to expect.
    pub(super) fn extra_pages(&self) -> u32 {
        u32::from(self.context.wants(Role::ReadOnly) && !self.is_read_only_current())
    }

    /// Leads the browser through the extra pages. Whatever their result, the login has succeeded:
    /// `tokens` are stored and in use. `waiting` takes the page that the browser waits for.
    pub(super) async fn obtain_extra_grants(
        &self,
        tokens: Arc<SessionTokens>,
        waiting: oneshot::Sender<Page>,
        visit: &Visit,
    ) -> Done {
        let mut extra = ExtraGrants {
            remarks: Vec::new(),
            primary: tokens,
            waiting: Some(waiting),
            last: Role::Primary,
            page: 1,
        };
        let mut next = match self.lacks_read_only(&extra.primary).await {
            true => Some(Role::ReadOnly),
            false => None,
        };
        while let Some(role) = next.take() {
            match self.obtain(role, &mut extra, visit).await {
                Ok(PageResult::Pair) => {}
                Ok(PageResult::NewPrimary(tokens)) => {
                    extra.primary = tokens;
                    if role == Role::ReadOnly {
                        extra.remarks.push(self.primary_was_revoked());
                        // This pair can't write, and it is the only one left.
                        next = Some(Role::Primary);
                    }
                }
                Err(problem) => extra.remarks.push(self.missing_pair(role, &problem)),
            }
            extra.last = role;
        }
        let done = self.done(&extra.primary, extra.remarks, visit.before);
        if let Some(waiting) = extra.waiting {
            drop(waiting.send(Page::done(&done)));
        }
        done
    }

    /// Obtains one pair: sends the browser to the page and exchanges its code.
    async fn obtain(
        &self,
        role: Role,
        extra: &mut ExtraGrants,
        visit: &Visit,
    ) -> Result<PageResult, Problem> {
        let target = &visit.target;
        let context = self.context.for_role(role);
        let authorization = Authorization::new(&context.account, &target.redirect_uri)
            .map_err(|why| Problem::new(Kind::Config, why))?;
        let state = authorization.state.clone();
        let pending = self
            .session
            .0
            .pending_callback
            .open(&target.path, state, None);
        extra.page += 1;
        let pages = Pages {
            role,
            page: extra.page,
            pages: extra.page,
        };
        let obtained = LoginEvent::Obtained(Obtained {
            account: self.name(),
            role: extra.last,
            person: extra.primary.person.as_ref().clone(),
        });
        drop(self.events.send(obtained).await);
        let route = BrowserRoute {
            entrance: None,
            listens: visit.server.is_some(),
        };
        self.send_authorize(&authorization, pages, route, PATIENCE)
            .await?;
        if let Some(waiting) = extra.waiting.take() {
            let name = &self.context.account.name;
            let page = Page::next(name.as_str(), pages, &authorization.url);
            drop(waiting.send(page));
        }
        let callback = self
            .await_callback(pending, visit.server.as_ref(), PATIENCE)
            .await?;
        extra.waiting = Some(callback.page);
        match callback.response {
            AuthorizationResponse::Code(code) => {
                self.exchange_extra(role, authorization, code, &extra.primary, &visit.key)
                    .await
            }
            AuthorizationResponse::Denied => Err(self.denied()),
            AuthorizationResponse::Error { error, description } => {
                Err(self.refused(&error, description.as_ref()))
            }
        }
    }

    /// Exchanges a code for the pair of this role, or for the primary pair if Zendesk has revoked that.
    async fn exchange_extra(
        &self,
        role: Role,
        authorization: Authorization,
        code: SecretString,
        primary: &SessionTokens,
        key: &Arc<DataKey>,
    ) -> Result<PageResult, Problem> {
        let context = self.context.for_role(role);
        let redeemed = self.redeem(&context, authorization, code, key);
        let (mut grant, renewal, orphan) = redeemed.await?;
        let requested = context.account.scopes.iter();
        grant
            .scopes
            .get_or_insert_with(|| requested.map(|s| s.as_str().to_owned()).collect());
        let access = grant.access.clone();
        let adopted = self.adopt_extra(role, grant, renewal, primary, key).await;
        if adopted.is_err() {
            self.discard(&access, Some(orphan)).await;
        } else {
            orphan.forget();
        }
        adopted
    }

    async fn adopt_extra(
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
            return Err(self.wrong_person(&display_name(&primary.person), &display_name(&person)));
        }
        // A logout must not come between checking the primary pair and storing the one beside it.
        let _guard = self.session.0.changing.lock().await;
        let into = match self.is_dead(Role::Primary).await? {
            true => Role::Primary,
            false => role,
        };
        let adoption = |reply| Adoption {
            grant,
            renewal,
            person,
            // The pair belongs to the same user as the primary one, so it may replace an older user's.
            switch_user: true,
            key: Arc::clone(key),
            reply,
        };
        let tokens = self.session.adopt(into, adoption).await?;
        Ok(match into {
            Role::Primary => PageResult::NewPrimary(tokens),
            Role::ReadOnly => PageResult::Pair,
        })
    }

    /// Whether Zendesk says that the account's pair of this role is dead.
    ///
    /// # Errors
    /// The account has been logged out.
    async fn is_dead(&self, role: Role) -> Result<bool, Problem> {
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
                // It was refreshed during the check.
                Some(now) if now.pair.generation != tokens.pair.generation => tokens = now,
                Some(_) | None => return Ok(true),
            }
        }
    }

    /// Whether a read-only pair is wanted beside the new primary one, and there is none that will do.
    async fn lacks_read_only(&self, primary: &SessionTokens) -> bool {
        if !self.context.wants(Role::ReadOnly) {
            return false;
        }
        let is_usable = self.is_read_only_current()
            && self
                .session
                .tokens(Role::ReadOnly)
                .await
                .is_some_and(|tokens| tokens.person.id == primary.person.id)
            && !self.is_dead(Role::ReadOnly).await.unwrap_or(true);
        !is_usable
    }

    /// Whether the read-only pair is healthy and has the scopes that a new one would have.
    fn is_read_only_current(&self) -> bool {
        let snapshot = self.session.snapshot();
        let view = &snapshot.pairs.get(Role::ReadOnly).view;
        let context = self.context.for_role(Role::ReadOnly);
        let mut requested = context.account.scopes.iter().map(|scope| scope.as_str());
        let is_healthy = matches!(view.state, State::Active | State::Rotating);
        is_healthy
            && view.scopes.len() == context.account.scopes.len()
            && requested.all(|scope| view.scopes.iter().any(|granted| granted == scope))
    }

    /// The roles of the pairs that are alive.
    pub(super) fn live_pairs(&self) -> Vec<Role> {
        let snapshot = self.session.snapshot();
        let is_alive = |role: &Role| {
            let state = snapshot.pairs.get(*role).view.state;
            matches!(state, State::Active | State::Rotating | State::Unsaved)
        };
        Role::ALL.into_iter().filter(is_alive).collect()
    }

    fn wrong_person(&self, first: &str, second: &str) -> Problem {
        let message = format!(
            "the first page was allowed by {first}, but this one by {second}: the pair that it \
             granted was discarded"
        );
        let name = self.name();
        Problem::new(Kind::Login, message).hint(format!("run `loopdesk login {name}` again"))
    }

    fn primary_was_revoked(&self) -> String {
        let name = self.name();
        format!(
            "Zendesk revoked the token pair of account `{name}` when it granted the read-only one, so \
             there can be only one: run `loopdesk account set {name} read-only-grant false`"
        )
    }

    /// Says which pair is missing, and why.
    fn missing_pair(&self, role: Role, why: &Problem) -> String {
        let name = self.name();
        let start = format!("the login of account `{name}` failed: ");
        let why = why.message.strip_prefix(&start).unwrap_or(&why.message);
        match role {
            Role::Primary => format!(
                "account `{name}` can only read, because the last page didn't grant a pair ({why}): \
                 run `loopdesk login {name}` again"
            ),
            Role::ReadOnly => format!(
                "account `{name}` has no read-only pair ({why}): run `loopdesk login {name}` again to \
                 get it"
            ),
        }
    }
}

/// The progress of a visit after its first page.
struct ExtraGrants {
    /// What the user should know.
    remarks: Vec<String>,
    primary: Arc<SessionTokens>,
    /// Takes the page that the browser waits for.
    waiting: Option<oneshot::Sender<Page>>,
    /// The role that the last page was for.
    last: Role,
    page: u32,
}

/// The user is at the browser already, and the session works without this pair.
const PATIENCE: Duration = Duration::from_secs(120);
