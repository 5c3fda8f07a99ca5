//! `NO_PROXY`: hosts that are reached without a proxy.

use std::fmt;
use std::net::IpAddr;

/// A list of hosts, parsed as curl does (<https://curl.se/libcurl/c/CURLOPT_NOPROXY.html>), with
/// ports and `*.` as in Go (<https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config>).
#[derive(Clone, Debug)]
pub(super) struct NoProxy {
    text: String,
    entries: Vec<NoProxyEntry>,
}

impl NoProxy {
    /// Parses the variable: entries separated by commas or blanks.
    pub(super) fn parse(text: &str) -> Self {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace());
        Self {
            entries: entries.filter_map(NoProxyEntry::parse).collect(),
            text: text.trim().to_owned(),
        }
    }

    /// Whether `host` (IPv6 in brackets) is reached directly on `port`. Names aren't resolved:
    /// entries for addresses match only hosts given as addresses.
    pub(super) fn has(&self, host: &str, port: u16) -> bool {
        let host = TargetHost::parse(host);
        self.entries.iter().any(|entry| entry.has(&host, port))
    }
}

impl fmt::Display for NoProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Clone, Debug)]
struct NoProxyEntry {
    hosts: HostPattern,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum HostPattern {
    All,
    /// A name and all its subdomains.
    Name(String),
    /// All subdomains of a name.
    Below(String),
    /// Addresses that begin with this many bits.
    Net(IpAddr, u8),
}

impl NoProxyEntry {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        if let Some(hosts) = HostPattern::net(text) {
            return Some(Self { hosts, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, digits)) => (host, Some(digits.parse().ok()?)),
            None => (text, None),
        };
        let hosts = HostPattern::net(host).or_else(|| HostPattern::named(host))?;
        Some(Self { hosts, port })
    }

    fn has(&self, host: &TargetHost, port: u16) -> bool {
        self.port.is_none_or(|only| only == port) && self.hosts.has(host)
    }
}

impl HostPattern {
    /// An address or a network, with or without brackets.
    fn net(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let ip = address_of(address)?;
        let all = if ip.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        (bits <= all).then_some(Self::Net(ip, bits))
    }

    fn named(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let name = |text: &str| {
            let text = text.trim_end_matches('.').to_ascii_lowercase();
            (!text.is_empty()).then_some(text)
        };
        match text.strip_prefix("*.") {
            Some(rest) => name(rest).map(Self::Below),
            // curl treats `.corp` and `corp` alike.
            None => name(text.trim_start_matches('.')).map(Self::Name),
        }
    }

    fn has(&self, host: &TargetHost) -> bool {
        let is_below = |host: &str, name: &str| {
            host.strip_suffix(name)
                .is_some_and(|before| before.ends_with('.'))
        };
        match (self, host) {
            (Self::All, _) => true,
            (Self::Name(name), TargetHost::Name(host)) => host == name || is_below(host, name),
            (Self::Below(name), TargetHost::Name(host)) => is_below(host, name),
            (Self::Net(net, bits), TargetHost::Address(ip)) => begin_alike(*net, *ip, *bits),
            (Self::Name(_) | Self::Below(_), TargetHost::Address(_))
            | (Self::Net(..), TargetHost::Name(_)) => false,
        }
    }
}

/// The host that a connection is meant for.
enum TargetHost {
    Name(String),
    Address(IpAddr),
}

impl TargetHost {
    fn parse(text: &str) -> Self {
        match address_of(text) {
            Some(ip) => Self::Address(ip),
            None => Self::Name(text.trim_end_matches('.').to_ascii_lowercase()),
        }
    }
}

/// An IPv4-mapped IPv6 address is the IPv4 address.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None => text,
    };
    let ip: IpAddr = bare.parse().ok()?;
    Some(ip.to_canonical())
}

fn begin_alike(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    let (one, other, width) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let differing: u128 = one ^ other;
    // Shifting out all bits leaves nothing to compare.
    differing
        .checked_shr(width - u32::from(bits))
        .is_none_or(|left| left == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_is_exempt() {
        let acme = "acme.zendesk.com";
        let table = [
            ("", acme, false),
            (",, ,", acme, false),
            ("*", acme, true),
            ("corp, *", acme, true),
            ("*", "[::1]", true),
            ("acme.zendesk.com", acme, true),
            ("ACME.Zendesk.COM", acme, true),
            ("acme.zendesk.com.", acme, true),
            ("corp,zendesk.com", acme, true),
            ("corp zendesk.com", acme, true),
            ("corp ,\tzendesk.com ,x", acme, true),
            (".zendesk.com", acme, true),
            (".zendesk.com", "zendesk.com", true),
            ("*.zendesk.com", acme, true),
            ("*.zendesk.com", "zendesk.com", false),
            ("desk.com", acme, false),
            ("me.zendesk.com", acme, false),
            ("acme.zendesk.com.evil", acme, false),
            ("acme.zendesk.com:443", acme, true),
            ("acme.zendesk.com:8443", acme, false),
            (".zendesk.com:443", acme, true),
            ("*:443", acme, true),
            ("*:80", acme, false),
            ("acme.zendesk.com:https", acme, false),
            (".", acme, false),
            ("*.", acme, false),
            ("acme*", acme, false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1:443", "10.0.0.1", true),
            ("10.0.0.1:80", "10.0.0.1", false),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.1.2.3/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/33", "10.0.0.0", false),
            ("10.0.0.0/x", "10.0.0.0", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "[::1]", false),
            ("0.0.0.0/0", acme, false),
            ("10.0.0.1", "10.0.0.10", false),
            ("::1", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("[::1]:443", "[::1]", true),
            ("[::1]:80", "[::1]", false),
            ("0:0::1", "[::1]", true),
            ("fd00::/8", "[fd12::1]", true),
            ("[fd00::]/8", "[fd12::1]", true),
            ("fd00::/8", "[fe80::1]", false),
            ("::/0", "[2001:db8::1]", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
        ];
        for (list, host, expected) in table {
            assert_eq!(
                NoProxy::parse(list).has(host, 443),
                expected,
                "{list} {host}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_net_holds_what_shares_its_first_bits(net: u32, ip: u32, bits in 0_u32..=32) {
            let text = format!("{}/{bits}", std::net::Ipv4Addr::from_bits(net));
            let host = std::net::Ipv4Addr::from_bits(ip).to_string();
            let mask = u32::try_from(u64::from(u32::MAX) << (32 - bits) & u64::from(u32::MAX)).unwrap();
            prop_assert_eq!(NoProxy::parse(&text).has(&host, 1), net & mask == ip & mask);
        }

        #[test]
        fn any_list_can_be_read(list in "\\PC{0,60}", host in "[a-z.:\\[\\]0-9]{0,20}") {
            let no_proxy = NoProxy::parse(&list);
            if no_proxy.has(&host, 443) {
                let more = NoProxy::parse(&format!("{list},corp"));
                prop_assert!(more.has(&host, 443));
            }
        }

        #[test]
        fn a_name_holds_itself_and_what_is_below(name in "[a-z]{1,5}(\\.[a-z]{1,5}){0,2}", below in "[a-z]{1,5}") {
            let no_proxy = NoProxy::parse(&name);
            prop_assert!(no_proxy.has(&name, 443));
            let (deeper, longer) = (format!("{below}.{name}"), format!("{below}{name}"));
            prop_assert!(no_proxy.has(&deeper, 443));
            prop_assert!(!no_proxy.has(&longer, 443));
        }
    }
}
