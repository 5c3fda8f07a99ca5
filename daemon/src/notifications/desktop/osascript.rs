//! Notifications on macOS, by the system's own script runner.

use std::process::Stdio;

use tokio::process::Command;

use super::Notice;
use crate::supervise::descriptors::give_back;

/// Shows `notice`. macOS gives notices no numbers, so none is replaced.
pub(super) async fn show(notice: &Notice, _before: Option<u32>) -> Result<u32, String> {
    // The texts are passed as arguments and never become part of the script.
    let mut command = Command::new("/usr/bin/osascript");
    give_back(command.as_std_mut());
    let status = command
        .args(SCRIPT.iter().flat_map(|line| ["-e", line]))
        .arg("--")
        .args([&notice.title, &notice.body])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|e| format!("osascript: {e}"))?;
    if status.success() {
        Ok(0)
    } else {
        Err(format!("osascript: {status}"))
    }
}

const SCRIPT: [&str; 3] = [
    "on run words",
    "display notification (item 2 of words) with title (item 1 of words)",
    "end run",
];
