//! Peers that are there, half there and gone, by the rule and on real sockets.

use std::net::Shutdown;
use std::time::Duration;

use super::*;

/// Every state of both ends, against a second version of the rule: the promise's sentences, in
/// order.
#[test]
fn d1_u1_who_is_served_by_what_was_found_and_what_our_end_says_after() {
    const OWN: u32 = 1000;
    let holders = [None, Some(OWN), Some(1001), Some(0)];
    let mut gone = 0;
    for (found, ours) in pairs() {
        for holder in holders {
            let holder = holder.map(|uid| Holder { uid, inode: None });
            let found = found.map(|state| PeerSocket { holder, state });
            let expected = read_again(OWN, found, ours);
            assert_eq!(judge(OWN, found, ours), expected, "{found:?}, {ours:?}");
            gone += usize::from(expected == Err(Gone));
        }
    }
    assert!(gone > 400, "{gone}");
    // A daemon that runs as root knows root's connections.
    let roots = |uid| {
        let holder = Some(Holder { uid, inode: None });
        let state = TcpState::Established;
        judge(0, Some(PeerSocket { holder, state }), TcpState::Established)
    };
    assert_eq!(roots(0), Ok(Peer::Own));
    assert_eq!(roots(1000), Ok(Peer::Other(1000)));
}

fn read_again(own: u32, found: Option<PeerSocket>, ours: TcpState) -> Result<Peer, Gone> {
    let speaks = |state| {
        let speaking = ["Established", "FinWait1", "FinWait2", "Closing"];
        speaking.contains(&format!("{state:?}").as_str())
    };
    let holder = found.and_then(|found| found.holder);
    let is_held = holder.is_some() && found.is_some_and(|found| speaks(found.state));
    let is_alive = !matches!(ours, TcpState::Close);
    let is_whole = matches!(ours, TcpState::Established);
    if is_held && is_alive {
        let uid = holder.unwrap().uid;
        if uid == own {
            return Ok(Peer::Own);
        }
        return Ok(if uid == 0 {
            Peer::Unknown
        } else {
            Peer::Other(uid)
        });
    }
    let nobody_holds_it = holder.is_none();
    let closed = found.is_some_and(|found| found.state != TcpState::Established);
    if nobody_holds_it && !closed && is_whole {
        return Ok(Peer::Unknown);
    }
    Err(Gone)
}

/// All states of the found socket, or none, combined with all of ours.
fn pairs() -> impl Iterator<Item = (Option<TcpState>, TcpState)> {
    let all = || (1..=12).filter_map(TcpState::of_linux);
    let found = [None].into_iter().chain(all().map(Some));
    found.flat_map(move |found| all().map(move |ours| (found, ours)))
}

#[test]
fn both_systems_number_the_same_states() {
    let linux: Vec<_> = (1..=11).filter_map(TcpState::of_linux).collect();
    let xnu: Vec<_> = (0..=10).filter_map(TcpState::of_xnu).collect();
    assert_eq!((linux.len(), xnu.len()), (11, 11));
    assert!(linux.iter().all(|state| xnu.contains(state)));
    assert_eq!(
        (TcpState::of_linux(0), TcpState::of_linux(13)),
        (None, None)
    );
    assert_eq!(TcpState::of_xnu(11), None);
}

#[test]
fn d1_the_system_knows_our_own_connections() {
    assert_eq!(Peers::new().look_at_self(), Ok(()));
}

