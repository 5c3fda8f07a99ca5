//! What the kernel tells about processes and cores.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// A process and all that it has started.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        let children = parents.iter().filter(|(_, parent)| *parent == pid);
        found.extend(children.map(|(child, _)| *child));
        next += 1;
    }
    found
}

/// CPU time of each thread of these processes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu(HashMap<(u32, u32), u64>);

impl Cpu {
    /// Reads it. Threads that end between two readings are lost; the proxies keep theirs.
    pub(crate) fn of(pids: &[u32]) -> Self {
        let mut threads = HashMap::new();
        for &pid in pids {
            let tasks = fs::read_dir(format!("/proc/{pid}/task"));
            for entry in tasks.into_iter().flatten().flatten() {
                let number = entry.file_name();
                let Some(thread) = number.to_str().and_then(|n| n.parse().ok()) else {
                    continue;
                };
                if let Some(time) = nanoseconds(&entry.path().display().to_string()) {
                    threads.insert((pid, thread), time);
                }
            }
        }
        Self(threads)
    }

    /// What was used since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let used = self.0.iter().map(|(thread, now)| {
            let then = earlier.0.get(thread).copied().unwrap_or(0);
            now.saturating_sub(then)
        });
        Duration::from_nanos(used.sum())
    }
}

/// The kernel's own count in nanoseconds, or else clock ticks.
fn nanoseconds(task: &str) -> Option<u64> {
    if let Ok(text) = fs::read_to_string(format!("{task}/schedstat")) {
        return text.split_whitespace().next()?.parse().ok();
    }
    let text = fs::read_to_string(format!("{task}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks * 1_000_000_000 / TICKS_PER_SECOND)
}

fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// How busy a core was, whoever kept it busy.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Core {
    busy: u64,
    total: u64,
}

impl Core {
    pub(crate) fn read(number: usize) -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let name = format!("cpu{number} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        let ticks = line.unwrap_or_default().split_whitespace();
        // user nice system idle iowait irq softirq steal; guest time is in user time already.
        let ticks: Vec<u64> = ticks.take(8).filter_map(|n| n.parse().ok()).collect();
        let total = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Self {
            busy: total - idle,
            total,
        }
    }

    /// The busy share since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total).max(1);
        number(self.busy.saturating_sub(earlier.busy)) / number(total)
    }
}

/// Memory that a process has for itself, in KiB: what would be free again without it.
///
/// Pages of files, such as the program's own, can be dropped at any time and don't count.
pub(crate) fn private(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    let from_rollup = rollup
        .ok()
        .and_then(|text| Some(field(&text, "Pss_Anon:")? + field(&text, "Pss_Shmem:")?));
    // Only root may read the former of a process that hides its memory.
    from_rollup.unwrap_or_else(|| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        field(&text, "RssAnon:").unwrap_or(0) + field(&text, "RssShmem:").unwrap_or(0)
    })
}

/// The peak of resident memory of these processes since [`forget_peak`], in KiB.
pub(crate) fn peak(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        field(&text, "VmHWM:")
    };
    pids.iter().filter_map(of).sum()
}

/// Begins a new peak, where that is allowed.
pub(crate) fn forget_peak(pids: &[u32]) {
    for pid in pids {
        // Otherwise the peak since the start is shown.
        drop(fs::write(format!("/proc/{pid}/clear_refs"), "5"));
    }
}

fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// A count as a figure to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

const TICKS_PER_SECOND: u64 = 100;
