//! What `loopdesk service uninstall --purge` removes besides the service.

use std::io;
use std::path::PathBuf;

use loopdesk_protocol::call::Empty;
use loopdesk_protocol::session::{LOGOUT, LoggedOut, LogoutRequest};
use loopdesk_protocol::status::{self, Status};
use loopdesk_protocol::{Kind, Problem, vault};

use crate::config_report::valid_config;
use crate::context::Context;
use crate::error::{self, CliError};
use crate::ui::output::Output;

/// Logs out of every account, then removes the key from the vault. Without `forget`, stops at the
/// first account that can't be revoked, before the service is removed.
pub(super) async fn log_out(
    forget: bool,
    context: &Context,
    output: &mut Output,
) -> Result<Vec<LoggedOut>, CliError> {
    let report = context.link.check_config(None).await?;
    if valid_config(&report).is_ok_and(|config| config.accounts.is_empty()) {
        return Ok(Vec::new());
    }
    let client = context.daemon(output).await?;
    let status: Status = client.get(status::CALL).await?;
    let mut logged_out = Vec::new();
    for account in status.accounts {
        let request = LogoutRequest {
            account: Some(account.name.clone()),
            forget,
        };
        let answer = client.post(LOGOUT, &request).await.map_err(|error| {
            error::from_daemon(error).hint("or run `loopdesk service uninstall --purge --forget`")
        })?;
        logged_out.push(answer);
    }
    let removed = client.post(vault::FORGET, &Empty {}).await;
    if let Err(error) = removed {
        let problem = error::from_daemon(error);
        if !forget {
            return Err(problem
                .hint("or run `loopdesk service uninstall --purge --forget`, which leaves the key in the vault")
                .into());
        }
        output.warn(format!("the key remains in the vault: {}", problem.message));
    }
    Ok(logged_out)
}

/// Removes the state folder. Returns what was removed.
pub(super) fn remove_state(context: &Context) -> Result<Vec<PathBuf>, Problem> {
    let dir = context.paths.state_dir();
    match std::fs::remove_dir_all(dir) {
        Ok(()) => Ok(vec![dir.to_owned()]),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(error::file(Kind::Vault, "remove", dir, &e)),
    }
}
