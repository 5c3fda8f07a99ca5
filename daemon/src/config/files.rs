//! Reads the configuration files.
//!
//! The user's file takes precedence over the machine's. A file that other users could change is an
//! error, and its settings are ignored.

use std::path::{Path, PathBuf};
use std::time::Instant;

use loopdesk_protocol::Paths;
use loopdesk_protocol::config::{Diagnostic, Layer};
use loopdesk_protocol::config_text::{self, ConfigText, Unreadable};

use super::trust;
use crate::failpoint;

/// The paths of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPaths {
    /// The user's file; `None` if the machine's file is checked on its own.
    pub user: Option<PathBuf>,
    /// The machine's file.
    pub system: PathBuf,
}

impl ConfigPaths {
    /// The paths for a daemon with these `paths`.
    pub fn of(paths: &Paths) -> Self {
        Self {
            user: Some(paths.config_file()),
            system: failpoint::system_config_file(),
        }
    }

    /// The same, with `file` as the user's file. If it is the machine's file, that is checked on its own.
    pub fn with_user(self, file: PathBuf) -> Self {
        let is_system = file == self.system;
        Self {
            user: (!is_system).then_some(file),
            ..self
        }
    }
}

/// The contents of both files at one moment.
#[derive(Clone, Debug)]
pub struct ConfigFiles {
    /// The user's file.
    pub user: ConfigFile,
    /// The machine's file.
    pub system: ConfigFile,
    /// When reading began.
    pub read_at: Instant,
}

impl ConfigFiles {
    /// Reads both files. May block.
    pub fn read(paths: &ConfigPaths) -> Self {
        let read_at = Instant::now();
        let user = match &paths.user {
            Some(path) => ConfigFile::read(Layer::User, path),
            None => ConfigFile::missing(Layer::User, PathBuf::new()),
        };
        Self {
            system: ConfigFile::read(Layer::System, &paths.system),
            user,
            read_at,
        }
    }

    /// A user's text that didn't come from a file.
    pub(super) fn text(text: &str) -> Self {
        let nowhere = |layer| ConfigFile::missing(layer, PathBuf::from("/config.toml"));
        Self {
            user: ConfigFile {
                contents: FileContents::Text(text.to_owned()),
                ..nowhere(Layer::User)
            },
            system: nowhere(Layer::System),
            read_at: Instant::now(),
        }
    }

    /// The path of the machine's file, if that exists.
    pub fn system_path(&self) -> Option<String> {
        let path = || self.system.path.display().to_string();
        self.system.exists().then(path)
    }

    /// Both files, the one that takes precedence first.
    pub fn each(&self) -> [&ConfigFile; 2] {
        [&self.user, &self.system]
    }

    /// Whether both files have the same contents as in `other`.
    pub fn have_same_contents(&self, other: &Self) -> bool {
        let pairs = self.each().into_iter().zip(other.each());
        pairs.into_iter().all(|(a, b)| a.contents == b.contents)
    }

    /// Whether one of them was removed, or is shorter than in `before`.
    pub(super) fn have_shrunk_since(&self, before: &Self) -> bool {
        let mut pairs = self.each().into_iter().zip(before.each());
        pairs.any(|(now, before)| match (&now.contents, &before.contents) {
            (FileContents::Missing, FileContents::Text(_)) => true,
            (FileContents::Text(now), FileContents::Text(before)) => now.len() < before.len(),
            (FileContents::Missing | FileContents::Text(_) | FileContents::Refused(_), _) => false,
        })
    }

    /// The file that existed in `before` and doesn't now.
    pub fn gone_since<'a>(&'a self, before: &'a Self) -> Option<&'a ConfigFile> {
        let mut pairs = self.each().into_iter().zip(before.each());
        pairs
            .find(|(now, before)| !now.exists() && before.exists())
            .map(|(now, _)| now)
    }
}

/// One file.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// Whether it is the user's or the machine's.
    pub layer: Layer,
    /// Its path.
    pub path: PathBuf,
    /// Its contents.
    pub contents: FileContents,
}

impl ConfigFile {
    /// Whether it exists, readable or not.
    pub fn exists(&self) -> bool {
        self.contents != FileContents::Missing
    }

    /// Why it can't be used at all, if so.
    pub(super) fn refused(&self) -> Option<Diagnostic> {
        match &self.contents {
            FileContents::Refused(why) => Some(Diagnostic {
                path: shown(&self.path),
                line: 1,
                column: 1,
                message: why.clone(),
                snippet: String::new(),
            }),
            FileContents::Missing | FileContents::Text(_) => None,
        }
    }

    /// Its text, if it can be used.
    pub fn text(&self) -> Option<&str> {
        match &self.contents {
            FileContents::Text(text) => Some(text),
            FileContents::Missing | FileContents::Refused(_) => None,
        }
    }

    fn missing(layer: Layer, path: PathBuf) -> Self {
        Self {
            layer,
            path,
            contents: FileContents::Missing,
        }
    }

    fn read(layer: Layer, path: &Path) -> Self {
        Self {
            layer,
            path: path.to_owned(),
            contents: read(layer, path),
        }
    }
}

/// The contents of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContents {
    /// The file doesn't exist: every key has its default.
    Missing,
    /// Its text.
    Text(String),
    /// Why it can't be used.
    Refused(String),
}

/// A path as it appears in messages.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn read(layer: Layer, path: &Path) -> FileContents {
    match config_text::read(path) {
        Ok(ConfigText { text, meta, .. }) => match trust::check(layer, path, &meta) {
            Ok(()) => FileContents::Text(text),
            Err(why) => FileContents::Refused(why),
        },
        Err(Unreadable::Missing) => FileContents::Missing,
        Err(error) => FileContents::Refused(format!("`{}` {error}", path.display())),
    }
}
