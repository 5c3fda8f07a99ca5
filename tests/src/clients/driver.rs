//! A driver: a program that uses a client of Zendesk's API and carries out one step after the
//! other.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::exec::{self, Program};
use super::matrix::{Credential, Row, Runtime, Step};
use super::{folder, python};
use crate::by_name;
use crate::stage::Stage;

/// A running driver; it is killed when dropped.
pub(super) struct Driver {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    stderr: PathBuf,
    /// What was printed for it. It may contain a key, and is deleted with the driver.
    snippet: PathBuf,
    /// The version that it printed first.
    pub(super) version: String,
}

/// What a driver is told.
pub(super) struct Script<'a> {
    pub(super) way: Way<'a>,
    pub(super) credential: Credential,
    /// What stands in the credential's place.
    pub(super) token: &'a str,
    /// The subject of the tickets that it creates.
    pub(super) subject: &'a str,
    /// The file that it uploads.
    pub(super) file: &'a Path,
}

/// How a script reaches Zendesk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// At loopdesk's port, with what `loopdesk env --for` prints: a shell `eval`s the exports, and
    /// the driver itself runs the code.
    Port,
    /// At Zendesk's own address, under `loopdesk exec`.
    Exec(&'a Program),
}

impl Driver {
    /// Starts the driver of `row`.
    pub(super) async fn start(stage: &Stage, row: &Row, script: &Script<'_>) -> Self {
        let snippet = stage.home.path().join("snippet");
        let code = code(stage, row, script).await;
        std::fs::write(&snippet, code).expect("the disk has room");
        let stderr = stage.home.path().join("driver.stderr");
        let mut command = match script.way {
            Way::Port => at_the_port(stage, row),
            Way::Exec(program) => under_exec(stage, row, program),
        };
        command
            .env("CREDENTIAL", script.credential.name())
            .env("TOKEN", script.token)
            .env("SUBJECT", script.subject)
            .env("FILE", script.file)
            .env("SNIPPET", &snippet)
            .env("NODE_PATH", folder().join("node/node_modules"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stderr(std::fs::File::create(&stderr).expect("the disk has room"));
        let mut child = command.spawn().expect("a shell can be started");
        let answers = child.stdout.take().expect("it was piped");
        let mut driver = Self {
            orders: child.stdin.take().expect("it was piped"),
            answers: BufReader::new(answers).lines(),
            _child: child,
            stderr,
            snippet,
            version: String::new(),
        };
        let hello = driver.answer().await;
        let version = hello["version"]
            .as_str()
            .expect("the driver says its version");
        version.clone_into(&mut driver.version);
        driver
    }

    /// Sends it the next step.
    pub(super) async fn tell(&mut self, step: Step) {
        let line = format!("{}\n", step.name());
        let sent = self.orders.write_all(line.as_bytes()).await;
        sent.unwrap_or_else(|error| panic!("{error}: {}", self.said()));
    }

    /// The result of the step.
    pub(super) async fn answer(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            panic!("the driver has ended or hangs: {line:?}: {}", self.said());
        };
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}: {}", self.said()))
    }

    /// What it has written to standard error.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.snippet);
    }
}

/// The code for the driver, with the credential in its place.
async fn code(stage: &Stage, row: &Row, script: &Script<'_>) -> String {
    if let Way::Exec(Program {
        code: Some(code), ..
    }) = script.way
    {
        return code.clone();
    }
    let asked = ["env", "--for", &row.id, "--json"];
    let printed = stage.home.loopdesk(asked).await.ok().json();
    let lines = printed["example"].as_array().expect("lines of code");
    let code: Vec<_> = lines.iter().filter_map(Value::as_str).collect();
    let code = code.join("\n");
    let placed = printed["placeholder"].as_str();
    placed.map_or(code.clone(), |placeholder| {
        code.replace(placeholder, script.token)
    })
}

fn at_the_port(stage: &Stage, row: &Row) -> Command {
    let ca = stage.zendesk.ca_file().display().to_string();
    let wgetrc = stage.home.path().join("wgetrc");
    std::fs::write(&wgetrc, format!("ca_certificate = {ca}\n")).expect("the disk has room");
    let php = stage.home.path().join("php");
    std::fs::create_dir_all(&php).expect("the disk has room");
    std::fs::write(php.join("ca.ini"), format!("curl.cainfo={ca}\n")).expect("the disk has room");
    let (interpreter, folder_name) = interpreter(row.runtime);
    let mut command = stage.home.command("sh");
    command
        .args(["-euc", EVAL, "sh", &row.id])
        .arg(interpreter)
        .arg(folder().join(folder_name).join(&row.driver))
        // Downloads end at a host whose certificate is issued by the simulation's CA. With the real
        // Zendesk, none of this is needed.
        .env("SSL_CERT_FILE", &ca)
        .env("REQUESTS_CA_BUNDLE", &ca)
        .env("NODE_EXTRA_CA_CERTS", &ca)
        .env("CURL_CA_BUNDLE", &ca)
        .env("PERL_LWP_SSL_CA_FILE", &ca)
        .env("PHP_INI_SCAN_DIR", format!(":{}", php.display()))
        .env("WGETRC", &wgetrc);
    command
}

fn under_exec(stage: &Stage, row: &Row, program: &Program) -> Command {
    let (interpreter, folder_name) = interpreter(row.runtime);
    let interpreter = if program.new_node {
        exec::new_node()
    } else {
        interpreter
    };
    let mut command = stage.home.command("loopdesk");
    command
        .args(["exec", "--"])
        .arg(interpreter)
        .arg(folder().join(folder_name).join(&row.driver))
        // The drivers read the address from here, as if it stood in their code.
        .env("ZENDESK_BASE_URL", by_name::ORIGIN);
    if program.exec == exec::Verdict::Setting {
        command.env("SETTING", "1");
    }
    if let Some(axios) = &program.axios {
        command.env("AXIOS", exec::package(axios));
    }
    command
}

/// The interpreter, and the folder of its drivers.
fn interpreter(runtime: Runtime) -> (PathBuf, &'static str) {
    match runtime {
        Runtime::Python => (python(), "python"),
        Runtime::Node => ("node".into(), "node"),
        Runtime::Shell => ("bash".into(), "shell"),
        Runtime::Perl => ("perl".into(), "perl"),
        Runtime::Ruby => ("ruby".into(), "ruby"),
    }
}

/// As a user does it in a shell: everything that is printed, then the script.
const EVAL: &str = r#"eval "$(loopdesk env --for "$1")"; shift; exec "$@""#;

/// Longer than any step takes, even on a machine that is busy with a build.
const PATIENCE: Duration = Duration::from_secs(120);
