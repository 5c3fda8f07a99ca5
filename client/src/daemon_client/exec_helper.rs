//! Starts the helper of `loopdesk exec`, which outlives the process that starts it.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use loopdesk_protocol::exec::{Assignment, HELPER, Ready, Reply};
use loopdesk_protocol::start::{LOG_FILE, PROGRAM};
use loopdesk_protocol::{Kind, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::detach::detach;
use super::link::Link;
use super::startup_log::StartupLog;
use crate::error;

impl Link {
    /// Starts a helper and waits until it is ready. The process that was started has ended then; the
    /// helper is nobody's child.
    pub(crate) async fn start_exec_helper(
        &self,
        assignment: &Assignment,
    ) -> Result<Ready, Problem> {
        let program = self.program()?;
        self.private_dirs()?;
        let log_file = self.paths.exec_log_file();
        let log = StartupLog::open(&log_file)
            .map_err(|e| error::file(Kind::Daemon, "open", &log_file, &e))?;
        let start = async {
            let mut command = Command::new(program);
            command
                .arg(HELPER)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(log.handle()?)
                .env(LOG_FILE, log.path());
            let inherited = detach(&mut command)?;
            let mut child = command.spawn()?;
            // The command gets the files that it would have had.
            drop(inherited);
            if let Some(mut input) = child.stdin.take() {
                input.write_all(&serde_json::to_vec(assignment)?).await?;
            }
            let mut said = Vec::new();
            if let Some(mut output) = child.stdout.take() {
                output.read_to_end(&mut said).await?;
            }
            child.wait().await?;
            Ok::<_, io::Error>(said)
        };
        let said = match tokio::time::timeout(START, start).await {
            Ok(Ok(said)) => zeroize::Zeroizing::new(said),
            Ok(Err(error)) => return Err(error::file(Kind::Daemon, "start", program, &error)),
            Err(_) => return Err(failed(&log, "isn't ready in time")),
        };
        match serde_json::from_slice(&said) {
            Ok(Reply::Ready(ready)) => Ok(ready),
            Ok(Reply::Failed(problem)) => Err(problem),
            Err(_) => Err(failed(&log, "doesn't answer")),
        }
    }
}

fn failed(log: &StartupLog, what: &str) -> Problem {
    let mut message = format!("`{PROGRAM} {HELPER}` {what}");
    for line in log.output().tail() {
        message.push_str("\n  ");
        message.push_str(line);
    }
    Problem::new(Kind::Daemon, message).hint(format!(
        "install `loopdesk` and `{PROGRAM}` of the same version; `{}` may say more",
        log.path().display()
    ))
}

/// It is ready within milliseconds; a machine that is busy with a build takes longer.
const START: Duration = Duration::from_secs(20);
