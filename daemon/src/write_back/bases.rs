//! The local bases under which URLs may have been handed out, and where each of them leads.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{Account, Config, Origin};

/// The bases under a configuration.
#[derive(Debug)]
pub(super) struct KnownBases {
    /// By authority, in lower case.
    origins: HashMap<String, Origin>,
    longest: usize,
}

impl KnownBases {
    /// Every spelling of every listener, with the account that a request to it is for.
    pub(super) fn of(config: &Config) -> Self {
        let mut origins = HashMap::new();
        let default = config.default_account.as_ref();
        let default = default.and_then(|name| config.accounts.get(name));
        for address in config.listen.iter().map(|address| address.get()) {
            let host = match address.ip() {
                std::net::IpAddr::V4(ip) => ip.to_string(),
                std::net::IpAddr::V6(ip) => format!("[{ip}]"),
            };
            for account in config.accounts.values() {
                let name = format!("{}.localhost", account.name);
                add(&mut origins, &name, address.port(), account);
            }
            for host in USUAL.into_iter().chain([host.as_str()]) {
                if let Some(account) = default {
                    add(&mut origins, host, address.port(), account);
                }
            }
        }
        for account in config.accounts.values() {
            let Some(port) = account.port else { continue };
            let names = config
                .accounts
                .keys()
                .map(|name| format!("{name}.localhost"));
            // On an account's own port every name means that account.
            for host in names.chain(USUAL.map(str::to_owned)) {
                add(&mut origins, &host, port, account);
            }
        }
        Self {
            longest: origins.keys().map(String::len).max().unwrap_or(0),
            origins,
        }
    }
}

fn add(origins: &mut HashMap<String, Origin>, host: &str, port: u16, account: &Account) {
    let origin = &account.api_origin;
    origins.insert(format!("{host}:{port}"), origin.clone());
    if port == HTTP {
        origins.insert(host.to_owned(), origin.clone());
    }
}

/// The same, and the one that a request has used.
#[derive(Debug)]
pub(super) struct Bases {
    known: Arc<KnownBases>,
    own: String,
    origin: Origin,
}

impl Bases {
    /// The bases for a request to `base`, `http://HOST[:PORT]`, which is for the account at
    /// `origin`.
    pub(super) fn new(known: Arc<KnownBases>, base: &str, origin: &Origin) -> Self {
        let own = base.strip_prefix(SCHEME).unwrap_or(base);
        Self {
            known,
            own: own.to_ascii_lowercase(),
            origin: origin.clone(),
        }
    }

    /// The maximum length of an authority.
    pub(super) fn longest(&self) -> usize {
        self.known.longest.max(self.own.len())
    }

    /// Where an authority, in lower case, leads.
    pub(super) fn find(&self, authority: &str) -> Option<&Origin> {
        if authority == self.own {
            return Some(&self.origin);
        }
        self.known.origins.get(authority)
    }
}

/// The beginning of every local base.
pub(super) const SCHEME: &str = "http://";

/// The names that every listener answers to.
const USUAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The port that a URL omits.
const HTTP: u16 = 80;
