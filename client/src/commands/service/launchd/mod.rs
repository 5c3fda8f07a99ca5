//! launchd.

mod plist;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use loopdesk_protocol::{Kind, Paths, Problem};
use tokio::process::Command;

use crate::commands::service::model::report::{InstallScope, ServiceReport, ServiceState};
use crate::commands::service::model::spec::{ServiceFile, ServiceSpec};
use crate::commands::service::os::files;
use crate::commands::service::os::programs;
use crate::context::Context;
use plist::LABEL;

/// The launchd domain of the user's agents.
#[derive(Debug)]
pub(super) struct Launchd {
    launchctl: PathBuf,
    /// `gui/501`, or `user/501` without a graphical login.
    domain: String,
    file: PathBuf,
    paths: Paths,
}

impl Launchd {
    /// The domain of this user.
    pub(super) async fn find(context: &Context) -> Result<Self, Problem> {
        let launchctl = programs::find("launchctl", &context.env).ok_or_else(|| {
            let message = "`launchctl` isn't in PATH, so launchd can't keep loopdesk running";
            Problem::new(Kind::Daemon, message)
                .hint("add /bin to PATH, then run this command again")
        })?;
        let Some(home) = (context.env)("HOME").filter(|home| !home.is_empty()) else {
            let message = "HOME isn't set, so the folder for launchd's agents isn't known";
            return Err(Problem::new(Kind::Usage, message).hint("set HOME"));
        };
        let uid = rustix::process::getuid().as_raw();
        let mut launchd = Self {
            launchctl,
            domain: format!("gui/{uid}"),
            file: PathBuf::from(home).join("Library/LaunchAgents/loopdesk.plist"),
            paths: context.paths.clone(),
        };
        let domain = launchd.domain.clone();
        if launchd.run(&["print", &domain]).await.is_err() {
            launchd.domain = format!("user/{uid}");
        }
        Ok(launchd)
    }

    /// Writes the agent and starts it. Returns the files, and whether any was written.
    pub(super) async fn install(
        &self,
        spec: &ServiceSpec,
    ) -> Result<(Vec<ServiceFile>, bool), Problem> {
        if !spec.environment.secret.is_empty() {
            let names: Vec<_> = spec
                .environment
                .secret
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            let message = format!(
                "{} may contain a password, and all users can read the agents of launchd",
                names.join(" and ")
            );
            return Err(Problem::new(Kind::Usage, message)
                .hint("set it without the password, then run `loopdesk service install` again"));
        }
        let text = plist::render(spec, &self.paths)?;
        let file = ServiceFile::public(self.file.clone(), text);
        let changed = files::write(&file)?;
        if changed {
            // launchd keeps using the old one until it is booted out.
            drop(self.run(&["bootout", &self.target()]).await);
        }
        self.start().await?;
        Ok((vec![file], changed))
    }

    /// Stops the agent and removes it. Returns what was removed.
    pub(super) async fn uninstall(&self) -> Result<Vec<PathBuf>, Problem> {
        drop(self.run(&["bootout", &self.target()]).await);
        let is_removed = files::remove(&self.file)?;
        Ok(is_removed.then(|| self.file.clone()).into_iter().collect())
    }

    /// Loads the agent, which starts it.
    pub(super) async fn start(&self) -> Result<(), Problem> {
        let target = self.target();
        self.call(&["enable", &target]).await?;
        if self.run(&["print", &target]).await.is_err() {
            let file = self.file.to_string_lossy().into_owned();
            self.call(&["bootstrap", &self.domain, &file]).await?;
        }
        self.call(&["kickstart", &target]).await
    }

    /// Unloads the agent until the next login.
    pub(super) async fn stop(&self) -> Result<(), Problem> {
        match self.run(&["print", &self.target()]).await {
            Ok(_) => self.call(&["bootout", &self.target()]).await,
            Err(_) => Ok(()),
        }
    }

    /// Restarts the daemon; the sockets stay open.
    pub(super) async fn restart(&self) -> Result<(), Problem> {
        self.call(&["kickstart", "-k", &self.target()]).await
    }

