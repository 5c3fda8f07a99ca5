//! A daemon and a command of different releases: what is said of it, wherever it shows.

use loopdesk_protocol::version::Version;
use loopdesk_protocol::{Kind, PROTOCOL, Problem, VERSION};

/// That the daemon isn't of this command's release, if it isn't, with the way out.
///
/// Of the same protocol they understand each other, and a daemon that systemd or launchd keeps makes
/// room for its new program by itself. Of another one no command goes on.
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
            "the daemon that runs is loopdesk {version} (process {pid}), this command is loopdesk \
             {VERSION}"
        ),
        false => format!(
            "the daemon that runs is loopdesk {version} (process {pid}, protocol {protocol}), this \
             command is loopdesk {VERSION} (protocol {PROTOCOL}): they don't understand each other"
        ),
    };
    let problem = Problem::new(Kind::Daemon, message);
    // Another daemon of the same release as this one would be no way out.
    if *protocol > PROTOCOL {
        return Some(problem.hint(format!(
            "install loopdesk {version} where this command lies; `type -a loopdesk` shows whether a \
             newer one comes after it"
        )));
    }
    Some(match supervised {
        true => problem
            .hint("run `loopdesk service restart`, or wait: a new program takes over when idle")
            .hint("if that changes nothing, run `loopdesk service install`, which names this release's"),
        false => problem.hint(format!(
            "run `kill {pid}`, which stops it after the requests in flight, then `loopdesk wait`, \
             which starts this release's"
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
    fn o2_o3_every_difference_names_both_releases_the_process_and_the_way_out() {
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