#[test]
fn d1_a_peer_that_is_gone_is_served_nothing_and_a_half_closed_one_is() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address) else {
            continue;
        };
        let peers = Peers::new();
        let connect = || {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            (client, server, peer)
        };
        let local = listener.local_addr().unwrap();
        let asked = |server: &TcpStream, peer| {
            let answer = peers.of_tcp(server, local, peer);
            answer.map(|seen| (seen.peer, seen.trace != Trace::Nothing))
        };

        let (client, server, peer) = connect();
        let is_traced = cfg!(target_os = "linux");
        assert_eq!(asked(&server, peer), Ok((Peer::Own, is_traced)));
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(asked(&server, peer), Ok((Peer::Own, is_traced)));
        arrived(&server, TcpState::CloseWait);
        assert_eq!(asked(&server, peer), Ok((Peer::Own, is_traced)));
        drop(client);
        assert_eq!(asked(&server, peer), Err(Gone), "closed after that");

        let (client, server, peer) = connect();
        drop(client);
        assert_eq!(asked(&server, peer), Err(Gone), "closed at once");

        let (client, server, peer) = connect();
        reset(client);
        arrived(&server, TcpState::Close);
        assert_eq!(asked(&server, peer), Err(Gone), "reset");
    }
}

/// More than our end accepts lies between the request and its sender's close.
#[test]
fn d1_a_peer_whose_end_is_stuck_behind_its_bytes_is_gone() {
    use std::io::Write;

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    let piece = vec![0; 1 << 20];
    while client.write(&piece).is_ok() {}
    drop(client);
    let answer = Peers::new().of_tcp(&server, server.local_addr().unwrap(), peer);
    assert_eq!(answer, Err(Gone));
}

/// The port's next holder is a live connection of the daemon's own user.
#[test]
fn d1_the_next_one_at_a_peers_address_is_not_that_peer() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address) else {
            continue;
        };
        let local = listener.local_addr().unwrap();
        let first = TcpStream::connect(local).unwrap();
        let (left, peer) = listener.accept().unwrap();
        reset(first);
        let second = connect_from(peer, local);
        let (stays, _) = listener.accept().unwrap();
        let peers = Peers::new();
        assert_eq!(peers.of_tcp(&left, local, peer), Err(Gone));
        let answer = peers.of_tcp(&stays, local, peer);
        assert_eq!(answer.map(|seen| seen.peer), Ok(Peer::Own));
        drop(second);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn d1_both_tables_of_linux_tell_the_same_of_every_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = listener.local_addr().unwrap();
    let connect = || {
        let client = TcpStream::connect(local).unwrap();
        (client, listener.accept().unwrap())
    };
    let kernel = linux::SockDiag::default();
    // What is in flight between the two lookups arrives.
    let same = |peer| {
        loop {
            let found = kernel.find(local, peer).unwrap();
            if found == proc_net::find(local, peer).unwrap() {
                return found;
            }
        }
    };
    let (client, (_server, peer)) = connect();
    assert_eq!(same(peer).unwrap().state, TcpState::Established);
    client.shutdown(Shutdown::Write).unwrap();
    while same(peer).unwrap().state == TcpState::FinWait1 {}
    assert_eq!(same(peer).unwrap().state, TcpState::FinWait2);
    drop(client);
    assert_eq!(same(peer).unwrap().holder, None);
    let (client, (_server, peer)) = connect();
    reset(client);
    assert_eq!(same(peer), None);
}

/// Waits until our end knows: on a busy machine that takes a moment.
fn arrived(server: &TcpStream, expected: TcpState) {
    while accepted::state(server.as_fd()).is_ok_and(|state| state != expected) {}
}

#[tokio::test]
async fn d1_a_peer_that_nobody_holds_is_asked_for_once_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = || {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    };
    let (_client, server) = connect();
    assert_eq!(confirm(&server).await, Ok(()));
    let (client, server) = connect();
    reset(client);
    assert_eq!(confirm(&server).await, Err(Gone));
    let (client, server) = connect();
    drop(client);
    assert_eq!(confirm(&server).await, Err(Gone));
}

fn reset(client: TcpStream) {
    let at_once = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(&client, at_once).unwrap();
    drop(client);
}

fn connect_from(own: SocketAddr, to: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

    let family = match own {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket(family, SocketType::STREAM, None).unwrap();
    bind(&socket, &own).unwrap();
    connect(&socket, &to).unwrap();
    socket.into()
}
