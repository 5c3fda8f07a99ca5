//! Errors of durable files.

use std::io;
use std::path::{Path, PathBuf};

use loopdesk_protocol::{Kind, Problem};

/// Why something couldn't be written to disk, or read from it.
#[derive(Debug, thiserror::Error)]
#[error("can't {act} `{}`: {source}", .path.display())]
pub(crate) struct DurableError {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl DurableError {
    pub(crate) fn new(act: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            act,
            path: path.to_owned(),
            source,
        }
    }

    /// The problem to show, with a hint that names the folder.
    pub(crate) fn problem(&self) -> Problem {
        let folder = self.path.parent().unwrap_or(&self.path).display();
        let is = |kind| self.source.kind() == kind;
        let fix = if is(io::ErrorKind::StorageFull) {
            format!("make room on the disk that holds `{folder}`; loopdesk tries again by itself")
        } else if is(io::ErrorKind::QuotaExceeded) {
            format!(
                "your share of the disk that holds `{folder}` is used up: make room there; \
                 loopdesk tries again by itself"
            )
        } else if is(io::ErrorKind::ReadOnlyFilesystem) {
            format!(
                "`{folder}` is on a disk that can't be written to: mount it for writing (`findmnt \
                 -T {folder}` shows where it is)"
            )
        } else if self.source.raw_os_error() == Some(EIO) {
            format!("check the disk that holds `{folder}`: it may be failing")
        } else {
            format!(
                "make it yours and writable: `chown -R \"$USER\" {folder} && chmod -R u+rwX,go= \
                 {folder}`"
            )
        };
        Problem::new(Kind::Vault, self.to_string()).hint(fix)
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// The disk itself has failed.
const EIO: i32 = rustix::io::Errno::IO.raw_os_error();
