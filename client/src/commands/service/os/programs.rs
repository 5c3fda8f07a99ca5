//! Runs the system's programs that manage services.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::context::Environment;

/// The program of that name in `$PATH`.
pub(crate) fn find(name: &str, env: &Environment) -> Option<PathBuf> {
    let path = env("PATH")?;
    std::env::split_paths(&path)
        // A relative entry would run a program from the current folder.
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(|file| is_program(file))
}

/// The program's output, or its error message.
pub(crate) async fn run(mut command: Command, patience: Duration) -> Result<String, String> {
    let output = match timeout(patience, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("it didn't finish within {} s", patience.as_secs())),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    match said.trim() {
        "" => Err(output.status.to_string()),
        said => Err(said.to_owned()),
    }
}

fn is_program(file: &Path) -> bool {
    std::fs::metadata(file)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
