//! `GET /v1/status`: every state that a person can be in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Person;
use crate::conditions::{self, Condition, Severity};
use crate::problem::Problem;

/// Where [`Status`] is served.
pub const PATH: &str = "/v1/status";

/// The state of the daemon and of every account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The process that answers.
    pub daemon: Daemon,
    /// The configuration in use.
    pub config: Config,
    /// Where the data key lives.
    pub vault: Vault,
    /// Where scripts can connect.
    pub listeners: Vec<Listener>,
    /// The commands that are told of events.
    #[serde(default)]
    pub hooks: HooksStatus,
    /// The local keys of all accounts.
    #[serde(default)]
    pub keys: KeysStatus,
    /// The way out of this network, to Zendesk.
    #[serde(default)]
    pub egress: Egress,
    /// The accounts, by name.
    pub accounts: Vec<Account>,
    /// Everything that needs somebody's attention, most general first. The daemon says here what
    /// no other part of its answer does; [`Status::gather`] adds the rest.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

impl Status {
    /// Completes the conditions by what the parts of the status say.
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
        // A proxy that can't be used keeps every account from Zendesk, which is said once.
        self.conditions
            .retain(|raised| !parts.iter().any(|part| part.problem == raised.problem));
        self.conditions.splice(0..0, parts);
        self.conditions.sort_by_key(|condition| condition.severity);
    }

    /// Everything that doesn't work, or soon won't. Complete once [gathered](Status::gather).
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        let errors = self.conditions.iter();
        let errors = errors.filter(|condition| condition.severity == Severity::Error);
        errors.map(|condition| &condition.problem)
    }
}

/// The daemon's process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Daemon {
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
pub struct Config {
    /// The user's file.
    pub path: String,
    /// The machine's file below it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_path: Option<String>,
    /// When the configuration in use was read.
    pub loaded_at: Timestamp,
    /// Why the file as it stands now isn't in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The place where the data key lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Vault {
    /// The configured kind: `keyring`, `credential`, `passphrase` or `keyfile`.
    pub kind: String,
    /// Whether the key can be had. Answers of older daemons don't say.
    #[serde(default)]
    pub state: VaultState,
    /// Why the key can't be had now, with the command that helps. There is one in every state but
    /// `available` and `untested`, and in `no-entry` and `needs-passphrase` only where a session
    /// waits for the key. It is also told here while a change of `vault` in the configuration waits
    /// until the key can be moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What is known of the vault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultState {
    /// The key has been read or written.
    Available,
    /// Nothing has needed the key yet.
    #[default]
    Untested,
    /// The keyring is there and locked.
    Locked,
    /// There is no keyring, no bus, no credential or no file.
    Absent,
    /// The keyring has been asked and hasn't answered yet.
    Slow,
    /// The vault answers and holds no key.
    NoEntry,
    /// The passphrase hasn't been given since the daemon started.
    NeedsPassphrase,
    /// The vault has answered with an error.
    Failed,
}

/// One address on which scripts are served.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listener {
    /// `127.0.0.1:8484`, or the path of a socket.
    pub address: String,
    /// The account that this address belongs to; none means that `Host` or the default decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Who answers here, as the command line has found out; the daemon doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// Whether the daemon listens here, whatever is wrong with it otherwise.
    #[serde(default)]
    pub open: bool,
    /// Why nobody is served here, or what is wrong although they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Who answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// The daemon whose status this is.
    ThisDaemon,
    /// Another program.
    Another,
    /// Nobody.
    Nobody,
}

/// The commands that are told of events.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HooksStatus {
    /// Why the command of `hooks.session-event` can't be run, or how it failed last.
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

/// The way out of this network, to Zendesk: a proxy, or none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Egress {
    /// The proxy, `http://proxy.corp:3128`, without user and password. None means directly, or not
    /// at all where there is a problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// The environment variable that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// Whether the variable holds a user, or a user and a password.
    #[serde(default)]
    pub has_login: bool,
    /// Who is reached without the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_proxy: Option<NoProxy>,
    /// The accounts' origins that are reached without the proxy for that reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub direct: Vec<String>,
    /// Variables that would count and are passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Ignored>,
    /// How the last connection through the proxy has failed, unless one has succeeded since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// Why there is no way to Zendesk at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Whom an account answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Every program of this user's.
    #[default]
    User,
    /// Those that send a local key.
    Key,
}

