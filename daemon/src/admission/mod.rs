//! Stage 2: may this peer, and may this request, in at all?
//!
//! In the order of the questions: `peer`, `framing`, `host`, `browser`.

mod browser;
mod framing;
mod host;
pub mod peer;

use std::net::SocketAddr;

use http::Version;
use http::header::HOST;
use http::request::Parts;

use crate::config::{AccountName, Config};
use crate::refusal::Refusal;
use host::{Host, Name};

pub use peer::Peer;

/// What is known of a connection before its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnFacts {
    /// Where it arrived.
    pub local: Local,
    /// Who opened it.
    pub peer: Peer,
}

/// Where a connection arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// At a TCP address.
    Tcp {
        /// The address.
        addr: SocketAddr,
        /// The account to which the port belongs.
        account: Option<AccountName>,
    },
    /// At `proxy.sock`.
    Unix,
}

/// Marks a request, by its extensions, whose head had a `Content-Length` and a `Transfer-Encoding`
/// when it came. The length isn't among its headers.
#[derive(Clone, Copy, Debug)]
pub struct LengthBesideCoding;

/// Decides who gets in.
#[derive(Clone, Debug)]
pub struct Admission {
    /// How a client of `proxy.sock` that gives no usable name would call us.
    unix_base: String,
}

/// A request that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The base URL that this client has used, without a slash at its end.
    pub base: String,
    /// The account that its `Host` names.
    pub account: Option<AccountName>,
}

impl Admission {
    /// The rules under `config`.
    pub fn new(config: &Config) -> Self {
        let port = config.listen.first().map(|address| address.get().port());
        Self {
            unix_base: port.map_or_else(
                || "http://localhost".to_owned(),
                |port| format!("http://localhost:{port}"),
            ),
        }
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    /// What the client is told.
    pub fn check(&self, facts: &ConnFacts, head: &Parts) -> Result<Admitted, Refusal> {
        if let Some(refusal) = facts.peer.refusal() {
            return Err(refusal);
        }
        framing::check(head)?;
        let admitted = match &facts.local {
            Local::Tcp { addr, .. } => by_tcp(*addr, head)?,
            Local::Unix => self.by_unix(head)?,
        };
        browser::check(head, |host| match &facts.local {
            Local::Tcp { addr, .. } => is_ours(host, *addr),
            Local::Unix => true,
        })?;
        Ok(admitted)
    }

    /// On a unix socket, which no web page can reach, `Host` only routes.
    fn by_unix(&self, head: &Parts) -> Result<Admitted, Refusal> {
        let given = given_host(head)?;
        Ok(
            match given.and_then(|text| Some((text, Host::parse(text)?))) {
                Some((text, host)) => admitted(text, host),
                None => Admitted {
                    base: self.unix_base.clone(),
                    account: None,
                },
            },
        )
    }
}

fn by_tcp(addr: SocketAddr, head: &Parts) -> Result<Admitted, Refusal> {
    let Some(text) = given_host(head)? else {
        // HTTP/1.0 knows no Host (RFC 1945); from 1.1 on it must be there (RFC 9112 section 3.2).
        if head.version == Version::HTTP_10 {
            return Ok(Admitted {
                base: format!("http://{addr}"),
                account: None,
            });
        }
        return Err(unknown(None, addr));
    };
    match Host::parse(text) {
        Some(host) if is_ours(&host, addr) => Ok(admitted(text, host)),
        Some(_) | None => Err(unknown(Some(text), addr)),
    }
}

fn given_host(head: &Parts) -> Result<Option<&[u8]>, Refusal> {
    framing::at_most_one(&head.headers, &HOST)?;
    Ok(head.headers.get(HOST).map(|value| value.as_bytes()))
}

fn admitted(spelling: &[u8], host: Host) -> Admitted {
    Admitted {
        base: format!("http://{}", String::from_utf8_lossy(spelling)),
        account: match host.name {
            Name::Account(account) => Some(account),
            Name::Localhost | Name::Address(_) => None,
        },
    }
}

fn is_ours(host: &Host, addr: SocketAddr) -> bool {
    let known = match host.name {
        Name::Localhost | Name::Account(_) => true,
        Name::Address(ip) => ip == addr.ip() || USUAL.contains(&ip),
    };
    known && host.port == addr.port()
}

fn unknown(host: Option<&[u8]>, addr: SocketAddr) -> Refusal {
    Refusal::UnknownHost {
        host: host.map(|text| {
            let text = String::from_utf8_lossy(text);
            text.chars()
                .take(SHOWN)
                .flat_map(char::escape_default)
                .collect()
        }),
        expected: format!("`localhost:{}`", addr.port()),
    }
}

/// The addresses that `localhost` stands for.
const USUAL: [std::net::IpAddr; 2] = [
    std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
];

/// A name has at most 253 characters (RFC 1035 section 2.3.4); more isn't worth repeating.
const SHOWN: usize = 253;

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::samples;

