//! A loopdesk with a home of its own and a real login.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::children::{Running, free_port, on_core};
use crate::{Lab, Outcome};

/// A daemon that runs and has a session.
#[derive(Debug)]
pub(crate) struct Loopdesk {
    /// Where it serves scripts.
    pub(crate) port: u16,
    home: Home,
    running: Option<Running>,
}

impl Loopdesk {
    /// Starts it on the proxies' core and logs in at an upstream's port.
    pub(crate) fn start(lab: &Lab, name: &str, upstream: u16) -> Outcome<Self> {
        let home = Home::create(lab, name)?;
        let port = free_port()?;
        home.configure(port, upstream)?;
        let (running, _time) = home.daemon(home.command(lab.cores.proxy, DAEMON))?;
        let started = Self {
            port,
            home,
            running: Some(running),
        };
        started.home.loopdesk(lab, &["login"])?;
        Ok(started)
    }

    /// A key that may read and write.
    pub(crate) fn key(&self, lab: &Lab) -> Outcome<String> {
        let words = ["key", "create", "bench", "--scope", "read,write", "--quiet"];
        Ok(self.home.loopdesk(lab, &words)?.trim().to_owned())
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.running.as_ref().map(Running::pids).unwrap_or_default()
    }

    /// Ends the daemon and starts it again; the time from `exec` to `READY=1`.
    pub(crate) fn restart(&mut self) -> Outcome<Duration> {
        self.running = None;
        // Directly, so that nothing but the daemon is measured.
        let command = self
            .home
            .with_environment(Command::new(self.home.bin(DAEMON)));
        let (running, time) = self.home.daemon(command)?;
        self.running = Some(running);
        Ok(time)
    }

    /// The same, on the proxies' core.
    pub(crate) fn restart_on_core(&mut self, lab: &Lab) -> Outcome<()> {
        self.running = None;
        let (running, _time) = self
            .home
            .daemon(self.home.command(lab.cores.proxy, DAEMON))?;
        self.running = Some(running);
        Ok(())
    }
}

/// The folders of one user.
#[derive(Debug)]
struct Home {
    root: PathBuf,
    /// The upstream's authority.
    ca: PathBuf,
}

impl Home {
    fn create(lab: &Lab, name: &str) -> Outcome<Self> {
        let home = Self {
            root: lab.work.join(name),
            ca: lab.certificates.ca.clone(),
        };
        for folder in ["bin", "config/loopdesk", "state", "run"] {
            fs::create_dir_all(home.root.join(folder))?;
        }
        // The runtime folder must be private.
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(home.root.join("run"), private)?;
        link(&lab.programs.join(DAEMON), &home.bin(DAEMON))?;
        link(&lab.programs.join(CLIENT), &home.bin(CLIENT))?;
        // The tests' binary is a browser if it is called that.
        link(&lab.tools.join("demo"), &home.bin("browser"))?;
        Ok(home)
    }

    fn configure(&self, port: u16, upstream: u16) -> Outcome<()> {
        let config = format!(
            "listen = [\"127.0.0.1:{port}\"]\n\
             vault = \"keyfile\"\n\
             redirect-uris = [\"http://127.0.0.1:{}/callback\"]\n\
             [accounts.acme]\n\
             url = \"https://127.0.0.1:{upstream}\"\n\
             client-id = \"loopdesk\"\n\
             extra-ca-file = \"{}\"\n",
            free_port()?,
            self.ca.display(),
        );
        Ok(fs::write(
            self.root.join("config/loopdesk/config.toml"),
            config,
        )?)
    }

    fn bin(&self, program: &str) -> PathBuf {
        self.root.join("bin").join(program)
    }

    fn command(&self, core: usize, program: &str) -> Command {
        self.with_environment(on_core(core, self.bin(program)))
    }

    fn with_environment(&self, mut command: Command) -> Command {
        let home = self.root.display();
        command
            .env_clear()
            .env("HOME", &self.root)
            .env("XDG_CONFIG_HOME", self.root.join("config"))
            .env("XDG_STATE_HOME", self.root.join("state"))
            .env("XDG_RUNTIME_DIR", self.root.join("run"))
            .env("BROWSER", self.bin("browser"))
            .env("CONSENT_CA", &self.ca)
            .env("PATH", format!("{home}/bin:/usr/local/bin:/usr/bin:/bin"))
            .env("LANG", "C.UTF-8")
            .current_dir(&self.root)
            .stdin(Stdio::null());
        command
    }

    /// Starts the daemon; also returns how long it took until it was ready.
    fn daemon(&self, mut command: Command) -> Outcome<(Running, Duration)> {
        let socket = self.root.join("run/notify.sock");
        drop(fs::remove_file(&socket));
        let notified = UnixDatagram::bind(&socket)?;
        notified.set_read_timeout(Some(START))?;
        let log = self.root.join("daemon.log");
        let log_file = fs::File::options().create(true).append(true).open(&log)?;
        command
            .env("NOTIFY_SOCKET", &socket)
            .stdout(Stdio::null())
            .stderr(log_file);
        let began = Instant::now();
        let running = Running::start(&mut command)?;
        let mut message = [0; 1024];
        loop {
            let Ok(length) = notified.recv(&mut message) else {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("the daemon isn't ready in time: {said}").into());
            };
            let mut lines = message[..length].split(|byte| *byte == b'\n');
            if lines.any(|line| line == b"READY=1") {
                return Ok((running, began.elapsed()));
            }
        }
    }

    /// Runs the command line, and returns what it prints.
    fn loopdesk(&self, lab: &Lab, words: &[&str]) -> Outcome<String> {
        let mut command = self.command(lab.cores.load, CLIENT);
        let output = command.args(words).output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("`loopdesk {}` failed: {said}", words.join(" ")).into())
    }
}

fn link(from: &Path, to: &Path) -> Outcome<()> {
    if fs::hard_link(from, to).is_err() {
        let copied = fs::copy(from, to);
        copied.map_err(|error| format!("{}: {error}", from.display()))?;
    }
    Ok(())
}

const DAEMON: &str = "loopdeskd";
const CLIENT: &str = "loopdesk";
const START: Duration = Duration::from_secs(30);
