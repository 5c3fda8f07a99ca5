//! Which user runs this daemon, and whether the kernel can tell that user from others.

use loopdesk_protocol::{Kind, Problem};

/// Refuses to run as a user that the kernel can't tell from others.
///
/// # Errors
/// A problem of kind `daemon` that says which user to run as.
pub fn check() -> Result<(), Problem> {
    let uid = rustix::process::getuid().as_raw();
    let overflow = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
    let map = std::fs::read_to_string("/proc/self/uid_map").ok();
    judge(uid, overflow.as_deref(), map.as_deref())
}

/// The owner that root's files appear to have if this user namespace doesn't map root: the overflow
/// uid.
pub fn unmapped_root() -> Option<u32> {
    let map = std::fs::read_to_string("/proc/self/uid_map").ok()?;
    if is_mapped(0, &map) {
        return None;
    }
    let overflow = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
    let overflow = overflow.and_then(|text| text.trim().parse().ok());
    Some(overflow.unwrap_or(NOBODY))
}

/// The kernel shows all users that a user namespace doesn't map as the overflow uid
/// (user_namespaces(7)). If we ran as that uid, or as one that isn't mapped, every one of them
/// would look like us.
fn judge(uid: u32, overflow: Option<&str>, map: Option<&str>) -> Result<(), Problem> {
    let overflow = overflow.and_then(|text| text.trim().parse().ok());
    let why = if uid == overflow.unwrap_or(NOBODY) || uid == NOBODY {
        "which stands for every user that the system can't identify"
    } else if map.is_some_and(|map| !is_mapped(uid, map)) {
        "whom this user namespace doesn't map"
    } else {
        return Ok(());
    };
    Err(Problem::new(
        Kind::Daemon,
        format!("loopdeskd runs as user {uid}, {why}, so it couldn't keep other users out"),
    )
    .hint("run it as yourself; in a container, as a mapped user: `--user 1000`"))
}

/// Whether one of the lines `INSIDE OUTSIDE COUNT` contains the uid.
fn is_mapped(uid: u32, map: &str) -> bool {
    let mut ranges = map.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let first = numbers.next()?.ok()?;
        let count = numbers.nth(1)?.ok()?;
        Some(first..first.saturating_add(count))
    });
    ranges.any(|range| range.contains(&u64::from(uid)))
}

/// The overflow uid if the kernel doesn't give another; `nobody` on most systems.
const NOBODY: u32 = 65534;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_a_user_who_stands_for_others_is_refused() {
        let all = "         0          0 4294967295\n";
        let container = "         0     100000      65536\n";
        let one = "      1000       1000          1\n";
        let table = [
            (1000, Some("65534\n"), Some(all), true),
            (0, Some("65534\n"), Some(all), true),
            (65534, Some("65534\n"), Some(all), false),
            (65534, Some("4242\n"), Some(all), false),
            (4242, Some("4242\n"), Some(all), false),
            (1000, Some("65534\n"), Some(container), true),
            (70000, Some("65534\n"), Some(container), false),
            (1000, Some("65534\n"), Some(one), true),
            (1001, Some("65534\n"), Some(one), false),
            (1000, Some("65534\n"), Some(""), false),
            // Systems other than Linux.
            (501, None, None, true),
            (65534, None, None, false),
        ];
        for (uid, overflow, map, runs) in table {
            let judged = judge(uid, overflow, map);
            assert_eq!(judged.is_ok(), runs, "{uid} {overflow:?} {map:?}");
            if let Err(problem) = judged {
                assert!(problem.message.contains(&uid.to_string()), "{problem}");
                assert!(problem.hints[0].contains("run it as yourself"));
            }
        }
    }
}
