//! A run whose command waits, so that a test can use its environment and its helper.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use loopdesk_tests::Raw;
use loopdesk_tests::by_name::ByName;
use loopdesk_tests::wait::eventually;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(super) struct Held {
    child: Child,
    stdin: Option<ChildStdin>,
    variables: BTreeMap<String, String>,
}

impl Held {
    /// Starts it, with these options of `exec`.
    pub(super) async fn start(named: &ByName, options: &[&str]) -> Self {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let home = &named.stage.home;
        let file = home.path().join(format!("environment-{number}"));
        let script = "env -0 > \"$0.new\" && mv \"$0.new\" \"$0\" && exec cat";
        let mut child = home
            .command("loopdesk")
            .arg("exec")
            .args(options)
            .args(["--", "sh", "-c", script])
            .arg(&file)
            .stdin(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        eventually("the command runs", async || file.exists()).await;
        let text = std::fs::read_to_string(&file).unwrap();
        // What it holds may be in no file when the test ends.
        std::fs::remove_file(&file).unwrap();
        let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        let variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let held = Self {
            child,
            stdin,
            variables: variables.collect(),
        };
        home.is_secret("the password of a run", held.password());
        held
    }

    /// A variable of the command.
    pub(super) fn variable(&self, name: &str) -> &str {
        &self.variables[name]
    }

    pub(super) fn password(&self) -> &str {
        let (_, rest) = self
            .variable("HTTPS_PROXY")
            .split_once("loopdesk:")
            .unwrap();
        rest.split_once('@').unwrap().0
    }

    /// An inspected connection to the account.
    pub(super) async fn acme(&self) -> Raw<TlsStream<TcpStream>> {
        let connected = self.tls("acme.zendesk.com:443", "acme.zendesk.com").await;
        connected.unwrap()
    }

    /// The helper's port.
    pub(super) fn port(&self) -> u16 {
        let (_, port) = self.variable("HTTPS_PROXY").rsplit_once(':').unwrap();
        port.parse().unwrap()
    }

    /// The value of `Proxy-Authorization`.
    pub(super) fn login(&self) -> String {
        let login = BASE64_STANDARD.encode(format!("loopdesk:{}", self.password()));
        format!("Basic {login}")
    }

    /// A connection to the helper that has asked for a tunnel, and the status of the answer.
    pub(super) async fn connect(&self, authority: &str) -> (Raw, u16) {
        let mut raw = Raw::connect(self.port()).await;
        raw.send(format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: {}\r\n\r\n",
            self.login()
        ))
        .await;
        let head = raw.head().await;
        (raw, head.status())
    }

    /// The same, then TLS with this name in its first message.
    pub(super) async fn tls(
        &self,
        authority: &str,
        name: &str,
    ) -> std::io::Result<Raw<TlsStream<TcpStream>>> {
        let (raw, status) = self.connect(authority).await;
        assert_eq!(status, 200, "{authority}");
        tls_within(raw.into_stream(), &self.authority(), name).await
    }

    /// The certificate of this run.
    pub(super) fn authority(&self) -> PathBuf {
        self.variable("NODE_EXTRA_CA_CERTS").into()
    }

    /// Lets the command end.
    pub(super) async fn end(mut self) -> ExitStatus {
        drop(self.stdin.take());
        self.child.wait().await.unwrap()
    }

    /// Ends the command at once.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// TLS on a connection, with this name in its first message, by who trusts the certificates in `ca`.
pub(super) async fn tls_within(
    stream: TcpStream,
    ca: &Path,
    name: &str,
) -> std::io::Result<Raw<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.map(Raw::new)
}

/// The helpers of this home that run.
pub(super) fn helpers(named: &ByName) -> Vec<i32> {
    let program = named.stage.home.bin().join("loopdeskd");
    let start = format!("{}\0exec-proxy\0--serve\0", program.display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|process: &i32| {
            let line = std::fs::read(format!("/proc/{process}/cmdline"));
            line.is_ok_and(|line| line == start.as_bytes())
        })
        .collect()
}

/// Waits until no helper runs.
pub(super) async fn no_helper(named: &ByName) {
    eventually("the helper ends", async || helpers(named).is_empty()).await;
}

/// The folders of runs.
pub(super) fn folders(named: &ByName) -> Vec<PathBuf> {
    let all = std::fs::read_dir(named.stage.home.paths().runtime_dir().join("exec"));
    let all = all
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    all.filter(|path| path.is_dir()).collect()
}
