//! Which program a process runs, as far as the system tells it and it is safe to show.
//!
//! Only the program's name and, for an interpreter, the script's name: any other argument may be a
//! secret.

use loopdesk_protocol::text;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(any(target_os = "linux", test))]
mod script;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;

/// The process that has the socket with this inode open, among those that we may inspect. Processes
/// in `likely` are checked first. May take some milliseconds.
pub(crate) fn holder(inode: u64, likely: &[u32]) -> Option<u32> {
    system::holder(inode, likely)
}

/// What the process runs: `curl`, or `python3.12 report.py`.
pub(crate) fn name(process: u32) -> Option<String> {
    system::name(process).filter(|name| is_presentable(name))
}

/// Whether a name is safe to print on terminals and in lists.
pub(crate) fn is_presentable(name: &str) -> bool {
    let is_short = !name.is_empty() && name.len() <= NAME_MAX;
    // No program has such a name; a key that was passed as the program's name must not be shown.
    let holds_key = name.contains(loopdesk_protocol::key::PREFIX);
    is_short && !name.contains(text::is_invisible) && !holds_key
}

/// A program's name and a script's, which file systems limit to 255 bytes each; more isn't
/// readable.
const NAME_MAX: usize = 160;
