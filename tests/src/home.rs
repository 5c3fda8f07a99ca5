//! A private home folder with its own configuration, state, sockets and programs.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use loopdesk_protocol::Paths;
use serde_json::Value;
use tokio::process::Command;

use crate::programs;
use crate::transcript::Transcript;
use crate::uplinks::network_of;

/// One user's world. It is deleted when dropped, and then fails the test if a token of the
/// simulated Zendesk, or another registered secret, was left in one of its files, printed by our
/// programs, or visible in their arguments or environments, in any encoding (D4).
#[derive(Debug)]
pub struct Home {
    dir: tempfile::TempDir,
    variables: Vec<(String, String)>,
    user: Option<u32>,
    /// A process in the namespaces in which programs run.
    inside: Option<u32>,
    /// The file of the network namespace in which programs run.
    network: Option<PathBuf>,
    transcript: Transcript,
}

impl Home {
    /// An empty home. `binary` is the binary whose `main` calls [`programs::act`].
    ///
    /// # Errors
    /// If the folder or the programs can't be created.
    pub fn new(binary: &Path) -> io::Result<Self> {
        // The short prefix keeps socket paths within the kernel's limit.
        let dir = tempfile::Builder::new().prefix("ldt").tempdir()?;
        programs::install(binary, &dir.path().join("bin"))?;
        std::fs::create_dir(dir.path().join("run"))?;
        Ok(Self {
            dir,
            variables: Vec::new(),
            user: None,
            inside: None,
            network: None,
            transcript: Transcript::default(),
        })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The folder of the programs.
    pub fn bin(&self) -> PathBuf {
        self.path().join("bin")
    }

    /// Sets an environment variable for every program started from now on.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Also looks for this secret at the end of the test.
    pub fn is_secret(&self, name: &str, secret: impl AsRef<[u8]>) {
        self.transcript.is_secret(name, secret.as_ref());
    }

    /// Records what a person or a script could see of our programs, for the end of the test.
    pub fn has_shown(&self, what: &str, text: impl Into<Vec<u8>>) {
        self.transcript.said(what, text);
    }

    /// Gives the home to the user with this number, who runs its programs from now on. Needs root;
    /// the programs still belong to root, as installed ones do.
    ///
    /// # Panics
    /// If this process isn't allowed to do that.
    pub fn belongs_to(&mut self, user: u32) {
        self.user = Some(user);
        let own = |path: &Path| std::os::unix::fs::chown(path, Some(user), Some(user));
        own(self.path()).expect("the home can be given away");
        for name in ["run", "config", "state"] {
            give(&self.path().join(name), &own);
        }
    }

    /// From now on, runs programs in the file system, process and network namespaces of this
    /// process. The home belongs to a user already.
    pub(crate) fn moves_into(&mut self, process: u32) {
        self.inside = Some(process);
    }

    /// From now on, runs programs in the network namespace of this file.
    pub(crate) fn is_in_network(&mut self, file: PathBuf) {
        self.network = Some(file);
    }

    /// The folders as the programs see them.
    ///
    /// # Panics
    /// If the temporary folder's path is too long for sockets.
    pub fn paths(&self) -> Paths {
        let variables = self.environment();
        let env = |name: &str| {
            let (_, value) = variables.iter().find(|(known, _)| known == name)?;
            Some(value.into())
        };
        Paths::resolve(env, None, None).expect("the folder's name is short")
    }

    /// Writes the configuration.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn configure(&self, text: &str) {
        let paths = self.paths();
        std::fs::create_dir_all(paths.config_dir()).expect("the folder can be made");
        std::fs::write(paths.config_file(), text).expect("the file can be written");
    }

