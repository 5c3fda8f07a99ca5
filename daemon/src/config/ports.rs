//! Finds ports that are used twice, and accounts whose `url` is loopdesk itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::reader::{Errors, FileLocation, Section};
use super::{Account, AccountName, LoopbackAddr, Origin};

/// Reports a port that `listen` or another account uses already.
pub(super) fn check(
    account: Option<&Account>,
    listen: &[LoopbackAddr],
    others: &BTreeMap<AccountName, Arc<Account>>,
    section: &Section<'_, '_>,
    errors: &mut Errors<'_>,
) {
    let Some(port) = account.and_then(|a| a.port) else {
        return;
    };
    if listen.iter().any(|a| a.get().port() == port) {
        errors.add(
            section.location_of("port"),
            format!("port {port} is already in `listen`: give the account its own port"),
        );
    }
    if let Some(other) = others.values().find(|a| a.port == Some(port)) {
        errors.add(
            section.location_of("port"),
            format!("port {port} already belongs to account `{}`", other.name),
        );
    }
}

/// Reports each `url` that is one of loopdesk's own listeners, since its requests would loop forever.
/// `urls` has their places in the file. A loop through another program isn't found here, but admission
/// refuses such a request, since its `Host` names that program.
pub(super) fn check_loops(
    listen: &[LoopbackAddr],
    accounts: &BTreeMap<AccountName, Arc<Account>>,
    urls: &BTreeMap<AccountName, FileLocation>,
    errors: &mut Errors<'_>,
) {
    let own = |port: u16| {
        listen.iter().any(|a| a.get().port() == port)
            || accounts.values().any(|a| a.port == Some(port))
    };
    for account in accounts.values() {
        let Some(url) = &account.url else {
            continue;
        };
        if is_loopback(url) && own(url.port().unwrap_or(HTTPS)) {
            let location = urls.get(&account.name).cloned().unwrap_or_default();
            errors.add(
                location,
                format!("`{url}` is loopdesk itself: use Zendesk's address"),
            );
        }
    }
}

fn is_loopback(origin: &Origin) -> bool {
    let host = origin.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback() || ip.is_unspecified(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use crate::config::check::parse;

    #[test]
    fn d1_p17_an_account_that_leads_back_to_loopdesk_is_refused() {
        let config = |url: &str| {
            format!(
                "[accounts.a]\nurl = \"{url}\"\nclient-id = \"c\"\n\
                 [accounts.b]\nsubdomain = \"b\"\nclient-id = \"c\"\nport = 8490\n"
            )
        };
        for url in [
            "https://localhost:8484",
            "https://127.0.0.1:8484",
            "https://127.0.0.9:8484",
            "https://[::1]:8484",
            "https://a.localhost:8484",
            "https://localhost:8490",
        ] {
            let found = parse(&config(url)).unwrap_err();
            assert_eq!((found.len(), found[0].line, found[0].column), (1, 2, 7));
            assert!(found[0].message.contains("is loopdesk itself"), "{found:?}");
        }
        for url in ["https://localhost:9443", "https://support.example.com:8484"] {
            parse(&config(url)).unwrap();
        }
    }
}
