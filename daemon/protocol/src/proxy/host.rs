//! A proxy's host, normalized, and its port.

use std::fmt;
use std::net::IpAddr;

use url::Host;

use super::ProxyUrlError;

/// A host and a port.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct HostPort {
    /// As in URLs: lower case, IPv6 in brackets, IPv4 as four numbers.
    text: String,
    host: Host,
    pub(super) port: u16,
}

impl HostPort {
    /// Parses `host` or `host:port`.
    pub(super) fn parse(text: &str, default: u16) -> Result<Self, ProxyUrlError> {
        // The colons of an IPv6 address are in brackets.
        let end = text.rfind(']').map_or(0, |at| at + 1);
        let colon = text[end..].find(':').map(|at| at + end);
        let (host, port) = text.split_at(colon.unwrap_or(text.len()));
        let port = match port.strip_prefix(':') {
            None | Some("") => default,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| ProxyUrlError::Port)?
            }
            Some(_) => return Err(ProxyUrlError::Port),
        };
        // As in browsers, `127.1`, `0x7f.1` and `2130706433` are addresses, not names.
        let host = Host::parse(host).map_err(|_| ProxyUrlError::Host)?;
        if port == 0 {
            return Err(ProxyUrlError::Port);
        }
        Ok(Self {
            text: host.to_string(),
            host,
            port,
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.text
    }

    /// Whether it is this machine's loopback interface, as unspecified addresses are too.
    pub(super) fn is_here(&self) -> bool {
        let ip: IpAddr = match &self.host {
            Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                return name == "localhost" || name.ends_with(".localhost");
            }
            Host::Ipv4(ip) => (*ip).into(),
            Host::Ipv6(ip) => (*ip).into(),
        };
        let ip = ip.to_canonical();
        ip.is_loopback() || ip.is_unspecified()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.text, self.port)
    }
}
