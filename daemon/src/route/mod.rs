//! Stage 3: finds a request's account, and decides whether scripts, and this script's key, may use its
//! route.
//!
//! The path is checked in its most lenient reading (`NormalizedPath`), but sent on byte for byte.

mod authorize;
mod explain;
mod policy;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Uri;
use http::request::Parts;

use crate::clock::Clock;
use crate::config::{Access, Account, AccountName, Config, Origin};
use crate::error_response::{ErrorResponse, KeyErrorResponse};
use crate::facts::{Admitted, ConnFacts, Local};
use crate::keys::{Key, KeyId};
use crate::route_table::{CarriedFiles, NormalizedPath, Properties, TABLE};
use crate::session::TokenPolicy;
use crate::telemetry::Sent;
use crate::upstream::Credential;
pub use authorize::{InvalidKey, KeyPolicy, ValidKey};
pub use explain::ExplainQuery;
use policy::{Asker, RoutePolicy};

/// The accounts and routing rules of a configuration.
#[derive(Clone, Debug)]
pub struct Routes {
    accounts: BTreeMap<AccountName, Arc<Account>>,
    default: Option<AccountName>,
    policy: RoutePolicy,
    keys: KeyPolicy,
    clock: Clock,
    needs_key_over_tcp: bool,
    /// The port for addresses such as `http://NAME.localhost:PORT`.
    port: Option<u16>,
    /// The account that owns each port; `None` for ports that all accounts share.
    ports: BTreeMap<u16, Option<AccountName>>,
}

/// How to send a request on.
#[derive(Clone, Debug)]
pub struct RouteDecision {
    /// The account.
    pub account: Arc<Account>,
    /// Where it goes.
    pub origin: Origin,
    /// The credential that it carries.
    pub credential: Credential,
    /// Whether the request or the response carries a file.
    pub files: CarriedFiles,
    /// Which of the account's tokens it may carry.
    pub tokens: TokenPolicy,
    /// Its key, if that allows less than a request without one.
    pub limited_key: Option<KeyId>,
}

impl Routes {
    /// The routes of `config`. Keys expire by `clock`.
    pub fn new(config: &Config, clock: Clock) -> Self {
        Self {
            accounts: config.accounts.clone(),
            default: config.default_account.clone(),
            policy: RoutePolicy::new(&config.open_routes),
            keys: KeyPolicy::new(config),
            clock,
            needs_key_over_tcp: config.needs_key_over_tcp(),
            port: config.listen.first().map(|address| address.get().port()),
            ports: ports(config),
        }
    }

