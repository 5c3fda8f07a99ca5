//! Real clients of Zendesk's API, which nobody here wrote: `tests/clients`.

mod driver;
mod matrix;
mod play;
mod table;

pub use matrix::{Credential, Matrix, Row, Step, Verdict};
pub use play::{play, play_with, refused};
pub use table::{BEGIN, END, table};

use std::path::{Path, PathBuf};

/// Where the drivers and the matrix lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// The Python that `tests/run` has given the pinned packages.
pub fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients/python/bin/python")
}