    /// A program of this home, with nothing from the test's own environment.
    pub fn command(&self, program: &str) -> Command {
        let own = self.bin().join(program);
        let program = if own.exists() { own } else { program.into() };
        let mut command = match (self.inside, self.user) {
            (Some(process), Some(user)) => inside(process, user, &program),
            _ => match &self.network {
                Some(file) => {
                    let mut command = Command::new("nsenter");
                    command.arg(network_of(file)).arg(&program);
                    command
                }
                None => Command::new(&program),
            },
        };
        command
            .env_clear()
            .envs(self.environment())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let (Some(user), None) = (self.user, self.inside) {
            command.uid(user).gid(user);
        }
        command
    }

    /// Runs `loopdesk` to its end.
    ///
    /// # Panics
    /// If it can't be started.
    pub async fn loopdesk<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Output {
        self.run("loopdesk", arguments).await
    }

    /// Runs a program of this home, or of the system, to its end.
    ///
    /// # Panics
    /// If it can't be started.
    pub async fn run<I: IntoIterator<Item: AsRef<OsStr>>>(
        &self,
        program: &str,
        arguments: I,
    ) -> Output {
        let mut command = self.command(program);
        let arguments: Vec<_> = arguments
            .into_iter()
            .map(|a| a.as_ref().to_owned())
            .collect();
        command.args(&arguments);
        let child = command.spawn().expect("the program can be started");
        let is_ours = OURS.contains(&program);
        if is_ours {
            self.transcript.glance(&self.bin());
        }
        let output = child.wait_with_output().await;
        let output = output.expect("the program's end is told");
        if is_ours {
            if !makes_a_key(&arguments) {
                self.has_shown(program, output.stdout.clone());
            }
            self.has_shown(program, output.stderr.clone());
        }
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        let home = self.path().display();
        let mut variables = vec![
            ("HOME".to_owned(), home.to_string()),
            ("XDG_CONFIG_HOME".to_owned(), format!("{home}/config")),
            ("XDG_STATE_HOME".to_owned(), format!("{home}/state")),
            ("XDG_RUNTIME_DIR".to_owned(), format!("{home}/run")),
            ("BROWSER".to_owned(), format!("{home}/bin/browser")),
            (
                "PATH".to_owned(),
                format!("{home}/bin:/usr/local/bin:/usr/bin:/bin"),
            ),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            // As verbose as possible, so that everything it could leak is there to be found.
            ("LOOPDESK_LOG".to_owned(), "trace".to_owned()),
        ];
        for (name, value) in &self.variables {
            variables.retain(|(known, _)| known != name);
            variables.push((name.clone(), value.clone()));
        }
        variables
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A failing test should report its own failure.
        if std::thread::panicking() {
            return;
        }
        self.transcript.glance(&self.bin());
        let found = self.transcript.secrets(self.path(), &[self.bin()]);
        assert!(found.is_empty(), "D4: {found:#?}");
    }
}

/// Whether a command's purpose is to show a local key, once.
fn makes_a_key(arguments: &[OsString]) -> bool {
    let words = arguments.iter().filter_map(|word| word.to_str());
    let words: Vec<_> = words.take(2).collect();
    matches!(words[..], ["key", "create" | "rotate"])
}

/// A user's program beside `process`. Only root may enter, so root runs it.
fn inside(process: u32, user: u32, program: &Path) -> Command {
    let mut command = crate::user_manager::enter(process);
    command
        .arg("setpriv")
        .args([format!("--reuid={user}"), format!("--regid={user}")])
        .arg("--clear-groups")
        .arg(program);
    command
}

fn give(path: &Path, own: &impl Fn(&Path) -> io::Result<()>) {
    if own(path).is_err() {
        // It doesn't exist yet.
        return;
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        give(&entry.path(), own);
    }
}

/// The result of a program.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Asserts that the program has succeeded.
    ///
    /// # Panics
    /// If it has failed; with all its output.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Asserts that the program has failed with `code`.
    ///
    /// # Panics
    /// If it ended otherwise; with all its output.
    #[track_caller]
    pub fn failed(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// If it isn't JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:#?}"))
    }
}

/// Programs that must not leak a secret to others.
const OURS: [&str; 2] = ["loopdesk", "loopdeskd"];
