//! The origins that this daemon serves, and the local address of each from a client's point of
//! view.
//!
//! An answer may lead to another account: a brand, a sandbox, a host-mapped domain. Such an address
//! becomes local only if the client can call it there and it then means that account.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::prefix::Prefixes;
use crate::config::{Account, Config, Origin};

/// The origins under one configuration.
#[derive(Debug)]
pub struct Origins {
    all: Vec<Served>,
    /// The prefixes of addresses at these origins, by the same numbers.
    prefixes: Prefixes,
    /// The port at which all accounts are served, by their names.
    port: Option<u16>,
    /// A port that no listener has.
    unused: u16,
}

#[derive(Debug)]
struct Served {
    origin: Origin,
    /// The accounts at this origin: two people may each have one.
    accounts: Vec<Arc<Account>>,
    /// Whether the log has already explained how its addresses could become local.
    is_told: AtomicBool,
}

/// How a client called.
#[derive(Clone, Debug)]
pub struct ScriptClient {
    /// The base that it used: `http://HOST[:PORT]` in its own spelling.
    pub base: Arc<str>,
    /// Where its connection arrived.
    pub at: Arrival,
    /// Whether its `Host` names an account: `NAME.localhost`.
    pub names_account: bool,
    /// Whether it has a local key, which belongs to one account.
    pub has_key: bool,
}

/// Where a connection arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// At a port that all accounts share.
    Shared,
    /// At the port of one account.
    Own,
    /// At the unix socket, where only `Host` distinguishes accounts.
    Unix,
}

impl Origins {
    /// The origins under `config`.
    pub fn new(config: &Config) -> Arc<Self> {
        let mut all: Vec<Served> = Vec::new();
        for account in config.accounts.values() {
            for origin in account.origins() {
                let accounts = vec![Arc::clone(account)];
                match all.iter_mut().find(|served| served.origin == *origin) {
                    Some(served) => served.accounts.extend(accounts),
                    None => all.push(Served {
                        origin: origin.clone(),
                        accounts,
                        is_told: AtomicBool::new(false),
                    }),
                }
            }
        }
        let port = config.listen.first().map(|address| address.get().port());
        let is_used = |port: &u16| {
            config.listen.iter().any(|a| a.get().port() == *port)
                || config.accounts.values().any(|a| a.port == Some(*port))
        };
        Arc::new(Self {
            prefixes: Prefixes::new(all.iter().map(|served| served.origin.to_string())),
            all,
            port,
            unused: (PROPOSED..).find(|port| !is_used(port)).unwrap_or(PROPOSED),
        })
    }

    /// The view of a client whose request is for `account`.
    pub fn view(self: &Arc<Self>, client: ScriptClient, account: &Arc<Account>) -> OriginsView {
        OriginsView {
            origins: Arc::clone(self),
            account: Arc::clone(account),
            client,
        }
    }
}

/// The origins as the client of one request sees them.
#[derive(Clone, Debug)]
pub struct OriginsView {
    origins: Arc<Origins>,
    account: Arc<Account>,
    client: ScriptClient,
}

impl OriginsView {
    /// The account that the request is for.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// The base that the client used.
    pub(super) fn base(&self) -> &str {
        &self.client.base
    }

    pub(super) fn prefixes(&self) -> &Prefixes {
        &self.origins.prefixes
    }

    /// The local base for what `authority` serves.
    pub(super) fn base_at(&self, authority: &[u8]) -> Option<Cow<'_, str>> {
        let mut all = self.origins.all.iter();
        let number = all.position(|served| is_at(authority, &served.origin))?;
        self.base_of(number)
    }

    /// The local base of the origin with this number.
    pub(super) fn base_of(&self, number: usize) -> Option<Cow<'_, str>> {
        let served = self.origins.all.get(number)?;
        if served.accounts.iter().any(|a| a.name == self.account.name) {
            return Some(Cow::Borrowed(self.base()));
        }
        // A key doesn't give access to another account.
        if self.client.has_key {
            return None;
        }
        let found = served
            .accounts
            .iter()
            .find_map(|other| self.base_for(other));
        if found.is_none() {
            self.tell(served);
        }
        found.map(Cow::Owned)
    }

    /// The base by which this client can call another account.
    fn base_for(&self, other: &Account) -> Option<String> {
        let by_name = |port: Option<&str>| {
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            format!("http://{}.localhost{port}", other.name)
        };
        let (host, port) = self.host_and_port();
        let shared = self.origins.port.map(|port| port.to_string());
        match (self.client.at, self.client.names_account) {
            (Arrival::Unix, _) => Some(by_name(shared.as_deref())),
            (Arrival::Shared, true) => Some(by_name(port)),
            // The port belongs to another account, and a request that names two is refused.
            (Arrival::Own, true) => {
                let own = other.port.map(|port| port.to_string());
                own.or(shared).map(|port| by_name(Some(&port)))
            }
            (Arrival::Shared | Arrival::Own, false) => {
                let port = other.port?;
                Some(format!("http://{}:{port}", usual(host)))
            }
        }
    }

    fn host_and_port(&self) -> (&str, Option<&str>) {
        let base = self.base();
        let authority = base.split_once("//").map_or(base, |(_, rest)| rest);
        match authority.rsplit_once(':') {
            // The last colon may be one inside an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            Some(_) | None => (authority, None),
        }
    }

    fn tell(&self, served: &Served) {
        let Some(other) = served.accounts.first() else {
            return;
        };
        if !served.is_told.swap(true, Ordering::Relaxed) {
            tracing::info!(
                account = %self.account.name,
                leads_to = %other.name,
                "answers lead to another account; `loopdesk account set {} port {}` keeps such \
                 addresses local",
                other.name,
                self.origins.unused,
            );
        }
    }
}

