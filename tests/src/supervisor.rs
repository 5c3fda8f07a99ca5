//! A supervisor that holds the daemon's sockets, like systemd and launchd, without either.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixDatagram;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::stage::Stage;
use crate::wait::PATIENCE;

/// Holds a test environment's port on 127.0.0.1 and both unix sockets: between two daemons, callers
/// wait there.
#[derive(Debug)]
pub struct Supervisor {
    sockets: [OwnedFd; 3],
    started: AtomicUsize,
}

impl Supervisor {
    /// Binds the sockets; no daemon runs yet.
    ///
    /// # Panics
    /// If they can't be bound.
    pub fn of(stage: &Stage) -> Self {
        let paths = stage.home.paths();
        let mut folder = std::fs::DirBuilder::new();
        let made = folder
            .mode(0o700)
            .recursive(true)
            .create(paths.runtime_dir());
        made.expect("the folder can be made");
        let tcp = TcpListener::bind(("127.0.0.1", stage.port)).expect("the port is free");
        let unix = |path| UnixListener::bind(path).expect("the socket can be made");
        Self {
            sockets: [
                tcp.into(),
                unix(paths.proxy_socket()).into(),
                unix(paths.control_socket()).into(),
            ],
            started: AtomicUsize::new(0),
        }
    }

    /// Starts a daemon with the sockets. Another one may still be shutting down.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start(&self, stage: &Stage) -> Supervised {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let socket = stage.home.path().join(format!("run/notify-{number}.sock"));
        let told = UnixDatagram::bind(&socket).expect("the socket can be made");
        let (tell, said) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length) = told.recv(&mut buffer).await {
                for line in String::from_utf8_lossy(&buffer[..length]).lines() {
                    if tell.send(line.to_owned()).is_err() {
                        return;
                    }
                }
            }
        });
        // Standard streams are the easiest way to pass descriptors to a program.
        let [tcp, proxy, control] = self.sockets.each_ref().map(|socket| {
            let own = socket.try_clone().expect("a descriptor is free");
            Stdio::from(own)
        });
        let child = stage
            .home
            .command("bash")
            .args(["-c", HAND_OVER])
            .arg(stage.home.bin().join("loopdeskd"))
            .arg(stage.home.path().join("daemon.log"))
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .stdin(tcp)
            .stdout(proxy)
            .stderr(control)
            .spawn()
            .expect("bash can be started");
        Supervised { child, said }
    }

    /// Starts a daemon and waits until it is ready.
    ///
    /// # Panics
    /// If it doesn't become ready.
    pub async fn ready(&self, stage: &Stage) -> Supervised {
        let mut daemon = self.start(stage);
        daemon.says("READY=1").await;
        daemon
    }
}

/// A daemon with a supervisor's sockets; it is killed when dropped.
#[derive(Debug)]
pub struct Supervised {
    child: Child,
    said: mpsc::UnboundedReceiver<String>,
}

impl Supervised {
    /// Waits until the daemon sends its supervisor this line, starting after the last one waited
    /// for.
    ///
    /// # Panics
    /// If it never does.
    pub async fn says(&mut self, line: &str) {
        let heard = async {
            while let Some(said) = self.said.recv().await {
                if said.starts_with(line) {
                    return;
                }
            }
            std::future::pending().await
        };
        let heard = timeout(PATIENCE, heard).await;
        heard.unwrap_or_else(|_| panic!("the daemon never said {line}"));
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the daemon has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(Pid::from_raw).expect("the daemon runs");
        kill_process(pid, signal).expect("the daemon runs");
    }

    /// Waits for the daemon's end.
    ///
    /// # Panics
    /// If it doesn't end.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it ends").expect("the end is told")
    }
}

/// The sockets get the descriptor numbers that the protocol requires (sd_listen_fds(3)), and the
/// process id remains the one in the variables.
const HAND_OVER: &str = r#"
    exec 3<&0 4<&1 5<&2 </dev/null >/dev/null 2>>"$1"
    export LISTEN_FDS=3 LISTEN_PID=$$ INVOCATION_ID=test SYSTEMD_EXEC_PID=$$ WATCHDOG_PID=$$
    exec "$0"
"#;

/// The time that the supervisor allows between two watchdog messages.
const WATCHDOG: Duration = Duration::from_millis(200);
