//! Fixtures that the tests of several modules share.

mod scripted;
mod secret;

pub(super) use self::scripted::{Scripted, Step};
pub(super) use self::secret::by_secret;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::Paths;
use loopdesk_protocol::account::Person;
use secrecy::ExposeSecret;

use loopdesk_protocol::status::State;

use super::callback::server::Callbacks;
use super::handle::Session;
use super::model::binding::{Binding, RecordRole};
use super::model::outcome::{Grant, TokenOutcome};
use super::model::schedule;
use super::model::token_pair::{AccessToken, Generation, Pair, Renewal, SessionTokens};
use super::refresher::{Command, Verdict};
use super::registry::Dependencies;
use super::report::snapshot::{Ready, Snapshot};
use super::report::token_policy::TokenChoice;
use super::store::Store;
use super::store::record::{self, RecordBody, Sealed};
use super::vault::Vault;
use super::zendesk::account_context::AccountContext;
use super::zendesk::api::ZendeskApi;
use crate::clock::{Clock, Mover};
use crate::config::{Account, AccountName, VaultKind};
use crate::network::Network;
use crate::upstream::Upstream;
use crate::upstream::egress::{Egress, Variables};

/// An account that asks for `read` and `write`.
pub(super) fn account(name: &str, origin: &str) -> Account {
    let scopes = ["read", "write"];
    Account {
        scopes: scopes.map(|scope| scope.parse().unwrap()).into(),
        ..crate::samples::account(name, origin)
    }
}

/// The folders of a user whose home is `home`.
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