    fn facts(addr: &str) -> ConnFacts {
        ConnFacts {
            local: Local::Tcp {
                addr: addr.parse().unwrap(),
                account: None,
            },
            peer: Peer::Own,
        }
    }

    fn check(facts: &ConnFacts, version: Version, hosts: &[&str]) -> Result<Admitted, Refusal> {
        let mut request = Request::builder().uri("/api/v2/tickets").version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Admission::new(&samples::config(Vec::new())).check(facts, &head)
    }

    fn base(local: &str, host: &str) -> Option<String> {
        check(&facts(local), Version::HTTP_11, &[host])
            .ok()
            .map(|admitted| admitted.base)
    }

    #[test]
    fn d1_w1_w2_the_host_table() {
        let table = [
            ("127.0.0.1:8484", "localhost:8484", true),
            ("127.0.0.1:8484", "[::1]:8484", true),
            ("[::1]:8484", "127.0.0.1:8484", true),
            ("[::1]:8484", "LOCALHOST:8484", true),
            ("127.0.0.2:8484", "127.0.0.2:8484", true),
            ("127.0.0.1:8484", "127.0.0.2:8484", false),
            ("127.0.0.1:8484", "localhost:8485", false),
            ("127.0.0.1:8484", "localhost", false),
            ("127.0.0.1:80", "localhost", true),
            ("127.0.0.1:80", "localhost:80", true),
            ("127.0.0.1:8484", "rebound.example:8484", false),
            ("127.0.0.1:8484", "0.0.0.0:8484", false),
        ];
        for (local, host, ours) in table {
            let expected = ours.then(|| format!("http://{host}"));
            assert_eq!(base(local, host), expected, "{host} at {local}");
        }
    }

    #[test]
    fn d1_w2_no_host_or_two_of_them() {
        let facts = facts("127.0.0.1:8484");
        let code = |version, hosts: &[&str]| {
            check(&facts, version, hosts).map_err(|refusal| refusal.code())
        };
        let two = ["localhost:8484", "localhost:8484"];
        assert_eq!(code(Version::HTTP_11, &two), Err("bad-request"));
        assert_eq!(code(Version::HTTP_11, &[]), Err("unknown-host"));
        let old = code(Version::HTTP_10, &[]).unwrap();
        assert_eq!(old.base, "http://127.0.0.1:8484");
        assert_eq!(code(Version::HTTP_10, &["evil.com"]), Err("unknown-host"));
    }

    #[test]
    fn s6_host_names_an_account() {
        let admitted = check(
            &facts("127.0.0.1:8484"),
            Version::HTTP_11,
            &["Acme.localhost:8484"],
        );
        let admitted = admitted.unwrap();
        assert_eq!(admitted.account, Some("acme".parse().unwrap()));
        assert_eq!(admitted.base, "http://Acme.localhost:8484");
    }

    #[test]
    fn on_the_unix_socket_host_only_routes() {
        let facts = ConnFacts {
            local: Local::Unix,
            peer: Peer::Own,
        };
        let table = [
            ("localhost", "http://localhost", None),
            ("acme.localhost:1", "http://acme.localhost:1", Some("acme")),
            ("whatever.example", "http://localhost:8484", None),
            ("%2Frun%2Fproxy.sock", "http://localhost:8484", None),
        ];
        for (host, base, account) in table {
            let admitted = check(&facts, Version::HTTP_11, &[host]).unwrap();
            assert_eq!(admitted.base, base);
            assert_eq!(admitted.account.as_ref().map(AccountName::as_str), account);
        }
    }

    #[test]
    fn d1_u1_other_users_and_unknown_ones_are_refused() {
        for (peer, code) in [
            (Peer::Other(1001), "other-user"),
            (Peer::Unknown, "unknown-peer"),
        ] {
            let facts = ConnFacts {
                peer,
                ..facts("127.0.0.1:8484")
            };
            let refusal = check(&facts, Version::HTTP_11, &["localhost:8484"]).unwrap_err();
            assert_eq!(refusal.code(), code);
            assert_eq!(refusal.status(), 403);
        }
    }

    #[test]
    fn an_unknown_host_is_shown_without_control_bytes() {
        let request = Request::builder().uri("/").header(HOST, "\u{e9}vil\t.com");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let admission = Admission::new(&samples::config(Vec::new()));
        let refusal = admission
            .check(&facts("127.0.0.1:8484"), &head)
            .unwrap_err();
        assert!(refusal.description().is_ascii(), "{refusal:?}");
        assert!(!refusal.description().contains('\t'));
    }
}
