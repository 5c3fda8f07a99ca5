//! Values of the configuration that are valid by construction.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use http::uri::{Authority, PathAndQuery};
use loopdesk_protocol::account::{AUTHORIZATION_CODE, CLIENT_CREDENTIALS};

/// An account's name: lower-case letters, digits and hyphens, usable as a DNS label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

impl AccountName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_label(text) && text != "localhost" {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` can't be an account's name: use 1 to 63 lower-case letters, digits and \
                 hyphens, starting and ending with a letter or digit"
            ))
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The `acme` of `acme.zendesk.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subdomain {
    name: String,
    origin: Origin,
}

impl Subdomain {
    /// The subdomain.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// `https://acme.zendesk.com`.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl FromStr for Subdomain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_label(text) {
            Ok(Self {
                name: text.to_owned(),
                origin: format!("https://{text}.zendesk.com").parse()?,
            })
        } else {
            Err(format!(
                "`{text}` isn't a Zendesk subdomain: use only the part before `.zendesk.com`, in \
                 lower case, such as `acme`"
            ))
        }
    }
}

/// An `https` origin (RFC 6454): scheme, host and port, without a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Authority);

impl Origin {
    /// The host, in lower case; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        self.0.host()
    }

    /// The port, if it isn't 443.
    pub fn port(&self) -> Option<u16> {
        self.0.port_u16()
    }

    /// `host` or `host:port`.
    pub fn authority(&self) -> &Authority {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            Err(format!(
                "`{text}` {why}: use an origin such as `https://support.example.com`"
            ))
        };
        let Ok(uri) = text.parse::<http::Uri>() else {
            return wrong("isn't a URL");
        };
        let Some(authority) = uri.authority() else {
            return wrong("has no host");
        };
        if uri.scheme_str() != Some("https") {
            return wrong("isn't https, and tokens must not be sent unencrypted");
        }
        if authority.as_str().contains('@') {
            return wrong("contains a user name");
        }
        if uri.query().is_some() || !matches!(uri.path(), "" | "/") {
            return wrong("has a path");
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return wrong("has no host");
        }
        // The host becomes an argument of the browser, and URIs allow `&` and `$(…)` in it.
        if !is_host(&host) {
            return wrong("has an invalid host");
        }
        let authority = match authority.port_u16() {
            None | Some(443) => host,
            Some(port) => format!("{host}:{port}"),
        };
        match Authority::try_from(authority) {
            Ok(authority) => Ok(Self(authority)),
            Err(_) => wrong("has an invalid host"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.0)
    }
}

/// A TCP address on a loopback interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoopbackAddr(SocketAddr);

impl LoopbackAddr {
    /// The address.
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for LoopbackAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address: SocketAddr = text.parse().map_err(|_| {
            format!("`{text}` isn't an address: use one such as `127.0.0.1:8484` or `[::1]:8484`")
        })?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "`{text}` is not on a loopback interface: loopdesk acts with a person's rights for \
                 every client that connects, so use 127.0.0.1 or [::1]"
            ));
        }
        if address.port() == 0 {
            return Err(format!(
                "`{text}` has no port: scripts couldn't know where to connect"
            ));
        }
        Ok(Self(address))
    }
}

impl fmt::Display for LoopbackAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A redirect URI on a loopback interface, such as `http://127.0.0.1:18484/callback`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    address: SocketAddr,
    path: String,
}

impl RedirectUri {
    /// The URI, byte for byte as it is registered with Zendesk.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address to listen on; for `localhost`, the IPv4 one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The path that the browser will request.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for RedirectUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` can't be a redirect URI: use a loopback address with a port and a path, \
                 such as `http://127.0.0.1:18484/callback`"
            )
        };
        let uri: http::Uri = text.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let port = authority.port_u16().filter(|p| *p != 0).ok_or_else(wrong)?;
        let ip = match authority.host() {
            "localhost" => [127, 0, 0, 1].into(),
            host => host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<std::net::IpAddr>()
                .map_err(|_| wrong())?,
        };
        if uri.scheme_str() != Some("http")
            || !ip.is_loopback()
            || uri.query().is_some()
            || authority.as_str().contains('@')
        {
            return Err(wrong());
        }
        Ok(Self {
            text: text.to_owned(),
            address: SocketAddr::new(ip, port),
            path: uri.path().to_owned(),
        })
    }
}

