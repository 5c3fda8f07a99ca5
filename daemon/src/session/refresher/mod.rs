//! The one task of an account that owns its pair: commands in, snapshots out.
//!
//! It decides nothing about the session, [`super::state`] does; it brings the machine its inputs,
//! carries out the effects as [`jobs`], and publishes what has become of it. No refresh
//! runs in a request's future, so none is cancelled with one (R2).

mod exclusive;
pub(in crate::session) mod gate;
pub(in crate::session) mod jobs;
pub(in crate::session) mod orphans;
pub(in crate::session) mod probe;
pub(in crate::session) mod publish;
pub(in crate::session) mod recovery;
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
use self::jobs::{Attempt, Done, Purpose, RefreshGuards, StoreResult, Unsent};
use self::publish::Publisher;
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

/// What the refresher is asked for.
#[derive(Debug)]
pub(in crate::session) enum Command {
    /// A request has no usable token; the answer comes when something has been done about it.
    Wanted(oneshot::Sender<()>),
    /// Zendesk has answered 401 to this generation's token.
    Rejected {
        generation: Generation,
        reply: oneshot::Sender<Verdict>,
    },
    /// Somebody wants a new pair.
    Refresh(oneshot::Sender<Result<Refreshed, Problem>>),
    /// A login wants the stored secret of the client, if there is one.
    ClientSecret(oneshot::Sender<Option<Secret>>),
    /// A login wants to know whether the pair lives.
    SessionTokens(oneshot::Sender<Option<Arc<SessionTokens>>>),
    /// A login has got a pair.
    Adopt(Box<Adoption>),
    /// Revoke and erase.
    Logout {
        forget: bool,
        /// Only if this is still the pair.
        only: Option<Generation>,
        reply: oneshot::Sender<Result<LoggedOut, Problem>>,
    },
    /// The account's configuration has changed.
    Reconfigure(Arc<AccountContext>),
    /// The vault has changed, or can be opened now.
    Vault(Arc<Vault>),
    /// The record may have come late.
    Look,
    /// Finish what is under way, and stop.
    Stop,
}

/// What to do with a 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Verdict {
    /// There is a newer token: send the request again.
    Replay,
    /// The token is good: the 401 is meant for the script.
    PassOn,
    /// The token is dead, and there is no other.
    Unusable,
}

/// A login's result on its way to the disk.
#[derive(Debug)]
pub(in crate::session) struct Adoption {
    pub(in crate::session) grant: Grant,
    /// What gets the pairs after this one.
    pub(in crate::session) renewal: Renewal,
    pub(in crate::session) person: loopdesk_protocol::account::Person,
    /// Another person than before is meant.
    pub(in crate::session) switch_user: bool,
    pub(in crate::session) key: Arc<DataKey>,
    pub(in crate::session) reply: oneshot::Sender<Result<Arc<SessionTokens>, Problem>>,
}

