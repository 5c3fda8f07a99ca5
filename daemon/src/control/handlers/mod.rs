//! The handlers, in files named after the commands that make their calls.

pub(super) mod exec;
pub(super) mod keys;
pub(super) mod login;
pub(super) mod logout;
pub(super) mod proof;
pub(super) mod refresh;
pub(super) mod reload;
pub(super) mod status;
pub(super) mod unlock;
pub(super) mod vault;
pub(super) mod version;
pub(super) mod wait;

use loopdesk_protocol::{Kind, Problem};

use super::Control;
use crate::config::Account;
use crate::session::Session;
use crate::telemetry::Sent;
use std::sync::Arc;

/// The account that a call names, or the default account, and its session.
fn pick(control: &Control, asked: Option<&str>) -> Result<(Arc<Account>, Session), Problem> {
    let loaded = control.loaded.borrow();
    let config = &loaded.config;
    let known = || {
        let names: Vec<_> = config.accounts.keys().map(ToString::to_string).collect();
        names.join(", ")
    };
    if config.accounts.is_empty() {
        return Err(Problem::new(Kind::Config, "no account is configured")
            .hint("run `loopdesk account add acme --subdomain acme --client-id IDENTIFIER`"));
    }
    let account = match (asked, &config.default_account) {
        (Some(name), _) => config
            .accounts
            .values()
            .find(|account| account.name.as_str() == name)
            .ok_or_else(|| {
                Problem::new(
                    Kind::Usage,
                    format!(
                        "there is no account `{}`: the accounts are {}",
                        Sent::line(name),
                        known()
                    ),
                )
                .hint("run `loopdesk account list`")
            })?,
        (None, Some(name)) => config.accounts.get(name).ok_or_else(|| {
            Problem::new(Kind::Internal, format!("account `{name}` no longer exists"))
        })?,
        (None, None) => {
            return Err(Problem::new(
                Kind::Usage,
                format!("several accounts exist, so name one: {}", known()),
            )
            .hint("run `loopdesk config set default-account NAME`"));
        }
    };
    let session = control.sessions.get(&account.name).ok_or_else(|| {
        Problem::new(
            Kind::Internal,
            format!("account `{}` has no session task", account.name),
        )
        .hint("run `loopdesk config reload`")
    })?;
    Ok((Arc::clone(account), session))
}
