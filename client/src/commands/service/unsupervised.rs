//! Stops a daemon that a command has started, so that the service can replace it.

use std::fs::OpenOptions;
use std::time::Duration;

use loopdesk_protocol::{Kind, Problem};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use crate::context::Context;

/// Stops the daemon unless systemd or launchd keeps it running. Returns its process id.
pub(super) async fn stop(context: &Context) -> Result<Option<u32>, Problem> {
    let found = context.link.version().await?;
    let Some((_, version)) = found.filter(|(_, version)| !version.supervised) else {
        return Ok(None);
    };
    let pid = i32::try_from(version.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Problem::new(Kind::Internal, "the daemon has no process id"))?;
    let failed = |why: String| {
        let message = format!(
            "the running daemon (process {}) can't be stopped: {why}",
            version.pid
        );
        Problem::new(Kind::Daemon, message).hint(format!(
            "run `kill {}`, wait until it ends, then run this command again",
            version.pid
        ))
    };
    kill_process(pid, Signal::TERM).map_err(|e| failed(e.to_string()))?;
    let lock = context.paths.lock_file();
    let ended = tokio::task::spawn_blocking(move || {
        // It holds the lock until it ends.
        OpenOptions::new().append(true).open(lock)?.lock()
    });
    match timeout(DRAIN, ended).await {
        Ok(Ok(Ok(()))) => Ok(Some(version.pid)),
        Ok(Ok(Err(error))) => Err(failed(error.to_string())),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("it is still busy".to_owned())),
    }
}

/// The same time that the service managers allow.
const DRAIN: Duration = Duration::from_secs(90);
