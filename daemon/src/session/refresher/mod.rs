//! The task that owns one of an account's pairs: commands in, snapshots out.
//!
//! It makes no decisions about the session, [`super::state`] does. It feeds the state machine its
//! inputs, carries out the effects as [`jobs`], and publishes the result. No refresh runs in a
//! request's future, so a request that is cancelled never cancels one (R2).

mod exclusive;
pub(in crate::session) mod gate;
pub(in crate::session) mod jobs;
mod logout;
pub(in crate::session) mod orphans;
pub(in crate::session) mod probe;
pub(in crate::session) mod publish;
pub(in crate::session) mod recovery;
pub(in crate::session) mod refresh;
mod report;
pub(in crate::session) mod retired_spare;
pub(in crate::session) mod revoke;
pub(in crate::session) mod unauthorized;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::session::{LoggedOut, Refreshed};
use loopdesk_protocol::status::{Role, State as Shown};
use loopdesk_protocol::{Kind, Problem};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::gate::Gate;
use self::jobs::{Done, Purpose, StoreResult};
use self::publish::Publisher;
use self::refresh::{Attempt, Refresh, RefreshGuards, Unsent};
use super::crypto::data_key::DataKey;
use super::model::outcome::{Grant, TokenOutcome};
use super::model::token_pair::{Generation, Renewal, Secret, SessionTokens};
use super::store::record::RecordBody;
use super::zendesk::account_context::AccountContext;
use crate::clock::Clock;
use crate::failpoint;
use crate::session::model::schedule;
use crate::session::report::snapshot::PairState;
use crate::session::state::{Effect, Input, LoadResult, Readiness, State, StateMachine};
use crate::session::store::Store;
use crate::session::vault::Vault;

/// A request to the refresher.
#[derive(Debug)]
pub(in crate::session) enum Command {
    /// A request has no usable token. Answered once the state machine has reacted to that.
    Wanted(oneshot::Sender<()>),
    /// Zendesk answered 401 to the token of this generation.
    Rejected {
        generation: Generation,
        reply: oneshot::Sender<Verdict>,
    },
    /// A person or a script asks for a new pair.
    Refresh(oneshot::Sender<Result<Refreshed, Problem>>),
    /// A login asks for the client's stored secret, if there is one.
    ClientSecret(oneshot::Sender<Option<Secret>>),
    /// A login asks for the pair in use, to check whether it is alive.
    SessionTokens(oneshot::Sender<Option<Arc<SessionTokens>>>),
    /// A login has obtained a pair: store it and use it.
    Adopt(Box<Adoption>),
    /// Revoke and erase the pair.
    Logout {
        forget: bool,
        /// Only if the pair is still of this generation.
        only: Option<Generation>,
        reply: oneshot::Sender<Result<LoggedOut, Problem>>,
    },
    /// The account's configuration has changed.
    Reconfigure(Arc<AccountContext>),
    /// The vault has changed, or can be opened now.
    Vault(Arc<Vault>),
    /// Look for the record again: it may have appeared late.
    Look,
    /// Finish the work in progress, then stop.
    Stop,
}

/// What a request should do with its 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Verdict {
    /// Send the request again: there is a newer token.
    Replay,
    /// Give the 401 to the script: the token isn't known to be dead.
    PassOn,
    /// Refuse: the token is dead, and there is no other.
    Unusable,
}

/// A login's result, to be stored and used.
#[derive(Debug)]
pub(in crate::session) struct Adoption {
    pub(in crate::session) grant: Grant,
    /// What obtains the next pair.
    pub(in crate::session) renewal: Renewal,
    pub(in crate::session) person: loopdesk_protocol::account::Person,
    /// Whether the login may hand the account to another user.
    pub(in crate::session) switch_user: bool,
    pub(in crate::session) key: Arc<DataKey>,
    pub(in crate::session) reply: oneshot::Sender<Result<Arc<SessionTokens>, Problem>>,
}

/// A refresher that hasn't been started.
#[derive(Debug)]
pub(in crate::session) struct Refresher {
    pub(in crate::session) role: Role,
    pub(in crate::session) context: Arc<AccountContext>,
    pub(in crate::session) clock: Clock,
    pub(in crate::session) store: Store,
    pub(in crate::session) vault: Arc<Vault>,
    pub(in crate::session) gate: Gate,
    pub(in crate::session) commands: mpsc::Receiver<Command>,
    pub(in crate::session) publisher: Arc<Publisher>,
}

