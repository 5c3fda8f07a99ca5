//! Parses the proxy in `HTTPS_PROXY` and the like.
//!
//! The daemon uses it, and `loopdesk service install` passes its variable to the service. Both must
//! parse it alike, and both must notice a proxy that is the daemon itself.

mod host;

use std::fmt;

use zeroize::Zeroizing;

use host::HostPort;

/// The variables that name a proxy for `https`, in order of precedence. This is curl's
/// order (<https://curl.se/docs/manpage.html>, "Environment"): the lower-case spelling before the
/// other, and `ALL_PROXY` where neither is set. `HTTP_PROXY` is for `http` only.
pub const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// The variables that list hosts to reach without a proxy, in order of precedence.
pub const EXEMPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// A proxy: its protocol, address and login. `Display` and `Debug` show neither user nor password.
#[derive(Clone)]
pub struct ProxyUrl {
    scheme: Scheme,
    address: HostPort,
    login: Option<ProxyLogin>,
}

impl ProxyUrl {
    /// Parses the value of a variable: `http://user:password@proxy.corp:3128`. The scheme defaults
    /// to `http`, the port to the scheme's.
    ///
    /// # Errors
    /// Why it isn't a proxy. Contains nothing of the value but its scheme, since any other part may
    /// hold a password that wasn't encoded.
    pub fn parse(value: &str) -> Result<Self, ProxyUrlError> {
        let value = value.trim_ascii();
        if value.contains(char::is_control) {
            return Err(ProxyUrlError::NoText);
        }
        let (scheme, rest) = match value.split_once("://") {
            Some((scheme, rest)) => (Scheme::parse(scheme)?, rest),
            None => (Scheme::Http, value),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // What looks like the end of the authority may be within a password, whose start would then
        // be used and shown as a host.
        if path.contains(['@', '?', '#']) {
            return Err(ProxyUrlError::Unencoded);
        }
        let (login, address) = match authority.rsplit_once('@') {
            Some((login, address)) => (ProxyLogin::parse(login), address),
            None => (None, authority),
        };
        let address = HostPort::parse(address, scheme.port())?;
        let is_long =
            |login: &ProxyLogin| login.user.len() > SOCKS_MAX || login.password.len() > SOCKS_MAX;
        if scheme.is_socks() && login.as_ref().is_some_and(is_long) {
            return Err(ProxyUrlError::TooLong);
        }
        Ok(Self {
            scheme,
            address,
            login,
        })
    }

    /// Its protocol.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its name or address, IPv6 in brackets.
    pub fn host(&self) -> &str {
        self.address.host()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// `host:port`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The login for the proxy.
    pub fn login(&self) -> Option<&ProxyLogin> {
        self.login.as_ref()
    }

    /// Whether it is the daemon that listens on these ports of this machine, in any spelling. The
    /// daemon isn't a proxy.
    pub fn is_own(&self, listens_on: impl Fn(u16) -> bool) -> bool {
        self.address.is_here() && listens_on(self.address.port)
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.address)
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// CONNECT without TLS to the proxy; the tunnel carries TLS.
    Http,
    /// CONNECT within TLS.
    Https,
    /// SOCKS5 (RFC 1928). The proxy resolves names, as with `socks5h`.
    Socks5,
}

impl Scheme {
    fn parse(text: &str) -> Result<Self, ProxyUrlError> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            "socks5" | "socks5h" => Ok(Self::Socks5),
            other if is_scheme(other) => Err(ProxyUrlError::Scheme(other.to_owned())),
            _ => Err(ProxyUrlError::Unencoded),
        }
    }

    /// `http`, `https` or `socks5h`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5h",
        }
    }

    fn is_socks(self) -> bool {
        self == Self::Socks5
    }

    /// The default port (RFC 9110 section 4.2, RFC 1928 section 3).
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }
}

/// RFC 3986 section 3.1. Anything longer isn't a misspelled scheme, and must not be shown.
fn is_scheme(text: &str) -> bool {
    text.len() <= 12
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ['+', '-', '.'].contains(&c))
}

/// A user and a password, percent-decoded. `Debug` shows neither.
#[derive(Clone)]
pub struct ProxyLogin {
    user: Zeroizing<Vec<u8>>,
    password: Zeroizing<Vec<u8>>,
}

impl ProxyLogin {
    fn parse(text: &str) -> Option<Self> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        (!text.is_empty()).then(|| Self {
            user: decoded(user),
            password: decoded(password),
        })
    }

    /// The user's name.
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The password; empty if there is none.
    pub fn password(&self) -> &[u8] {
        &self.password
    }

    /// `user:password`, as for Basic authentication (RFC 7617 section 2).
    pub fn joined(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.user(), b":", self.password()].concat())
    }
}

impl fmt::Debug for ProxyLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

/// RFC 3986 section 2.1. A `%` that doesn't start an escape is literal.
fn decoded(text: &str) -> Zeroizing<Vec<u8>> {
    let mut rest = text.as_bytes();
    let mut bytes = Zeroizing::new(Vec::with_capacity(rest.len()));
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        let escaped = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = match escaped {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
    }
    bytes
}

/// Why a value isn't a usable proxy. Contains nothing of the value but a scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyUrlError {
    /// Control characters, or bytes that aren't UTF-8.
    #[error("isn't plain text")]
    NoText,
    /// An unsupported scheme.
    #[error(
        "begins with `{0}://`, but loopdesk supports only `http`, `https`, `socks5` and `socks5h`"
    )]
    Scheme(String),
    /// Characters that end the host in the wrong place.
    #[error(
        "isn't a proxy's address: use `http://HOST:PORT`, or `http://USER:PASSWORD@HOST:PORT` with \
         each `/`, `?`, `#`, `@`, `:` and `%` in user and password as %2F, %3F, %23, %40, %3A and %25"
    )]
    Unencoded,
    /// No host, or an invalid one.
    #[error("has no valid host: use `http://HOST:PORT`")]
    Host,
    /// An invalid port.
    #[error("has no port from 1 to 65535 after its host: use `http://HOST:PORT`")]
    Port,
    /// RFC 1929 limits the length to a byte.
    #[error("has a user or password longer than {SOCKS_MAX} bytes, the limit of SOCKS")]
    TooLong,
}

const SOCKS_MAX: usize = 255;

#[cfg(test)]
mod tests;
