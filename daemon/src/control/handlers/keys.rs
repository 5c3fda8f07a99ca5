//! `/v1/keys/…` and `/v1/explain`.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};
use jiff::Timestamp;
use loopdesk_protocol::key::{
    self, Callers, Confirm, Create, Created, Explain, Explained, KeyState, Named, OfAccount, Rotate,
};
use loopdesk_protocol::{Kind, Problem, SecretText, conditions};

use super::super::Control;
use crate::config::{self, Access, AccountName, Config};
use crate::keys::{Key, Keys, NewKey};
use crate::percent;
use crate::rights::Rights;
use crate::route::{ExplainQuery, KeyPolicy, Routes};
use crate::telemetry::Sent;

/// Lists all keys.
pub(in crate::control) async fn list(control: Arc<Control>) -> Result<key::KeyList, Problem> {
    if let Some(problem) = control.keys.problem().await {
        return Err(problem);
    }
    let config = Arc::clone(&control.loaded.borrow().config);
    let keyless = |account: &&Arc<config::Account>| account.access == Access::User;
    Ok(key::KeyList {
        keys: shown(&control, &config, &control.keys.all()),
        keyless: config
            .accounts
            .values()
            .filter(keyless)
            .map(|account| account.name.to_string())
            .collect(),
    })
}

/// Creates a key for the user who is logged in.
pub(in crate::control) async fn create(
    control: Arc<Control>,
    asked: Create,
) -> Result<Created, Problem> {
    let (account, session) = super::pick(&control, asked.account.as_deref())?;
    session.loaded(LOAD_PATIENCE).await;
    let name = &account.name;
    let Some(person) = session.view().person else {
        return Err(Problem::new(
            Kind::Login,
            format!("not logged in to account `{name}`: a key acts for the user who created it"),
        )
        .hint(format!("run `loopdesk login {name}`")));
    };
    let config = Arc::clone(&control.loaded.borrow().config);
    let rights = Rights::parse(&asked.rights).map_err(|why| Problem::new(Kind::Usage, why))?;
    within_limit(&config, &rights)?;
    let new = NewKey {
        name: asked.name,
        account: name.clone(),
        person,
        rights: asked.rights,
        expires_in: expiry(&config, asked.expires_in)?,
        note: asked.note,
    };
    let made = change(&control, move |keys| keys.create(new)).await?;
    Ok(created(&control, &config, made))
}

/// Revokes a key.
pub(in crate::control) async fn revoke(
    control: Arc<Control>,
    asked: Named,
) -> Result<key::KeyStatus, Problem> {
    let config = Arc::clone(&control.loaded.borrow().config);
    let before = control.keys.named(&asked.name);
    let shown = before.map(|key| shown(&control, &config, &[key]));
    let revoked = change(&control, move |keys| keys.revoke(&asked.name)).await?;
    let mut shown = shown.unwrap_or_else(|| self::shown(&control, &config, &[revoked]));
    shown
        .pop()
        .ok_or_else(|| Problem::new(Kind::Internal, "the revoked key can't be shown"))
}

/// Gives a key a new secret.
pub(in crate::control) async fn rotate(
    control: Arc<Control>,
    asked: Rotate,
) -> Result<Created, Problem> {
    let config = Arc::clone(&control.loaded.borrow().config);
    let grace = Duration::from_secs(asked.grace);
    let made = change(&control, move |keys| keys.rotate(&asked.name, grace)).await?;
    Ok(created(&control, &config, made))
}

/// Lets an account's keys act for the user who is logged in now.
pub(in crate::control) async fn confirm(
    control: Arc<Control>,
    asked: Confirm,
) -> Result<key::KeyList, Problem> {
    let config = Arc::clone(&control.loaded.borrow().config);
    let of_key = match asked.name.as_deref() {
        Some(name) => Some(named(&control, name).await?.account.to_string()),
        None => None,
    };
    let (account, session) = super::pick(&control, asked.account.as_deref().or(of_key.as_deref()))?;
    session.loaded(LOAD_PATIENCE).await;
    let Some(person) = session.view().person else {
        return Err(Problem::new(
            Kind::Login,
            format!("not logged in to account `{}`", account.name),
        )
        .hint(format!("run `loopdesk login {}`", account.name)));
    };
    let confirmed = change(&control, move |keys| {
        keys.confirm(&account.name, asked.name.as_deref(), &person)
    });
    Ok(key::KeyList {
        keys: shown(&control, &config, &confirmed.await?),
        keyless: Vec::new(),
    })
}