/// The tokens of person 42: a pair of this generation that lives for `seconds` from `obtained` on.
pub(super) fn session_tokens(generation: u64, obtained: Timestamp, seconds: i64) -> SessionTokens {
    let after = |seconds| schedule::shift(obtained, jiff::SignedDuration::from_secs(seconds));
    SessionTokens {
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

/// The secret that renews `pair`.
pub(super) fn renewal(pair: &Pair) -> &str {
    match &pair.renewal {
        Renewal::RefreshToken(secret) | Renewal::ClientSecret(secret) => secret.expose_secret(),
    }
}

/// A grant of the pair `access-NUMBER`, `refresh-NUMBER`.
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

/// A failure that changes nothing at Zendesk.
pub(super) fn transient(why: &str) -> TokenOutcome {
    TokenOutcome::Transient {
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
    pub(super) deps: Dependencies,
    pub(super) task: tokio::task::JoinHandle<()>,
    pub(super) home: tempfile::TempDir,
    pub(super) context: Arc<AccountContext>,
}

impl Bench {
    /// Person 42 is logged in with pair 1, which lives for `lifetime` seconds.
    pub(super) async fn logged_in(lifetime: u32) -> Self {
        let bench = Self::signed_out(lifetime).await;
        bench
            .write(
                session_tokens(1, bench.deps.clock.now(), lifetime.into()),
                "m4ch1ne",
            )
            .await;
        bench.zendesk.set_issued(1);
        bench.restarted().await
    }

    /// No user is logged in; tokens will live for `lifetime` seconds.
    pub(super) async fn signed_out(lifetime: u32) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (clock, mover) = Clock::movable();
        let deps = Dependencies {
            proxies: Variables::none(clock.clone()),
            conditions: crate::conditions::Conditions::new(clock.clone()),
            network: Network::still(),
            clock,
            paths: paths(home.path()),
            tracker: tokio_util::task::TaskTracker::new(),
        };
        let zendesk = Scripted::new(&deps.clock, 0, lifetime.into());
        let context = context(&zendesk, "loopdesk");
        Self::start(home, mover, deps, zendesk, context).await
    }

    /// Like [`Bench::signed_out`], with a configuration that asks for a read-only pair.
    pub(super) async fn with_pairs(lifetime: u32) -> Self {
        let bench = Self::signed_out(lifetime).await;
        let context = bench.context_with(true);
        Self { context, ..bench }.restarted().await
    }

    /// The account, configured to have a read-only pair or not.
    pub(super) fn context_with(&self, read_only_grant: bool) -> Arc<AccountContext> {
        let account = Account {
            read_only_grant,
            ..Account::clone(&self.context.account)
        };
        context_of(&self.zendesk, account)
    }

    /// The same after a kill and a restart of the daemon.
    pub(super) async fn restarted(self) -> Self {
        self.task.abort();
        let Self {
            zendesk,
            mover,
            deps,
            home,
            context,
            ..
        } = self;
        Self::start(home, mover, deps, zendesk, context).await
    }

    async fn start(
        home: tempfile::TempDir,
        mover: Mover,
        deps: Dependencies,
        zendesk: Arc<Scripted>,
        context: Arc<AccountContext>,
    ) -> Self {
        let store = Store::new(deps.paths.sessions_dir());
        let vault = Arc::new(Vault::new(VaultKind::Keyfile, &deps.paths));
        let callbacks = Callbacks::default();
        let (session, workers) = Session::new(
            Arc::clone(&context),
            &deps.clock,
            &deps.tracker,
            store.clone(),
            vault,
            callbacks,
        );
        let bench = Self {
            session,
            zendesk,
            mover,
            store,
            deps,
            task: tokio::spawn(workers.run()),
            home,
            context,
        };
        let settled = |now: &Snapshot| !matches!(now.ready(TokenChoice::All), Ready::Soon);
        bench.until(settled).await;
        // Waits for the read-only pair's record, too.
        bench.session.loaded(Duration::from_secs(3600)).await;
        bench
    }

    /// Puts a record on disk as the machine `machine` would.
    pub(super) async fn write(&self, tokens: SessionTokens, machine: &str) {
        self.write_record(RecordRole::Primary, RecordBody::Live(tokens), machine)
            .await;
    }

    /// Puts the record of this role's pair on disk.
    pub(super) async fn write_as(&self, role: impl Into<RecordRole>, stored: RecordBody) {
        self.write_record(role.into(), stored, "m4ch1ne").await;
    }

    async fn write_record(&self, role: RecordRole, stored: RecordBody, machine: &str) {
        let vault = Vault::new(VaultKind::Keyfile, &self.deps.paths);
        let key = vault.key_or_new(false).await.unwrap();
        let mut binding = self.context.binding.clone();
        binding.machine = machine.to_owned();
        binding.role = role;
        let bytes = record::seal(&stored, &binding, &key).unwrap();
        self.store
            .of(role)
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

    /// Whether the record on disk says that the session has ended.
    pub(super) async fn is_over_on_disk(&self) -> bool {
        let vault = Vault::new(VaultKind::Keyfile, &self.deps.paths);
        let key = vault.key().await.unwrap();
        let path = self.store.path(&self.name());
        let bytes = self.store.read(&self.name()).unwrap().unwrap();
        let stored = Sealed::parse(&path, &bytes).unwrap().open(&key).unwrap();
        matches!(stored, RecordBody::Over { .. })
    }

    /// Waits for a snapshot that is `wanted`.
    pub(super) async fn until(&self, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut changes = self.session.changes();
        let seen = changes.wait_for(|snapshot| wanted(snapshot));
        let hour = Duration::from_secs(3600);
        let seen = tokio::time::timeout(hour, seen).await;
        match seen {
            Ok(snapshot) => Arc::clone(&snapshot.unwrap()),
            Err(_) => panic!("never reached; the session is {:?}", self.session.view()),
        }
    }

    pub(super) async fn until_state(&self, state: State) {
        self.until(|snapshot| snapshot.view.state == state).await;
    }

    pub(super) async fn until_generation(&self, generation: u64) {
        let reached = |snapshot: &Snapshot| snapshot.view.generation >= Some(generation);
        self.until(reached).await;
    }

    /// The verdict on a 401 to this generation's token.
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

    /// Whether requests can be sent now.
    pub(super) fn is_ready(&self) -> bool {
        matches!(
            self.session.snapshot().ready(TokenChoice::All),
            Ready::Yes(_)
        )
    }
}

/// The context of an account with this client at the scripted Zendesk.
pub(super) fn context(zendesk: &Arc<Scripted>, client_id: &str) -> Arc<AccountContext> {
    context_of(
        zendesk,
        Account {
            client_id: client_id.to_owned(),
            ..account("acme", "https://acme.zendesk.com")
        },
    )
}

fn context_of(zendesk: &Arc<Scripted>, account: Account) -> Arc<AccountContext> {
    let account = Arc::new(account);
    let egress = Egress::direct();
    Arc::new(AccountContext {
        binding: Binding::new(&account, "m4ch1ne"),
        upstream: Ok(Upstream::new(
            &account,
            egress.clone(),
            Network::still(),
            &crate::samples::conditions(),
        )
        .unwrap()),
        egress,
        zendesk: Arc::clone(zendesk) as Arc<dyn ZendeskApi>,
        account,
    })
}

/// The results of all `futures`, polled together like requests on several connections.
pub(super) async fn join_all<T: Send + 'static>(
    futures: impl Iterator<Item = impl Future<Output = T>>,
) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, slot) in pending.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
