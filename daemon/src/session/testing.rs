//! What the tests of several parts start from.

mod secret;

pub(super) use self::secret::by_secret;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::Paths;
use loopdesk_protocol::account::Person;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, watch};

use loopdesk_protocol::status::State;

use super::endpoint::{Endpoint, Pending};
use super::handle::Session;
use super::identity::{Check, Revocation};
use super::login::Callbacks;
use super::oauth::{Answer, Authorization, Grant};
use super::pair::{AccessToken, Generation, Held, Pair, Renewal};
use super::record::{self, Binding, Sealed, Stored};
use super::refresher::{Command, Verdict};
use super::snapshot::{Ready, Snapshot};
use super::store::Store;
use super::vault::Vault;
use super::{Deps, Setup, schedule};
use crate::clock::{Clock, Mover};
use crate::config::{Account, AccountName, VaultKind};
use crate::upstream::Upstream;

/// An account that asks for `read` and `write`.
pub(super) fn account(name: &str, origin: &str) -> Account {
    let scopes = ["read", "write"];
    Account {
        scopes: scopes.map(|scope| scope.parse().unwrap()).into(),
        ..crate::samples::account(name, origin)
    }
}

/// The folders of somebody whose home is `home`.
pub(super) fn paths(home: &Path) -> Paths {
    Paths::resolve(|_| None, Some(home.to_owned()), None).unwrap()
}

/// Person number `id`.
pub(super) fn person(id: u64) -> Person {
    Person {
        id,
        name: format!("Person {id}"),
        email: Some(format!("p{id}@example.com")),
        role: Some("agent".to_owned()),
    }
}

/// A session of person 42 whose pair number `generation` lives for `seconds` from `obtained` on.
pub(super) fn held(generation: u64, obtained: Timestamp, seconds: i64) -> Held {
    let after = |seconds| schedule::shift(obtained, jiff::SignedDuration::from_secs(seconds));
    Held {
        pair: Pair {
            generation: Generation::new(generation),
            access: token(&format!("access-{generation}")),
            renewal: Renewal::RefreshToken(format!("refresh-{generation}").into()),
            obtained_at: obtained,
            expires_at: after(seconds),
            expiry_is_guessed: false,
            refresh_expires_at: Some(after(7_776_000)),
            scopes: vec!["read".to_owned(), "write".to_owned()],
        },
        person: Arc::new(person(42)),
        logged_in_at: obtained,
    }
}

/// An access token.
pub(super) fn token(text: &str) -> AccessToken {
    AccessToken::new(text.to_owned().into()).unwrap()
}

/// What gets the tokens after `pair`.
pub(super) fn renewal(pair: &Pair) -> &str {
    match &pair.renewal {
        Renewal::RefreshToken(secret) | Renewal::ClientSecret(secret) => secret.expose_secret(),
    }
}

/// A grant of the pair `access-N`, `refresh-N`.
pub(super) fn grant(number: u64, asked_at: Timestamp, seconds: u64) -> Grant {
    Grant {
        access: token(&format!("access-{number}")),
        refresh: Some(format!("refresh-{number}").into()),
        asked_at,
        expires_in: Some(Duration::from_secs(seconds)),
        refresh_expires_in: Some(Duration::from_secs(7_776_000)),
        scopes: Some(vec!["read".to_owned(), "write".to_owned()]),
    }
}

/// A Zendesk that does what a test says. A refresh deletes the old pair, as the real one does.
#[derive(Debug)]
pub(super) struct Scripted {
    clock: Clock,
    state: Mutex<Script>,
    /// A refresh waits while this is held.
    pub(super) turn: Semaphore,
    /// Every call, in order.
    calls: watch::Sender<Vec<String>>,
}

#[derive(Debug)]
struct Script {
    issued: u64,
    lifetime: u64,
    answers: VecDeque<Step>,
    person: Person,
    offline: bool,
    dead: Vec<String>,
}

