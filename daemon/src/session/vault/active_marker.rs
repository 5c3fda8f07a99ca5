//! A file in the state folder that says which vault has the data key. The configuration may change
//! while the daemon isn't running, and then the key has to be moved at the next start.

use std::path::{Path, PathBuf};

use loopdesk_protocol::Paths;

use crate::config::VaultKind;
use crate::durable;

/// The marker's path.
pub(in crate::session) fn path(paths: &Paths) -> PathBuf {
    paths.state_dir().join("vault")
}

/// The vault that has the key, if it was ever marked. Blocks.
pub(in crate::session) fn marked(paths: &Paths) -> Option<VaultKind> {
    read(&path(paths))
}

fn read(marker: &Path) -> Option<VaultKind> {
    let text = std::fs::read_to_string(marker).ok()?;
    VaultKind::named(text.trim())
}

/// Marks this vault as the one that has the key. Blocks.
///
/// # Errors
/// If the marker can't be written.
pub(in crate::session) fn write(marker: &Path, kind: VaultKind) -> Result<(), String> {
    if read(marker) == Some(kind) {
        return Ok(());
    }
    let dir = marker.parent().unwrap_or(marker);
    let line = format!("{}\n", kind.name());
    durable::write_through(marker, line.as_bytes(), dir).map_err(|e| e.to_string())
}