/// The programs that were recently served without a key.
pub(in crate::control) fn callers(
    control: &Control,
    asked: &OfAccount,
) -> Result<Callers, Problem> {
    let (account, _) = super::pick(control, asked.account.as_deref())?;
    Ok(Callers {
        account: account.name.to_string(),
        callers: control.keys.callers(&account.name),
    })
}

/// Explains what would happen to a request.
pub(in crate::control) async fn explain(
    control: Arc<Control>,
    asked: Explain,
) -> Result<Explained, Problem> {
    let config = Arc::clone(&control.loaded.borrow().config);
    let key = match asked.key.as_deref() {
        Some(name) => Some(named(&control, name).await?),
        None => None,
    };
    let wrong = |what: &str, given: &str| {
        let given = Sent::line(given);
        Problem::new(Kind::Usage, format!("`{given}` isn't a valid {what}"))
            .hint("run `loopdesk explain GET /api/v2/tickets`")
    };
    let method = asked.method.to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes());
    let method = method.map_err(|_| wrong("method", &asked.method))?;
    let target = percent::encoded(asked.path.as_bytes());
    let target = target.ok().and_then(|target| Uri::try_from(&*target).ok());
    let target: Uri = target.ok_or_else(|| wrong("path", &asked.path))?;
    if !asked.path.starts_with('/') {
        return Err(wrong("path", &asked.path));
    }
    let account =
        match asked.account.as_deref() {
            Some(name) => Some(name.parse::<AccountName>().map_err(|why| {
                Problem::new(Kind::Usage, why).hint("run `loopdesk account list`")
            })?),
            None => None,
        };
    let of_key = key.as_ref().map(|key| &key.account);
    let session = of_key.and_then(|name| control.sessions.get(name));
    let person = session.and_then(|session| session.view().person);
    Ok(
        Routes::new(&config, control.clock.clone()).explain(ExplainQuery {
            method: &method,
            target: &target,
            account: account.as_ref(),
            key: key.as_deref(),
            person: person.as_ref(),
        }),
    )
}

/// Warns of active keys created before `deny` rules also covered other routes that show the same
/// data.
pub(super) fn that_deny_more(control: &Control, config: &Config) -> Option<Problem> {
    let since: Timestamp = DENY_MORE_SINCE.parse().ok()?;
    let keys = control.keys.all();
    let concerned = keys.iter().filter(|key| {
        let is_older = key.created_at < since;
        let denies = key.rights().is_ok_and(Rights::denies_more);
        let works = || {
            matches!(
                state(control, config, key),
                KeyState::Active | KeyState::Limited
            )
        };
        is_older && denies && works()
    });
    let names: Vec<String> = concerned.map(|key| format!("`{}`", key.name)).collect();
    let first = names.first()?.trim_matches('`').to_owned();
    Some(conditions::keys_deny_more(names.join(", "), first))
}

/// How many keys of this account work, and the names of those suspended since another user logged
/// in.
pub(super) fn counts(
    control: &Control,
    config: &Config,
    name: &AccountName,
) -> (usize, Vec<String>) {
    let keys = control.keys.all();
    let own = keys.iter().filter(|key| key.account == *name);
    let mut suspended = Vec::new();
    let mut working = 0;
    for key in own {
        match state(control, config, key) {
            KeyState::Active | KeyState::Limited => working += 1,
            KeyState::Suspended => suspended.push(key.name.clone()),
            KeyState::Expired | KeyState::NoAccount | KeyState::Revoked | KeyState::Unreadable => {}
        }
    }
    (working, suspended)
}

