//! Resolves names, and makes sure that Zendesk's own names lead to the Internet.
//!
//! A hostile or captive network may resolve `acme.zendesk.com` to an address on this machine, in
//! the local network, or to a cloud's metadata service. TLS keeps the token from whatever listens
//! there; this keeps requests from being sent there at all.
//!
//! None of this applies behind a proxy: we resolve only the proxy's name, which the user has chosen
//! and which may well lead to a private address, and the proxy gets Zendesk's name, never an
//! address. Where that leads is up to the proxy and its network; TLS with Zendesk, end to end,
//! protects the token there as it does here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use crate::config::Account;

/// Resolves names with the system's resolver, and keeps the addresses that they may lead to.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    system: GaiResolver,
    bounds: Bounds,
}

#[derive(Clone, Debug)]
enum Bounds {
    /// A name that the configuration doesn't spell out, because it gives a `subdomain`, must lead to
    /// public addresses.
    Public(Arc<str>),
    /// One in `url` may lead anywhere.
    Anywhere,
    /// Others than Zendesk may be anywhere but on this machine.
    NotHere,
    /// The same, by any of its addresses: on a port of loopdesk's own, loopdesk might answer.
    NotOwn,
}

impl Resolver {
    /// A resolver for the names of one account.
    pub(super) fn new(account: &Account) -> Self {
        Self {
            system: GaiResolver::new(),
            bounds: match must_be_public(account) {
                Some(name) => Bounds::Public(name.into()),
                None => Bounds::Anywhere,
            },
        }
    }

    /// A resolver for names that have nothing to do with an account.
    pub(super) fn for_others() -> Self {
        Self {
            system: GaiResolver::new(),
            bounds: Bounds::NotHere,
        }
    }

    /// The same for connections to a port on which loopdesk listens.
    pub(super) fn for_own_ports() -> Self {
        Self {
            system: GaiResolver::new(),
            bounds: Bounds::NotOwn,
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let bounds = self.bounds.clone();
        let asked = name.to_string();
        let answer = self.system.call(name);
        Box::pin(async move {
            let found: Vec<_> = answer.await?.collect();
            let usable = match bounds {
                Bounds::Public(name) if *name == *asked => public_ones(&asked, found)?,
                Bounds::Public(_) | Bounds::Anywhere => found,
                Bounds::NotHere => remote_ones(&asked, found, is_local)?,
                Bounds::NotOwn => remote_ones(&asked, found, is_local_or_own)?,
            };
            Ok(usable.into_iter())
        })
    }
}

/// The name leads to this machine, or into a private network.
#[derive(Debug, thiserror::Error)]
#[error(
    "this network resolves {name} to {ip}, which isn't a public address; if that is intended, add \
     `url = \"https://{name}\"` to the account"
)]
pub(super) struct NotPublic {
    name: String,
    ip: IpAddr,
}

/// The name leads to this machine, or to its neighbours on the same wire.
#[derive(Debug, thiserror::Error)]
#[error("{name} leads to {ip}, on this machine, and `loopdesk exec` doesn't lead there")]
pub(super) struct NotFromHere {
    name: String,
    ip: IpAddr,
}

/// The host, if the account names it only by its subdomain.
fn must_be_public(account: &Account) -> Option<String> {
    let origin = account.subdomain.as_ref()?.origin();
    (account.url.as_ref() != Some(origin)).then(|| origin.host().to_owned())
}

fn public_ones(name: &str, found: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let first = found.first().map(SocketAddr::ip);
    let public: Vec<_> = found.into_iter().filter(|a| is_public(a.ip())).collect();
    match first {
        Some(ip) if public.is_empty() => Err(io::Error::other(NotPublic {
            name: name.to_owned(),
            ip,
        })),
        _ => Ok(public),
    }
}

fn remote_ones(
    name: &str,
    found: Vec<SocketAddr>,
    is_here: impl Fn(IpAddr) -> bool,
) -> io::Result<Vec<SocketAddr>> {
    let first = found.first().map(SocketAddr::ip);
    let remote: Vec<_> = found.into_iter().filter(|a| !is_here(a.ip())).collect();
    match first {
        Some(ip) if remote.is_empty() => Err(io::Error::other(NotFromHere {
            name: name.to_owned(),
            ip,
        })),
        _ => Ok(remote),
    }
}

/// Whether an address is loopback, unspecified (which connects to loopback) or link-local, or leads to
/// such an IPv4 address.
pub(super) fn is_local(ip: IpAddr) -> bool {
    let is_local_v4 = |ip: Ipv4Addr| ip.octets()[0] == 0 || ip.is_loopback() || ip.is_link_local();
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_local_v4(ip),
        IpAddr::V6(ip) => {
            let segments = ip.segments();
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unicast_link_local()
                || leads_to_v4(segments).is_some_and(is_local_v4)
        }
    }
}

/// Whether an address is local, or is one of this machine's own.
pub(super) fn is_local_or_own(ip: IpAddr) -> bool {
    // Only an address of this machine can be a socket's. Where the system lets sockets have any address
    // (`ip_nonlocal_bind`), this refuses too much rather than too little.
    let is_own = |ip: IpAddr| match UdpSocket::bind((ip, 0)) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::AddrNotAvailable,
    };
    let embedded = match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => leads_to_v4(ip.segments()),
    };
    is_local(ip) || is_own(ip.to_canonical()) || embedded.is_some_and(|ip| is_own(ip.into()))
}

