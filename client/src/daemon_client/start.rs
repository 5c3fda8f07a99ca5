//! Starts a daemon in the background and waits until it is ready, or says why it isn't.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use loopdesk_protocol::start::{ALREADY_RUNNING, LOG_FILE};
use loopdesk_protocol::{Client, Kind, Paths, Problem};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::detach::detach;
use super::link::Link;
use super::startup_log::StartupLog;
use crate::error;

impl Link {
    /// Starts a daemon. Returns its process id, unless another one was started first.
    pub(crate) async fn start(&self) -> Result<(Client, Option<u32>), Problem> {
        let program = self.program.path()?;
        let folders = self.private_dirs()?;
        // A second command finds the daemon that the first one started.
        let _guard = start_lock(&folders).await?;
        if let Some(client) = self.running().await? {
            return Ok((client, None));
        }

        let log_file = self.paths.log_file();
        let log = StartupLog::open(&log_file)
            .map_err(|e| error::file(Kind::Daemon, "open", &log_file, &e))?;
        let ready = ReadySocket::bind(folders.runtime_dir())?;
        let mut child = spawn(program, &log, &ready.path)
            .map_err(|e| error::file(Kind::Daemon, "start", program, &e))?;
        let pid = child.id();
        let outcome = tokio::select! {
            result = ready.wait() => result.map(|()| None),
            status = child.wait() => status.map(Some),
            () = tokio::time::sleep(START) => Err(io::ErrorKind::TimedOut.into()),
        };
        match outcome {
            Ok(None) => match self.running().await? {
                Some(client) => Ok((client, pid)),
                None => Err(self.not_answering(&self.paths.control_socket())),
            },
            Ok(Some(status)) => after_exit(self, &log, status).await,
            Err(_) => match self.running().await? {
                Some(client) => Ok((client, pid)),
                None => Err(too_slow(&log, &log_file)),
            },
        }
    }
}

/// Handles a daemon that ended: either another one is running, or it failed to start.
async fn after_exit(
    link: &Link,
    log: &StartupLog,
    status: ExitStatus,
) -> Result<(Client, Option<u32>), Problem> {
    let lost_the_race = status.code() == Some(i32::from(ALREADY_RUNNING));
    let deadline = Instant::now() + if lost_the_race { START } else { Duration::ZERO };
    // The daemon with the lock may have been started just now; its socket can only be polled for.
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(client) = link.running().await? {
            return Ok((client, None));
        }
        if Instant::now() >= deadline {
            return Err(match lost_the_race {
                true => unreachable_daemon(&link.paths),
                false => failure(log, status),
            });
        }
    }
}

/// Another daemon holds the lock, but can't be reached.
fn unreachable_daemon(paths: &Paths) -> Problem {
    let pid = std::fs::read_to_string(paths.lock_file()).unwrap_or_default();
    let pid = pid.trim();
    let pid = match pid.parse::<u32>() {
        Ok(_) => pid,
        Err(_) => "PID",
    };
    Problem::new(
        Kind::Daemon,
        format!(
            "loopdesk is already running as process {pid}, but doesn't answer on `{}`",
            paths.control_socket().display()
        ),
    )
    .hint(format!(
        "run `kill {pid}` to stop it after its current requests, then `loopdesk wait`"
    ))
}

/// The daemon's own error message, with its exit code.
fn failure(log: &StartupLog, status: ExitStatus) -> Problem {
    let code = status.code();
    let kind = [Kind::Config, Kind::Vault]
        .into_iter()
        .find(|kind| code == Some(i32::from(kind.exit_code())))
        .unwrap_or(Kind::Daemon);
    let said = log.output();
    if let Some((message, hints)) = said.error() {
        let problem = Problem::new(kind, format!("loopdesk can't start: {message}"));
        return hints.into_iter().fold(problem, Problem::hint);
    }
    let mut message = format!("loopdesk can't start: `loopdeskd` ended with {status}");
    for line in said.tail() {
        message.push_str("\n  ");
        message.push_str(line);
    }
    Problem::new(kind, message).hint("run `loopdeskd` in a terminal to see its whole output")
}

