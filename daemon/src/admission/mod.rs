//! Stage 2: may this peer in, and may this request?
//!
//! Checked in this order: the peer, `framing`, `host`, `browser`.

mod browser;
mod exec;
mod framing;
mod host;

use std::net::SocketAddr;
use std::sync::Arc;

use http::Version;
use http::header::HOST;
use http::request::Parts;

use crate::config::{AllowedHost, Config};
use crate::error_response::{ErrorResponse, KeyErrorResponse};
use crate::facts::{Admitted, ConnFacts, Local};
use crate::keys::{self, Key, Keys};
use crate::peer::Peer;
use crate::telemetry::Sent;
use host::{HostHeader, HostName};

/// Decides which requests to admit.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The base URL for clients of `proxy.sock` that send no usable name.
    unix_base: String,
    /// Additional host names, which only work with a local key.
    allowed: Vec<AllowedHost>,
    /// Whether helpers of `loopdesk exec` are served.
    exec: bool,
    keys: Keys,
}

impl Admission {
    /// The admission rules of `config`, with `keys` as the known local keys.
    pub fn new(config: &Config, keys: Keys) -> Self {
        let port = config.listen.first().map(|address| address.get().port());
        Self {
            unix_base: port.map_or_else(
                || "http://localhost".to_owned(),
                |port| format!("http://localhost:{port}"),
            ),
            allowed: config.allow_hosts.clone(),
            exec: config.exec,
            keys,
        }
    }

    /// Admits a request or says why not. Removes a local key from the head.
    ///
    /// # Errors
    /// The refusal to send to the client: the wrong user, a malformed request, an unknown host, a
    /// web page, or a missing or wrong local key.
    pub async fn check(
        &self,
        facts: &ConnFacts,
        head: &mut Parts,
    ) -> Result<Admitted, ErrorResponse> {
        let mut admitted = self.look_at(facts, head)?;
        admitted.key = self.key(facts, &admitted, head).await?;
        match admitted.needs_key.take() {
            Some(needed) if admitted.key.is_none() => Err(needed.into()),
            Some(_) | None => Ok(admitted),
        }
    }

    /// Every check except the key.
    fn look_at(&self, facts: &ConnFacts, head: &Parts) -> Result<Admitted, ErrorResponse> {
        if let Some(refusal) = facts.peer.refusal() {
            return Err(refusal);
        }
        framing::check(head)?;
        let exec = exec::read(&facts.local, &head.headers)?;
        if exec.is_some() && !self.exec {
            return Err(ErrorResponse::ExecOff);
        }
        if let Some(exec) = &exec {
            // The helper isn't what the person runs.
            facts.caller.is(exec.caller.clone());
        }
        let mut admitted = match &facts.local {
            Local::Tcp { addr } => self.by_tcp(*addr, head)?,
            Local::Unix => self.by_unix(head)?,
        };
        if matches!(facts.local, Local::Tcp { .. }) && !self.allowed.is_empty() {
            // Behind a forwarder, strangers choose the `Host` themselves, so it protects nothing.
            admitted.needs_key = Some(KeyErrorResponse::NeededOverTcp);
        }
        let meant = exec.as_ref().map(|exec| &exec.origin);
        browser::check(head, meant, |authority| {
            match (&facts.local, HostHeader::parse(authority)) {
                (Local::Tcp { addr }, Some(host)) if is_ours(&host, *addr) => true,
                (Local::Tcp { .. }, _) => self.allows(authority).is_some(),
                (Local::Unix, host) => host.is_some(),
            }
        })
        .map_err(|refusal| {
            let ErrorResponse::WebPage(header) = refusal else {
                return refusal;
            };
            if !tells_the_way(facts, &admitted, head) {
                return refusal;
            }
            ErrorResponse::Opened {
                header,
                account: admitted.account.take(),
                target: head.uri.to_string(),
            }
        })?;
        admitted.exec = exec;
        if facts.peer == Peer::Unknown {
            admitted.needs_key = Some(KeyErrorResponse::NeededOfStrangers);
        }
        Ok(admitted)
    }

