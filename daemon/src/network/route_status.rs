//! Whether a connection's route out of this machine still holds. Nothing is sent to find out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// What the kernel says about a route that it chose earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteStatus {
    /// It would choose the same source address again, or currently has no route at all.
    Same,
    /// It would choose another source address now; this machine still has the old one.
    Other,
    /// This machine no longer has the source address.
    Gone,
}

impl RouteStatus {
    /// What the kernel says about a connection from `local` to `peer`.
    pub(crate) fn of(local: IpAddr, peer: SocketAddr) -> Self {
        Self::judge(local, source_towards(peer).ok(), || is_here(local))
    }

    fn judge(local: IpAddr, chosen: Option<IpAddr>, is_here: impl FnOnce() -> bool) -> Self {
        match chosen {
            Some(chosen) if chosen == local.to_canonical() => Self::Same,
            _ if !is_here() => Self::Gone,
            Some(_) => Self::Other,
            // The route may come back, and with it the same address: TCP would go on.
            None => Self::Same,
        }
    }
}

/// The source address that the kernel would use to connect to `peer` now: connecting a datagram
/// socket looks up the route without sending anything.
fn source_towards(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match peer.ip() {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip().to_canonical())
}

/// Whether this machine has the address: only its own can be bound.
fn is_here(local: IpAddr) -> bool {
    let bound = UdpSocket::bind((local, 0));
    !bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r10_only_another_source_address_is_another_way() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let wifi = ip("192.168.1.5");
        let table = [
            (Some("192.168.1.5"), true, RouteStatus::Same),
            // A VPN takes over the route; the Wi-Fi stays up.
            (Some("10.8.0.2"), true, RouteStatus::Other),
            (Some("192.168.1.6"), false, RouteStatus::Gone),
            // No network.
            (None, false, RouteStatus::Gone),
            // A route that is being replaced disappears before the new one is there.
            (None, true, RouteStatus::Same),
        ];
        for (chosen, is_here, expected) in table {
            let way = RouteStatus::judge(wifi, chosen.map(ip), || is_here);
            assert_eq!(way, expected, "{chosen:?} {is_here}");
        }
        let mapped = ip("::ffff:192.168.1.5");
        assert_eq!(
            RouteStatus::judge(mapped, Some(wifi), || true),
            RouteStatus::Same
        );
    }

    #[test]
    fn r10_the_kernel_knows_its_own_addresses() {
        let local = Ipv4Addr::LOCALHOST;
        let way = |from: [u8; 4]| RouteStatus::of(from.into(), (local, 443).into());
        assert_eq!(way([127, 0, 0, 1]), RouteStatus::Same);
        assert_eq!(way([127, 0, 0, 2]), RouteStatus::Other);
        // Reserved for documentation (RFC 5737): no machine has it.
        assert_eq!(way([192, 0, 2, 1]), RouteStatus::Gone);
    }
}
