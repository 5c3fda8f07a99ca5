//! Finds the running daemon and checks that it is ours.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopdesk_protocol::config::Report;
use loopdesk_protocol::version::{self, Version};
use loopdesk_protocol::{Client, Kind, PROTOCOL, Paths, Problem, client};

use super::program::DaemonProgram;
use super::version_skew;
use crate::error;

/// The daemon of one user.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(super) paths: Paths,
    pub(super) program: DaemonProgram,
}

impl Link {
    pub(crate) fn new(paths: Paths, program: DaemonProgram) -> Self {
        Self { paths, program }
    }

    /// The daemon, if one is running. It is a problem if it speaks another protocol.
    pub(crate) async fn running(&self) -> Result<Option<Client>, Problem> {
        let known = self.running_with_version().await?;
        Ok(known.map(|(client, _)| client))
    }

    /// The same, with its version.
    pub(crate) async fn running_with_version(&self) -> Result<Option<(Client, Version)>, Problem> {
        let found = self.version().await?;
        let other = found.as_ref().map(|(_, version)| version);
        let other = other.filter(|version| version.protocol != PROTOCOL);
        other.and_then(version_skew::problem).map_or(Ok(found), Err)
    }

    /// The daemon and its version, whatever its protocol.
    pub(crate) async fn version(&self) -> Result<Option<(Client, Version)>, Problem> {
        if let Some(found) = self.handshake(self.paths.control_socket()).await? {
            return Ok(Some(found));
        }
        // The daemon may have been started with another XDG_RUNTIME_DIR than this command.
        match self.paths.hinted() {
            Some(hinted) => self.handshake(hinted.control_socket()).await,
            None => Ok(None),
        }
    }

    async fn handshake(&self, socket: PathBuf) -> Result<Option<(Client, Version)>, Problem> {
        let client = Client::new(socket);
        let answer = tokio::time::timeout(HANDSHAKE, client.get(version::CALL)).await;
        match answer {
            Ok(Ok(version)) => Ok(Some((client, version))),
            Ok(Err(client::ClientError::Unreachable { source, .. })) if is_absent(&source) => {
                Ok(None)
            }
            Ok(Err(error)) => Err(error::from_daemon(error)),
            Err(_) => Err(self.not_answering(client.socket())),
        }
    }

    /// The daemon. It is a problem if none is running.
    pub(crate) async fn required(&self) -> Result<Client, Problem> {
        self.running().await?.ok_or_else(|| {
            Problem::new(Kind::Daemon, "loopdesk isn't running")
                .hint("run `loopdesk wait` to start it")
                .hint("or run `loopdesk login`, which starts it too, if you haven't logged in yet")
        })
    }

    /// Has the daemon's program check the configuration, or `file`.
    pub(crate) async fn check_config(&self, file: Option<&Path>) -> Result<Report, Problem> {
        self.program.check_config(file).await
    }

    /// The daemon's program.
    pub(crate) fn program(&self) -> Result<&Path, Problem> {
        self.program.path()
    }

    pub(super) fn not_answering(&self, socket: &Path) -> Problem {
        let message = format!("the daemon at `{}` doesn't answer", socket.display());
        Problem::new(Kind::Daemon, message).hint(format!(
            "check the log, `{}`, stop `loopdeskd`, then run this command again",
            self.paths.log_file().display()
        ))
    }
}

/// Whether the error means that no daemon is running there: no socket, a dead daemon's socket, or
/// another user's folder.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound, PermissionDenied};
    let no_socket = matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory);
    // Only the system's error: our own means that another user's daemon answers there.
    no_socket || error.kind() == PermissionDenied && error.raw_os_error().is_some()
}

/// The daemon answers from memory; a machine that needs longer is unusable.
const HANDSHAKE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Daemon, Home};
    use loopdesk_protocol::VERSION;

    #[tokio::test]
    async fn a_missing_daemon_is_no_problem() {
        let home = Home::new();
        assert!(home.link().running().await.unwrap().is_none());
        let problem = home.link().required().await.unwrap_err();
        assert_eq!(problem.kind, Kind::Daemon);
        assert!(problem.hints[1].contains("`loopdesk login`"));
        // A socket left behind by a killed daemon.
        drop(std::os::unix::net::UnixListener::bind(home.paths.control_socket()).unwrap());
        assert!(home.link().running().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn another_protocol_names_both_versions_and_the_process() {
        let home = Home::new();
        // The answer of the first release.
        let other = serde_json::json!({"version": "0.0.9", "protocol": PROTOCOL - 1, "pid": 4711});
        let _daemon = Daemon::new(&home)
            .of_another_release(version::CALL, &other)
            .serve();
        let problem = home.link().running().await.unwrap_err();
        assert_eq!(problem.kind, Kind::Daemon);
        assert!(problem.message.contains("0.0.9"), "{problem}");
        assert!(problem.message.contains(VERSION), "{problem}");
        assert!(problem.hints[0].contains("`kill 4711`"));
    }

    #[tokio::test]
    async fn a_daemon_with_another_runtime_folder_is_found_by_what_it_left_in_the_state_folder() {
        let home = Home::new();
        let elsewhere = home.elsewhere("desk");
        std::fs::create_dir_all(home.paths.state_dir()).unwrap();
        elsewhere.write_runtime_hint().unwrap();
        assert!(home.link().running().await.unwrap().is_none());
        let daemon = Daemon::at(&elsewhere).serve();
        let client = home.link().running().await.unwrap().unwrap();
        assert_eq!(client.socket(), elsewhere.control_socket());
        drop(daemon);
        // Its own folder comes first.
        let _daemon = Daemon::new(&home).serve();
        let client = home.link().running().await.unwrap().unwrap();
        assert_eq!(client.socket(), home.paths.control_socket());
    }
}