/// The task's parts.
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
    /// Runs until [`Command::Stop`], or until nobody can send a command any more.
    pub(in crate::session) async fn run(self) {
        let (machine, first) = StateMachine::new(self.publisher.generations.clone());
        let mut task = Task {
            spare: retired_spare::Schedule::beside(self.role),
            parts: self,
            machine,
            jobs: JoinSet::new(),
            loading: false,
            storing: false,
            exclusive: Exclusive::None,
            waiting: VecDeque::new(),
            guards: RefreshGuards::default(),
            store_at: None,
            rejected: Vec::new(),
            asked: Vec::new(),
            checking: false,
            valid: None,
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
    /// The login or logout that has the record to itself.
    exclusive: Exclusive,
    /// What waits for everything else to be over.
    waiting: VecDeque<Command>,
    guards: RefreshGuards,
    /// A store that is tried again later.
    store_at: Option<(Instant, RecordBody)>,
    rejected: Vec<(Generation, oneshot::Sender<Verdict>)>,
    asked: Vec<(Generation, oneshot::Sender<Result<Refreshed, Problem>>)>,
    /// When the spare pair of an earlier release is seen to.
    spare: retired_spare::Schedule,
    checking: bool,
    /// A generation whose token has just proved to be good.
    valid: Option<(Generation, Instant)>,
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
                // For a token that has expired meanwhile, nobody need be asked.
                self.input(Input::Wanted);
            }
            Command::Refresh(reply) => {
                let before = self
                    .machine
                    .tokens()
                    .map_or_else(Generation::default, |tokens| tokens.pair.generation);
                self.input(Input::Asked);
                self.asked.push((before, reply));
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
            Command::Adopt(_) | Command::Logout { .. } => self.waiting.push_back(command),
        }
    }

    fn reconfigure(&mut self, context: Arc<AccountContext>) {
        // Only the newest counts, even if an older one is still waiting.
        self.waiting
            .retain(|command| !matches!(command, Command::Reconfigure(_)));
        if context.binding == self.parts.context.binding {
            self.parts.context = context;
            self.input(Input::Reconfigured { rebound: false });
        } else {
            self.waiting.push_back(Command::Reconfigure(context));
        }
    }

    fn stop(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.parts.commands.close();
        // No refresh begins any more; one that is under way is finished and stored.
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
                self.end_leftovers();
            }
            Done::Refreshed(Attempt { answer, guards }) => {
                self.guards = guards;
                self.log(&answer);
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
                self.end_leftovers();
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
            Done::Spare(outcome) => self.spare.ended(&outcome),
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

    /// When time alone may change something, as far as this can be known: the clock may be set.
    fn wake(&self) -> Instant {
        let clock = &self.parts.clock;
        let now = clock.now();
        let next = match self.machine.next_change(now) {
            Some(at) => schedule::between(now, at).max(WAKE_MIN).min(clock.glance()),
            None => clock.glance(),
        };
        let next = Instant::now() + next;
        let next = self.spare.next().map_or(next, |at| next.min(at));
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
                    let lost = Done::Loaded(LoadResult::NoKey(bug()));
                    self.start(lost, async move { Done::Loaded(load.await) });
                }
                Effect::Refresh { tokens, urgency } => {
                    let refresh = jobs::Refresh {
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
                    let lost = Done::Refreshed(Attempt {
                        answer: Ok(TokenOutcome::Transient {
                            why: BUG.to_owned(),
                            may_have_acted: true,
                        }),
                        guards: RefreshGuards::default(),
                    });
                    self.start(lost, async move { Done::Refreshed(refresh.run().await) });
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
            tracing::error!(account = %self.name(), "stopping with a session that is not stored");
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
        let lost = Done::Stored(StoreResult::Failed(bug()));
        self.start(lost, async move { Done::Stored(storing.await) });
    }

    /// Runs a job on a task of its own that nothing but its end ends. `lost` is what counts if it
    /// panics: a session must not wait for ever for a bug.
    fn start(&mut self, lost: Done, job: impl Future<Output = Done> + Send + 'static) {
        let job = tokio::task::spawn(job);
        self.jobs.spawn(async move {
            job.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a job of the session was lost");
                lost
            })
        });
    }

    /// Draws the consequences of what has happened.
    fn settle(&mut self) {
        let now = self.parts.clock.now();
        self.begin_exclusive();
        let part = PairState::of(self.parts.role, &self.machine, &self.parts.context, now);
        self.parts.publisher.publish(part);
        if !self.machine.is_rotating() {
            let was_closed = self.guards.closed.is_some();
            if was_closed {
                failpoint::reach(failpoint::PUBLISHED);
            }
            // Published first: whoever passes the gate now finds the new token.
            self.guards.closed = None;
            if was_closed {
                failpoint::reach(failpoint::SETTLED);
            }
            self.parts.gate.calm();
            if let Some(slot) = self.guards.slot.take() {
                slot.discard();
            }
        }
        self.judge();
        self.report();
        self.retire_spare();
    }

    /// Sees to the spare pair that an earlier release may have left, while all is well otherwise.
    fn retire_spare(&mut self) {
        if self.stopping || self.machine.shown() != Shown::Active {
            return;
        }
        let Readiness::Ready(tokens) = self.machine.readiness(self.parts.clock.now()) else {
            return;
        };
        if self.spare.begin() {
            let parts = &self.parts;
            let (context, store) = (Arc::clone(&parts.context), parts.store.clone());
            let retiring = retired_spare::retire(context, store, Arc::clone(&parts.vault), tokens);
            let lost = Done::Spare(retired_spare::SpareOutcome::NotYet);
            self.start(lost, async move { Done::Spare(retiring.await) });
        }
    }

    fn name(&self) -> String {
        self.parts.context.account.name.to_string()
    }
}

fn bug() -> Problem {
    Problem::new(Kind::Internal, BUG).hint("run it again; if that doesn't help, restart loopdesk")
}

/// What people are told of a job that panicked.
const BUG: &str = "the work was cut short (a bug in loopdesk)";
/// A due time that can't be met right now is no reason to spin.
const WAKE_MIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod health_tests;
#[cfg(test)]
mod secret_tests;
#[cfg(test)]
mod tests;