    /// The request's key, if it has one.
    ///
    /// # Errors
    /// The key was revoked, has expired, or has rights that can't be read.
    pub fn valid_key<'a>(
        &'a self,
        admitted: &'a Admitted,
    ) -> Result<Option<ValidKey<'a>>, KeyErrorResponse> {
        let key = admitted.key.as_deref();
        key.map(|key| self.valid(key)).transpose()
    }

    fn valid<'a>(&'a self, key: &'a Key) -> Result<ValidKey<'a>, KeyErrorResponse> {
        let judged = self.keys.valid(key, self.clock.now());
        judged.map_err(|invalid| invalid.refusal(key))
    }

    /// Replaces `//` in the path by `/` if the key is limited. Zendesk treats both as the same path, so
    /// the path that is sent must be the one that was checked.
    pub fn squeeze(&self, key: Option<ValidKey<'_>>, head: &mut Parts) {
        if key.is_some_and(ValidKey::is_limited)
            && let Some(squeezed) = squeezed(&head.uri)
        {
            head.uri = squeezed;
        }
    }

    /// Decides how to send on a request with this `key`.
    ///
    /// # Errors
    /// The route is refused, the account isn't clear, or the key is missing or doesn't allow the request.
    pub fn resolve(
        &self,
        facts: &ConnFacts,
        admitted: &Admitted,
        key: Option<ValidKey<'_>>,
        head: &Parts,
    ) -> Result<RouteDecision, ErrorResponse> {
        let (account, properties) = self.decide(facts, admitted, key, head)?;
        if let Some(key) = key {
            key.allows(head)?;
        }
        Ok(RouteDecision {
            origin: origin(&account, admitted)?,
            account,
            credential: policy::credential(&head.headers, properties)?,
            files: properties.files,
            tokens: key.map(ValidKey::tokens).unwrap_or_default(),
            limited_key: key.filter(|key| key.is_limited()).map(ValidKey::id),
        })
    }

    /// Decides everything that doesn't depend on the key's rights.
    fn decide(
        &self,
        facts: &ConnFacts,
        admitted: &Admitted,
        key: Option<ValidKey<'_>>,
        head: &Parts,
    ) -> Result<(Arc<Account>, Properties), ErrorResponse> {
        let path = NormalizedPath::of(head.uri.path());
        let properties = TABLE.properties(policy::method(head), &path);
        let asker = match key {
            Some(_) => Asker::WithKey,
            None => Asker::Keyless,
        };
        if self.policy.refuses(&path, properties, asker) {
            return Err(ErrorResponse::RefusedRoute(Sent::escaped(head.uri.path())));
        }
        let account = self.account(facts, admitted, key)?;
        if key.is_none() && account.access == Access::Key {
            return Err(KeyErrorResponse::Needed(account.name.to_string()).into());
        }
        Ok((account, properties))
    }

    /// Finds the account by the listener's port, else by `Host`, else by the key, else the default. If
    /// two of these disagree, the request is refused: one may be the sandbox, and the other production.
    fn account(
        &self,
        facts: &ConnFacts,
        admitted: &Admitted,
        key: Option<ValidKey<'_>>,
    ) -> Result<Arc<Account>, ErrorResponse> {
        let by_port = match &facts.local {
            // A connection may be older than the configuration. If its port is no longer configured,
            // it must not fall back to the default account.
            Local::Tcp { addr } => match self.ports.get(&addr.port()) {
                Some(owner) => owner.as_ref(),
                None => return Err(ErrorResponse::UnconfiguredPort(addr.port())),
            },
            Local::Unix => None,
        };
        let by_host = admitted.account.as_ref();
        if let (Some(port), Some(host)) = (by_port, by_host)
            && port != host
        {
            return Err(ErrorResponse::TwoAccountsNamed {
                port: port.to_string(),
                host: host.to_string(),
                known: self.addresses(),
            });
        }
        let named = by_port.or(by_host);
        if let (Some(named), Some(key)) = (named, key) {
            key.belongs(named)?;
        }
        let by_key = key.map(ValidKey::account);
        let Some(name) = named.or(by_key).or(self.default.as_ref()) else {
            return Err(if self.accounts.is_empty() {
                ErrorResponse::NoAccounts
            } else {
                ErrorResponse::NoAccountNamed(self.addresses())
            });
        };
        match self.accounts.get(name) {
            Some(account) => Ok(Arc::clone(account)),
            None => Err(ErrorResponse::UnknownAccount {
                name: name.clone(),
                known: self.accounts.keys().map(ToString::to_string).collect(),
            }),
        }
    }

    /// The address at Zendesk of a page that was opened here in a browser.
    pub(crate) fn at_zendesk(
        &self,
        facts: &ConnFacts,
        account: Option<AccountName>,
        target: &str,
    ) -> Option<String> {
        let admitted = Admitted::new(String::new(), account);
        let account = self.account(facts, &admitted, None).ok()?;
        // Each brand has its own help centre.
        let origin = match target.starts_with("/hc") {
            true => &account.api_origin,
            false => &account.oauth_origin,
        };
        Some(format!("{origin}{target}"))
    }

    fn addresses(&self) -> Vec<String> {
        self.accounts.values().map(|a| self.address(a)).collect()
    }

    /// The address for this account.
    fn address(&self, account: &Account) -> String {
        match (account.port, self.port) {
            (Some(port), _) => format!("http://localhost:{port} for `{}`", account.name),
            (None, Some(port)) => format!("http://{}.localhost:{port}", account.name),
            (None, None) => format!("http://{}.localhost on the unix socket", account.name),
        }
    }
}

/// The API's, or the one that a program under `loopdesk exec` means.
fn origin(account: &Account, admitted: &Admitted) -> Result<Origin, ErrorResponse> {
    let Some(exec) = &admitted.exec else {
        return Ok(account.api_origin.clone());
    };
    let own = account.origins().find(|origin| **origin == exec.origin);
    own.cloned().ok_or_else(|| ErrorResponse::ForeignOrigin {
        account: account.name.to_string(),
        origin: exec.origin.to_string(),
    })
}

fn ports(config: &Config) -> BTreeMap<u16, Option<AccountName>> {
    let shared = config.listen.iter().map(|a| (a.get().port(), None));
    let accounts = config.accounts.values();
    let own = accounts.filter_map(|a| Some((a.port?, Some(a.name.clone()))));
    shared.chain(own).collect()
}