/// The IPv4 address that a NAT64 (RFC 6052), 6to4 (RFC 3056) or IPv4-compatible address leads to.
fn leads_to_v4(segments: [u16; 8]) -> Option<Ipv4Addr> {
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] => {
            Some(embedded(high, low))
        }
        [0x2002, high, low, ..] => Some(embedded(high, low)),
        _ => None,
    }
}

/// Whether an address is global unicast (IANA's special-purpose address registries).
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(a == 0
        || ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        // 240.0.0.0/4, the broadcast address included.
        || a >= 240
        // Carrier-grade NAT (RFC 6598), protocols (RFC 6890), 6to4 relays, benchmarks (RFC 2544).
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    // A NAT64 (RFC 6052) or 6to4 address leads to the IPv4 address in it.
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(embedded(segments[6], segments[7]));
    }
    if segments[0] == 0x2002 {
        return is_public_v4(embedded(segments[1], segments[2]));
    }
    // Global unicast is 2000::/3, except for documentation, Teredo and the like (RFC 6890).
    segments[0] & 0xe000 == 0x2000
        && !(segments[0] == 0x2001 && (segments[1] < 0x200 || segments[1] == 0xdb8))
        && !(segments[0] == 0x3fff && segments[1] < 0x1000)
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_p16_only_addresses_on_the_internet_are_public() {
        for public in [
            "104.16.51.111",
            "216.198.53.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "2606:4700::6810:336f",
            "2a00:1450::1",
            "64:ff9b::6810:336f",
            "::ffff:104.16.51.111",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn d1_p16_what_is_not_public_is_left_out_and_nothing_left_is_an_error() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let mixed = vec![at("127.0.0.1:0"), at("104.16.51.111:0")];
        let left = public_ones("acme.zendesk.com", mixed).unwrap();
        assert_eq!(left, [at("104.16.51.111:0")]);
        let error = public_ones("acme.zendesk.com", vec![at("10.0.0.1:0")]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("resolves acme.zendesk.com to 10.0.0.1")
        );
        assert!(
            public_ones("acme.zendesk.com", Vec::new())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn s9_e7_a_name_may_not_lead_to_any_address_of_this_machine_on_loopdesks_own_ports() {
        let other: SocketAddr = "198.51.100.7:0".parse().unwrap();
        let kept = |ip: IpAddr, is_here: fn(IpAddr) -> bool| {
            remote_ones("intranet", vec![SocketAddr::new(ip, 0), other], is_here).unwrap()
        };
        for ip in own_addresses() {
            let own = SocketAddr::new(ip, 0);
            assert_eq!(
                kept(ip, is_local),
                [own, other],
                "another server of this machine"
            );
            assert_eq!(kept(ip, is_local_or_own), [other]);
            let refused = remote_ones("intranet", vec![own], is_local_or_own).unwrap_err();
            assert!(refused.to_string().contains(&ip.to_string()), "{refused}");
            if let IpAddr::V4(ip) = ip {
                for spelling in [ip.to_ipv6_mapped(), nat64(ip)] {
                    assert!(is_local_or_own(spelling.into()), "{spelling}");
                }
            }
        }
        for ip in ["127.0.0.1", "::1", "0.0.0.0", "169.254.169.254"] {
            assert!(is_local_or_own(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["198.51.100.7", "2001:db8::7", "::ffff:198.51.100.7"] {
            assert!(!is_local_or_own(ip.parse().unwrap()), "{ip}");
        }
    }

    /// Those by which others reach this machine. None if it has no network.
    fn own_addresses() -> Vec<IpAddr> {
        // Nothing is sent.
        let towards = |local: &str, remote: &str| {
            let socket = UdpSocket::bind(local)?;
            socket.connect(remote)?;
            socket.local_addr()
        };
        let found = [
            towards("0.0.0.0:0", "198.51.100.7:9"),
            towards("[::]:0", "[2001:db8::7]:9"),
        ];
        let found = found.into_iter().flatten().map(|address| address.ip());
        found.filter(|ip| !is_local(*ip)).collect()
    }

    fn nat64(ip: Ipv4Addr) -> Ipv6Addr {
        let [a, b, c, d] = ip.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low)
    }

    #[test]
    fn d1_p16_a_subdomain_must_be_public_and_a_url_may_be_anywhere() {
        let checked = |lines: &str| {
            let text = format!("[accounts.acme]\nclient-id = \"c\"\n{lines}\n");
            let config = crate::config::check::parse(&text).unwrap();
            must_be_public(config.accounts.values().next().unwrap())
        };
        let acme = Some("acme.zendesk.com".to_owned());
        assert_eq!(checked("subdomain = \"acme\""), acme);
        let branded = "subdomain = \"acme\"\nurl = \"https://help.example.com\"";
        assert_eq!(checked(branded), acme);
        let meant = "subdomain = \"acme\"\nurl = \"https://acme.zendesk.com\"";
        assert_eq!(checked(meant), None);
        assert_eq!(checked("url = \"https://acme.zendesk.com\""), None);
    }
}