/// What becomes of one refresh.
#[derive(Debug)]
pub(super) enum Step {
    /// This is answered, and nothing is replaced.
    Answer(Answer),
    /// The pair is replaced and the answer lost.
    Swallowed,
    /// The pair is replaced, this is done, the answer arrives.
    Then(fn(&Path), std::path::PathBuf),
}

impl Scripted {
    /// Tokens live for `lifetime` seconds; the newest pair is number `issued`.
    pub(super) fn new(clock: &Clock, issued: u64, lifetime: u64) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            state: Mutex::new(Script {
                issued,
                lifetime,
                answers: VecDeque::new(),
                person: person(42),
                offline: false,
                dead: Vec::new(),
            }),
            turn: Semaphore::new(1),
            calls: watch::Sender::default(),
        })
    }

    /// What the next refreshes come to; after that, all is well again.
    pub(super) fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.state.lock().unwrap().answers.extend(steps);
    }

    pub(super) fn set_offline(&self, offline: bool) {
        self.state.lock().unwrap().offline = offline;
    }

    pub(super) fn set_issued(&self, number: u64) {
        self.state.lock().unwrap().issued = number;
    }

    pub(super) fn set_person(&self, person: Person) {
        self.state.lock().unwrap().person = person;
    }

    /// An admin deletes the newest token.
    pub(super) fn revoke_newest(&self) {
        let mut state = self.state.lock().unwrap();
        let newest = state.issued.to_string();
        state.dead.push(newest);
    }

    /// Only the access token of the newest pair dies.
    pub(super) fn expire_newest(&self) {
        let mut state = self.state.lock().unwrap();
        let newest = format!("access-{}", state.issued);
        state.dead.push(newest);
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }

    pub(super) fn count(&self, prefix: &str) -> usize {
        let calls = self.calls.borrow();
        calls.iter().filter(|call| call.starts_with(prefix)).count()
    }

    /// Waits until there were `count` calls that start with `prefix`.
    pub(super) async fn until(&self, prefix: &str, count: usize) {
        let mut calls = self.calls.subscribe();
        let enough = |calls: &Vec<String>| {
            calls.iter().filter(|call| call.starts_with(prefix)).count() >= count
        };
        calls.wait_for(enough).await.unwrap();
    }

    fn note(&self, call: String) {
        self.calls.send_modify(|calls| calls.push(call));
    }

    fn lives(&self, access: &str) -> bool {
        let state = self.state.lock().unwrap();
        let newest = state.issued.to_string();
        access == format!("access-{newest}")
            && !state.dead.contains(&newest)
            && !state.dead.iter().any(|dead| dead == access)
    }

    /// By the client's secret, which is `secret`. The tokens before go on living.
    async fn obtain(&self, secret: &str) -> Answer {
        self.note(format!("obtain {secret}"));
        drop(self.turn.acquire().await.unwrap());
        let (step, offline) = {
            let mut state = self.state.lock().unwrap();
            (state.answers.pop_front(), state.offline)
        };
        if offline {
            return transient("no network");
        }
        if let Some(Step::Answer(answer)) = step {
            return answer;
        }
        let grant = self.issue();
        Answer::Granted(Grant {
            refresh: None,
            refresh_expires_in: None,
            ..grant
        })
    }

    fn issue(&self) -> Grant {
        let mut state = self.state.lock().unwrap();
        state.issued += 1;
        grant(state.issued, self.clock.now(), state.lifetime)
    }
}

impl Endpoint for Scripted {
    fn refresh<'a>(&'a self, renewal: &'a Renewal) -> Pending<'a, Answer> {
        Box::pin(async move {
            let refresh = match renewal {
                Renewal::RefreshToken(token) => token.expose_secret(),
                Renewal::ClientSecret(secret) => {
                    return self.obtain(secret.expose_secret()).await;
                }
            };
            self.note(format!("refresh {refresh}"));
            drop(self.turn.acquire().await.unwrap());
            let (step, offline, newest, dead) = {
                let mut state = self.state.lock().unwrap();
                let newest = state.issued.to_string();
                let dead = state.dead.contains(&newest);
                (state.answers.pop_front(), state.offline, newest, dead)
            };
            if offline {
                return transient("no network");
            }
            if let Some(Step::Answer(answer)) = step {
                return answer;
            }
            if dead || refresh != format!("refresh-{newest}") {
                return Answer::InvalidGrant;
            }
            let grant = self.issue();
            match step {
                Some(Step::Swallowed) => Answer::Lost("the connection broke".to_owned()),
                Some(Step::Then(act, path)) => {
                    act(&path);
                    Answer::Granted(grant)
                }
                Some(Step::Answer(_)) | None => Answer::Granted(grant),
            }
        })
    }