impl Refresher {
    /// Runs until [`Command::Stop`], or until all command senders have been dropped.
    pub(in crate::session) async fn run(self) {
        let (machine, first) = StateMachine::new(self.publisher.generations.clone());
        let mut task = Task {
            spare_retirement: retired_spare::Schedule::beside(self.role),
            parts: self,
            machine,
            jobs: JoinSet::new(),
            loading: false,
            storing: false,
            exclusive: Exclusive::None,
            queued: VecDeque::new(),
            guards: RefreshGuards::default(),
            store_at: None,
            rejected: Vec::new(),
            refresh_requests: Vec::new(),
            checking: false,
            verified: None,
            stopping: false,
        };
        task.carry_out(vec![first]);
        task.settle();
        task.run().await;
    }
}

#[derive(Debug)]
struct Task {
    parts: Refresher,
    machine: StateMachine,
    jobs: JoinSet<Done>,
    loading: bool,
    storing: bool,
    /// The login or logout that has exclusive use of the record.
    exclusive: Exclusive,
    /// Commands that need exclusive use of the record, and wait for it.
    queued: VecDeque<Command>,
    guards: RefreshGuards,
    /// A store to be retried, and when.
    store_at: Option<(Instant, RecordBody)>,
    /// Requests that met a 401, and the generation of their token.
    rejected: Vec<(Generation, oneshot::Sender<Verdict>)>,
    /// Requested refreshes, and the generation that they are to replace.
    refresh_requests: Vec<(Generation, oneshot::Sender<Result<Refreshed, Problem>>)>,
    /// When to try to retire the spare pair of an earlier release.
    spare_retirement: retired_spare::Schedule,
    checking: bool,
    /// The generation whose token was last verified after a 401, and when.
    verified: Option<(Generation, Instant)>,
    stopping: bool,
}

#[derive(Debug)]
enum Exclusive {
    None,
    Login(oneshot::Sender<Result<Arc<SessionTokens>, Problem>>),
    Logout(oneshot::Sender<Result<LoggedOut, Problem>>),
}

impl Task {
    async fn run(&mut self) {
        while !(self.stopping && self.is_quiet() && self.store_at.is_none()) {
            let wake = self.wake();
            tokio::select! {
                command = self.parts.commands.recv(), if !self.stopping => match command {
                    Some(command) => self.command(command),
                    None => self.stop(),
                },
                Some(Ok(done)) = self.jobs.join_next() => self.done(done),
                () = tokio::time::sleep_until(wake) => self.on_time(),
            }
            self.settle();
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Wanted(reply) => {
                self.input(Input::Wanted);
                self.settle();
                _ = reply.send(());
            }
            Command::Rejected { generation, reply } => {
                self.rejected.push((generation, reply));
                // A token that has expired needs no check at Zendesk: this starts its refresh.
                self.input(Input::Wanted);
            }
            Command::Refresh(reply) => {
                let before = self
                    .machine
                    .tokens()
                    .map_or_else(Generation::default, |tokens| tokens.pair.generation);
                self.input(Input::Asked);
                self.refresh_requests.push((before, reply));
            }
            Command::ClientSecret(reply) => drop(reply.send(self.client_secret())),
            Command::SessionTokens(reply) => drop(reply.send(self.machine.tokens().cloned())),
            Command::Vault(vault) => {
                self.parts.vault = vault;
                self.input(Input::Unlocked);
            }
            Command::Look => self.input(Input::Look),
            Command::Stop => self.stop(),
            Command::Reconfigure(context) => self.reconfigure(context),
            Command::Adopt(_) | Command::Logout { .. } => self.queued.push_back(command),
        }
    }

    fn reconfigure(&mut self, context: Arc<AccountContext>) {
        // The newest configuration replaces one that is still queued.
        self.queued
            .retain(|command| !matches!(command, Command::Reconfigure(_)));
        if context.binding == self.parts.context.binding {
            self.parts.context = context;
            self.input(Input::Reconfigured { rebound: false });
        } else {
            self.queued.push_back(Command::Reconfigure(context));
        }
    }