pub(super) async fn named(control: &Control, name: &str) -> Result<Arc<Key>, Problem> {
    if let Some(problem) = control.keys.problem().await {
        return Err(problem);
    }
    control.keys.named(name).ok_or_else(|| {
        let name = Sent::line(name);
        Problem::new(Kind::Usage, format!("there is no key `{name}`"))
            .hint("run `loopdesk key list`")
    })
}

/// The key with this id.
pub(super) async fn with_id(control: &Control, id: &str) -> Result<Arc<Key>, Problem> {
    if let Some(problem) = control.keys.problem().await {
        return Err(problem);
    }
    let id = id.parse().ok();
    id.and_then(|id| control.keys.with_id(id)).ok_or_else(|| {
        Problem::new(Kind::Usage, "the key of this run doesn't exist any more")
            .hint("run `loopdesk key list`")
    })
}

/// Runs a change on a blocking thread, since it writes files and flushes them to the disk.
async fn change<T: Send + 'static>(
    control: &Control,
    act: impl FnOnce(&Keys) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let keys = control.keys.clone();
    tokio::task::spawn_blocking(move || act(&keys))
        .await
        .map_err(|e| {
            Problem::new(
                Kind::Internal,
                format!("the change to the keys' file failed: {e}"),
            )
        })?
}

fn within_limit(config: &Config, rights: &Rights) -> Result<(), Problem> {
    let Some(limit) = &config.max_key_scope else {
        return Ok(());
    };
    let beyond = rights.beyond(limit);
    if beyond.is_empty() {
        return Ok(());
    }
    Err(Problem::new(
        Kind::Usage,
        format!(
            "keys on this machine may have {} at most (`max-key-scope` in the machine's \
             configuration), and {} goes beyond that",
            limit.text().scopes.join(", "),
            beyond.join(", "),
        ),
    )
    .hint("run `loopdesk config show`"))
}

/// The lifetime of a new key for which `asked` seconds were requested.
fn expiry(config: &Config, asked: Option<u64>) -> Result<Option<Duration>, Problem> {
    let most = config.max_key_age.map(config::Ttl::as_secs);
    if let (Some(asked), Some(most)) = (asked, most)
        && asked > most
    {
        let most = config::human(most);
        return Err(Problem::new(
            Kind::Usage,
            format!(
                "keys on this machine may live {most} at most (`max-key-age` in the machine's \
                 configuration)"
            ),
        )
        .hint(format!("--expires {most}")));
    }
    Ok(asked.or(most).map(Duration::from_secs))
}

fn created(control: &Control, config: &Config, made: (Arc<Key>, SecretText)) -> Created {
    let (key, secret) = made;
    let account = config.accounts.get(&key.account);
    Created {
        key: view(control, config, &key),
        secret,
        keyless: account.is_some_and(|account| account.access == Access::User),
        base_urls: account.map_or_else(Vec::new, |account| config.base_urls(account)),
        also_shown: key.rights().map(Rights::also_shown).unwrap_or_default(),
    }
}

fn shown(control: &Control, config: &Config, keys: &[Arc<Key>]) -> Vec<key::KeyStatus> {
    keys.iter().map(|key| view(control, config, key)).collect()
}

fn view(control: &Control, config: &Config, key: &Key) -> key::KeyStatus {
    let shown = control.keys.shown(key, state(control, config, key));
    key::KeyStatus {
        expires_at: KeyPolicy::new(config).ends_at(key),
        ..shown
    }
}

pub(super) fn state(control: &Control, config: &Config, key: &Key) -> KeyState {
    let Some(session) = control.sessions.get(&key.account) else {
        return KeyState::NoAccount;
    };
    let person = session.view().person;
    KeyPolicy::new(config).state(key, control.clock.now(), person.as_ref())
}

/// When rules began to deny more than they name: other routes that show the same data, too.
const DENY_MORE_SINCE: &str = "2026-11-30T00:00:00Z";

/// A daemon that has just started opens its records within milliseconds.
const LOAD_PATIENCE: Duration = Duration::from_secs(5);
