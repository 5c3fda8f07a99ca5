//! The further pairs of an account, in the same visit to the browser as its first one.
//!
//! Zendesk lets one person and client have several authorizations side by side (ZENDESK.md,
//! Rotation), and promises that nowhere. So after each one the earlier pairs are asked about; if one has
//! died, the newest becomes the primary and there will be no others.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::login::{Done, Event, Obtained};
use loopdesk_protocol::status::{Role, State};
use loopdesk_protocol::{Kind, Problem};
use secrecy::SecretString;
use tokio::sync::oneshot;

use super::callback::Server;
use super::desk::Came;
use super::page::Page;
use super::{Login, Pages, Way};
use crate::session::Setup;
use crate::session::identity::Check;
use crate::session::oauth::{Authorization, Grant};
use crate::session::pair::{Held, Renewal};
use crate::session::refresher::{Adoption, named};
use crate::session::vault::DataKey;

/// Where the browser comes back to.
pub(super) struct Place {
    pub(super) path: String,
    pub(super) redirect_uri: String,
}

/// A visit to the browser.
pub(super) struct Visit {
    pub(super) place: Place,
    /// What waits for the browser there.
    pub(super) server: Option<Server>,
    pub(super) key: Arc<DataKey>,
    /// Who was logged in when it began.
    pub(super) before: Option<u64>,
}

/// What a further page has brought.
enum Got {
    /// The pair that it was for.
    Pair,
    /// A new primary, since Zendesk has ended the one before.
    Only(Arc<Held>),
}

impl Login {
    /// How many further pages there may be.
    pub(super) fn may_follow(&self) -> u32 {
        let is_lone = self.session.snapshot().lone_since.is_some();
        let wanted = FURTHER.iter().filter(|role| self.setup.wants(**role));
        let count = wanted.filter(|role| !is_lone && !self.may_stay(**role));
        u32::try_from(count.count()).unwrap_or_default()
    }