fn too_slow(log: &StartupLog, file: &Path) -> Problem {
    let mut message = format!(
        "loopdesk was started, but isn't ready after {} s",
        START.as_secs()
    );
    for line in log.output().tail() {
        message.push_str("\n  ");
        message.push_str(line);
    }
    Problem::new(Kind::Daemon, message)
        .hint("run `loopdesk status` in a moment")
        .hint(format!("or read its log, `{}`", file.display()))
}

fn spawn(program: &Path, log: &StartupLog, notify: &Path) -> io::Result<Child> {
    let mut command = Command::new(program);
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.handle()?);
    // Neither Ctrl-C nor the end of this terminal must reach the daemon.
    let kept = detach(&mut command)?;
    for name in SERVICE_VARIABLES {
        command.env_remove(name);
    }
    let spawned = command
        .env("NOTIFY_SOCKET", notify)
        .env(LOG_FILE, log.path())
        .spawn();
    drop(kept);
    spawned
}

/// The socket on which the daemon reports that it is ready.
#[derive(Debug)]
struct ReadySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl ReadySocket {
    /// The lock guards the name. A killed command may have left a socket behind.
    fn bind(dir: &Path) -> Result<Self, Problem> {
        // No longer than `control.sock`, whose length `Paths` has checked.
        let path = dir.join("start.sock");
        let bind = || {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            UnixDatagram::bind(&path)
        };
        match bind() {
            Ok(socket) => Ok(Self { socket, path }),
            Err(error) => Err(error::file(
                Kind::Daemon,
                "create the socket",
                &path,
                &error,
            )),
        }
    }

    async fn wait(&self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            let message = buffer.get(..length).unwrap_or_default();
            if message
                .split(|b| *b == b'\n')
                .any(|line| line == b"READY=1")
            {
                return Ok(());
            }
        }
    }
}

