//! Logins, logouts and moves to another Zendesk: each has exclusive use of the record while it runs.

use std::sync::Arc;

use loopdesk_protocol::account::Person;
use loopdesk_protocol::session::LoggedOut;
use loopdesk_protocol::{Kind, Problem};
use tokio::sync::oneshot;

use super::jobs::{self, Done};
use super::logout::{self, LogoutTarget};
use super::orphans;
use super::revoke;
use super::{Adoption, Command, Exclusive, Task, bug};
use crate::failpoint;
use crate::session::model::person::display_name;
use crate::session::model::token_pair::{Generation, Renewal, Secret, SessionTokens};
use crate::session::state::{Input, State};
use crate::session::store::orphan::OrphanedPair;

impl Task {
    pub(super) fn is_quiet(&self) -> bool {
        !self.machine.is_rotating()
            && !self.storing
            && !self.loading
            && matches!(self.exclusive, Exclusive::None)
    }

    /// Starts the next login, logout or move once nothing else uses the record.
    pub(super) fn begin_exclusive(&mut self) {
        let is_unsaved = self.store_at.is_some();
        while self.is_quiet() && !self.stopping {
            match self.queued.front() {
                // A move would lose a pair that is only in memory.
                Some(Command::Reconfigure(_)) if is_unsaved => return,
                Some(_) => {}
                None => return,
            }
            match self.queued.pop_front() {
                Some(Command::Reconfigure(context)) => {
                    self.parts.context = context;
                    self.verified = None;
                    self.input(Input::Reconfigured { rebound: true });
                }
                Some(Command::Adopt(adoption)) => self.adopt(*adoption),
                Some(Command::Logout { only, reply, .. }) if self.is_replaced(only) => {
                    drop(reply.send(Err(replaced(&self.name()))));
                }
                Some(Command::Logout { forget, reply, .. }) => self.log_out(forget, reply),
                Some(_) | None => return,
            }
        }
    }

    fn adopt(&mut self, adoption: Adoption) {
        let Adoption {
            grant,
            renewal,
            person,
            switch_user,
            key,
            reply,
        } = adoption;
        let before = self.person().filter(|before| before.id != person.id);
        if let (Some(before), false) = (before, switch_user) {
            let problem = match renewal {
                Renewal::RefreshToken(_) => other_person(&self.name(), &before, &person),
                Renewal::ClientSecret(_) => other_client(&self.name(), &before, &person),
            };
            drop(reply.send(Err(problem)));
            return;
        }
        let tokens = SessionTokens {
            logged_in_at: grant.asked_at,
            pair: grant.begin(self.machine.next_generation(), renewal),
            person: Arc::new(person),
        };
        self.input(Input::Pause);
        let set_aside = matches!(self.machine.state(), State::SignedOut(Some(_)));
        let (context, store) = (Arc::clone(&self.parts.context), self.parts.store.clone());
        let replaced = self.machine.tokens().cloned();
        let adopting = jobs::adopt(context, store, key, tokens, replaced, set_aside);
        self.exclusive = Exclusive::Login(reply);
        let fallback = Done::Adopted(Err(bug()));
        self.start(fallback, async move { Done::Adopted(adopting.await) });
    }

    pub(super) fn adopted(
        &mut self,
        result: Result<(SessionTokens, Option<OrphanedPair>), Problem>,
    ) {
        let exclusive = std::mem::replace(&mut self.exclusive, Exclusive::None);
        let Exclusive::Login(reply) = exclusive else {
            return;
        };
        let (tokens, orphan) = match result {
            Ok(adopted) => adopted,
            Err(problem) => {
                self.input(Input::Resume);
                drop(reply.send(Err(problem)));
                return;
            }
        };
        tracing::info!(
            account = %self.name(),
            role = self.parts.role.name(),
            generation = %tokens.pair.generation,
            "logged in"
        );
        let replaced = self.machine.tokens().cloned();
        let was_over = matches!(self.machine.state(), State::Ended(_));
        // A store that was to be retried belongs to the session that this login replaced.
        self.store_at = None;
        self.input(Input::Adopted(tokens.clone()));
        if self.stopping {
            self.input(Input::Pause);
        }
        // Published before replying, so that the login is in use when its caller hears of it.
        self.settle();
        failpoint::reach(failpoint::ADOPTED);
        drop(reply.send(Ok(Arc::new(tokens))));
        if let Some(old) = replaced {
            let context = Arc::clone(&self.parts.context);
            self.start(Done::Revoked, async move {
                revoke::revoke_replaced(&context, &old.pair, orphan, was_over).await;
                Done::Revoked
            });
        }
    }

