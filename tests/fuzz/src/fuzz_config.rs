//! The configuration for all checks.

use std::sync::{Arc, LazyLock};

use http::HeaderValue;
use loopdesk_protocol::Paths;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::key::RightsText;
use loopdeskd::clock::Clock;
use loopdeskd::config::{Account, Config, check};
use loopdeskd::keys::{Keys, NewKey};

/// The configuration.
pub(crate) static CONFIG: LazyLock<Config> =
    LazyLock::new(|| check::parse(TEXT).expect("the configuration is right"));

/// Local keys, among them a read-only one: [`READER`] stands for it.
pub(crate) static KEYS: LazyLock<(Keys, String)> = LazyLock::new(|| {
    let home = tempfile::tempdir().expect("a folder");
    let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None);
    let paths = paths.expect("folders");
    std::fs::create_dir_all(paths.state_dir()).expect("a folder");
    let keys = Keys::open(&paths, Clock::system());
    let new = NewKey {
        name: "reader".to_owned(),
        account: "acme".parse().expect("a name"),
        person: Person {
            id: 1,
            name: "Ada".to_owned(),
            email: None,
            role: None,
        },
        rights: RightsText {
            scopes: vec!["read".to_owned()],
            ..RightsText::default()
        },
        expires_in: None,
        note: None,
    };
    let (_, secret) = keys.create(new).expect("a key");
    (keys, secret.expose().to_owned())
});

/// The placeholder in inputs for the read-only key, which differs in each run.
pub(crate) const READER: &[u8] = b"KEY-OF-THE-READER";

/// What is sent where an input has `sent`.
pub(crate) fn with_keys(sent: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(sent.len());
    let mut rest = sent;
    while let Some(at) = rest.windows(READER.len()).position(|part| part == READER) {
        all.extend_from_slice(&rest[..at]);
        all.extend_from_slice(KEYS.1.as_bytes());
        rest = &rest[at + READER.len()..];
    }
    all.extend_from_slice(rest);
    all
}

/// The account for requests that name none.
pub(crate) fn acme() -> &'static Arc<Account> {
    let acme = "acme".parse().expect("a name");
    &CONFIG.accounts[&acme]
}

/// The token that is injected.
pub(crate) static TOKEN: HeaderValue = HeaderValue::from_static("Bearer the-sessions-own-token");

/// The port for scripts.
pub(crate) const PORT: u16 = 8484;
/// The port of account `beta` alone.
pub(crate) const PORT_OF_BETA: u16 = 8490;

/// The API of `acme`: a brand's own domain, while OAuth is at the subdomain.
pub(crate) const ACME: &str = "help.acme.example:8443";
/// The API of `beta`.
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
