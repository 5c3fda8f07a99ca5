//! Real third-party clients of Zendesk's API: `tests/clients`.

mod driver;
pub mod exec;
mod judge;
mod matrix;
mod play;
mod table;

pub use judge::saw_only_loopdesk;
pub use matrix::{Credential, Matrix, Row, Step, Verdict};
pub use play::{DUMMY, play, play_under_exec, play_with, refused};
pub use table::{BEGIN, BEGIN_EXEC, END, table, table_of_exec};

use std::path::{Path, PathBuf};

/// The folder of the drivers and the matrix.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// The Python for which `tests/run` has installed the pinned packages.
pub fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients/python/bin/python")
}
