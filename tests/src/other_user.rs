//! Another user of the machine.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::needs::needs;

/// A program that runs as nobody, or as the user that `sudo` allows; `None`, with a message, if
/// this machine supports neither.
///
/// # Panics
/// If there is none although nothing may be left out: with `CI=true`.
pub async fn command(program: &str) -> Option<Command> {
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new(program);
        command.uid(NOBODY).gid(NOBODY);
        return Some(command);
    }
    let asked = ["-n", "-u", "nobody", "true"];
    let may = Command::new("sudo").args(asked).output().await;
    if !may.is_ok_and(|output| output.status.success()) {
        // Not a program's name: the message should tell its reader what is missing.
        needs(&["root, or sudo without a password"]);
        return None;
    }
    let mut command = Command::new("sudo");
    command.args(["-n", "-u", "nobody", program]);
    Some(command)
}

/// Python with this program and these arguments, as another user, with its standard streams piped;
/// `None` if this machine lacks Python or another user.
///
/// # Panics
/// See [`command`].
pub async fn python(program: &str, arguments: &[&str]) -> Option<Command> {
    if !needs(&["python3"]) {
        return None;
    }
    let mut command = command("python3").await?;
    command
        .args(["-c", program])
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Some(command)
}

/// Another user's connections, which remain open for as long as the daemon allows.
#[derive(Debug)]
pub struct Crowd {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Opens `count` connections as another user, each with a request in flight.
///
/// # Panics
/// If the program can't be started.
pub async fn crowd(port: u16, count: u32) -> Option<Crowd> {
    let arguments = [&*port.to_string(), &count.to_string()];
    let mut command = python(PROGRAM, &arguments).await?;
    command.stderr(Stdio::inherit());
    let mut child = command.spawn().expect("python3 can be started");
    let stdin = child.stdin.take().expect("a pipe");
    let stdout = child.stdout.take().expect("a pipe");
    let mut crowd = Crowd {
        _child: child,
        stdin,
        lines: BufReader::new(stdout).lines(),
    };
    assert_eq!(crowd.line().await, "open");
    Some(crowd)
}

impl Crowd {
    /// What the first connection has received.
    ///
    /// # Panics
    /// If the program has failed.
    pub async fn answer(&mut self) -> String {
        self.ask("answer").await.replace("\\n", "\n")
    }

    /// How many connections are open, after it has noticed those that were closed.
    ///
    /// # Panics
    /// If the program has failed.
    pub async fn still_open(&mut self) -> u32 {
        self.ask("open").await.parse().expect("a number")
    }

    async fn ask(&mut self, what: &str) -> String {
        let asked = self.stdin.write_all(format!("{what}\n").as_bytes()).await;
        asked.expect("the program runs");
        self.line().await
    }

    async fn line(&mut self) -> String {
        let line = self.lines.next_line().await.expect("text");
        line.expect("the program runs")
    }
}

const PROGRAM: &str = r#"
import socket, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
def connection():
    one = socket.create_connection(("127.0.0.1", port), timeout=30)
    try:
        one.sendall(b"GET /api/v2/users/me.json HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port)
    except OSError:
        pass
    return one
def heard(one):
    said = b""
    try:
        while piece := one.recv(65536):
            said += piece
    except ConnectionError:
        pass
    except TimeoutError:
        return None
    return said.decode()
all = [connection() for _ in range(count)]
said = [heard(one) for one in all]
print("open", flush=True)
for line in sys.stdin:
    if line.strip() == "answer":
        print(said[0].replace("\r", "").replace("\n", "\\n"), flush=True)
    else:
        print(sum(one is None for one in said), flush=True)
"#;

/// Exists everywhere.
const NOBODY: u32 = 65534;
