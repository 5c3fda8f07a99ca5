//! The files that make up the configuration, and what they hold.
//!
//! The machine's file lies below the user's. What others could change is an error, and nothing in it
//! counts.

use std::path::{Path, PathBuf};
use std::time::Instant;

use loopdesk_protocol::Paths;
use loopdesk_protocol::config::{Diagnostic, Layer};
use loopdesk_protocol::config_text::{self, ConfigText, Unreadable};

use super::trust;
use crate::failpoint;

/// Where the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The user's file; none where the machine's is judged for itself.
    pub user: Option<PathBuf>,
    /// The machine's file, below the user's.
    pub system: PathBuf,
}

impl Places {
    /// The places of the daemon of `paths`.
    pub fn of(paths: &Paths) -> Self {
        Self {
            user: Some(paths.config_file()),
            system: failpoint::system_config_file(),
        }
    }

    /// The same with another user's file; the machine's own is judged without any.
    pub fn with_user(self, file: PathBuf) -> Self {
        let is_system = file == self.system;
        Self {
            user: (!is_system).then_some(file),
            ..self
        }
    }
}

/// Both files as they were at one moment.
#[derive(Clone, Debug)]
pub struct Files {
    /// The user's file.
    pub user: Found,
    /// The machine's file.
    pub system: Found,
    /// When reading began.
    pub read_at: Instant,
}

impl Files {
    /// Reads both. May block.
    pub fn read(places: &Places) -> Self {
        let read_at = Instant::now();
        let user = match &places.user {
            Some(path) => Found::read(Layer::User, path),
            None => Found::nothing(Layer::User, PathBuf::new()),
        };
        Self {
            system: Found::read(Layer::System, &places.system),
            user,
            read_at,
        }
    }

    /// A user's text that is in no file.
    pub(super) fn text(text: &str) -> Self {
        let nowhere = |layer| Found::nothing(layer, PathBuf::from("/config.toml"));
        Self {
            user: Found {
                holds: Holds::Text(text.to_owned()),
                ..nowhere(Layer::User)
            },
            system: nowhere(Layer::System),
            read_at: Instant::now(),
        }
    }

    /// The machine's file, if there is one.
    pub fn system_path(&self) -> Option<String> {
        let path = || self.system.path.display().to_string();
        self.system.exists().then(path)
    }

    /// Both, the one that counts more first.
    pub fn each(&self) -> [&Found; 2] {
        [&self.user, &self.system]
    }

    /// Whether both hold the same as in `other`.
    pub fn hold_the_same(&self, other: &Self) -> bool {
        let pairs = self.each().into_iter().zip(other.each());
        pairs.into_iter().all(|(a, b)| a.holds == b.holds)
    }

    /// Whether one of them is gone, or has less text than it had in `before`.
    pub(super) fn have_shrunk_since(&self, before: &Self) -> bool {
        let mut pairs = self.each().into_iter().zip(before.each());
        pairs.any(|(now, before)| match (&now.holds, &before.holds) {
            (Holds::Nothing, Holds::Text(_)) => true,
            (Holds::Text(now), Holds::Text(before)) => now.len() < before.len(),
            (Holds::Nothing | Holds::Text(_) | Holds::Refused(_), _) => false,
        })
    }

    /// The file that is not there any more, though it was in `before`.
    pub fn gone_since<'a>(&'a self, before: &'a Self) -> Option<&'a Found> {
        let mut pairs = self.each().into_iter().zip(before.each());
        pairs
            .find(|(now, before)| !now.exists() && before.exists())
            .map(|(now, _)| now)
    }
}

/// One file.
#[derive(Clone, Debug)]
pub struct Found {
    /// Whose it is.
    pub layer: Layer,
    /// Its name.
    pub path: PathBuf,
    /// What it holds.
    pub holds: Holds,
}

impl Found {
    /// Whether there is such a file, readable or not.
    pub fn exists(&self) -> bool {
        self.holds != Holds::Nothing
    }

    /// That it can't be used, in place of every mistake in it.
    pub(super) fn refused(&self) -> Option<Diagnostic> {
        match &self.holds {
            Holds::Refused(why) => Some(Diagnostic {
                path: shown(&self.path),
                line: 1,
                column: 1,
                message: why.clone(),
                snippet: String::new(),
            }),
            Holds::Nothing | Holds::Text(_) => None,
        }
    }

    /// Its text, if it can be used.
    pub fn text(&self) -> Option<&str> {
        match &self.holds {
            Holds::Text(text) => Some(text),
            Holds::Nothing | Holds::Refused(_) => None,
        }
    }

    fn nothing(layer: Layer, path: PathBuf) -> Self {
        Self {
            layer,
            path,
            holds: Holds::Nothing,
        }
    }

    fn read(layer: Layer, path: &Path) -> Self {
        Self {
            layer,
            path: path.to_owned(),
            holds: read(layer, path),
        }
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// There is no such file: every default.
    Nothing,
    /// Its text.
    Text(String),
    /// Why it can't be used.
    Refused(String),
}

/// The name of a file in a sentence for people.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn read(layer: Layer, path: &Path) -> Holds {
    match config_text::read(path) {
        Ok(ConfigText { text, meta, .. }) => match trust::check(layer, path, &meta) {
            Ok(()) => Holds::Text(text),
            Err(why) => Holds::Refused(why),
        },
        Err(Unreadable::Missing) => Holds::Nothing,
        Err(error) => Holds::Refused(format!("`{}` {error}", path.display())),
    }
}
