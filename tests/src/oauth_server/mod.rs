//! The third-party authorization server: `tests/oauth-server`, npm's oidc-provider.

pub(crate) mod person;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use loopdeskd::clock::Clock;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use crate::needs::needs;
use crate::zendesk::tls;

/// The server, which ends when dropped.
#[derive(Debug)]
pub struct OAuthServer {
    _child: Child,
    orders: ChildStdin,
    events: watch::Receiver<Vec<Value>>,
    origin: String,
    directory: TempDir,
}

impl OAuthServer {
    /// Whether Node and the server's packages are installed; prints what is missing.
    ///
    /// # Panics
    /// See [`needs`].
    pub fn is_here() -> bool {
        let provider = folder().join("node_modules/oidc-provider");
        needs(&["node", &provider.display().to_string()])
    }

    /// Starts it. The client `loopdesk` is public and has `redirect_uris`, the client `robot` has
    /// `secret`; access tokens live for `ttl`.
    ///
    /// # Errors
    /// If the server can't be started.
    pub async fn start(redirect_uris: &[String], secret: &str, ttl: Duration) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = |name| directory.path().join(name);
        let pems = tls::Pems::generate("oidc-provider", Clock::system().now())?;
        std::fs::write(path("ca.pem"), pems.ca)?;
        std::fs::write(path("certificate.pem"), pems.certificate)?;
        std::fs::write(path("key.pem"), pems.key)?;
        let mut child = Command::new("node")
            .arg(folder().join("server.mjs"))
            .env("TLS_KEY", path("key.pem"))
            .env("TLS_CERT", path("certificate.pem"))
            .env("AT_TTL", ttl.as_secs().to_string())
            .env("REDIRECT_URIS", redirect_uris.join(" "))
            .env("CLIENT_SECRET", secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(path("stderr"))?)
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().expect("it was piped");
        let said = child.stdout.take().expect("it was piped");
        let (heard, events) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut lines = BufReader::new(said).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                heard.send_modify(|events: &mut Vec<Value>| events.push(event));
            }
        });
        let mut server = Self {
            _child: child,
            orders,
            events,
            origin: String::new(),
            directory,
        };
        server.wait_for(|events| !events.is_empty()).await;
        let port = server.events()[0]["port"].as_u64();
        let port = port.expect("the first event says where it listens");
        server.origin = format!("https://127.0.0.1:{port}");
        Ok(server)
    }

    /// Its origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The certificate of the CA to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// All events that it has reported.
    pub fn events(&self) -> Vec<Value> {
        self.events.borrow().clone()
    }

    /// How many tokens it has granted by `grant`.
    pub fn granted(&self, grant: &str) -> usize {
        self.count(|event| event["event"] == "granted" && event["grant"] == grant)
    }

    /// How many events match.
    pub fn count(&self, fits: impl Fn(&Value) -> bool) -> usize {
        self.events
            .borrow()
            .iter()
            .filter(|event| fits(event))
            .count()
    }

    /// Waits until its events fulfil `condition`.
    ///
    /// # Panics
    /// If that takes longer than any test should take, or the server has ended.
    pub async fn wait_for(&self, condition: impl Fn(&[Value]) -> bool) {
        let mut events = self.events.clone();
        let seen = events.wait_for(|events| condition(events));
        match tokio::time::timeout(PATIENCE, seen).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => {
                let stderr = std::fs::read_to_string(self.directory.path().join("stderr"));
                panic!(
                    "timed out waiting for an event; {:#?}; {stderr:?}",
                    self.events()
                );
            }
        }
    }

    /// Loses the next response of the token endpoint after creating it.
    ///
    /// # Panics
    /// If the server has ended.
    pub async fn lose_answer(&mut self) {
        self.order("lose-answer").await;
    }

    /// Deletes the access tokens that have been used, and nothing else.
    ///
    /// # Panics
    /// If the server has ended.
    pub async fn kill_access_tokens(&mut self) {
        self.order("kill-access-tokens").await;
    }

    async fn order(&mut self, order: &str) {
        let is_done = |event: &Value| event["event"] == "done";
        let before = self.count(is_done);
        let line = format!("{order}\n");
        let sent = self.orders.write_all(line.as_bytes()).await;
        sent.expect("the server runs");
        self.wait_for(|events| events.iter().filter(|event| is_done(event)).count() > before)
            .await;
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oauth-server")
}

/// Node takes a second to start on a machine that is busy with a build.
const PATIENCE: Duration = Duration::from_secs(30);
