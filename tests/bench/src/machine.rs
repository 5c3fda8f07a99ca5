//! The machine, and who runs on which of its cores.

use std::fs;
use std::process::Command;

use crate::process;

/// Which core each part runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) proxy: usize,
    pub(crate) load: usize,
    pub(crate) upstream: usize,
}

impl Cores {
    /// The proxies have a core for themselves if there are two; with three, load generator and
    /// upstream have one each.
    pub(crate) fn of_this_machine() -> Self {
        let allowed = allowed();
        let from_the_end = |n: usize| {
            let position = allowed.len().saturating_sub(n);
            allowed.get(position).copied().unwrap_or(0)
        };
        let upstream = if allowed.len() > 2 { 3 } else { 2 };
        Self {
            proxy: from_the_end(1),
            load: from_the_end(2),
            upstream: from_the_end(upstream),
        }
    }
}

/// The cores that this process may use.
fn allowed() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let ranges = line.unwrap_or_default().trim().split(',');
    ranges
        .flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let first = first.parse().unwrap_or(0);
            first..=last.parse().unwrap_or(first)
        })
        .collect()
}

/// The machine in one line.
pub(crate) fn description() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split_once(": "))
        .map_or("unknown processor", |(_, m)| m);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} × {model}, {:.0} GiB, Linux {}",
        allowed().len(),
        process::number(kib.unwrap_or(0)) / 1_048_576.0,
        kernel.trim()
    )
}

/// The first line with a digit of what a program says about its version; none if it isn't there.
pub(crate) fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("-v").output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let word = |word: &&str| word.contains('.') && word.contains(|c: char| c.is_ascii_digit());
    let version = said.split_whitespace().find(word)?;
    Some(version.trim_start_matches("nginx/").to_owned())
}