/// Who is reached without a proxy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoProxy {
    /// The environment variable that says so.
    pub variable: String,
    /// What it says.
    pub hosts: String,
}

/// An environment variable that is passed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ignored {
    /// Its name.
    pub variable: String,
    /// Why.
    pub why: String,
    /// What makes that unnecessary.
    pub fix: String,
}

/// One account and its session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The account's name in the configuration.
    pub name: String,
    /// Whether requests that name no account belong to this one.
    pub default: bool,
    /// Where requests go: `https://acme.zendesk.com`.
    pub origin: String,
    /// The OAuth client's identifier.
    pub client_id: String,
    /// How tokens are obtained: [`crate::account::AUTHORIZATION_CODE`] or
    /// [`crate::account::CLIENT_CREDENTIALS`].
    #[serde(default = "crate::account::default_grant")]
    pub grant: String,
    /// The base URLs that scripts can use.
    pub base_urls: Vec<String>,
    /// Whom it answers.
    #[serde(default)]
    pub access: Access,
    /// Whether those who connect by TCP need a local key all the same, as `allow-hosts` is set.
    #[serde(default)]
    pub key_over_tcp: bool,
    /// How many local keys it has that work.
    #[serde(default)]
    pub keys: usize,
    /// The names of its local keys that another person's login has suspended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspended_keys: Vec<String>,
    /// What state the session is in.
    pub state: State,
    /// Who is logged in, or was when the session ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// The scopes that Zendesk has granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The pair's number; it grows by one with every pair.
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
    /// Until when this machine may stay off without a new login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<Timestamp>,
    /// What went wrong last, even where it needs nobody's attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// What needs somebody's attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The account's token pairs, the first one first. What is said above is of the one in use.
    /// Empty where nobody is logged in and one pair is all that the configuration asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Pair>,
}

/// One of an account's token pairs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pair {
    /// What it is for.
    pub role: Role,
    /// What state it is in.
    pub state: State,
    /// Whether requests carry its token now.
    #[serde(default)]
    pub in_use: bool,
    /// Its number; the pairs of an account share one count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The scopes that Zendesk has granted.
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
    /// Until when it lives without a refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<Timestamp>,
    /// Why it is not there, or what becomes of it, where that needs nobody's attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What needs somebody's attention. What concerns the pair in use is the account's problem.
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
    /// It serves them after an answer to the primary pair was lost, and for nothing else.
    Spare,
    /// It has Zendesk's scope `read` alone, and serves those who may only read.
    ReadOnly,
}

impl Role {
    /// Every role, the primary one first.
    pub const ALL: [Self; 3] = [Self::Primary, Self::Spare, Self::ReadOnly];

    /// Its name in records and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Spare => "spare",
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
    /// A refresh was sent and its answer lost: the pair may be dead.
    Doubtful,
    /// Requests are served with a pair that could not be stored yet.
    Unsaved,
    /// The session is good, and the last request to Zendesk has found no way there: a condition of
    /// the account says why. Over as soon as a request succeeds.
    Unreachable,
    /// Zendesk refuses to refresh; the record is kept and somebody must act.
    Blocked,
    /// The session is over; a login is needed.
    Ended,
    /// A record exists, the key that opens it can't be had.
    KeyMissing,
}

impl State {
    /// The code of the condition that this state is, where its problem names none.
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

    /// Whether scripts' requests are served in this state.
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

/// Something that went wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastError {
    /// When.
    pub at: Timestamp,
    /// What, without secrets.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_daemons_answer_is_understood() {
        let vault: Vault = serde_json::from_str(r#"{"kind":"keyring"}"#).unwrap();
        assert_eq!(vault.state, VaultState::Untested);
        let account = r#"{"name":"acme","default":true,"origin":"https://acme.zendesk.com",
            "client_id":"loopdesk","base_urls":[],"state":"active"}"#;
        let account: Account = serde_json::from_str(account).unwrap();
        assert_eq!(account.grant, crate::account::AUTHORIZATION_CODE);
        let status = r#"{"daemon":{"version":"0.1.0","pid":1,"supervised":true,
            "started_at":"2026-11-23T14:00:00Z"},"vault":{"kind":"keyring"},"listeners":[],
            "config":{"path":"c","loaded_at":"2026-11-23T14:00:00Z"},"accounts":[]}"#;
        let status: Status = serde_json::from_str(status).unwrap();
        assert!(status.egress.proxy.is_none() && status.problems().next().is_none());
    }
}
