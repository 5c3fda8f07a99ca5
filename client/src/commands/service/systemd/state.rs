//! The state of the units.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use loopdesk_protocol::{Kind, Problem};

use super::find::{Systemd, failed};
use super::units::{SERVICE, SOCKET, SOCKET_V6, values};
use crate::commands::service::model::report::{InstallScope, ServiceReport, ServiceState};

/// Each unit's properties.
#[derive(Debug)]
pub(super) struct UnitStates(HashMap<String, HashMap<String, String>>);

/// Asks the manager.
pub(super) async fn read(systemd: &Systemd) -> Result<UnitStates, Problem> {
    let properties = format!("--property={}", PROPERTIES.join(","));
    let said = systemd
        .call(&["show", &properties, SOCKET, SOCKET_V6, SERVICE])
        .await?;
    Ok(UnitStates::parse(&said))
}

impl UnitStates {
    fn parse(said: &str) -> Self {
        let units = said.split("\n\n").map(|block| {
            let pairs = block.lines().filter_map(|line| line.split_once('='));
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            pairs.collect::<HashMap<_, _>>()
        });
        Self(
            units
                .filter_map(|unit| Some((unit.get("Id")?.clone(), unit)))
                .collect(),
        )
    }

    pub(super) fn is_known(&self, name: &str) -> bool {
        self.get(name, "LoadState") != "not-found"
    }

    pub(super) fn report(&self, systemd: &Systemd) -> ServiceReport {
        let files = [SOCKET, SOCKET_V6, SERVICE]
            .iter()
            .filter_map(|name| self.file(name));
        let files: Vec<_> = files.collect();
        ServiceReport {
            state: self.state(),
            scope: self.scope(&systemd.dir),
            starts_at_login: self.get(SOCKET, "UnitFileState").starts_with("enabled"),
            listens: self.listens(),
            problems: self.problems(),
            files,
        }
    }

    fn state(&self) -> ServiceState {
        if !self.is_known(SERVICE) || !self.is_known(SOCKET) {
            return ServiceState::NotInstalled;
        }
        match (
            self.get(SERVICE, "ActiveState"),
            self.get(SOCKET, "ActiveState"),
        ) {
            ("active" | "reloading" | "deactivating", _) => ServiceState::Running,
            ("activating", _) => ServiceState::Starting,
            ("failed", _) | (_, "failed") => ServiceState::Failed,
            (_, "active") => ServiceState::Waiting,
            _ => ServiceState::Stopped,
        }
    }

    fn scope(&self, own: &Path) -> Option<InstallScope> {
        let file = self.file(SERVICE)?;
        Some(match file.starts_with(own) {
            true => InstallScope::User,
            false => InstallScope::Machine,
        })
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let names = [SOCKET, SERVICE].into_iter();
        for name in names.filter(|name| self.get(name, "ActiveState") == "failed") {
            problems.push(failed(format!(
                "{name} failed: {}",
                why(self.get(name, "Result"), self.get(name, "ExecMainStatus"))
            )));
        }
        let is_stale = |name: &&str| self.get(name, "NeedDaemonReload") == "yes";
        if let Some(name) = [SOCKET, SOCKET_V6, SERVICE].into_iter().find(is_stale) {
            let message = format!("{name} was changed, and systemd hasn't read it since");
            problems.push(
                Problem::new(Kind::Daemon, message)
                    .hint("run `systemctl --user daemon-reload`, then `loopdesk service restart`"),
            );
        }
        if self.get(SERVICE, "LoadState") == "masked" {
            let message = format!("{SERVICE} is masked, so nothing can start it");
            problems.push(
                Problem::new(Kind::Daemon, message)
                    .hint(format!("run `systemctl --user unmask {SOCKET} {SERVICE}`")),
            );
        }
        problems
    }

    /// From the files, since the manager lists only open sockets.
    fn listens(&self) -> Vec<SocketAddr> {
        let mut all = Vec::new();
        for name in [SOCKET, SOCKET_V6] {
            let drop_ins = self.get(name, "DropInPaths").split(' ').map(PathBuf::from);
            let files = self.file(name).into_iter().chain(drop_ins);
            let mut own = Vec::new();
            for text in files.filter_map(|file| std::fs::read_to_string(file).ok()) {
                for value in values(&text, "ListenStream") {
                    match value {
                        // In a drop-in, an empty value resets the list.
                        "" => own.clear(),
                        value => own.extend(value.parse::<SocketAddr>().ok()),
                    }
                }
            }
            all.append(&mut own);
        }
        all
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        let path = self.get(name, "FragmentPath");
        (!path.is_empty()).then(|| PathBuf::from(path))
    }

    fn get(&self, unit: &str, property: &str) -> &str {
        let value = self.0.get(unit).and_then(|unit| unit.get(property));
        value.map_or("", String::as_str)
    }
}

/// systemd's result in words.
fn why(result: &str, status: &str) -> String {
    match result {
        "exit-code" => format!("the daemon ended with exit code {status}"),
        "watchdog" => "the daemon hung and was killed".to_owned(),
        "signal" | "core-dump" => "the daemon crashed".to_owned(),
        "timeout" => "the daemon didn't start or stop in time".to_owned(),
        "start-limit-hit" | "service-start-limit-hit" => {
            "the daemon was restarted again and again, but ended at once each time".to_owned()
        }
        "resources" => "a socket can't be opened; its port may be in use".to_owned(),
        other => other.to_owned(),
    }
}

const PROPERTIES: [&str; 10] = [
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "Result",
    "ExecMainStatus",
    "NeedDaemonReload",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn units(socket: &str, service: &str) -> UnitStates {
        UnitStates::parse(&format!(
            "Id={SOCKET}\nLoadState=loaded\n{socket}\n\nId={SERVICE}\nLoadState=loaded\n{service}\n\n\
             Id={SOCKET_V6}\nLoadState=not-found\nActiveState=inactive\n"
        ))
    }

    #[test]
    fn the_state_is_that_of_both_units() {
        for (socket, service, state) in [
            ("active", "active", ServiceState::Running),
            ("inactive", "active", ServiceState::Running),
            ("active", "activating", ServiceState::Starting),
            ("active", "inactive", ServiceState::Waiting),
            ("inactive", "inactive", ServiceState::Stopped),
            ("failed", "inactive", ServiceState::Failed),
            ("active", "failed", ServiceState::Failed),
        ] {
            let all = units(
                &format!("ActiveState={socket}"),
                &format!("ActiveState={service}"),
            );
            assert_eq!(all.state(), state, "{socket} {service}");
        }
        assert_eq!(UnitStates::parse("").state(), ServiceState::Stopped);
        let none = UnitStates::parse(&format!("Id={SERVICE}\nLoadState=not-found"));
        assert_eq!(none.state(), ServiceState::NotInstalled);
        assert!(!units("", "").is_known(SOCKET_V6));
    }

    #[test]
    fn o3_failures_are_told_in_plain_words() {
        let all = units(
            "ActiveState=failed\nResult=service-start-limit-hit\nNeedDaemonReload=no",
            "ActiveState=failed\nResult=exit-code\nExecMainStatus=3\nNeedDaemonReload=yes",
        );
        let said: Vec<_> = all.problems().into_iter().map(|p| p.message).collect();
        assert_eq!(said.len(), 3);
        assert!(said[0].contains("again and again"), "{said:?}");
        assert!(said[1].contains("exit code 3"), "{said:?}");
        assert!(said[2].contains("was changed"), "{said:?}");
    }
}