    fn by_tcp(&self, addr: SocketAddr, head: &Parts) -> Result<Admitted, ErrorResponse> {
        let Some(text) = given_host(head)? else {
            // HTTP/1.0 has no Host (RFC 1945); HTTP/1.1 requires it (RFC 9112 section 3.2).
            if head.version == Version::HTTP_10 {
                return Ok(Admitted::new(format!("http://{addr}"), None));
            }
            return Err(unknown(None, addr));
        };
        match HostHeader::parse(text) {
            Some(host) if is_ours(&host, addr) => Ok(admitted(text, host)),
            Some(_) | None => match self.allows(text) {
                Some(_) => Ok(Admitted::new(base(text), None)),
                None => Err(unknown(Some(text), addr)),
            },
        }
    }

    fn allows(&self, authority: &[u8]) -> Option<&AllowedHost> {
        self.allowed.iter().find(|name| name.is(authority))
    }

    /// The local key that the request carries; it isn't passed on. `route` decides whether the key
    /// allows the request.
    async fn key(
        &self,
        facts: &ConnFacts,
        admitted: &Admitted,
        head: &mut Parts,
    ) -> Result<Option<Arc<Key>>, ErrorResponse> {
        let presented =
            keys::extract(&head.headers, &head.uri).map_err(KeyErrorResponse::Invalid)?;
        if presented.is_some() {
            keys::strip(&mut head.headers);
        }
        // A run that was given a key's rights has no others, whatever its program sends.
        if let Some(ticket) = admitted.exec.as_ref().and_then(|exec| exec.ticket.as_ref()) {
            let key = self.keys.by_ticket(ticket.as_bytes());
            return Ok(Some(key.ok_or(KeyErrorResponse::TicketOver)?));
        }
        let Some(presented) = presented else {
            return Ok(None);
        };
        let checked = self.keys.check(&presented, &facts.failures).await;
        Ok(Some(checked.map_err(KeyErrorResponse::Invalid)?))
    }

    /// No web page can reach a unix socket, so here `Host` only selects the account.
    fn by_unix(&self, head: &Parts) -> Result<Admitted, ErrorResponse> {
        let given = given_host(head)?;
        Ok(
            match given.and_then(|text| Some((text, HostHeader::parse(text)?))) {
                Some((text, host)) => admitted(text, host),
                None => Admitted::new(self.unix_base.clone(), None),
            },
        )
    }
}

/// Whether the user who opened a page's address may be shown its address at Zendesk.
fn tells_the_way(facts: &ConnFacts, admitted: &Admitted, head: &Parts) -> bool {
    facts.peer == Peer::Own && admitted.needs_key.is_none() && browser::is_opened(head)
}

fn given_host(head: &Parts) -> Result<Option<&[u8]>, ErrorResponse> {
    framing::at_most_one(&head.headers, &HOST)?;
    Ok(head.headers.get(HOST).map(|value| value.as_bytes()))
}

fn admitted(spelling: &[u8], host: HostHeader) -> Admitted {
    let account = match host.name {
        HostName::Account(account) => Some(account),
        HostName::Localhost | HostName::Address(_) => None,
    };
    Admitted::new(base(spelling), account)
}

/// The base URL for a client that spells our name this way.
fn base(spelling: &[u8]) -> String {
    format!("http://{}", String::from_utf8_lossy(spelling))
}

fn is_ours(host: &HostHeader, addr: SocketAddr) -> bool {
    let known = match host.name {
        HostName::Localhost | HostName::Account(_) => true,
        HostName::Address(ip) => ip == addr.ip() || USUAL.contains(&ip),
    };
    known && host.port == addr.port()
}

fn unknown(host: Option<&[u8]>, addr: SocketAddr) -> ErrorResponse {
    ErrorResponse::UnknownHost {
        host: host.map(Sent::escaped),
        expected: format!("`localhost:{}`", addr.port()),
    }
}