impl Drop for ReadySocket {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// Waits until no other command is starting a daemon. Locked until the returned file is dropped.
async fn start_lock(paths: &Paths) -> Result<File, Problem> {
    let path = paths.runtime_dir().join("start.lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| error::file(Kind::Daemon, "open", &path, &e))?;
    let clone = file
        .try_clone()
        .map_err(|e| error::file(Kind::Daemon, "open", &path, &e))?;
    let locked = tokio::task::spawn_blocking(move || clone.lock());
    // The holder gives up after that time; from then on, the daemon's own lock has to do.
    drop(timeout(START + Duration::from_secs(1), locked).await);
    Ok(file)
}

/// The daemon is ready within milliseconds, or seconds on a machine that has just booted.
const START: Duration = Duration::from_secs(10);

/// What systemd tells a service about itself. If this command runs in a service, the daemon would
/// take them for its own.
const SERVICE_VARIABLES: [&str; 9] = [
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "MAINPID",
    "SYSTEMD_EXEC_PID",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Daemon, Home};
    use std::os::unix::fs::PermissionsExt;

    /// A daemon's program that tells the test where to send `READY=1`, and runs until the test
    /// ends.
    struct FakeProgram {
        home: Home,
        /// Ends the program when dropped.
        _end: File,
    }

    impl FakeProgram {
        fn new(body: &str) -> Self {
            let home = Home::new();
            let (told, end) = (home.path("told"), home.path("end"));
            for fifo in [&told, &end] {
                let made = std::process::Command::new("mkfifo").arg(fifo).status();
                assert!(made.unwrap().success());
            }
            let starts = home.path("starts");
            let home = home.with_program(&format!(
                "echo start >> {starts}
                 tell() {{ echo \"$NOTIFY_SOCKET\" > {told}; }}
                 stay() {{ read _ < {end}; }}
                 {body}",
                starts = starts.display(),
                told = told.display(),
                end = end.display()
            ));
            // Opened for both, so that opening doesn't block; its readers see EOF when the test
            // ends.
            let end = OpenOptions::new().read(true).write(true).open(end);
            Self {
                home,
                _end: end.unwrap(),
            }
        }

        /// Where to send `READY=1`.
        async fn told(&self) -> String {
            let told = tokio::fs::read_to_string(self.home.path("told")).await;
            told.unwrap().trim().to_owned()
        }

        fn starts(&self) -> usize {
            let starts = std::fs::read_to_string(self.home.path("starts")).unwrap();
            starts.lines().count()
        }
    }

    #[tokio::test]
    async fn ready_is_reported_not_guessed() {
        let program = FakeProgram::new("tell; stay");
        let link = program.home.link();
        let daemon = async {
            let notify = program.told().await;
            let daemon = Daemon::new(&program.home).serve();
            let socket = UnixDatagram::unbound().unwrap();
            let send = |text: &'static str| socket.send_to(text.as_bytes(), &notify);
            send("STATUS=nearly").await.unwrap();
            send("STATUS=there\nREADY=1\n").await.unwrap();
            (daemon, notify)
        };
        let (started, (_daemon, notify)) = tokio::join!(link.start(), daemon);
        let (_, pid) = started.unwrap();
        assert!(pid.is_some());
        assert!(!Path::new(&notify).exists(), "the socket is cleared away");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&program.home.paths.log_file()), 0o600);
        assert_eq!(mode(program.home.paths.state_dir()), 0o700);
        // The second command finds it.
        assert_eq!(link.start().await.unwrap().1, None);
        assert_eq!(program.starts(), 1);
    }

    #[tokio::test]
    async fn two_commands_at_once_start_one_daemon() {
        let program = FakeProgram::new("tell; stay");
        let link = program.home.link();
        let daemon = async {
            let notify = program.told().await;
            let daemon = Daemon::new(&program.home).serve();
            let socket = UnixDatagram::unbound().unwrap();
            socket.send_to(b"READY=1", &notify).await.unwrap();
            daemon
        };
        let (one, two, _daemon) = tokio::join!(link.start(), link.start(), daemon);
        let pids = [one.unwrap().1, two.unwrap().1];
        assert_eq!(pids.iter().flatten().count(), 1);
        assert_eq!(program.starts(), 1);
    }

    #[tokio::test]
    async fn a_daemon_started_by_something_else_will_do() {
        let program = FakeProgram::new(&format!("tell; exit {ALREADY_RUNNING}"));
        let link = program.home.link();
        let daemon = async {
            program.told().await;
            // It holds the lock already, and listens a moment later.
            Daemon::new(&program.home).serve()
        };
        let (started, _daemon) = tokio::join!(link.start(), daemon);
        assert_eq!(started.unwrap().1, None);
    }

    #[tokio::test]
    async fn the_daemons_own_error_is_the_message() {
        let program = FakeProgram::new(
            "echo 'error: port 8484 is taken by process 99' >&2
             echo 'Hint: run `kill 99`' >&2
             exit 6",
        );
        let problem = program.home.link().start().await.unwrap_err();
        assert_eq!(problem.kind, Kind::Daemon);
        assert_eq!(
            problem.message,
            "loopdesk can't start: port 8484 is taken by process 99"
        );
        assert_eq!(problem.hints, ["run `kill 99`"]);
        let program = FakeProgram::new("echo 'error: line 3 is wrong' >&2; exit 3");
        let problem = program.home.link().start().await.unwrap_err();
        assert_eq!(problem.kind, Kind::Config);
    }

    #[tokio::test]
    async fn a_daemon_that_dies_without_an_error_message_is_quoted() {
        let program = FakeProgram::new("echo 'thread main panicked' >&2; kill -9 $$");
        let problem = program.home.link().start().await.unwrap_err();
        assert!(problem.message.contains("signal: 9"), "{problem}");
        assert!(
            problem.message.contains("thread main panicked"),
            "{problem}"
        );
        assert!(problem.hints[0].contains("`loopdeskd`"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_never_gets_ready_times_out() {
        let program = FakeProgram::new("stay");
        let problem = program.home.link().start().await.unwrap_err();
        assert_eq!(problem.kind, Kind::Daemon);
        assert!(problem.message.contains("after 10 s"), "{problem}");
        assert!(problem.hints[1].contains("loopdeskd.log"));
    }
}