/// The host for accounts' own ports, in the client's spelling if it is one of the usual names.
fn usual(host: &str) -> &str {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip != std::net::Ipv4Addr::LOCALHOST => "127.0.0.1",
        Ok(_) | Err(_) => host,
    }
}

/// Whether an authority is an origin's (RFC 3986 sections 3.2.2, 3.2.3 and 6.2.3: hosts in any
/// case, the default port omitted, empty or spelled out).
fn is_at(authority: &[u8], origin: &Origin) -> bool {
    let authority = authority
        .strip_suffix(b":443")
        .or_else(|| authority.strip_suffix(b":"))
        .unwrap_or(authority);
    authority.eq_ignore_ascii_case(origin.authority().as_str().as_bytes())
}

/// The first port that is suggested for an account of its own.
const PROPOSED: u16 = 8490;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    /// The base under which a client of `acme` finds an origin.
    fn found(client: ScriptClient, origin: &str) -> Option<String> {
        let account = |name: &str, port| Account {
            port,
            ..samples::account(name, &format!("https://{name}.zendesk.com"))
        };
        let config = samples::config(vec![
            account("acme", Some(8491)),
            account("beta", Some(8490)),
            account("gamma", None),
        ]);
        let acme = &config.accounts[&"acme".parse().unwrap()];
        let view = Origins::new(&config).view(client, acme);
        view.base_at(origin.as_bytes()).map(Cow::into_owned)
    }

    fn client(base: &str, at: Arrival, names_account: bool) -> ScriptClient {
        ScriptClient {
            base: base.into(),
            at,
            names_account,
            has_key: false,
        }
    }

    #[test]
    fn s2_each_client_finds_the_other_accounts_where_it_can_call_them() {
        use Arrival::{Own, Shared, Unix};
        for (base, at, by_name, beta, gamma) in [
            (
                "localhost:8484",
                Shared,
                false,
                Some("localhost:8490"),
                None,
            ),
            (
                "LocalHost.:8484",
                Shared,
                false,
                Some("LocalHost.:8490"),
                None,
            ),
            ("[::1]:8484", Shared, false, Some("[::1]:8490"), None),
            (
                "127.0.0.1:8484",
                Shared,
                false,
                Some("127.0.0.1:8490"),
                None,
            ),
            // An account's own port is only at the usual addresses.
            (
                "127.0.0.2:8484",
                Shared,
                false,
                Some("127.0.0.1:8490"),
                None,
            ),
            ("[::1]", Shared, false, Some("[::1]:8490"), None),
            ("localhost", Shared, false, Some("localhost:8490"), None),
            ("localhost:8491", Own, false, Some("localhost:8490"), None),
            (
                "ACME.localhost:8484",
                Shared,
                true,
                Some("beta.localhost:8484"),
                Some("gamma.localhost:8484"),
            ),
            (
                "acme.localhost",
                Shared,
                true,
                Some("beta.localhost"),
                Some("gamma.localhost"),
            ),
            // At one account's port no other account may be named.
            (
                "acme.localhost:8491",
                Own,
                true,
                Some("beta.localhost:8490"),
                Some("gamma.localhost:8484"),
            ),
            // On the socket a port means nothing.
            (
                "localhost:8484",
                Unix,
                false,
                Some("beta.localhost:8484"),
                Some("gamma.localhost:8484"),
            ),
            (
                "acme.localhost:1",
                Unix,
                true,
                Some("beta.localhost:8484"),
                Some("gamma.localhost:8484"),
            ),
        ] {
            let base = format!("http://{base}");
            let local = |name: &str| {
                let origin = format!("{name}.zendesk.com");
                found(client(&base, at, by_name), &origin)
            };
            let expected = |host: Option<&str>| host.map(|host| format!("http://{host}"));
            assert_eq!(local("acme").as_ref(), Some(&base));
            assert_eq!(local("beta"), expected(beta), "{base} {at:?}");
            assert_eq!(local("gamma"), expected(gamma), "{base} {at:?}");
            assert_eq!(local("delta"), None, "nobody's");
        }
    }

    #[test]
    fn s2_d2_a_key_finds_its_own_account_only() {
        for (at, by_name) in [
            (Arrival::Shared, false),
            (Arrival::Shared, true),
            (Arrival::Unix, true),
        ] {
            let client = ScriptClient {
                has_key: true,
                ..client("http://localhost:8484", at, by_name)
            };
            let own = found(client.clone(), "acme.zendesk.com");
            assert_eq!(own.as_deref(), Some("http://localhost:8484"));
            assert_eq!(found(client, "beta.zendesk.com"), None);
        }
    }

    #[test]
    fn s2_an_origin_of_two_accounts_is_the_requests_own_first() {
        let account = |name: &str, port| Account {
            port: Some(port),
            ..samples::account(name, "https://acme.zendesk.com")
        };
        let config = samples::config(vec![account("ada", 8490), account("ben", 8491)]);
        let origins = Origins::new(&config);
        for (name, account) in &config.accounts {
            let base = "http://localhost:8484";
            let view = origins.view(client(base, Arrival::Shared, false), account);
            assert_eq!(view.base_at(b"acme.zendesk.com").unwrap(), base, "{name}");
        }
    }
}
