//! Runs the command of `hooks.session-event`: without a shell, with the event on standard input.
//! When its time is over it is killed together with its children.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use loopdesk_protocol::event::SessionEvent;
use loopdesk_protocol::{Problem, conditions};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::config::HookCommand;
use crate::config::live::LoadedConfig;
use crate::supervise::descriptors::give_back;
use crate::telemetry::Foreign;

/// Runs the command for one event at a time.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) events: mpsc::Receiver<SessionEvent>,
    pub(super) loaded: watch::Receiver<LoadedConfig>,
    pub(super) problem: watch::Sender<Option<Problem>>,
}

impl Worker {
    /// Works until `stop`, which also ends a running command.
    pub(super) async fn work(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.serve() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn serve(&mut self) {
        let mut known = None;
        loop {
            let command = self
                .loaded
                .borrow_and_update()
                .config
                .session_event_hook
                .clone();
            if command != known {
                self.look_for(command.as_ref());
                known.clone_from(&command);
            }
            tokio::select! {
                changed = self.loaded.changed() => if changed.is_err() { return },
                event = self.events.recv() => match event {
                    Some(event) => self.tell(known.as_ref(), &event).await,
                    None => return,
                },
            }
        }
    }

    /// A missing command should be noticed before the day on which it is needed.
    fn look_for(&self, command: Option<&HookCommand>) {
        let found = command.map_or(Ok(()), |command| find(command.program()).map(drop));
        self.report(command, found);
    }

    async fn tell(&self, command: Option<&HookCommand>, event: &SessionEvent) {
        if let Some(command) = command {
            let result = run(command, event, LIMIT).await;
            self.report(Some(command), result);
        }
    }

    fn report(&self, command: Option<&HookCommand>, result: Result<(), String>) {
        let problem = match (command, result) {
            (Some(command), Err(why)) => {
                let program = command.program();
                tracing::error!(program, why, "the command of `hooks.session-event` failed");
                Some(conditions::hook_failed(program, why))
            }
            (Some(_) | None, _) => None,
        };
        self.problem.send_replace(problem);
    }
}

/// Runs `command` and waits until it ends, for `limit` at most.
///
/// # Errors
/// If it can't be run, fails, or is too slow: a text that continues a sentence about the command.
async fn run(command: &HookCommand, event: &SessionEvent, limit: Duration) -> Result<(), String> {
    let program = find(command.program())?;
    let mut told =
        serde_json::to_string(event).map_err(|e| format!("can't be given the event: {e}"))?;
    told.push('\n');
    let mut process = Command::new(program);
    give_back(process.as_std_mut());
    let mut child = process
        .args(command.arguments())
        .env_clear()
        .envs(environment())
        .current_dir(home())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| format!("can't be started: {e}"))?;
    let stderr = child.stderr.take();
    let mut stdin = child.stdin.take();
    let mut group = ProcessGroup(child);
    // A child that is left behind may hold the pipe open forever, so reading ends with this function.
    let words = AbortOnDropHandle::new(tokio::task::spawn(async move {
        match stderr {
            Some(stderr) => first_words(stderr).await,
            None => String::new(),
        }
    }));
    let telling = async {
        if let Some(stdin) = &mut stdin {
            // A command need not read its input.
            drop(stdin.write_all(told.as_bytes()).await);
        }
        drop(stdin);
        group.0.wait().await
    };
    let ended: ExitStatus = match tokio::time::timeout(limit, telling).await {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return Err(format!("can't be waited for: {error}")),
        Err(_) => {
            group.end();
            // Reap the killed child.
            drop(group.0.wait().await);
            return Err(format!(
                "took longer than {} s and was killed",
                limit.as_secs_f64()
            ));
        }
    };
    if ended.success() {
        return Ok(());
    }
    let words = tokio::time::timeout(LAST_WORDS, words).await;
    let words = words.ok().and_then(Result::ok).unwrap_or_default();
    let first = words.lines().find(|line| !line.trim().is_empty());
    Err(match first.map(Foreign::new) {
        Some(line) => format!("failed ({ended}): {line}"),
        None => format!("failed ({ended})"),
    })
}

/// A command and everything it has started; killed on drop unless it has ended by itself.
#[derive(Debug)]
struct ProcessGroup(Child);

impl ProcessGroup {
    /// Kills the whole group. Only valid until its leader has been waited for: until then its
    /// number can't be reused.
    fn end(&self) {
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw)
            && let Err(error) = kill_process_group(pid, Signal::KILL)
        {
            // It may have ended just now.
            tracing::debug!(%error, "the command has already ended");
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.end();
    }
}

/// The beginning of its output; the rest is read and discarded, or the command would block.
async fn first_words(mut stderr: ChildStderr) -> String {
    let mut words = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        let room = WORDS_MAX.saturating_sub(words.len());
        words.extend_from_slice(buffer.get(..length.min(room)).unwrap_or_default());
    }
    String::from_utf8_lossy(&words).into_owned()
}

/// The path of the program.
fn find(program: &str) -> Result<PathBuf, String> {
    let is_program = |path: &Path| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    let path = Path::new(program);
    if path.is_absolute() {
        return if is_program(path) {
            Ok(path.to_owned())
        } else if path.exists() {
            Err("can't be run: it isn't an executable file".to_owned())
        } else {
            Err("isn't there".to_owned())
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&folders).map(|folder| folder.join(program));
    paths
        .find(|path| is_program(path))
        .ok_or_else(|| "is not on the daemon's PATH".to_owned())
}

/// The part of the daemon's environment that a command gets. The rest may contain anything.
fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        PASSED_ON.contains(&name.as_ref()) || name.starts_with("LC_") || name.starts_with("XDG_")
    })
}

fn home() -> PathBuf {
    let home = std::env::home_dir().filter(|home| home.is_dir());
    home.unwrap_or_else(|| PathBuf::from("/"))
}

/// The variables that programs need to find themselves, the desktop and the user's language.
const PASSED_ON: [&str; 13] = [
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// Enough to send a mail over a slow line; the next event waits until then.
const LIMIT: Duration = Duration::from_secs(30);
/// A command's output is complete when it ends.
const LAST_WORDS: Duration = Duration::from_secs(1);
const WORDS_MAX: usize = 2048;

#[cfg(test)]
mod tests;