    fn stop(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.parts.commands.close();
        // Starts no more refreshes. One in progress is finished and stored.
        self.input(Input::Pause);
        if let Some((at, _)) = &mut self.store_at {
            *at = Instant::now();
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Loaded(load) => {
                self.loading = false;
                self.input(Input::Loaded(load));
                self.revoke_orphans();
            }
            Done::Refreshed(Attempt { answer, guards }) => {
                self.guards = guards;
                self.log_refresh(&answer);
                self.input(match answer {
                    Ok(answer) => Input::Answered(answer),
                    Err(Unsent::Because(problem)) => Input::NotSent(problem),
                    Err(Unsent::Superseded(load)) => Input::Superseded(*load),
                });
            }
            Done::Stored(result) => {
                self.storing = false;
                self.input(match result {
                    StoreResult::Done => Input::Stored,
                    StoreResult::Failed(problem) => {
                        tracing::error!(account = %self.name(), error = %problem, "can't store the session");
                        Input::NotStored(problem)
                    }
                    StoreResult::Superseded(load) => Input::Superseded(*load),
                });
                self.revoke_orphans();
            }
            Done::Checked {
                generation,
                purpose,
                check,
            } => self.checked(generation, purpose, check),
            Done::Adopted(result) => self.adopted(result),
            Done::LoggedOut(result) => self.logged_out(result),
            Done::Health(news) => {
                if let Some(news) = news {
                    self.input(Input::Health(news));
                }
            }
            Done::Revoked => {}
            Done::Spare(outcome) => self.spare_retirement.ended(&outcome),
        }
    }

    fn on_time(&mut self) {
        self.input(Input::Tick);
        if let Some((at, stored)) = self.store_at.take() {
            if at <= Instant::now() && matches!(self.exclusive, Exclusive::None) {
                self.store(stored);
            } else {
                self.store_at = Some((at, stored));
            }
        }
    }