    /// Leads the browser through the further pages. Whatever comes of them, the login has succeeded:
    /// `held` is stored and in use. `shown` takes the page that the browser waits for.
    pub(super) async fn go_on(
        &self,
        held: Arc<Held>,
        shown: oneshot::Sender<Page>,
        visit: &Visit,
    ) -> Done {
        let mut walk = Walk {
            told: Vec::new(),
            roles: self.missing(&held).await,
            primary: held,
            shown: Some(shown),
            last: Role::Primary,
            page: 1,
        };
        while let Some(role) = walk.roles.pop_front() {
            match self.step(role, &mut walk, visit).await {
                Ok(Got::Pair) => {}
                Ok(Got::Only(held)) => {
                    walk.primary = held;
                    if role != Role::Primary {
                        walk.told.push(self.only_one());
                    }
                    walk.roles.clear();
                    if role == Role::ReadOnly {
                        // That one may not write, and the account has no other any more.
                        walk.roles.push_back(Role::Primary);
                    }
                }
                Err(problem) => {
                    walk.roles.push_front(role);
                    walk.told.push(self.without(&walk.roles, &problem));
                    break;
                }
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
    async fn step(&self, role: Role, walk: &mut Walk, visit: &Visit) -> Result<Got, Problem> {
        let place = &visit.place;
        let setup = self.setup.for_role(role);
        let authorization = Authorization::new(&setup.account, &place.redirect_uri)
            .map_err(|why| Problem::new(Kind::Config, why))?;
        let state = authorization.state.clone();
        let pending = self.session.0.desk.open(&place.path, state, None);
        walk.page += 1;
        let left = u32::try_from(walk.roles.len()).unwrap_or_default();
        let pages = Pages {
            role,
            page: walk.page,
            pages: walk.page + left,
        };
        let obtained = Event::Obtained(Obtained {
            account: self.name(),
            role: walk.last,
            person: walk.primary.person.as_ref().clone(),
        });
        drop(self.events.send(obtained).await);
        let way = Way {
            entrance: None,
            listens: visit.server.is_some(),
        };
        self.send_out(&authorization, pages, way, PATIENCE).await?;
        if let Some(shown) = walk.shown.take() {
            let name = &self.setup.account.name;
            let page = Page::next(name.as_str(), pages, &authorization.url);
            drop(shown.send(page));
        }
        let arrival = self
            .arrival(pending, visit.server.as_ref(), PATIENCE)
            .await?;
        walk.shown = Some(arrival.page);
        match arrival.came {
            Came::Code(code) => {
                let adopting = self.further(&setup, authorization, code, &walk.primary, &visit.key);
                adopting.await
            }
            Came::Denied => Err(self.denied()),
            Came::Error { error, description } => Err(self.refused(&error, description.as_ref())),
        }
    }

    /// Makes a code the pair of `setup`'s role, or the primary pair if Zendesk has ended that.
    async fn further(
        &self,
        setup: &Arc<Setup>,
        authorization: Authorization,
        code: SecretString,
        primary: &Held,
        key: &Arc<DataKey>,
    ) -> Result<Got, Problem> {
        let granted = self.granted(setup, authorization, code, key);
        let (mut grant, renewal, leftover) = granted.await?;
        let requested = setup.account.scopes.iter();
        grant
            .scopes
            .get_or_insert_with(|| requested.map(|s| s.as_str().to_owned()).collect());
        let fresh = grant.access.clone();
        let role = setup.binding.role;
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
        primary: &Held,
        key: &Arc<DataKey>,
    ) -> Result<Got, Problem> {
        let zendesk = &self.setup.zendesk;
        let person = zendesk.person(&grant.access).await;
        let person = person.map_err(|why| self.failed(Kind::Zendesk, &why))?;
        if person.id != primary.person.id {
            return Err(self.somebody_else(&named(&primary.person), &named(&person)));
        }
        // A logout must not come between the look at the primary pair and the one beside it.
        let _turn = self.session.0.changing.lock().await;
        let is_over = self.is_over(Role::Primary).await?;
        let mut others = FURTHER.into_iter().filter(|other| *other != role);
        let other_died = match others.next() {
            Some(other) if role != Role::Primary => self.is_over(other).await.unwrap_or(false),
            Some(_) | None => false,
        };
        if is_over || other_died {
            let now = self.session.0.clock.now();
            self.session.set_lone(Some(now)).await;
        }
        let into = if is_over { Role::Primary } else { role };
        if other_died && into != Role::Primary {
            return Err(self.failed(Kind::Zendesk, ONE_DIED));
        }
        let adoption = |reply| Adoption {
            grant,
            renewal,
            person,
            // It is the primary pair's person; whoever else was here before has gone.
            switch_user: true,
            key: Arc::clone(key),
            reply,
        };
        let held = self.session.adopt(into, adoption).await?;
        Ok(match into {
            Role::Primary => Got::Only(held),
            Role::Spare | Role::ReadOnly => Got::Pair,
        })
    }

    /// Whether Zendesk says that this pair, which the account has, is dead.
    async fn is_over(&self, role: Role) -> Result<bool, Problem> {
        let Some(mut held) = self.session.held(role).await else {
            return match role {
                // Logged out in the meantime.
                Role::Primary => Err(super::words::abandoned()),
                Role::Spare | Role::ReadOnly => Ok(false),
            };
        };
        loop {
            let check = self.setup.zendesk.check(&held.pair.access).await;
            if check != Check::Dead {
                return Ok(false);
            }
            match self.session.held(role).await {
                // It was refreshed while it was asked about.
                Some(now) if now.pair.generation != held.pair.generation => held = now,
                Some(_) | None => return Ok(true),
            }
        }
    }

    /// The pairs that are wanted and not there, beside the new primary one.
    async fn missing(&self, primary: &Held) -> VecDeque<Role> {
        let mut missing = VecDeque::new();
        if self.session.snapshot().lone_since.is_some() {
            return missing;
        }
        for role in FURTHER {
            let stays = self.may_stay(role)
                && self
                    .session
                    .held(role)
                    .await
                    .is_some_and(|held| held.person.id == primary.person.id)
                && !self.is_over(role).await.unwrap_or(true);
            if self.setup.wants(role) && !stays {
                missing.push_back(role);
            }
        }
        missing
    }

    /// Whether the pair of this role looks as a new one would.
    fn may_stay(&self, role: Role) -> bool {
        let snapshot = self.session.snapshot();
        let view = &snapshot.parts.get(role).view;
        let setup = self.setup.for_role(role);
        let mut asked = setup.account.scopes.iter().map(|scope| scope.as_str());
        let is_well = matches!(view.state, State::Active | State::Rotating);
        is_well
            && view.scopes.len() == setup.account.scopes.len()
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
        format!(
            "Zendesk ended the first token pair when it granted another one, so account `{}` has \
             one pair only: `spare` and `read-only-grant` are off",
            self.name()
        )
    }

    /// What is missing, and why.
    fn without(&self, roles: &VecDeque<Role>, why: &Problem) -> String {
        let name = self.name();
        let start = format!("the login of account `{name}` failed: ");
        let why = why.message.strip_prefix(&start).unwrap_or(&why.message);
        if roles.contains(&Role::Primary) {
            return format!(
                "account `{name}` can only read, since its last page brought nothing ({why}): run \
                 `loopdesk login {name}` again"
            );
        }
        let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
        let pairs = if names.len() == 1 { "pair" } else { "pairs" };
        format!(
            "account `{name}` has no {} {pairs} ({why}): run `loopdesk login {name}` again to get it",
            names.join(" and no "),
        )
    }
}

/// How far a visit has come.
struct Walk {
    /// What the person should mind.
    told: Vec<String>,
    /// The pairs that are still to come.
    roles: VecDeque<Role>,
    primary: Arc<Held>,
    /// Where the browser waits for the next page.
    shown: Option<oneshot::Sender<Page>>,
    /// What the last page was for.
    last: Role,
    page: u32,
}

const FURTHER: [Role; 2] = [Role::Spare, Role::ReadOnly];
const ONE_DIED: &str = "Zendesk ended another pair of the account when it granted this one";
/// The person is at the browser already, and the session works without.
const PATIENCE: Duration = Duration::from_secs(120);
