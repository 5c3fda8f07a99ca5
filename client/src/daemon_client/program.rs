//! The daemon's program: finds it, and runs it to check a configuration.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use loopdesk_protocol::config::Report;
use loopdesk_protocol::start::{CHECK_CONFIG, PROGRAM, PROGRAM_VARIABLE};
use loopdesk_protocol::{Kind, Problem};
use tokio::process::Command;

use super::startup_log;

/// `loopdeskd`, or why it wasn't found.
#[derive(Clone, Debug)]
pub(crate) struct DaemonProgram(Result<PathBuf, Problem>);

impl DaemonProgram {
    /// The file that `$LOOPDESKD` names, else the one beside `own`, else the first in `$PATH`.
    pub(crate) fn find(env: impl Fn(&str) -> Option<OsString>, own: Option<&Path>) -> Self {
        if let Some(named) = env(PROGRAM_VARIABLE).filter(|v| !v.is_empty()) {
            return Self(named_program(Path::new(&named)));
        }
        let beside = own.and_then(Path::parent).map(Path::to_owned);
        let path = env("PATH").unwrap_or_default();
        let found = beside
            .into_iter()
            .chain(std::env::split_paths(&path))
            // A relative entry would run a program from the current folder.
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(PROGRAM))
            .find(|file| is_program(file));
        Self(found.ok_or_else(|| {
            let message = format!(
                "the daemon's program, `{PROGRAM}`, is neither next to `loopdesk` nor in PATH"
            );
            Problem::new(Kind::Daemon, message).hint(format!(
                "install it next to `loopdesk`, or set {PROGRAM_VARIABLE} to its path"
            ))
        }))
    }

    /// The file.
    pub(super) fn path(&self) -> Result<&Path, Problem> {
        self.0.as_deref().map_err(Clone::clone)
    }

    /// Checks `file`, or the user's configuration.
    pub(super) async fn check_config(&self, file: Option<&Path>) -> Result<Report, Problem> {
        let program = self.path()?;
        let check = Command::new(program)
            .arg(CHECK_CONFIG)
            .args(file)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let failed = |what: String| {
            let message = format!("`{} {CHECK_CONFIG}` {what}", program.display());
            Problem::new(Kind::Daemon, message).hint(format!(
                "install `loopdesk` and `{PROGRAM}` of the same version"
            ))
        };
        let output = match tokio::time::timeout(CHECK, check).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(failed(format!("can't be run: {error}"))),
            Err(_) => return Err(failed("didn't finish".to_owned())),
        };
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = startup_log::StartupOutput::new(&output.stderr);
            failed(match said.last_line() {
                Some(line) => format!("failed: {line}"),
                None => format!("printed no report ({})", output.status),
            })
        })
    }
}

fn named_program(named: &Path) -> Result<PathBuf, Problem> {
    // Absolute, because the daemon is started in the root folder.
    match std::path::absolute(named) {
        Ok(path) if is_program(&path) => Ok(path),
        _ => {
            let message = format!(
                "{PROGRAM_VARIABLE} is `{}`, which isn't a program",
                named.display()
            );
            Err(Problem::new(Kind::Daemon, message).hint(format!(
                "set {PROGRAM_VARIABLE} to the path of `{PROGRAM}`, or unset it"
            )))
        }
    }
}

fn is_program(file: &Path) -> bool {
    std::fs::metadata(file)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Checking takes milliseconds, or a second with a cold disk on a busy machine.
const CHECK: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Home, script};

    fn find(vars: &[(&str, &Path)], own: Option<&Path>) -> Result<PathBuf, Problem> {
        let env = |name: &str| {
            vars.iter()
                .find(|(k, _)| *k == name)
                .map(|(_, v)| v.as_os_str().to_owned())
        };
        DaemonProgram::find(env, own).0
    }

    #[test]
    fn the_variable_wins_then_the_neighbour_then_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for name in ["named", "beside/loopdeskd", "path/loopdeskd"] {
            std::fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
            script(&dir.join(name), "exit 0");
        }
        let named = dir.join("named");
        let path = dir.join("path");
        let own = dir.join("beside/loopdesk");
        let vars = [
            (PROGRAM_VARIABLE, named.as_path()),
            ("PATH", path.as_path()),
        ];
        assert_eq!(find(&vars, Some(&own)).unwrap(), named);
        assert_eq!(
            find(&vars[1..], Some(&own)).unwrap(),
            dir.join("beside/loopdeskd")
        );
        assert_eq!(find(&vars[1..], None).unwrap(), dir.join("path/loopdeskd"));
        assert!(find(&[("PATH", Path::new("."))], None).is_err());
    }

    #[test]
    fn a_variable_without_a_program_is_an_error() {
        let missing = Path::new("/nowhere/loopdeskd");
        let path = Path::new("/usr/bin");
        let problem = find(&[(PROGRAM_VARIABLE, missing), ("PATH", path)], None).unwrap_err();
        assert_eq!(problem.kind, Kind::Daemon);
        assert!(problem.message.contains("/nowhere/loopdeskd"), "{problem}");
    }

    #[tokio::test]
    async fn a_program_that_prints_no_report_is_quoted() {
        let home = Home::new();
        let program = home.program("echo 'error: unrecognized subcommand' >&2; exit 2");
        let problem = program.check_config(None).await.unwrap_err();
        assert_eq!(problem.kind, Kind::Daemon);
        assert!(
            problem.message.contains("unrecognized subcommand"),
            "{problem}"
        );
    }
}
