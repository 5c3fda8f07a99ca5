//! Where a request of the command leads: to an origin of the account, or to others.

use http::uri::Authority;

use crate::config::Origin;

/// The account's origins.
#[derive(Debug)]
pub(super) struct Targets(Vec<Origin>);

/// Where a request leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To the account, through loopdesk.
    Account(Origin),
    /// To others. IPv6 is in brackets.
    Other { host: String, port: u16 },
}

impl Targets {
    pub(super) fn new(origins: Vec<Origin>) -> Self {
        Self(origins)
    }

    /// Where `authority` leads, with `port` if it names none. `None` if it isn't one.
    pub(super) fn of(&self, authority: &Authority, port: u16) -> Option<Target> {
        if authority.as_str().contains('@') {
            return None;
        }
        // A `:` without a number is allowed in a URL, and means nothing.
        let port = match authority.port() {
            Some(given) => given.as_u16(),
            None => port,
        };
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() || port == 0 {
            return None;
        }
        let is_meant = |origin: &&Origin| {
            origin.host() == host.strip_suffix('.').unwrap_or(&host)
                && origin.port().unwrap_or(HTTPS) == port
        };
        Some(match self.0.iter().find(is_meant) {
            Some(origin) => Target::Account(origin.clone()),
            None => Target::Other { host, port },
        })
    }
}

/// Whether `host`, as in a request's `Host`, is this origin.
pub(super) fn is_host_of(host: &[u8], origin: &Origin) -> bool {
    let Ok(authority) = Authority::try_from(host) else {
        return false;
    };
    let targets = Targets(vec![origin.clone()]);
    matches!(targets.of(&authority, HTTPS), Some(Target::Account(_)))
}

/// The port of `https` (RFC 9110 section 4.2.2).
pub(super) const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_only_exact_origins_are_the_accounts() {
        let acme: Origin = "https://acme.zendesk.com".parse().unwrap();
        let brand: Origin = "https://support.example.com:8443".parse().unwrap();
        let targets = Targets::new(vec![acme.clone(), brand.clone()]);
        let of = |text: &str| targets.of(&text.parse().ok()?, HTTPS);
        for (text, origin) in [
            ("acme.zendesk.com:443", &acme),
            ("acme.zendesk.com", &acme),
            ("ACME.Zendesk.com:443", &acme),
            ("acme.zendesk.com.:443", &acme),
            ("support.example.com:8443", &brand),
        ] {
            assert_eq!(of(text), Some(Target::Account(origin.clone())), "{text}");
        }
        for text in [
            "acme.zendesk.com:444",
            "acme.zendesk.com:80",
            "support.example.com:443",
            "acme.zendesk.com.evil.example:443",
            "xacme.zendesk.com:443",
            "x.acme.zendesk.com:443",
            "zendesk.com:443",
            "acme.zendesk.com..:443",
            "acme-zendesk.com:443",
            "127.0.0.1:443",
            "[::1]:443",
        ] {
            assert!(matches!(of(text), Some(Target::Other { .. })), "{text}");
        }
        for text in ["user@acme.zendesk.com:443", "acme.zendesk.com:0", ""] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn s9_the_host_of_a_request_is_the_origin_with_or_without_its_port() {
        let acme: Origin = "https://acme.zendesk.com".parse().unwrap();
        for host in [
            "acme.zendesk.com",
            "acme.zendesk.com:443",
            "ACME.zendesk.com",
        ] {
            assert!(is_host_of(host.as_bytes(), &acme), "{host}");
        }
        for host in [
            "evil.example",
            "acme.zendesk.com:80",
            "",
            "acme.zendesk.com, evil.example",
        ] {
            assert!(!is_host_of(host.as_bytes(), &acme), "{host}");
        }
    }
}
