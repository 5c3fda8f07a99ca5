//! What `loopdesk service uninstall --purge` ends besides the service.

use std::io;
use std::path::PathBuf;

use loopdesk_protocol::session::{LOGOUT, LoggedOut, Logout};
use loopdesk_protocol::status::{self, Status};
use loopdesk_protocol::{Kind, Problem, vault};

use crate::config_report::valid_config;
use crate::context::Context;
use crate::error::{self, CliError};
use crate::ui::output::Output;

/// Logs every account out, then has the vault's key removed. Without `forget`, an account that
/// Zendesk can't be asked to revoke ends it, before anything of the service is gone.
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
    let status: Status = client.get(status::PATH).await?;
    let mut logged_out = Vec::new();
    for account in status.accounts {
        let request = Logout {
            account: Some(account.name.clone()),
            forget,
        };
        let answer = client.post(LOGOUT, &request).await.map_err(|error| {
            error::from_daemon(error).hint("or run `loopdesk service uninstall --purge --forget`")
        })?;
        logged_out.push(answer);
    }
    let removed: Result<serde_json::Value, _> =
        client.post(vault::FORGET, &serde_json::json!({})).await;
    if let Err(error) = removed {
        let problem = error::from_daemon(error);
        if !forget {
            return Err(problem
                .hint("or run `loopdesk service uninstall --purge --forget`, which leaves the key where it is")
                .into());
        }
        output.warn(format!("the key stays in the vault: {}", problem.message));
    }
    Ok(logged_out)
}

/// Removes the state folder with everything in it. What was removed.
pub(super) fn remove_state(context: &Context) -> Result<Vec<PathBuf>, Problem> {
    let dir = context.paths.state_dir();
    match std::fs::remove_dir_all(dir) {
        Ok(()) => Ok(vec![dir.to_owned()]),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(error::file(Kind::Vault, "remove", dir, &e)),
    }
}
