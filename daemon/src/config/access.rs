//! The additional `Host` names that the daemon accepts.

use std::fmt;
use std::str::FromStr;

use http::uri::Authority;

/// An additional `Host` for requests, such as `host.docker.internal:8484`. It must match exactly, except
/// for letter case; without a port it means 80 (RFC 9110 section 4.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    text: String,
    host: String,
    port: u16,
}

impl AllowedHost {
    /// Whether a `Host` header's value is this host.
    pub fn is(&self, host: &[u8]) -> bool {
        let Some(rest) = host
            .get(..self.host.len())
            .filter(|name| name.eq_ignore_ascii_case(self.host.as_bytes()))
            .map(|_| &host[self.host.len()..])
        else {
            return false;
        };
        match rest {
            [] => self.port == 80,
            [b':', digits @ ..] => digits == self.port.to_string().as_bytes(),
            _ => false,
        }
    }

    /// As written in the file.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            Err(format!(
                "{why} `{text}`: use `HOST` or `HOST:PORT`, exactly as in the `Host` header, such \
                 as `host.docker.internal:8484`"
            ))
        };
        let Ok(authority) = text.parse::<Authority>() else {
            return wrong("invalid host");
        };
        if text.contains('@') {
            return wrong("unexpected user name in");
        }
        let host = authority.host().to_ascii_lowercase();
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let is_ip6 = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || !(is_ip6 || host.bytes().all(is_plain)) {
            return wrong("invalid host");
        }
        let rest = &text[authority.host().len()..];
        let port = match authority.port_u16() {
            Some(port) if port != 0 && rest[1..] == port.to_string() => port,
            Some(_) => return wrong("invalid port in"),
            None if rest.is_empty() => 80,
            None => return wrong("invalid port in"),
        };
        Ok(Self {
            text: text.to_owned(),
            host,
            port,
        })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_an_allowed_host_is_an_exact_spelling() {
        let docker: AllowedHost = "Host.docker.internal:8484".parse().unwrap();
        for (host, is_it) in [
            ("host.docker.internal:8484", true),
            ("HOST.docker.internal:8484", true),
            ("host.docker.internal", false),
            ("host.docker.internal:", false),
            ("host.docker.internal:08484", false),
            ("host.docker.internal:84840", false),
            ("host.docker.internal.:8484", false),
            ("host.docker.internal.evil.com:8484", false),
            ("evil.host.docker.internal:8484", false),
            ("x@host.docker.internal:8484", false),
            ("", false),
        ] {
            assert_eq!(docker.is(host.as_bytes()), is_it, "{host}");
        }
        let plain: AllowedHost = "tunnel".parse().unwrap();
        assert!(plain.is(b"tunnel") && plain.is(b"tunnel:80") && !plain.is(b"tunnel:8484"));
        let ip6: AllowedHost = "[fd00::1]:8484".parse().unwrap();
        assert!(ip6.is(b"[FD00::1]:8484") && !ip6.is(b"[fd00::1]"));
    }

    #[test]
    fn d1_what_is_no_exact_host_is_refused() {
        for text in [
            "",
            "*",
            "*.docker.internal:8484",
            "http://host.docker.internal:8484",
            "host.docker.internal:8484/",
            "host:",
            "host:0",
            "host:08484",
            "host:99999",
            "user@host:8484",
            "a b",
            "h%6fst:8484",
        ] {
            let refused = text.parse::<AllowedHost>().unwrap_err();
            assert!(refused.contains("host.docker.internal:8484"), "{refused}");
        }
    }
}
