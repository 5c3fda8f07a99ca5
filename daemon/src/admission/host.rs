//! `Host`: the names by which programs on this machine call us.
//!
//! A web page that rebinds its own name to 127.0.0.1 sends that name here, so an unknown name is
//! refused before anything else is read. Names are compared with a table of exact spellings: no
//! parser trick works, because nothing is interpreted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::AccountName;

/// A `Host` that can be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostHeader {
    /// Which of our names it is.
    pub(super) name: HostName,
    /// Its port; absent means 80 (RFC 9110 section 4.2.1).
    pub(super) port: u16,
}

/// One of our names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostName {
    /// `localhost`.
    Localhost,
    /// A loopback address.
    Address(IpAddr),
    /// `NAME.localhost` (RFC 6761 section 6.3).
    Account(AccountName),
}

impl HostHeader {
    /// Reads a `Host` or the authority of a URL.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (name, port) = match text.strip_prefix("[::1]") {
            Some(rest) => (HostName::Address(Ipv6Addr::LOCALHOST.into()), rest),
            None => {
                let colon = text.find(':').unwrap_or(text.len());
                (HostName::parse(&text[..colon])?, &text[colon..])
            }
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => parse_port(digits)?,
            None if port.is_empty() => 80,
            None => return None,
        };
        Some(Self { name, port })
    }
}

impl HostName {
    fn parse(text: &str) -> Option<Self> {
        // `Ipv4Addr` accepts four decimal numbers without leading zeros, and nothing else.
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return address.is_loopback().then(|| Self::Address(address.into()));
        }
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_suffix('.').unwrap_or(&lower);
        if name == "localhost" {
            return Some(Self::Localhost);
        }
        name.strip_suffix(".localhost")?
            .parse()
            .ok()
            .map(Self::Account)
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_w2_only_exact_spellings_are_names_of_ours() {
        for text in [
            "localhost:8484",
            "LOCALHOST:8484",
            "LocalHost.:8484",
            "127.0.0.1:8484",
            "[::1]:8484",
            "acme.localhost:8484",
            "ACME.LOCALHOST.:8484",
        ] {
            let host = HostHeader::parse(text.as_bytes());
            assert_eq!(host.map(|h| h.port), Some(8484), "{text}");
        }
        let account = HostHeader::parse(b"Acme-2.localhost").unwrap();
        assert_eq!(account.port, 80);
        assert_eq!(account.name, HostName::Account("acme-2".parse().unwrap()));
    }

    #[test]
    fn d1_w2_host_parser_tricks_are_refused() {
        for text in [
            "",
            ":8484",
            "evil.com",
            "evil.com:8484",
            "localhost.evil.com:8484",
            "127.0.0.1.nip.io:8484",
            "127.0.0.1:8484.evil.com",
            "127.0.0.1:evil.com",
            "[::1]:8484.evil",
            "127.0.0.1:0x2124",
            "127.0.0.1:+8484",
            "127.0.0.1:-8484",
            "127.0.0.1:8e3",
            "127.0.0.1:08484",
            "127.0.0.1:",
            "localhost:",
            "[::1]:",
            "localhost:0",
            "localhost:74020",
            "localhost\u{ff1a}8484",
            "localhost:\u{668}\u{664}\u{668}\u{664}",
            "evil@127.0.0.1:8484",
            "127.0.0.1@evil.com",
            "[[::1]]:8484",
            "[::1]x:8484",
            "[::1",
            "::1",
            "::1:8484",
            "[0:0:0:0:0:0:0:1]:8484",
            "[::ffff:127.0.0.1]:8484",
            "[::1%25lo]:8484",
            "0177.0.0.1:8484",
            "127.0.0.01:8484",
            "2130706433:8484",
            "0x7f.0.0.1:8484",
            "127.1:8484",
            "127.0.0.1.:8484",
            "0.0.0.0:8484",
            "10.0.0.1:8484",
            "localhost..:8484",
            ".localhost:8484",
            "a.b.localhost:8484",
            "a_b.localhost:8484",
            "localhost.localhost:8484",
            "local host:8484",
            " localhost:8484",
            "localhost :8484",
            "localhost:8484,localhost:8484",
            "localhost:8484/",
            "http://localhost:8484",
            "localhost\0:8484",
        ] {
            assert_eq!(HostHeader::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(HostHeader::parse(b"localhost\xff:8484"), None);
    }
}
