//! A note in the state folder of which vault has the data key: the configuration may be changed
//! while no daemon runs, and the key has to be moved then, too.

use std::path::{Path, PathBuf};

use loopdesk_protocol::Paths;

use crate::config::VaultKind;
use crate::durable;

/// The note's file.
pub(in crate::session) fn note(paths: &Paths) -> PathBuf {
    paths.state_dir().join("vault")
}

/// The vault that has the key, if that was ever noted. Blocks.
pub(in crate::session) fn noted(paths: &Paths) -> Option<VaultKind> {
    read(&note(paths))
}

fn read(note: &Path) -> Option<VaultKind> {
    let text = std::fs::read_to_string(note).ok()?;
    VaultKind::named(text.trim())
}

/// Notes that this vault has the key.
pub(in crate::session) fn write(note: &Path, kind: VaultKind) -> Result<(), String> {
    if read(note) == Some(kind) {
        return Ok(());
    }
    let dir = note.parent().unwrap_or(note);
    let line = format!("{}\n", kind.name());
    durable::write_through(note, line.as_bytes(), dir).map_err(|e| e.to_string())
}
