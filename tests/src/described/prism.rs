//! Prism, as a mock of a description.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::ports;

/// The mock, which ends when dropped.
#[derive(Debug)]
pub(super) struct Prism {
    _child: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Prism {
    /// Starts it with `description`, whose URLs are changed to `origin`. Also returns the list of
    /// its operations, as JSON.
    pub(super) async fn start(description: &Path, origin: &str) -> io::Result<(Self, Vec<u8>)> {
        let directory = tempfile::tempdir()?;
        let prepared = directory.path().join("description.json");
        let listed = Command::new("node")
            .arg(folder().join("describe.cjs"))
            .args([
                description.as_os_str(),
                origin.as_ref(),
                prepared.as_os_str(),
            ])
            .stderr(Stdio::inherit())
            .output()
            .await?;
        if !listed.status.success() {
            return Err(io::Error::other("the description can't be read"));
        }
        let port = ports::free();
        let mut child = Command::new("node")
            .arg(program())
            .args(["mock", "--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(&prepared)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let said = child.stdout.take().expect("it was piped");
        let mut lines = BufReader::new(said).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if line.contains("is listening") {
                    return Ok(());
                }
            }
            Err(io::Error::other("Prism has ended"))
        };
        tokio::time::timeout(PATIENCE, listening).await??;
        // It logs each request, and would block if nothing read the log.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let prism = Self {
            _child: child,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            _directory: directory,
        };
        Ok((prism, listed.stdout))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The script that node runs.
pub(super) fn program() -> PathBuf {
    folder().join("node_modules/@stoplight/prism-cli/dist/index.js")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("prism")
}

/// Prism takes some seconds to read a large description, and more on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
