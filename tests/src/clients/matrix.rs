//! `matrix.toml`: which clients there are, what each can do, and the verdict on it.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{folder, python};
use crate::needs::needs;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// The clients that the suite runs.
    #[serde(rename = "client")]
    pub clients: Vec<Row>,
    /// The clients that can't be pointed at loopdesk, and the closest alternative to each.
    #[serde(rename = "elsewhere")]
    pub elsewhere: Vec<Elsewhere>,
}

/// One client.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its display name.
    pub name: String,
    /// Its name in `loopdesk env --for`.
    pub id: String,
    /// The version it was tested at. If it is `pinned`, the driver must report the same one.
    pub version: String,
    /// Whether the version comes from a lock file; otherwise it is the system's.
    pub pinned: bool,
    /// The interpreter of the driver.
    pub runtime: Runtime,
    /// The driver's file.
    pub driver: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What a user changes.
    pub change: String,
    /// The dummy credentials that it can send.
    pub credentials: Vec<Credential>,
    /// Whether it sends a `>` in a query exactly as the script has written it.
    #[serde(default)]
    pub raw: bool,
    /// The steps that it can't do by design, with what its users do instead.
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
    /// Part of the client's message; it must not fail in another way.
    pub error: String,
    /// Notes for users.
    pub remark: String,
}

/// A client with Zendesk's address hard-coded.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    /// Its display name.
    pub name: String,
    /// The version whose code was read.
    pub version: String,
    /// Why it can't be pointed at loopdesk.
    pub why: String,
    /// The closest alternative.
    pub instead: String,
}

/// The interpreter of a driver.
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

/// How well a client works through loopdesk.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The script doesn't change; environment variables are enough.
    Works,
    /// It works after changing the script as `loopdesk env` shows.
    Edit,
    /// Something that people need fails.
    Not,
}

/// A credential that a script already has, and that loopdesk ignores.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Credential {
    /// `email/token` with an API token.
    Basic,
    /// An OAuth token.
    Bearer,
}

impl Credential {
    /// Its name in the messages to drivers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
        }
    }
}

/// The steps that every client is asked for, in this order.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Ask who is logged in, with the code that `loopdesk env` prints if that does it.
    Me,
    /// List all tickets by offset.
    Offset,
    /// List all tickets by cursor.
    Cursor,
    /// Export all tickets incrementally.
    Export,
    /// Search with a URL that RFC 3986 doesn't allow. Only for clients that send such a URL.
    Search,
    /// Create a ticket.
    Create,
    /// Upload a file.
    Upload,
    /// Download it again.
    Download,
    /// Create two tickets by a job, and poll it until it has finished.
    Job,
    /// Export all tickets by a search, which doesn't require an admin.
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

    /// Its name in the messages to drivers.
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
    /// If it is missing or malformed.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(folder().join("matrix.toml"));
        toml::from_str(&text.expect("the matrix is there")).expect("the matrix is well formed")
    }

    /// One of its clients.
    ///
    /// # Panics
    /// If it has no client of that name.
    pub fn row(&self, id: &str) -> &Row {
        let row = self.clients.iter().find(|row| row.id == id);
        row.expect("the matrix has the client")
    }
}

impl Row {
    /// Whether everything that the driver needs is installed; prints what is missing.
    ///
    /// # Panics
    /// See [`needs`].
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

    /// Its pin in `requirements.txt` may apply only to newer Pythons.
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

/// Part of the Debian package, none of whose files has a fixed name.
const PHP_CURL: &str = "/usr/share/doc/php-curl";