    /// Revokes the pairs that earlier logins left behind, except the one in use.
    pub(super) fn revoke_orphans(&mut self) {
        let parts = &self.parts;
        let (context, store) = (Arc::clone(&parts.context), parts.store.clone());
        let in_use = self.machine.tokens().cloned();
        let revoking = orphans::revoke_all(context, store, Arc::clone(&parts.vault), in_use);
        self.start(Done::Revoked, async move {
            revoking.await;
            Done::Revoked
        });
    }

    fn log_out(&mut self, forget: bool, reply: oneshot::Sender<Result<LoggedOut, Problem>>) {
        let target = match self.machine.state() {
            State::SignedOut(None) => LogoutTarget::SignedOut,
            State::SignedOut(Some(problem)) | State::KeyMissing { problem, .. } => {
                LogoutTarget::Unreadable(problem.clone())
            }
            State::Loading => {
                LogoutTarget::Unreadable(Problem::new(Kind::Vault, "it is still being loaded"))
            }
            State::Live(live) => LogoutTarget::Live(Arc::clone(&live.tokens)),
            State::Ended(ended) => LogoutTarget::Ended(
                self.machine.tokens().cloned(),
                ended.person.as_deref().cloned(),
            ),
        };
        self.input(Input::Pause);
        let (context, store) = (Arc::clone(&self.parts.context), self.parts.store.clone());
        let vault = Arc::clone(&self.parts.vault);
        let job = logout::logout(context, store, vault, target, forget);
        self.exclusive = Exclusive::Logout(reply);
        let fallback = Done::LoggedOut(Err(bug()));
        self.start(fallback, async move { Done::LoggedOut(job.await) });
    }

    pub(super) fn logged_out(&mut self, result: Result<LoggedOut, Problem>) {
        let exclusive = std::mem::replace(&mut self.exclusive, Exclusive::None);
        let Exclusive::Logout(reply) = exclusive else {
            return;
        };
        match &result {
            Ok(out) => {
                tracing::info!(account = %self.name(), revoked = out.revoked, "logged out");
                self.store_at = None;
                self.input(Input::Forgotten);
            }
            Err(_) => self.input(Input::Resume),
        }
        self.settle();
        failpoint::reach(failpoint::LEFT);
        drop(reply.send(result));
    }

    /// Whether the pair that `only` means has been replaced.
    fn is_replaced(&self, only: Option<Generation>) -> bool {
        let current = self.machine.generation();
        only.is_some_and(|generation| generation != current)
    }

    pub(super) fn client_secret(&self) -> Option<Secret> {
        match &self.machine.tokens()?.pair.renewal {
            Renewal::ClientSecret(secret) => Some(secret.clone()),
            Renewal::RefreshToken(_) => None,
        }
    }

    fn person(&self) -> Option<Person> {
        match self.machine.state() {
            State::Live(live) => Some(live.tokens.person.as_ref().clone()),
            State::Ended(ended) => ended.person.as_deref().cloned(),
            State::Loading | State::SignedOut(_) | State::KeyMissing { .. } => None,
        }
    }
}

fn replaced(account: &str) -> Problem {
    let message = format!("the token pair of account `{account}` was replaced in the meantime");
    Problem::new(Kind::Login, message)
}

fn other_person(account: &str, before: &Person, now: &Person) -> Problem {
    Problem::new(
        Kind::Login,
        format!(
            "account `{account}` belongs to {}, but the browser was logged in as {}",
            display_name(before),
            display_name(now)
        ),
    )
    .hint(format!(
        "log in to Zendesk as {} in that browser and run `loopdesk login {account}`",
        before.name
    ))
    .hint(format!(
        "or hand the account over: `loopdesk login {account} --switch-user`"
    ))
}

fn other_client(account: &str, before: &Person, now: &Person) -> Problem {
    Problem::new(
        Kind::Login,
        format!(
            "account `{account}` belongs to {}, but this OAuth client acts as {}",
            display_name(before),
            display_name(now)
        ),
    )
    .hint(format!(
        "if you want that: `loopdesk login {account} --switch-user --client-secret-stdin`"
    ))
}
