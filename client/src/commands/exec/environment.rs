//! What the command finds in its environment: the way to the helper, and certificates to trust.

use std::ffi::OsString;
use std::path::PathBuf;

use loopdesk_protocol::SecretText;
use loopdesk_protocol::exec::{ORIGINAL_ENV, Ready};
use loopdesk_protocol::proxy::EXEMPTIONS;

use super::no_proxy;
use crate::context::Environment;

/// A variable to set.
#[derive(Debug)]
pub(super) struct EnvChange {
    pub(super) name: &'static str,
    pub(super) value: OsString,
    pub(super) why: &'static str,
}

/// The variables that lead the command to a helper that is ready. `env` is what it has without them.
pub(super) fn changes(ready: &Ready, origins: &[String], env: &Environment) -> Vec<EnvChange> {
    let proxy = OsString::from(ready.proxy.expose());
    let bundle = ready.bundle.clone().into_os_string();
    let mut changes = Vec::new();
    let mut set = |names: &[&'static str], value: OsString, why: &'static str| {
        changes.extend(names.iter().map(|name| EnvChange {
            name,
            value: value.clone(),
            why,
        }));
    };
    set(&["HTTPS_PROXY", "https_proxy"], proxy.clone(), HTTPS);
    set(&["http_proxy"], proxy, HTTP);
    set(&EXEMPTIONS, exempt(origins, env).into(), EXEMPT);
    set(&["SSL_CERT_FILE"], bundle.clone(), OPENSSL);
    set(&["REQUESTS_CA_BUNDLE"], bundle.clone(), REQUESTS);
    set(&["CURL_CA_BUNDLE"], bundle.clone(), CURL);
    set(&["PERL_LWP_SSL_CA_FILE"], bundle, PERL);
    set(&["PERL_LWP_ENV_PROXY"], "1".into(), PERL_PROXY);
    set(&["NODE_EXTRA_CA_CERTS"], ready.extra.clone().into(), NODE);
    set(&["NODE_USE_ENV_PROXY"], "1".into(), NODE_PROXY);
    let mut php = env("PHP_INI_SCAN_DIR").unwrap_or_default();
    php.push(":");
    php.push(&ready.php);
    set(&["PHP_INI_SCAN_DIR"], php, PHP);
    changes
}

/// Stands for a helper where none runs.
pub(super) fn example() -> Ready {
    let folder = PathBuf::from("FOLDER");
    Ready {
        proxy: SecretText::new("http://loopdesk:PASSWORD@127.0.0.1:PORT".to_owned()),
        bundle: folder.join("bundle.pem"),
        extra: folder.join("extra.pem"),
        php: folder.join("php"),
    }
}

/// Stands for the record of what these changes replace: it may hold a proxy's password.
pub(super) fn original() -> EnvChange {
    EnvChange {
        name: ORIGINAL_ENV,
        value: "VALUES".into(),
        why: ORIGINAL,
    }
}

fn exempt(origins: &[String], env: &Environment) -> String {
    let hosts = origins.iter().filter_map(|origin| {
        let authority = origin.strip_prefix("https://")?;
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = authority.rsplit_once(':').filter(|(_, port)| is_port(port));
        Some(port.map_or(authority, |(host, _)| host))
    });
    let given = EXEMPTIONS
        .iter()
        .filter_map(|name| env(name)?.into_string().ok());
    no_proxy::merged(&hosts.collect::<Vec<_>>(), &given.collect::<Vec<_>>())
}

const HTTPS: &str = "sends https requests to the helper of this run";
const HTTP: &str = "the same for Ruby, which reads this one for https too";
const EXEMPT: &str = "this machine, the clouds' metadata services, and your own entries that can't match the account's hosts";
const OPENSSL: &str = "has programs with OpenSSL, Python, Ruby and Go trust the helper";
const REQUESTS: &str = "the same for Python's requests and pip";
const CURL: &str = "the same for curl, and for R";
const PERL: &str = "the same for Perl's LWP";
const PERL_PROXY: &str = "has Perl's LWP read the proxy";
const NODE: &str = "has Node trust the helper, beside its own authorities";
const NODE_PROXY: &str = "has Node's own fetch read the proxy (Node 22.21 and later)";
const ORIGINAL: &str =
    "has commands of loopdesk go by your own values, unless the command has changed them";
const PHP: &str = "has PHP's curl and streams trust the helper, after your own settings";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_php_reads_its_own_settings_first_and_the_hosts_of_origins_lose_their_ports() {
        let env: Environment = Box::new(|name| match name {
            "PHP_INI_SCAN_DIR" => Some("/etc/php".into()),
            "no_proxy" => Some("zendesk.com,intra".into()),
            "NO_PROXY" => Some("support.example.com".into()),
            _ => None,
        });
        let origins = [
            "https://acme.zendesk.com",
            "https://support.example.com:8443",
        ];
        let origins = origins.map(str::to_owned);
        let changes = changes(&example(), &origins, &env);
        let value = |name: &str| {
            let change = changes.iter().find(|change| change.name == name);
            change.unwrap().value.to_str().unwrap().to_owned()
        };
        assert_eq!(value("PHP_INI_SCAN_DIR"), "/etc/php:FOLDER/php");
        for name in EXEMPTIONS {
            assert_eq!(value(name), format!("{},intra", no_proxy::ALWAYS.join(",")));
        }
        assert_eq!(value("https_proxy"), value("HTTPS_PROXY"));
    }
}
