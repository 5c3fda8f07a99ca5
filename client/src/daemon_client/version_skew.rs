//! The problem of a daemon and a command of different releases.

use loopdesk_protocol::version::Version;
use loopdesk_protocol::{Kind, PROTOCOL, Problem, VERSION};

/// The problem, if the daemon isn't of this command's release.
///
/// With the same protocol they still work together, and a daemon kept running by systemd or launchd
/// restarts by itself once its program was replaced. With another protocol, no command works.
pub(crate) fn problem(daemon: &Version) -> Option<Problem> {
    if daemon.version == VERSION && daemon.protocol == PROTOCOL {
        return None;
    }
    let Version {
        version,
        protocol,
        pid,
        supervised,
    } = daemon;
    let message = match *protocol == PROTOCOL {
        true => format!(
            "the running daemon is loopdesk {version} (process {pid}), but this command is loopdesk \
             {VERSION}"
        ),
        false => format!(
            "the running daemon is loopdesk {version} (process {pid}, protocol {protocol}), but this \
             command is loopdesk {VERSION} (protocol {PROTOCOL}), so they can't work together"
        ),
    };
    let problem = Problem::new(Kind::Daemon, message);
    // Restarting the daemon wouldn't help: this command is too old.
    if *protocol > PROTOCOL {
        return Some(problem.hint(format!(
            "install loopdesk {version} in place of this command; `type -a loopdesk` shows whether \
             there is a newer one in PATH"
        )));
    }
    Some(match supervised {
        true => problem
            .hint("run `loopdesk service restart`, or wait until the daemon is idle and restarts itself")
            .hint("if that doesn't help, run `loopdesk service install` to use this release"),
        false => problem.hint(format!(
            "run `kill {pid}` to stop it after its current requests, then `loopdesk wait` to start \
             this release"
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(version: &str, protocol: u32, supervised: bool) -> Option<Problem> {
        problem(&Version {
            version: version.to_owned(),
            protocol,
            pid: 4711,
            supervised,
        })
    }

    #[test]
    fn o2_o3_version_skew_names_both_releases_the_process_and_the_fix() {
        assert_eq!(daemon(VERSION, PROTOCOL, true), None);
        let table = [
            ("9.9.9", PROTOCOL, true, "`loopdesk service restart`"),
            ("9.9.9", PROTOCOL, false, "`kill 4711`"),
            ("0.0.9", PROTOCOL - 1, true, "`loopdesk service restart`"),
            ("0.0.9", PROTOCOL - 1, false, "`kill 4711`"),
            ("9.9.9", PROTOCOL + 1, true, "install loopdesk 9.9.9"),
            ("9.9.9", PROTOCOL + 1, false, "install loopdesk 9.9.9"),
            // Two builds of one release.
            (VERSION, PROTOCOL + 1, true, "install loopdesk"),
        ];
        for (version, protocol, supervised, way_out) in table {
            let problem = daemon(version, protocol, supervised).unwrap();
            assert_eq!(problem.kind, Kind::Daemon);
            for part in [version, VERSION, "process 4711"] {
                assert!(problem.message.contains(part), "{part}: {problem}");
            }
            let tells = problem.message.contains("protocol");
            assert_eq!(tells, protocol != PROTOCOL, "{problem}");
            assert!(problem.hints[0].contains(way_out), "{problem:?}");
        }
    }
}
