//! `GET /v1/status`: the state of the daemon and of every account.

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::account::Person;
use crate::call::Call;
use crate::conditions::{self, Condition, Severity};
use crate::problem::Problem;

/// Asks for the state of the daemon and of every account.
pub const CALL: Call<(), Status> = Call::get("/v1/status");

/// The state of the daemon and of every account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's process.
    pub daemon: DaemonStatus,
    /// The configuration in use.
    pub config: ConfigStatus,
    /// The vault of the data key.
    pub vault: VaultStatus,
    /// Where scripts can connect.
    pub listeners: Vec<Listener>,
    /// The commands run on events.
    #[serde(default)]
    pub hooks: HooksStatus,
    /// The local keys of all accounts.
    #[serde(default)]
    pub keys: KeysStatus,
    /// The proxy on the way to Zendesk.
    #[serde(default)]
    pub egress: EgressStatus,
    /// The accounts, by name.
    pub accounts: Vec<AccountStatus>,
    /// Everything that needs attention, the most general first. The daemon lists what no other part
    /// of its answer contains; [`Status::gather`] adds the rest.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

impl Status {
    /// Adds the problems of all parts of the status to the conditions.
    pub fn gather(&mut self) {
        let daemons = [
            (&self.config.problem, "config-unusable"),
            (&self.vault.problem, "vault"),
            (&self.keys.problem, "keys-unusable"),
            (&self.hooks.problem, "hook-failed"),
            (&self.egress.problem, "proxy-unusable"),
        ];
        let daemons = daemons.into_iter().filter_map(|(problem, code)| {
            let problem = problem.clone()?;
            Some(Condition::new(problem.coded(code)))
        });
        let listeners = self.listeners.iter().filter_map(|listener| {
            let condition = Condition::new(listener.problem.clone()?.coded("listener"));
            Some(match &listener.account {
                Some(account) => condition.of(account),
                None => condition,
            })
        });
        let ignored = self.egress.ignored.iter().map(|ignored| {
            let Ignored { variable, why, fix } = ignored;
            Condition::new(conditions::proxy_ignored(variable, why, fix))
        });
        let accounts = self.accounts.iter().flat_map(|account| {
            let pairs = account.pairs.iter();
            let pairs = pairs.filter_map(|pair| Some((pair.problem.as_ref()?, pair.state)));
            let own = account
                .problem
                .iter()
                .map(|problem| (problem, account.state));
            own.chain(pairs).map(|(problem, state)| {
                Condition::new(problem.clone().coded(state.code())).of(&account.name)
            })
        });
        let daemons = ignored.chain(daemons).chain(listeners);
        let parts: Vec<_> = daemons.chain(accounts).collect();
        // An unusable proxy affects every account, but is listed once.
        self.conditions
            .retain(|raised| !parts.iter().any(|part| part.problem == raised.problem));
        self.conditions.splice(0..0, parts);
        self.conditions.sort_by_key(|condition| condition.severity);
    }

    /// Everything that doesn't work, or soon won't. Complete after [`Status::gather`].
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        let errors = self.conditions.iter();
        let errors = errors.filter(|condition| condition.severity == Severity::Error);
        errors.map(|condition| &condition.problem)
    }
}

/// The daemon's process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its release.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// Whether systemd or launchd keeps it running.
    pub supervised: bool,
}

/// The configuration in use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// The user's file.
    pub path: String,
    /// The machine-wide file below it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_path: Option<String>,
    /// When the configuration in use was read.
    pub loaded_at: Timestamp,
    /// Why the file's current content isn't in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The vault of the data key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VaultStatus {
    /// The configured kind: `keyring`, `credential`, `passphrase` or `keyfile`.
    pub kind: String,
    /// Whether the key is available. Missing from older daemons.
    #[serde(default)]
    pub state: VaultState,
    /// Why the key isn't available, with the command that helps. Present in every state except
    /// `available` and `untested`; in `no-entry` and `needs-passphrase`, only if a session needs
    /// the key. Also present while a change of `vault` in the configuration waits until the key can
    /// be moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The state of the vault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultState {
    /// The key has been read or written.
    Available,
    /// Nothing has needed the key yet.
    #[default]
    Untested,
    /// The keyring is locked.
    Locked,
    /// There is no keyring, no bus, no credential or no file.
    Absent,
    /// The keyring hasn't answered yet.
    Slow,
    /// The vault has no key.
    NoEntry,
    /// The passphrase hasn't been entered since the daemon started.
    NeedsPassphrase,
    /// The vault failed.
    Failed,
}

/// One address on which scripts are served.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listener {
    /// `127.0.0.1:8484`, or the path of a socket.
    pub address: String,
    /// The account that this address belongs to. If absent, `Host` or the default decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What answers here. Set by the command line, not by the daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// Whether the daemon listens here, even if there is a problem.
    #[serde(default)]
    pub open: bool,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// The daemon whose status this is.
    ThisDaemon,
    /// Another program.
    Another,
    /// Nothing.
    Nobody,
}

/// The commands run on events.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HooksStatus {
    /// Why the command of `hooks.session-event` can't be run, or why it failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The local keys of all accounts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeysStatus {
    /// Why no key is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The proxy on the way to Zendesk, if any.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EgressStatus {
    /// The proxy, `http://proxy.corp:3128`, without user and password. Absent without a proxy, or
    /// if there is a problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// The environment variable that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// Whether the variable contains a user, or a user and a password.
    #[serde(default)]
    pub has_login: bool,
    /// The hosts reached without the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_proxy: Option<NoProxyStatus>,
    /// The accounts' origins among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub direct: Vec<String>,
    /// Variables that are ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Ignored>,
    /// Why the last connection through the proxy failed, unless one has succeeded since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// Why Zendesk can't be reached at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Which programs an account serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// All of this user's programs.
    #[default]
    User,
    /// Programs that send a local key.
    Key,
}

