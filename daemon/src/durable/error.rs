//! What goes wrong with files.

use std::io;
use std::path::{Path, PathBuf};

use loopdesk_protocol::{Kind, Problem};

/// Why something isn't on disk, or can't be read from there.
#[derive(Debug, thiserror::Error)]
#[error("can't {act} `{}`: {source}", .path.display())]
pub(crate) struct Error {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Error {
    pub(crate) fn new(act: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            act,
            path: path.to_owned(),
            source,
        }
    }

    /// As people are told.
    pub(crate) fn problem(&self) -> Problem {
        let problem = Problem::new(Kind::Vault, self.to_string());
        let is_full = matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        if is_full {
            return problem.hint("make room on that disk; loopdesk tries again by itself");
        }
        problem.hint(format!(
            "make it yours and writable: `chown -R \"$USER\" {0} && chmod -R u+rwX,go= {0}`",
            self.path.parent().unwrap_or(&self.path).display()
        ))
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}