/// The target with single slashes in its path; `None` if it has only those.
fn squeezed(target: &Uri) -> Option<Uri> {
    let path = target.path();
    if !path.contains("//") {
        return None;
    }
    let mut squeezed = String::with_capacity(path.len());
    for byte in path.chars() {
        if byte != '/' || !squeezed.ends_with('/') {
            squeezed.push(byte);
        }
    }
    if let Some(query) = target.query() {
        squeezed.push('?');
        squeezed.push_str(query);
    }
    squeezed.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::keys::Trace;
    use crate::peer::Peer;
    use crate::samples;

    fn routes(names: &[&str], default: Option<&str>) -> Routes {
        let accounts = names.iter().map(|name| {
            let mut account = samples::account(name, &format!("https://{name}.zendesk.com"));
            account.port = (*name == "beta").then_some(8490);
            account
        });
        let mut config = samples::config(accounts.collect());
        config.default_account = default.map(|name| name.parse().unwrap());
        Routes::new(&config, Clock::system())
    }

    fn resolve(
        routes: &Routes,
        port: Option<u16>,
        host: Option<&str>,
    ) -> Result<String, ErrorResponse> {
        let addr = ([127, 0, 0, 1], port.unwrap_or(8484)).into();
        let local = Local::Tcp { addr };
        let facts = ConnFacts::new(local, Peer::Own, Trace::Nothing);
        let account = host.map(|name| name.parse().unwrap());
        let admitted = Admitted::new("http://localhost:8484".to_owned(), account);
        let (head, ()) = Request::get("/api/v2/tickets")
            .body(())
            .unwrap()
            .into_parts();
        let decision = routes.resolve(&facts, &admitted, None, &head)?;
        assert_eq!(decision.credential, Credential::Injected);
        Ok(decision.account.name.to_string())
    }

    #[test]
    fn s6_port_then_host_then_default() {
        let routes = routes(&["acme", "beta"], Some("acme"));
        let name = |port, host| resolve(&routes, port, host).unwrap();
        assert_eq!(name(None, None), "acme");
        assert_eq!(name(None, Some("beta")), "beta");
        assert_eq!(name(Some(8490), None), "beta");
        assert_eq!(name(Some(8490), Some("beta")), "beta");
    }

    #[test]
    fn s6_a_port_that_is_nobodys_any_more_never_means_the_default_account() {
        let routes = routes(&["acme", "beta"], Some("acme"));
        let refusal = resolve(&routes, Some(8491), None).unwrap_err();
        assert_eq!(refusal, ErrorResponse::UnconfiguredPort(8491));
    }

    #[test]
    fn s6_unknown_and_ambiguous_accounts_are_errors_that_list_the_accounts() {
        let two = routes(&["acme", "beta"], None);
        let refusal = resolve(&two, None, None).unwrap_err();
        assert_eq!(refusal.code(), "no-account-named");
        let text = refusal.description();
        assert!(text.contains("http://acme.localhost:8484"), "{text}");
        assert!(text.contains("http://localhost:8490 for `beta`"), "{text}");

        let refusal = resolve(&two, None, Some("gamma")).unwrap_err();
        assert_eq!(refusal.code(), "unknown-account");
        let text = refusal.description();
        assert!(
            text.contains("`gamma`") && text.contains("acme, beta"),
            "{text}"
        );

        let refusal = resolve(&two, Some(8490), Some("acme")).unwrap_err();
        assert_eq!(refusal.code(), "two-accounts-named");
        let text = refusal.description();
        assert!(text.contains("http://acme.localhost:8484"), "{text}");

        let none = routes(&[], None);
        assert_eq!(resolve(&none, None, None), Err(ErrorResponse::NoAccounts));
    }

    #[test]
    fn d3_p8_slashes_are_squeezed_in_the_path_alone() {
        for (target, expected) in [
            ("/api/v2//tickets", Some("/api/v2/tickets")),
            (
                "//api///v2/tickets//?a=b//c",
                Some("/api/v2/tickets/?a=b//c"),
            ),
            ("/a%2F/..//b", Some("/a%2F/../b")),
            ("//", Some("/")),
            ("/api/v2/tickets?a=b//c", None),
        ] {
            let squeezed = squeezed(&target.parse().unwrap());
            let squeezed = squeezed.map(|uri| uri.to_string());
            assert_eq!(squeezed.as_deref(), expected, "{target}");
        }
    }

    #[test]
    fn s6_refused_routes_name_the_setting_that_opens_them() {
        let routes = routes(&["acme"], Some("acme"));
        let facts = ConnFacts::new(Local::Unix, Peer::Own, Trace::Nothing);
        let admitted = Admitted::new(String::new(), None);
        let (head, ()) = Request::post("/oauth/tokens")
            .body(())
            .unwrap()
            .into_parts();
        let refusal = routes.resolve(&facts, &admitted, None, &head).unwrap_err();
        assert_eq!(refusal.status(), 403);
        assert!(refusal.description().contains("`open-routes`"));
    }
}
