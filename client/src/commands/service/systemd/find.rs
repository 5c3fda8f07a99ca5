//! Finds systemd's user manager, or reports what is missing.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use loopdesk_protocol::{Kind, Problem};
use tokio::process::Command;

use super::units::{SERVICE, SOCKET};
use crate::commands::service::os::programs;
use crate::context::Context;

/// The running user manager.
#[derive(Debug)]
pub(in crate::commands::service) struct Systemd {
    systemctl: PathBuf,
    /// Its `XDG_RUNTIME_DIR`, which contains its socket.
    runtime: PathBuf,
    pub(super) version: u32,
    /// Where it reads the user's own units.
    pub(super) dir: PathBuf,
}

impl Systemd {
    /// The manager of this user.
    pub(in crate::commands::service) async fn find(context: &Context) -> Result<Self, Problem> {
        let Some(systemctl) = programs::find("systemctl", &context.env) else {
            let message = "this machine has no `systemctl`, so systemd can't keep loopdesk running";
            return Err(other_ways(Problem::new(Kind::Daemon, message)));
        };
        let runtime = context.paths.runtime_dir();
        let Some(session) = runtime.parent().filter(|_| runtime.ends_with("loopdesk")) else {
            let message = "can't find systemd's user manager: XDG_RUNTIME_DIR isn't set, and you \
                           have no folder in /run/user";
            return Err(lingering(Problem::new(Kind::Daemon, message)));
        };
        let mut systemd = Self {
            systemctl,
            runtime: session.to_owned(),
            version: 0,
            dir: PathBuf::new(),
        };
        let said = systemd
            .run(&["show", "--property=Version", "--property=UnitPath"])
            .await
            .map_err(|said| none_answers(&said, session))?;
        let value = |name: &str| {
            let mut lines = said.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        systemd.version = value("Version").and_then(major).unwrap_or_default();
        let mut folders = value("UnitPath").unwrap_or_default().split(' ');
        // The user's come before the machine's.
        let own = folders.find(|folder| folder.ends_with("/systemd/user"));
        systemd.dir = own.map(PathBuf::from).ok_or_else(|| {
            let message = "systemd's user manager doesn't tell where it reads units";
            Problem::new(Kind::Daemon, message).hint("run `systemctl --user show -p UnitPath`")
        })?;
        Ok(systemd)
    }

    /// Runs a command of the manager.
    pub(super) async fn call(&self, arguments: &[&str]) -> Result<String, Problem> {
        self.run(arguments).await.map_err(|said| {
            let message = format!("`systemctl --user {}` failed: {said}", arguments.join(" "));
            match arguments {
                ["start" | "restart", SERVICE] => failed(message),
                ["start", SOCKET] => Problem::new(Kind::Daemon, message)
                    .hint("run `loopdesk service install`, which finds a free port")
                    .hint("or run `journalctl --user -u loopdesk.socket -n 20` to see why"),
                _ => Problem::new(Kind::Daemon, message).hint("run `loopdesk service status`"),
            }
        })
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.systemctl);
        command
            .args(["--user", "--no-pager"])
            .args(arguments)
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        programs::run(command, PATIENCE).await
    }
}

/// The problem of a failed unit.
pub(super) fn failed(what: String) -> Problem {
    Problem::new(Kind::Daemon, what)
        .hint("run `journalctl --user -u loopdesk.service -n 20` to see why")
        .hint("then run `loopdesk service start`")
}

/// `252` of `252.38-1~deb12u1`.
fn major(version: &str) -> Option<u32> {
    let end = version.find(|c: char| !c.is_ascii_digit());
    version[..end.unwrap_or(version.len())].parse().ok()
}

fn none_answers(said: &str, session: &Path) -> Problem {
    if !Path::new("/run/systemd/system").exists() {
        let message = format!(
            "this machine wasn't booted with systemd, so there is no user manager ({said})"
        );
        let problem = Problem::new(Kind::Daemon, message)
            .hint("in WSL, add `systemd=true` below `[boot]` in /etc/wsl.conf, then run `wsl --shutdown` in Windows");
        return other_ways(problem);
    }
    let message = format!(
        "systemd's user manager doesn't answer in `{}`: {said}",
        session.display()
    );
    lingering(Problem::new(Kind::Daemon, message))
}

fn lingering(problem: Problem) -> Problem {
    problem
        .hint(
            "log in to the machine with ssh or at its console; `su` and `sudo` don't start a user \
             manager",
        )
        .hint("or ask an administrator to run `loginctl enable-linger` with your user name")
}

fn other_ways(problem: Problem) -> Problem {
    problem.hint("or start `loopdeskd` with another supervisor; `loopdesk wait` starts it for now")
}

/// Longer than `TimeoutStopSec=`, which a stopping daemon may need.
const PATIENCE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_number_in_front() {
        assert_eq!(major("252.38-1~deb12u1"), Some(252));
        assert_eq!(major("255"), Some(255));
        assert_eq!(major("v255"), None);
        assert_eq!(major(""), None);
    }
}
