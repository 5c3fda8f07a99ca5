//! `GET /v1/status`.

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::config::Diagnostic;
use loopdesk_protocol::status::{
    AccountStatus, ConfigStatus, DaemonStatus, HooksStatus, KeysStatus, State, Status,
};
use loopdesk_protocol::version::Version;
use loopdesk_protocol::{Condition, Problem, conditions};

use super::super::Control;
use super::version::version;
use crate::config;
use crate::session::View;

/// The state of the daemon and all accounts.
pub(in crate::control) async fn status(control: Arc<Control>) -> Result<Status, Problem> {
    for session in control.sessions.all() {
        session.loaded(LOAD_PATIENCE).await;
    }
    let keys_problem = control.keys.problem().await;
    let loaded = control.loaded.borrow().clone();
    let accounts = loaded.config.accounts.values().filter_map(|account| {
        let session = control.sessions.get(&account.name)?;
        let mut shown = self::account(&loaded.config, account, session.view());
        if matches!(shown.state, State::Active | State::Rotating) && !session.is_reachable() {
            shown.state = State::Unreachable;
        }
        (shown.keys, shown.suspended_keys) =
            super::keys::counts(&control, &loaded.config, &account.name);
        Some(shown)
    });
    let unknown = loaded.config.unknown.iter().map(|unknown| {
        let Diagnostic {
            path,
            line,
            message,
            ..
        } = unknown;
        Condition::new(conditions::config_unknown_key(path, line, message))
    });
    let retired = loaded.config.retired.iter().map(|retired| {
        let Diagnostic {
            path,
            line,
            message,
            ..
        } = &retired.found;
        let fix = &retired.fix;
        Condition::new(conditions::config_retired_key(path, line, message, fix))
    });
    let keys = super::keys::that_deny_more(&control, &loaded.config).map(Condition::new);
    let keyless = loaded.config.accounts.values();
    let keyless = keyless.filter_map(|account| key_needed(&control, &loaded.config, account));
    let Version {
        version,
        pid,
        supervised,
        protocol: _,
    } = version();
    Ok(Status {
        daemon: DaemonStatus {
            version,
            pid,
            started_at: control.started_at,
            supervised,
        },
        vault: control.sessions.vault_and_file().await,
        listeners: control.listeners.borrow().clone(),
        hooks: HooksStatus {
            problem: control.hook.borrow().clone(),
        },
        keys: KeysStatus {
            problem: keys_problem,
        },
        egress: control.sessions.egress_status(&loaded.config),
        accounts: accounts.collect(),
        conditions: unknown
            .chain(retired)
            .chain(control.conditions.all())
            .chain(keys)
            .chain(keyless)
            .collect(),
        config: ConfigStatus {
            path: loaded.path,
            system_path: loaded.system_path,
            loaded_at: loaded.loaded_at,
            problem: loaded.problem,
        },
    })
}

/// Warns that programs without a key will be refused.
fn key_needed(
    control: &Control,
    config: &config::Config,
    account: &config::Account,
) -> Option<Condition> {
    if !config.needs_key_over_tcp() || account.access == config::Access::Key {
        return None;
    }
    let callers = control.keys.over_tcp(&account.name);
    let named = |program: &Option<Arc<str>>| match program {
        Some(program) => format!("`{program}`"),
        None => "unidentified programs".to_owned(),
    };
    let named: Vec<_> = callers.iter().map(named).collect();
    if named.is_empty() {
        return None;
    }
    let problem = conditions::key_needed_over_tcp(&account.name, named.join(", "));
    Some(Condition::new(problem).of(account.name.as_str()))
}

/// The state of one account.
pub(super) fn account(
    config: &config::Config,
    account: &config::Account,
    view: View,
) -> AccountStatus {
    AccountStatus {
        name: account.name.to_string(),
        default: config.default_account.as_ref() == Some(&account.name),
        origin: account.api_origin.to_string(),
        client_id: account.client_id.clone(),
        grant: account.grant.name().to_owned(),
        base_urls: config.base_urls(account),
        access: account.access,
        key_over_tcp: config.needs_key_over_tcp(),
        keys: 0,
        suspended_keys: Vec::new(),
        state: view.state,
        person: view.person,
        scopes: view.scopes,
        generation: view.generation,
        refreshed_at: view.refreshed_at,
        access_expires_at: view.access_expires_at,
        next_refresh_at: view.next_refresh_at,
        refresh_expires_at: view.refresh_expires_at,
        last_error: view.last_error,
        problem: view.problem,
        pairs: view.pairs,
    }
}

/// A daemon that has just started opens its records within milliseconds; if a keyring keeps it
/// waiting, `status` must still answer, since it shows the reason.
const LOAD_PATIENCE: Duration = Duration::from_millis(500);
