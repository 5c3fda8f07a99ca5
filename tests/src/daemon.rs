//! A daemon that a test has started itself, as a supervisor would.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use crate::home::Home;
use crate::wait::eventually;

/// A running `loopdeskd`; it is killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts a daemon in `home` and waits until it is ready.
    ///
    /// # Errors
    /// With all its output, if it exits instead.
    pub async fn start(home: &Home) -> Result<Self, String> {
        Self::start_by(home, home.command("loopdeskd")).await
    }

    /// Like [`Daemon::start`], by a command of `home` that becomes `loopdeskd`.
    ///
    /// # Errors
    /// See [`Daemon::start`].
    pub async fn start_by(home: &Home, mut command: Command) -> Result<Self, String> {
        // Not the name that an earlier daemon of the same home has: it says again that it is ready
        // after each reload.
        static STARTS: AtomicUsize = AtomicUsize::new(0);
        let number = STARTS.fetch_add(1, Ordering::Relaxed);
        let socket = home.path().join(format!("run/notify-{number}.sock"));
        let notified = UnixDatagram::bind(&socket).map_err(|e| e.to_string())?;
        // The home may belong to another user; its folder keeps all other users out.
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666))
            .map_err(|e| e.to_string())?;
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(home.path().join("daemon.log"))
            .map_err(|e| e.to_string())?;
        // Searched at the end of the test.
        let said = std::fs::File::create(home.path().join("daemon.out"));
        let mut child = command
            .env("NOTIFY_SOCKET", &socket)
            .stdout(said.map_err(|e| e.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|e| e.to_string())?;
        tokio::select! {
            ready = ready(&notified) => ready.map_err(|e| e.to_string())?,
            ended = child.wait() => {
                return Err(format!("{ended:?}: {}", Self::log(home)));
            }
            () = tokio::time::sleep(START_TIMEOUT) => {
                return Err(format!("not ready in time: {}", Self::log(home)));
            }
        }
        Ok(Self { child })
    }

    /// Everything that daemons of `home` have logged.
    pub fn log(home: &Home) -> String {
        std::fs::read_to_string(home.path().join("daemon.log")).unwrap_or_default()
    }

    /// The same as soon as it contains `text`: lines are written a moment after the event.
    ///
    /// # Panics
    /// If it never does.
    pub async fn logged(home: &Home, text: &str) -> String {
        let is_logged = async || Self::log(home).contains(text);
        eventually(&format!("`{text}` is in the log"), is_logged).await;
        Self::log(home)
    }

    /// The process id.
    ///
    /// # Panics
    /// If the daemon has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the daemon runs")
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the daemon has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("the daemon runs");
    }

    /// Waits for the daemon's end.
    ///
    /// # Errors
    /// If the system can't tell.
    pub async fn ended(mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends the daemon at once, like a crash.
    ///
    /// # Panics
    /// If the daemon has ended already.
    pub async fn kill(self) {
        self.signal(Signal::KILL);
        self.ended().await.expect("the daemon ends");
    }

    /// Ends the daemon like a supervisor would.
    ///
    /// # Panics
    /// If the daemon has ended already.
    pub async fn stop(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await.expect("the daemon ends")
    }
}

/// Ends a daemon that the command line has started, and waits until it has released its lock.
///
/// # Panics
/// If there is no such process.
pub async fn terminate(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.expect("a process id");
    let fd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK);
    let fd = fd.expect("the daemon runs");
    kill_process(pid, Signal::TERM).expect("the daemon runs");
    // A pidfd is readable once its process has ended.
    let wait = move || rustix::event::poll(&mut [PollFd::new(&fd, PollFlags::IN)], None);
    let ended = tokio::task::spawn_blocking(wait).await;
    ended.expect("the wait ends").expect("the end is told");
}

async fn ready(socket: &UnixDatagram) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if buffer[..length]
            .split(|b| *b == b'\n')
            .any(|line| line == b"READY=1")
        {
            return Ok(());
        }
    }
}

/// Far more than a start takes, even on a machine that is busy with a build.
const START_TIMEOUT: Duration = Duration::from_secs(30);
