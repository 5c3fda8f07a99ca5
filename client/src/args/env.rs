//! What can be typed after `loopdesk env`.

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct EnvArgs {
    /// The account's name; the default account, or that of `--key`, if left out.
    pub(crate) account: Option<String>,
    /// Print what this program or library needs.
    #[arg(long = "for", value_name = "CLIENT", value_enum)]
    pub(crate) client: Option<EnvClient>,
    /// Show where this local key goes, in its account.
    ///
    /// The key itself was shown when it was made; what it begins with stands for it. An account
    /// with `access = "key"` is shown with the place for a key in any case.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
}

/// The programs and libraries that `env` knows.
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
    /// zendesk_api (Ruby).
    #[value(name = "zendesk_api")]
    ZendeskApi,
}
