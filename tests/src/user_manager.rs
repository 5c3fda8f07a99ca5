//! A real `systemd --user` for the user of one home.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::home::{Home, Output};
use crate::needs::needs;

/// A running user manager; it ends when dropped.
#[derive(Debug)]
pub struct UserManager {
    child: Child,
    process: u32,
}

/// The network of the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The test's own network, whose ports all tests share.
    Shared,
    /// A network of its own that contains only 127.0.0.1, not even `::1`.
    WithoutV6,
}

impl UserManager {
    /// Starts the manager of `user`, who owns this home from now on, and runs the home's programs
    /// beside it. The files in `etc` replace those in /etc there. `None`, with a message, if this
    /// machine doesn't support it.
    ///
    /// # Panics
    /// If the manager doesn't start; and if nothing may be left out and the machine doesn't support
    /// it.
    pub async fn start(
        home: &mut Home,
        user: u32,
        network: Network,
        etc: Option<&Path>,
    ) -> Option<Self> {
        let programs = [
            "systemctl",
            "systemd-run",
            "dbus-daemon",
            "unshare",
            "nsenter",
            "ip",
        ];
        if !needs(&programs) || !may() {
            return None;
        }
        home.belongs_to(user);
        home.set("XDG_RUNTIME_DIR", format!("/run/user/{user}"));
        home.set("USER", format!("u{user}"));
        // Like at a desktop: without a display, the command line would mention lingering.
        home.set("WAYLAND_DISPLAY", "wayland-0");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/instance");
        let mut command = match network {
            Network::Shared => Command::new(&script),
            Network::WithoutV6 => {
                let mut command = Command::new("unshare");
                command.args(["--net", "bash", "-c", WITHOUT_V6, "bash"]);
                command.arg(&script);
                command
            }
        };
        command.arg(user.to_string()).arg(home.path());
        command.args(etc);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(false);
        let mut child = command.spawn().expect("the script can be started");
        let stdout = child.stdout.take().expect("a pipe");
        let line = BufReader::new(stdout).lines().next_line().await;
        let line = line.expect("text").expect("the manager starts");
        let process = line.strip_prefix("ready ").expect("the manager starts");
        let process = process.parse().expect("a process id");
        home.moves_into(process);
        Some(Self { child, process })
    }

    /// Runs a program as root beside the manager.
    ///
    /// # Panics
    /// If it can't be started.
    pub async fn as_root(&self, arguments: &[&str]) -> Output {
        let mut command = enter(self.process);
        let output = command.args(arguments).stdin(Stdio::null()).output().await;
        let output = output.expect("the program can be started");
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Every file below `dir` as seen beside the manager.
    ///
    /// # Panics
    /// If it can't be read.
    pub async fn files(&self, dir: &Path) -> Vec<PathBuf> {
        let dir = dir.display().to_string();
        let found = self.as_root(&["find", &dir, "-mindepth", "1"]).await.ok();
        let mut files: Vec<_> = found.stdout.lines().map(PathBuf::from).collect();
        files.sort();
        files
    }

    /// Ends the manager and everything that it has started.
    ///
    /// # Panics
    /// If it doesn't end.
    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().await.expect("the script ends");
    }
}

/// A program in the namespaces of `process`; its name comes next.
pub(crate) fn enter(process: u32) -> Command {
    let mut command = Command::new("nsenter");
    let namespaces = [
        ("mount", "mnt"),
        ("net", "net"),
        ("pid", "pid_for_children"),
    ];
    command.args(namespaces.map(|(name, file)| format!("--{name}=/proc/{process}/ns/{file}")));
    command
}

/// Only root can create namespaces and control groups.
fn may() -> bool {
    // Not a program's name: the message should tell its reader what is missing.
    rustix::process::geteuid().is_root() || needs(&["root, for a user manager of its own"])
}

/// Afterwards, root has no ::1 there either; other users aren't affected.
const WITHOUT_V6: &str = "ip link set lo up
    if [[ -e /proc/sys/net/ipv6 ]]; then echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; fi
    exec \"$@\"";