    fn exchange<'a>(&'a self, _: Authorization, code: &'a SecretString) -> Pending<'a, Answer> {
        Box::pin(async move {
            self.note(format!("exchange {}", code.expose_secret()));
            match code.expose_secret() {
                "good" => Answer::Granted(self.issue()),
                _ => Answer::InvalidGrant,
            }
        })
    }

    fn check<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Check> {
        Box::pin(async move {
            self.note(format!("check {}", access.expose_secret()));
            if self.state.lock().unwrap().offline {
                return Check::Unclear("no network".to_owned());
            }
            match self.lives(access.expose_secret()) {
                true => Check::Alive {
                    expires_at: None,
                    refresh_expires_at: None,
                },
                false => Check::Dead,
            }
        })
    }

    fn revoke<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Revocation> {
        Box::pin(async move {
            self.note(format!("revoke {}", access.expose_secret()));
            if self.state.lock().unwrap().offline {
                return Revocation::Failed("no network".to_owned());
            }
            if !self.lives(access.expose_secret()) {
                return Revocation::WasDead;
            }
            self.revoke_newest();
            Revocation::Done
        })
    }

    fn person<'a>(&'a self, access: &'a AccessToken) -> Pending<'a, Result<Person, String>> {
        Box::pin(async move {
            self.note(format!("person {}", access.expose_secret()));
            Ok(self.state.lock().unwrap().person.clone())
        })
    }
}

/// A failure that decides nothing.
pub(super) fn transient(why: &str) -> Answer {
    Answer::Transient {
        why: why.to_owned(),
        may_have_acted: false,
    }
}

/// A session on real files, against a scripted Zendesk, with a clock that can be moved.
pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) zendesk: Arc<Scripted>,
    pub(super) mover: Mover,
    pub(super) store: Store,
    pub(super) deps: Deps,
    pub(super) task: tokio::task::JoinHandle<()>,
    pub(super) home: tempfile::TempDir,
    setup: Arc<Setup>,
}

impl Bench {
    /// Person 42 is logged in with pair 1, which lives for `lifetime` seconds.
    pub(super) async fn logged_in(lifetime: u32) -> Self {
        let bench = Self::signed_out(lifetime).await;
        bench
            .write(held(1, bench.deps.clock.now(), lifetime.into()), "m4ch1ne")
            .await;
        bench.zendesk.set_issued(1);
        bench.restarted().await
    }

