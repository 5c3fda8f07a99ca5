//! `matrix.toml`: which clients there are, what each can do, and the verdict on it.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{folder, python};
use crate::needs::needs;

/// All of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// The clients that are driven.
    #[serde(rename = "client")]
    pub clients: Vec<Row>,
    /// The clients that can't be pointed here, and what comes nearest.
    #[serde(rename = "elsewhere")]
    pub elsewhere: Vec<Elsewhere>,
}

/// One client.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name among people.
    pub name: String,
    /// Its name in `loopdesk env --for`.
    pub id: String,
    /// What it was tested at. Where it is `pinned`, the driver must say the same.
    pub version: String,
    /// Whether the version is a lock file's; else it is the system's.
    pub pinned: bool,
    /// What runs the driver.
    pub runtime: Runtime,
    /// The driver's file.
    pub driver: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What a user changes.
    pub change: String,
    /// The dummy credentials that it can be given.
    pub credentials: Vec<Credential>,
    /// Whether it sends a query with a `>` in it as the script has written it.
    #[serde(default)]
    pub raw: bool,
    /// What it has no means for, with what its users do instead.
    #[serde(default)]
    pub lacks: BTreeMap<Step, String>,
    /// What fails through loopdesk, with the reason.
    #[serde(default)]
    pub fails: BTreeMap<Step, Failure>,
}

/// How a step fails.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Part of what the client says; it may not fail in another way.
    pub error: String,
    /// What people should know about it.
    pub remark: String,
}

/// A client that has Zendesk's address in its code.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    /// Its name among people.
    pub name: String,
    /// The version that was read.
    pub version: String,
    /// Why it can't be pointed here.
    pub why: String,
    /// What comes nearest.
    pub instead: String,
}

/// What runs a driver.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// Python with the packages of `requirements.txt`.
    Python,
    /// Node with the packages of `package-lock.json`.
    Node,
    /// bash.
    Shell,
    /// The system's Perl.
    Perl,
    /// The system's Ruby.
    Ruby,
}

/// What a client is worth through loopdesk.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The script stays as it is; variables are enough.
    Works,
    /// It works once the script is changed as `loopdesk env` shows.
    Edit,
    /// Something that people need fails.
    Not,
}

/// The credential that a script happens to have, and that nobody looks at.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Credential {
    /// `email/token` with an API token.
    Basic,
    /// An OAuth token.
    Bearer,
}

impl Credential {
    /// As the drivers are told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
        }
    }
}

/// What is asked of every client, in this order.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Say who is logged in, by the code that `loopdesk env` prints where that does it.
    Me,
    /// List all tickets by offset.
    Offset,
    /// List all tickets by cursor.
    Cursor,
    /// Export all tickets incrementally.
    Export,
    /// Search by an address that RFC 3986 doesn't allow. Only of those who send such a one.
    Search,
    /// Create a ticket.
    Create,
    /// Upload a file.
    Upload,
    /// Download it again.
    Download,
    /// Create two tickets by a job, and poll it to its end.
    Job,
    /// Export all tickets by a search, which needs no admin.
    Query,
    /// List all articles by the `Link` header.
    Link,
    /// Download the file of an article.
    Article,
    /// Download the recording of a call.
    Recording,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Me,
        Self::Offset,
        Self::Cursor,
        Self::Query,
        Self::Export,
        Self::Link,
        Self::Article,
        Self::Recording,
        Self::Search,
        Self::Create,
        Self::Upload,
        Self::Download,
        Self::Job,
    ];

    /// As the drivers are told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Me => "me",
            Self::Offset => "offset",
            Self::Cursor => "cursor",
            Self::Export => "export",
            Self::Search => "search",
            Self::Create => "create",
            Self::Upload => "upload",
            Self::Download => "download",
            Self::Job => "job",
            Self::Query => "query",
            Self::Link => "link",
            Self::Article => "article",
            Self::Recording => "recording",
        }
    }
}

impl Matrix {
    /// Reads `matrix.toml`.
    ///
    /// # Panics
    /// If it isn't as it should be.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(folder().join("matrix.toml"));
        toml::from_str(&text.expect("the matrix is there")).expect("the matrix is well formed")
    }

    /// One of its clients.
    ///
    /// # Panics
    /// If it has none of that name.
    pub fn row(&self, id: &str) -> &Row {
        let row = self.clients.iter().find(|row| row.id == id);
        row.expect("the matrix has the client")
    }
}

impl Row {
    /// Whether everything that the driver needs is installed; says so if not.
    ///
    /// # Panics
    /// As [`needs`].
    pub fn is_here(&self) -> bool {
        let python = python().display().to_string();
        match self.runtime {
            Runtime::Python if self.pinned => needs(&[&python]) && self.has_package(&python),
            Runtime::Python => needs(&[&python]),
            Runtime::Node => {
                let packages = folder().join("node/node_modules");
                needs(&["node", &packages.display().to_string()])
            }
            Runtime::Shell if self.id == "java" => needs(&["bash", "python3", "java", "javac"]),
            Runtime::Shell if self.id == "php" => needs(&["bash", "python3", "php", PHP_CURL]),
            Runtime::Shell => needs(&["bash", "python3", &self.id]),
            Runtime::Perl => {
                let lwp = "/usr/share/perl5/LWP/Protocol/https.pm";
                needs(&["perl", lwp])
            }
            Runtime::Ruby => needs(&["ruby"]),
        }
    }

    /// Its pin in `requirements.txt` may hold for newer Pythons only.
    fn has_package(&self, python: &str) -> bool {
        let code = "import importlib.metadata, sys; importlib.metadata.version(sys.argv[1])";
        let asked = Command::new(python)
            .args(["-c", code, &self.id])
            .stderr(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
            || needs(&[&format!("{} for a newer Python", self.name)])
    }
}

/// Of the Debian package, which has no file with a name that stays.
const PHP_CURL: &str = "/usr/share/doc/php-curl";
