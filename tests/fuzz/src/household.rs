//! The configuration under which everything is checked.

use std::sync::{Arc, LazyLock};

use http::HeaderValue;
use loopdeskd::config::{Account, Config, check};

/// The configuration.
pub(crate) static CONFIG: LazyLock<Config> =
    LazyLock::new(|| check::parse(TEXT).expect("the configuration is right"));

/// The account that requests go to where they name none.
pub(crate) fn acme() -> &'static Arc<Account> {
    let acme = "acme".parse().expect("a name");
    &CONFIG.accounts[&acme]
}

/// What is injected.
pub(crate) static TOKEN: HeaderValue = HeaderValue::from_static("Bearer the-sessions-own-token");

/// The port of scripts.
pub(crate) const PORT: u16 = 8484;
/// That of account `beta` alone.
pub(crate) const PORT_OF_BETA: u16 = 8490;

/// Where the API of `acme` is: a brand's own domain, OAuth being at the subdomain.
pub(crate) const ACME: &str = "help.acme.example:8443";
/// Where that of `beta` is.
pub(crate) const BETA: &str = "beta.zendesk.com";

const TEXT: &str = r#"
listen = ["127.0.0.1:8484", "[::1]:8484"]
default-account = "acme"

[accounts.acme]
subdomain = "acme"
url = "https://help.acme.example:8443"
client-id = "loopdesk"

[accounts.beta]
subdomain = "beta"
client-id = "loopdesk"
port = 8490
"#;
