//! Arguments of `loopdesk env`.

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct EnvArgs {
    /// The account's name [default: the account of `--key`, else the default account].
    pub(crate) account: Option<String>,
    /// Print code for this program or library.
    #[arg(long = "for", value_name = "CLIENT", value_enum)]
    pub(crate) client: Option<EnvClient>,
    /// Show where to put this local key.
    ///
    /// The key itself was shown only when it was created, so its first characters stand for it. For
    /// an account with `access = "key"`, the place for a key is always shown.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
}

/// The programs and libraries that `env` has code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EnvClient {
    /// curl in a shell script.
    Curl,
    /// GNU Wget in a shell script.
    Wget,
    /// Python's own urllib.
    #[value(alias = "urllib")]
    Python,
    /// requests (Python).
    Requests,
    /// httpx (Python).
    Httpx,
    /// aiohttp (Python).
    Aiohttp,
    /// Node's own fetch.
    #[value(alias = "fetch")]
    Node,
    /// axios (Node).
    Axios,
    /// Perl's LWP.
    #[value(alias = "lwp")]
    Perl,
    /// Ruby's own net/http.
    #[value(alias = "net-http")]
    Ruby,
    /// PHP with its curl.
    Php,
    /// Go's own net/http.
    Go,
    /// Java's own HttpURLConnection.
    Java,
    /// R with httr2.
    R,
    /// A Jupyter notebook in Python.
    Jupyter,
    /// Postman's desktop app.
    Postman,
    /// Zenpy (Python).
    Zenpy,
    /// zdesk (Python).
    Zdesk,
    /// libzapi (Python).
    Libzapi,
    /// dlt's REST client (Python).
    Dlt,
    /// python-zendesk (Python).
    PythonZendesk,
    /// tap-zendesk (Singer).
    TapZendesk,
    /// node-zendesk.
    NodeZendesk,
    /// An assistant's tool server (MCP), which runs under `loopdesk exec`.
    Mcp,
    /// zendesk_api (Ruby).
    #[value(name = "zendesk_api")]
    ZendeskApi,
}
