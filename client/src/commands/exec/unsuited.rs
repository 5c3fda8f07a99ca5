//! Commands that are known not to work under `loopdesk exec`.

use std::ffi::OsStr;
use std::path::Path;

/// What to tell before the command `name` runs, if it is one of those.
pub(super) fn warning(name: &OsStr) -> Option<String> {
    let name = Path::new(name).file_name()?.to_str()?;
    let (_, why, fix) = UNSUITED.iter().find(|(names, ..)| names.contains(&name))?;
    Some(format!(
        "`{name}` won't reach your account under `loopdesk exec`: {why}. Instead, {fix}."
    ))
}

/// Names, why they can't work, and what does.
const UNSUITED: &[(&[&str], &str, &str)] = &[
    (
        &["java", "mvn", "gradle", "kotlin", "scala", "sbt"],
        "Java reads neither the proxy nor the certificates from its environment",
        "point the program at loopdesk's own address: `loopdesk env --for java` prints it",
    ),
    (
        &["docker", "podman", "nerdctl"],
        "a container has neither this environment nor this machine's loopback",
        "run `loopdesk guide keys`: it tells how a container reaches loopdesk",
    ),
    (
        &["ssh", "mosh"],
        "programs on another machine get neither this environment nor a way back",
        "run `loopdesk exec` on that machine",
    ),
    (
        &["sudo", "doas", "su", "runuser"],
        "loopdesk serves your own user's programs only",
        "put `loopdesk exec` behind it: that user's own session is used then",
    ),
    (
        &["firefox", "google-chrome", "chromium", "chromium-browser"],
        "browsers trust no certificates from the environment, and loopdesk serves no web pages",
        "open Zendesk in a browser without loopdesk",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_what_cannot_work_is_recognised_by_its_name() {
        for name in ["java", "/usr/bin/java", "docker", "sudo"] {
            assert!(warning(OsStr::new(name)).is_some(), "{name}");
        }
        for name in ["python3", "javac2", "./run.sh", "", "/"] {
            assert!(warning(OsStr::new(name)).is_none(), "{name}");
        }
    }
}