    /// Nobody is logged in; tokens will live for `lifetime` seconds.
    pub(super) async fn signed_out(lifetime: u32) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (clock, mover) = Clock::movable();
        let deps = Deps {
            clock,
            paths: paths(home.path()),
            tracker: tokio_util::task::TaskTracker::new(),
        };
        let zendesk = Scripted::new(&deps.clock, 0, lifetime.into());
        let setup = setup(&zendesk, "loopdesk");
        Self::start(home, mover, deps, zendesk, setup).await
    }

    /// The same after the daemon was killed and started again.
    pub(super) async fn restarted(self) -> Self {
        self.task.abort();
        let Self {
            zendesk,
            mover,
            deps,
            home,
            setup,
            ..
        } = self;
        Self::start(home, mover, deps, zendesk, setup).await
    }

    async fn start(
        home: tempfile::TempDir,
        mover: Mover,
        deps: Deps,
        zendesk: Arc<Scripted>,
        setup: Arc<Setup>,
    ) -> Self {
        let store = Store::new(deps.paths.sessions_dir());
        let vault = Arc::new(Vault::new(VaultKind::Keyfile, &deps.paths));
        let callbacks = Callbacks::default();
        let (session, refresher) =
            Session::new(Arc::clone(&setup), &deps, store.clone(), vault, callbacks);
        let bench = Self {
            session,
            zendesk,
            mover,
            store,
            deps,
            task: tokio::spawn(refresher.run()),
            home,
            setup,
        };
        let settled = |snapshot: &Snapshot| !matches!(snapshot.readiness, Ready::Soon);
        bench.until(settled).await;
        bench
    }

    /// Puts a record on disk, as the machine called `machine` would have.
    pub(super) async fn write(&self, held: Held, machine: &str) {
        let vault = Vault::new(VaultKind::Keyfile, &self.deps.paths);
        let key = vault.key_or_new(false).await.unwrap();
        let mut binding = self.setup.binding.clone();
        binding.machine = machine.to_owned();
        let bytes = record::seal(&Stored::Live(held), &binding, &key).unwrap();
        self.store
            .prepare(&self.name())
            .unwrap()
            .commit(&bytes)
            .unwrap();
    }

    /// The generation on disk.
    pub(super) fn durable(&self) -> Option<u64> {
        let path = self.store.path(&self.name());
        let bytes = self.store.read(&self.name()).unwrap()?;
        Some(Sealed::parse(&path, &bytes).unwrap().header.generation)
    }

    /// Whether the disk knows that the session is over.
    pub(super) async fn is_over_on_disk(&self) -> bool {
        let vault = Vault::new(VaultKind::Keyfile, &self.deps.paths);
        let key = vault.key().await.unwrap();
        let path = self.store.path(&self.name());
        let bytes = self.store.read(&self.name()).unwrap().unwrap();
        let stored = Sealed::parse(&path, &bytes).unwrap().open(&key).unwrap();
        matches!(stored, Stored::Over { .. })
    }

    /// Waits until the session looks like this.
    pub(super) async fn until(&self, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut changes = self.session.changes();
        let seen = changes.wait_for(|snapshot| wanted(snapshot));
        let hour = Duration::from_secs(3600);
        let seen = tokio::time::timeout(hour, seen).await;
        match seen {
            Ok(snapshot) => Arc::clone(&snapshot.unwrap()),
            Err(_) => panic!("never; it is {:?}", self.session.view()),
        }
    }

    pub(super) async fn until_state(&self, state: State) {
        self.until(|snapshot| snapshot.view.state == state).await;
    }

    pub(super) async fn until_generation(&self, generation: u64) {
        let reached = |snapshot: &Snapshot| snapshot.view.generation >= Some(generation);
        self.until(reached).await;
    }

    /// What becomes of a 401 to this generation's token.
    pub(super) async fn rejected(&self, generation: u64) -> Verdict {
        let (reply, verdict) = tokio::sync::oneshot::channel();
        let generation = Generation::new(generation);
        self.session
            .send(Command::Rejected { generation, reply })
            .await;
        verdict.await.unwrap()
    }

    pub(super) fn name(&self) -> AccountName {
        "acme".parse().unwrap()
    }

    /// What requests would carry now.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.session.snapshot().readiness, Ready::Yes(_))
    }
}

/// An account of this client at the scripted Zendesk.
pub(super) fn setup(zendesk: &Arc<Scripted>, client_id: &str) -> Arc<Setup> {
    setup_of(
        zendesk,
        Account {
            client_id: client_id.to_owned(),
            ..account("acme", "https://acme.zendesk.com")
        },
    )
}

fn setup_of(zendesk: &Arc<Scripted>, account: Account) -> Arc<Setup> {
    let account = Arc::new(account);
    Arc::new(Setup {
        binding: Binding::new(&account, "m4ch1ne"),
        upstream: Ok(Upstream::new(&account).unwrap()),
        zendesk: Arc::clone(zendesk) as Arc<dyn Endpoint>,
        account,
    })
}