    /// When to look at the clock again: at the next change that is due, and now and then in between,
    /// because the clock may be set.
    fn wake(&self) -> Instant {
        let clock = &self.parts.clock;
        let now = clock.now();
        let next = match self.machine.next_change(now) {
            Some(at) => schedule::between(now, at).max(WAKE_MIN).min(clock.glance()),
            None => clock.glance(),
        };
        let next = Instant::now() + next;
        let next = self.spare_retirement.next().map_or(next, |at| next.min(at));
        match &self.store_at {
            Some((at, _)) if matches!(self.exclusive, Exclusive::None) => next.min(*at),
            Some(_) | None => next,
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.parts.clock.now();
        let effects = self.machine.on(now, schedule::spread(), input);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Load => {
                    self.loading = true;
                    let parts = &self.parts;
                    let (context, store) = (Arc::clone(&parts.context), parts.store.clone());
                    let load = jobs::load(context, store, Arc::clone(&parts.vault));
                    let fallback = Done::Loaded(LoadResult::NoKey(bug()));
                    self.start(fallback, async move { Done::Loaded(load.await) });
                }
                Effect::Refresh { tokens, urgency } => {
                    let refresh = Refresh {
                        context: Arc::clone(&self.parts.context),
                        store: self.parts.store.clone(),
                        gate: self.parts.gate.clone(),
                        vault: Arc::clone(&self.parts.vault),
                        tokens,
                        next: self.machine.upcoming(),
                        urgency,
                        key: self.parts.vault.key_in_memory(),
                        guards: std::mem::take(&mut self.guards),
                    };
                    let fallback = Done::Refreshed(Attempt {
                        answer: Ok(TokenOutcome::Transient {
                            why: BUG.to_owned(),
                            may_have_acted: true,
                        }),
                        guards: RefreshGuards::default(),
                    });
                    self.start(
                        fallback,
                        async move { Done::Refreshed(refresh.run().await) },
                    );
                }
                Effect::Hurry => self.parts.gate.hurry(),
                Effect::Store { tokens, after } => {
                    self.store_after(RecordBody::Live(SessionTokens::clone(&tokens)), after);
                }
                Effect::StoreEnd { after } => self.store_end(after),
                Effect::Learn(tokens) => self.check(tokens, Purpose::Learn),
                Effect::Health(act) => {
                    let (context, store) =
                        (Arc::clone(&self.parts.context), self.parts.store.clone());
                    self.start(Done::Health(None), async move {
                        Done::Health(probe::run(context, store, act).await)
                    });
                }
                Effect::Revoke(tokens) => {
                    let context = Arc::clone(&self.parts.context);
                    self.start(Done::Revoked, async move {
                        revoke::revoke_outdated(&context, &tokens.pair.access).await;
                        Done::Revoked
                    });
                }
            }
        }
    }

    fn store_end(&mut self, after: Duration) {
        if let State::Ended(ended) = self.machine.state() {
            let over = RecordBody::Over {
                end: ended.end.clone(),
                person: ended.person.as_deref().cloned(),
                generation: self.machine.generation(),
            };
            self.store_after(over, after);
        }
    }

    fn store_after(&mut self, stored: RecordBody, after: Duration) {
        if after.is_zero() {
            self.store(stored);
        } else if self.stopping && !self.machine.is_rotating() {
            tracing::error!(account = %self.name(), "stopping although the session could not be stored");
        } else {
            self.store_at = Some((Instant::now() + after, stored));
        }
    }

    fn store(&mut self, stored: RecordBody) {
        self.storing = true;
        let parts = &self.parts;
        let (context, store) = (Arc::clone(&parts.context), parts.store.clone());
        let (key, slot) = (parts.vault.key_in_memory(), self.guards.slot.take());
        let storing = jobs::store(context, store, key, stored, slot);
        let fallback = Done::Stored(StoreResult::Failed(bug()));
        self.start(fallback, async move { Done::Stored(storing.await) });
    }

    /// Runs a job on its own task, which nothing cancels. If the job panics, `fallback` is its
    /// result: a bug must not make a session wait forever.
    fn start(&mut self, fallback: Done, job: impl Future<Output = Done> + Send + 'static) {
        let job = tokio::task::spawn(job);
        self.jobs.spawn(async move {
            job.await.unwrap_or_else(|error| {
                tracing::error!(%error, "session job panicked");
                fallback
            })
        });
    }

    /// Acts on the new state: starts queued work, publishes, opens the gate, and answers those who
    /// wait.
    fn settle(&mut self) {
        let now = self.parts.clock.now();
        self.begin_exclusive();
        let pair = PairState::of(self.parts.role, &self.machine, &self.parts.context, now);
        self.parts.publisher.publish(pair);
        if !self.machine.is_rotating() {
            let was_closed = self.guards.closed.is_some();
            if was_closed {
                failpoint::reach(failpoint::PUBLISHED);
            }
            // Opened only after publishing, so that a request that passes finds the new token.
            self.guards.closed = None;
            if was_closed {
                failpoint::reach(failpoint::SETTLED);
            }
            self.parts.gate.calm();
            if let Some(slot) = self.guards.slot.take() {
                slot.discard();
            }
        }
        self.answer_rejected();
        self.answer_refresh_requests();
        self.retire_spare();
    }

    /// Retires the spare pair that an earlier release may have left, while the session is healthy.
    fn retire_spare(&mut self) {
        if self.stopping || self.machine.shown() != Shown::Active {
            return;
        }
        let Readiness::Ready(tokens) = self.machine.readiness(self.parts.clock.now()) else {
            return;
        };
        if self.spare_retirement.begin() {
            let parts = &self.parts;
            let (context, store) = (Arc::clone(&parts.context), parts.store.clone());
            let retiring = retired_spare::retire(context, store, Arc::clone(&parts.vault), tokens);
            let fallback = Done::Spare(retired_spare::SpareOutcome::NotYet);
            self.start(fallback, async move { Done::Spare(retiring.await) });
        }
    }

    fn name(&self) -> String {
        self.parts.context.account.name.to_string()
    }
}

fn bug() -> Problem {
    Problem::new(Kind::Internal, BUG).hint("try again; if that doesn't help, restart loopdesk")
}

/// The reason that users see if a job panicked.
const BUG: &str = "the work was cut short (a bug in loopdesk)";
/// Avoids a busy loop while something that is due can't be done yet.
const WAKE_MIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod health_tests;
#[cfg(test)]
mod secret_tests;
#[cfg(test)]
mod tests;