    /// The service's state.
    pub(super) async fn report(&self) -> ServiceReport {
        let said = self.run(&["print", &self.target()]).await.ok();
        let machine = PathBuf::from(FOR_EVERYBODY);
        let own = self.file.exists();
        let scope = match (own, machine.exists()) {
            (true, _) => Some(InstallScope::User),
            (false, true) => Some(InstallScope::Machine),
            (false, false) => None,
        };
        let file = match scope {
            Some(InstallScope::User) => Some(self.file.clone()),
            Some(InstallScope::Machine) => Some(machine),
            None => None,
        };
        let text = file
            .as_ref()
            .and_then(|file| std::fs::read_to_string(file).ok());
        ServiceReport {
            state: state(scope.is_some(), said.as_deref()),
            scope,
            starts_at_login: scope.is_some(),
            listens: text.as_deref().map(plist::listens).unwrap_or_default(),
            problems: said.as_deref().and_then(trouble).into_iter().collect(),
            files: file.into_iter().collect(),
        }
    }

    async fn call(&self, arguments: &[&str]) -> Result<(), Problem> {
        self.run(arguments).await.map(drop).map_err(|said| {
            let message = format!("`launchctl {}` failed: {said}", arguments.join(" "));
            let log = self.paths.log_file();
            Problem::new(Kind::Daemon, message)
                .hint("run `loopdesk service status`")
                .hint(format!("or read the log, `{}`", log.display()))
        })
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.launchctl);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        programs::run(command, PATIENCE).await
    }

    fn target(&self) -> String {
        format!("{}/{LABEL}", self.domain)
    }
}

/// Reads lines such as `state = running` in the output of `launchctl print`.
fn state(is_installed: bool, said: Option<&str>) -> ServiceState {
    let Some(said) = said else {
        return match is_installed {
            true => ServiceState::Stopped,
            false => ServiceState::NotInstalled,
        };
    };
    match value(said, "state") {
        Some("running") => ServiceState::Running,
        Some("spawn scheduled") => ServiceState::Starting,
        _ => match value(said, "last exit code") {
            None | Some("0" | "(never exited)") => ServiceState::Waiting,
            Some(_) => ServiceState::Failed,
        },
    }
}

fn trouble(said: &str) -> Option<Problem> {
    let code =
        value(said, "last exit code").filter(|code| !["0", "(never exited)"].contains(code))?;
    if value(said, "state") == Some("running") {
        return None;
    }
    let message = format!("the daemon ended with exit code {code}");
    Some(Problem::new(Kind::Daemon, message).hint(
        "read the log, `~/.local/state/loopdesk/loopdeskd.log`, then run `loopdesk service start`",
    ))
}

fn value<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = said.lines().filter_map(|line| line.split_once(" = "));
    pairs.find_map(|(key, value)| (key.trim() == name).then_some(value.trim()))
}

/// The agent that an administrator installs for all users.
const FOR_EVERYBODY: &str = "/Library/LaunchAgents/loopdesk.plist";

/// Longer than `ExitTimeOut`, which a stopping daemon may need.
const PATIENCE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_launchctl_is_understood() {
        let said = |state: &str, code: &str| {
            format!(
                "gui/501/loopdesk = {{\n\tactive count = 1\n\tstate = {state}\n\tlast exit code = {code}\n}}\n"
            )
        };
        for (text, expected) in [
            (said("running", "3"), ServiceState::Running),
            (said("spawn scheduled", "3"), ServiceState::Starting),
            (said("not running", "(never exited)"), ServiceState::Waiting),
            (said("not running", "3"), ServiceState::Failed),
        ] {
            assert_eq!(state(true, Some(&text)), expected, "{text}");
            assert_eq!(
                trouble(&text).is_some(),
                expected == ServiceState::Failed || expected == ServiceState::Starting
            );
        }
        assert_eq!(state(true, None), ServiceState::Stopped);
        assert_eq!(state(false, None), ServiceState::NotInstalled);
    }
}