/// An OAuth scope (RFC 6749 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(String);

impl Scope {
    /// The scope.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let valid = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if !text.is_empty() && text.bytes().all(valid) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` isn't a scope: write each one as a string of its own, such as `read` or \
                 `tickets:write`"
            ))
        }
    }
}

/// A path that scripts may use although it is refused by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePath(String);

impl RoutePath {
    /// The path, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoutePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text
            .parse::<PathAndQuery>()
            .is_ok_and(|p| p.query().is_none())
            && text.starts_with('/')
            && !text.contains(['%', '\\', '*'])
            && !text.contains("//")
            && !text.split('/').any(|s| s == "." || s == "..");
        if plain && text.len() > 1 {
            Ok(Self(text.trim_end_matches('/').to_owned()))
        } else {
            Err(format!(
                "`{text}` isn't a route: use a plain path such as `/api/v2/oauth/tokens`"
            ))
        }
    }
}

/// A class of absolute URLs in responses that are rewritten to local ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteClass {
    /// Next and previous pages: `next_page`, `after_url`, `links` and the like.
    Pagination,
    /// `url` in a job status.
    Jobs,
    /// Files: `content_url`, `mapped_content_url` and `recording_url`.
    Attachments,
    /// `url` in any record.
    Records,
}

impl RewriteClass {
    /// Every class with its name in the file.
    pub const ALL: [(&'static str, Self); 4] = [
        ("pagination", Self::Pagination),
        ("jobs", Self::Jobs),
        ("attachments", Self::Attachments),
        ("records", Self::Records),
    ];
}

/// Where the data key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultKind {
    /// Secret Service on Linux, the login keychain on macOS.
    Keyring,
    /// A file in the state folder, encrypted with a credential that systemd passes to the service.
    Credential,
    /// A file in the state folder, encrypted with a passphrase that is entered after each start.
    Passphrase,
    /// A file in the state folder that only its owner can read.
    Keyfile,
}

impl VaultKind {
    /// Every kind with its name in the file.
    pub const ALL: [(&'static str, Self); 4] = [
        ("keyring", Self::Keyring),
        ("credential", Self::Credential),
        ("passphrase", Self::Passphrase),
        ("keyfile", Self::Keyfile),
    ];

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        name_of(&Self::ALL, &self)
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, kind)| kind)
    }
}

/// How an account gets its tokens (RFC 6749 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantType {
    /// A person consents in a browser, and refresh tokens keep the session alive.
    AuthorizationCode,
    /// A confidential client uses its own secret, and acts as the user who created it.
    ClientCredentials,
}

impl GrantType {
    /// Every grant type with its name in the file.
    pub const ALL: [(&'static str, Self); 2] = [
        (AUTHORIZATION_CODE, Self::AuthorizationCode),
        (CLIENT_CREDENTIALS, Self::ClientCredentials),
    ];

    /// The name in the file.
    pub fn name(self) -> &'static str {
        name_of(&Self::ALL, &self)
    }
}

/// How token requests are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEncoding {
    /// As in Zendesk's documentation.
    Json,
    /// As in RFC 6749 section 4.1.3.
    Form,
}

impl TokenEncoding {
    /// Every encoding with its name in the file.
    pub const ALL: [(&'static str, Self); 2] = [("json", Self::Json), ("form", Self::Form)];
}

/// The name of an enum's value in the file.
pub(super) fn name_of<T: PartialEq>(all: &[(&'static str, T)], value: &T) -> &'static str {
    all.iter()
        .find(|(_, v)| v == value)
        .map_or("", |(name, _)| name)
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A domain name, or an IP address as written in a URI.
fn is_host(text: &str) -> bool {
    match text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => text.split('.').all(is_label),
    }
}

#[cfg(test)]
mod tests;
