//! Values that tests of several modules start from.

use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::config::{
    Access, Account, Config, GrantType, Origin, RewriteClass, TokenEncoding, Ttl, VaultKind,
};

/// No conditions.
pub(crate) fn conditions() -> Conditions {
    Conditions::new(Clock::system())
}

/// An account with the default settings.
pub(crate) fn account(name: &str, origin: &str) -> Account {
    let origin: Origin = origin.parse().unwrap();
    Account {
        name: name.parse().unwrap(),
        subdomain: None,
        url: None,
        client_id: "loopdesk".to_owned(),
        grant: GrantType::AuthorizationCode,
        scopes: vec!["read".parse().unwrap()],
        port: None,
        access: Access::User,
        rewrite: vec![
            RewriteClass::Pagination,
            RewriteClass::Jobs,
            RewriteClass::Attachments,
        ],
        access_token_ttl: Ttl::parse("48h", &Ttl::ACCESS).unwrap(),
        refresh_token_ttl: Ttl::parse("90d", &Ttl::REFRESH).unwrap(),
        read_only_grant: false,
        extra_ca_file: None,
        token_encoding: TokenEncoding::Json,
        api_origin: origin.clone(),
        oauth_origin: origin,
    }
}

/// The same, for a server whose certificate `ca` has signed.
pub(crate) fn account_trusting(origin: &str, ca: &Path) -> Account {
    Account {
        extra_ca_file: Some(ca.to_owned()),
        ..account("acme", origin)
    }
}

/// A configuration on the standard port. The first account is the default.
pub(crate) fn config(accounts: Vec<Account>) -> Config {
    Config {
        listen: vec![
            "127.0.0.1:8484".parse().unwrap(),
            "[::1]:8484".parse().unwrap(),
        ],
        default_account: accounts.first().map(|account| account.name.clone()),
        vault: VaultKind::Keyfile,
        allow_hosts: Vec::new(),
        max_key_scope: None,
        max_key_age: None,
        open_routes: Vec::new(),
        redirect_uris: Vec::new(),
        session_event_hook: None,
        exec: true,
        accounts: accounts
            .into_iter()
            .map(|account| (account.name.clone(), Arc::new(account)))
            .collect(),
        unknown: Vec::new(),
        retired: Vec::new(),
    }
}

/// An account that hasn't been checked yet.
pub(crate) fn view(name: &str) -> crate::session::View {
    crate::session::View {
        name: name.parse().unwrap(),
        origin: "https://acme.zendesk.com".parse().unwrap(),
        client_id: "loopdesk".to_owned(),
        state: loopdesk_protocol::status::State::Active,
        person: None,
        scopes: Vec::new(),
        generation: Some(1),
        refreshed_at: None,
        access_expires_at: None,
        next_refresh_at: None,
        refresh_expires_at: None,
        last_error: None,
        problem: None,
        good_at: None,
        alert: None,
        expiry_warning: None,
        pairs: Vec::new(),
        serves: true,
    }
}

/// An empty set of local keys.
pub(crate) fn no_keys() -> crate::keys::Keys {
    let home = tempfile::tempdir().unwrap();
    let paths = loopdesk_protocol::Paths::resolve(|_| None, Some(home.path().to_owned()), None);
    crate::keys::Keys::open(&paths.unwrap(), Clock::system())
}