/// The addresses that `localhost` resolves to.
const USUAL: [std::net::IpAddr; 2] = [
    std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
];

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::config::AccountName;
    use crate::keys::Trace;
    use crate::samples;

    fn facts(addr: &str) -> ConnFacts {
        let addr = addr.parse().unwrap();
        ConnFacts::new(Local::Tcp { addr }, Peer::Own, Trace::Nothing)
    }

    fn admission(config: &Config) -> Admission {
        Admission::new(config, samples::no_keys())
    }

    fn check(
        facts: &ConnFacts,
        version: Version,
        hosts: &[&str],
    ) -> Result<Admitted, ErrorResponse> {
        let mut request = Request::builder().uri("/api/v2/tickets").version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        admission(&samples::config(Vec::new())).look_at(facts, &head)
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
            let checked = check(&facts, version, hosts);
            checked.map_or_else(|refusal| refusal.code().to_owned(), |a| a.base)
        };
        let two = ["localhost:8484", "localhost:8484"];
        assert_eq!(code(Version::HTTP_11, &two), "bad-request");
        assert_eq!(code(Version::HTTP_11, &[]), "unknown-host");
        assert_eq!(code(Version::HTTP_10, &[]), "http://127.0.0.1:8484");
        assert_eq!(code(Version::HTTP_10, &["evil.com"]), "unknown-host");
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
        let facts = ConnFacts::new(Local::Unix, Peer::Own, Trace::Nothing);
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
    fn d1_u1_other_users_are_refused_and_unknown_ones_need_a_key() {
        let of = |peer| {
            let facts = ConnFacts {
                peer,
                ..facts("127.0.0.1:8484")
            };
            check(&facts, Version::HTTP_11, &["localhost:8484"])
        };
        let refusal = of(Peer::Other(1001)).unwrap_err();
        assert_eq!(
            (refusal.code(), refusal.status().as_u16()),
            ("other-user", 403)
        );
        let unknown = of(Peer::Unknown).unwrap();
        assert_eq!(unknown.needs_key, Some(KeyErrorResponse::NeededOfStrangers));
        assert_eq!(of(Peer::Own).unwrap().needs_key, None);
    }

    #[test]
    fn d1_allowed_hosts_need_a_key_and_no_others_are_let_in() {
        let mut config = samples::config(Vec::new());
        config.allow_hosts = vec!["host.docker.internal:8484".parse().unwrap()];
        let admission = admission(&config);
        let check = |host: &str, referer: &str| {
            let request = Request::builder()
                .uri("/api/v2/tickets")
                .header(HOST, host)
                .header("referer", referer);
            let (head, ()) = request.body(()).unwrap().into_parts();
            admission.look_at(&facts("127.0.0.1:8484"), &head)
        };
        let own = "http://localhost:8484/api/v2/tickets";
        let docker = "Host.docker.internal:8484";
        let admitted = check(docker, own).unwrap();
        assert_eq!(admitted.base, "http://Host.docker.internal:8484");
        let needed = Some(KeyErrorResponse::NeededOverTcp);
        assert_eq!(admitted.needs_key, needed);
        check(docker, "http://host.docker.internal:8484/x").unwrap();
        assert_eq!(check("localhost:8484", own).unwrap().needs_key, needed);
        for (host, referer, code) in [
            ("host.docker.internal", own, "unknown-host"),
            ("host.docker.internal:8484.evil.com", own, "unknown-host"),
            (docker, "http://evil.com/", "web-page-refused"),
            (
                docker,
                "https://host.docker.internal:8484/",
                "web-page-refused",
            ),
            (
                docker,
                "http://host.docker.internal:8485/",
                "web-page-refused",
            ),
        ] {
            assert_eq!(check(host, referer).unwrap_err().code(), code, "{host}");
        }
    }

    #[test]
    fn an_unknown_host_is_shown_without_control_bytes() {
        let request = Request::builder().uri("/").header(HOST, "\u{e9}vil\t.com");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let refusal = admission(&samples::config(Vec::new()))
            .look_at(&facts("127.0.0.1:8484"), &head)
            .unwrap_err();
        assert!(refusal.description().is_ascii(), "{refusal:?}");
        assert!(!refusal.description().contains('\t'));
    }
}