impl Access {
    /// Every value with its name in the configuration and in JSON.
    pub const ALL: [(&'static str, Self); 2] = [("user", Self::User), ("key", Self::Key)];

    /// Its name in the configuration and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
        }
    }
}

/// The exceptions from the proxy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoProxyStatus {
    /// The environment variable.
    pub variable: String,
    /// Its value.
    pub hosts: String,
}

/// An ignored environment variable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ignored {
    /// Its name.
    pub variable: String,
    /// Why.
    pub why: String,
    /// How to fix it.
    pub fix: String,
}

/// One account and its session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountStatus {
    /// The account's name in the configuration.
    pub name: String,
    /// Whether it is the account of requests that don't name one.
    pub default: bool,
    /// The origin of the API: `https://acme.zendesk.com`.
    pub origin: String,
    /// The OAuth client's identifier.
    pub client_id: String,
    /// How tokens are obtained: [`crate::account::AUTHORIZATION_CODE`] or
    /// [`crate::account::CLIENT_CREDENTIALS`].
    #[serde(default = "crate::account::default_grant")]
    pub grant: String,
    /// The base URLs that scripts can use.
    pub base_urls: Vec<String>,
    /// Which programs it serves.
    #[serde(default)]
    pub access: Access,
    /// Whether programs that connect by TCP need a local key because `allow-hosts` is set.
    #[serde(default)]
    pub key_over_tcp: bool,
    /// The number of its valid local keys.
    #[serde(default)]
    pub keys: usize,
    /// The names of its local keys that are suspended because another user logged in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspended_keys: Vec<String>,
    /// The state of the session.
    pub state: State,
    /// The user who is logged in, or was when the session ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// The scopes that Zendesk granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The token pair's number, which grows by one with each pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// When the pair in use was obtained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refreshed_at: Option<Timestamp>,
    /// When the access token expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_expires_at: Option<Timestamp>,
    /// When the next refresh is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_refresh_at: Option<Timestamp>,
    /// When the login ends if this machine stays off until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<Timestamp>,
    /// What went wrong last, even if it needs no attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// What needs attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The account's token pairs, the first one first. What is said above is of the one in use.
    /// Empty where nobody is logged in and one pair is all that the configuration asks for.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "known_pairs"
    )]
    pub pairs: Vec<PairStatus>,
}

/// The pairs whose role is known: a daemon of another release may have others.
fn known_pairs<'de, D: Deserializer<'de>>(pairs: D) -> Result<Vec<PairStatus>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read {
        Known(Box<PairStatus>),
        Unknown(IgnoredAny),
    }
    let pairs = Vec::<Read>::deserialize(pairs)?.into_iter();
    let known = pairs.filter_map(|pair| match pair {
        Read::Known(pair) => Some(*pair),
        Read::Unknown(_) => None,
    });
    Ok(known.collect())
}

/// One of an account's token pairs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PairStatus {
    /// What it is for.
    pub role: Role,
    /// Its state.
    pub state: State,
    /// Whether requests use its token now.
    #[serde(default)]
    pub in_use: bool,
    /// Its number; an account's pairs are numbered together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The scopes that Zendesk granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// When it was obtained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refreshed_at: Option<Timestamp>,
    /// When its access token expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_expires_at: Option<Timestamp>,
    /// When its next refresh is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_refresh_at: Option<Timestamp>,
    /// When it ends without a refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<Timestamp>,
    /// Why it is missing, or what will happen to it, if that needs no attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What needs attention. For the pair in use, see the account's problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What a token pair is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It serves requests.
    #[default]
    Primary,
    /// It has only Zendesk's `read` scope, and serves keys that can only read.
    ReadOnly,
}

impl Role {
    /// Every role, the primary one first.
    pub const ALL: [Self; 2] = [Self::Primary, Self::ReadOnly];

    /// Its name in records and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::ReadOnly => "read-only",
        }
    }
}

/// The states of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nobody is logged in.
    SignedOut,
    /// Requests are served.
    Active,
    /// Requests are served while a new pair is being fetched.
    Rotating,
    /// The answer to a refresh was lost, so the tokens may be invalid.
    Doubtful,
    /// Requests are served with a pair that couldn't be stored yet.
    Unsaved,
    /// The session is valid, but the last request couldn't reach Zendesk; a condition says why.
    /// Ends with the next successful request.
    Unreachable,
    /// Zendesk refuses to refresh until someone acts. The record is kept.
    Blocked,
    /// The session has ended; a login is needed.
    Ended,
    /// There is a record, but not the key that opens it.
    KeyMissing,
}

impl State {
    /// The code of this state's condition, if its problem has none.
    fn code(self) -> &'static str {
        match self {
            Self::SignedOut => "session-unusable",
            Self::Doubtful => "session-doubtful",
            Self::Unsaved => "session-unsaved",
            Self::Blocked => "session-blocked",
            Self::Ended => "session-ended",
            Self::KeyMissing => "key-missing",
            Self::Active | Self::Rotating | Self::Unreachable => conditions::OTHER,
        }
    }

    /// Whether requests are served in this state.
    pub fn serves(self) -> bool {
        match self {
            Self::Active | Self::Rotating | Self::Unsaved => true,
            Self::SignedOut
            | Self::Unreachable
            | Self::Doubtful
            | Self::Blocked
            | Self::Ended
            | Self::KeyMissing => false,
        }
    }
}

/// The last failure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastError {
    /// When.
    pub at: Timestamp,
    /// What went wrong, without secrets.
    pub message: String,
}

#[cfg(test)]
mod tests;
