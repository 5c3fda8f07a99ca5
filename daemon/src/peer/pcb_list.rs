//! macOS's table of TCP sockets, `net.inet.tcp.pcblist_n`, which any user may read.
//!
//! The layout is `struct xinpgen`, then for each socket a group of records that begin with their
//! length and kind (`bsd/netinet/in_pcb.h` and `bsd/sys/socketvar.h` of XNU, packed to 4 bytes).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::state::TcpState;
use super::{Holder, PeerSocket};

/// The table in its current state.
#[cfg(target_os = "macos")]
pub(super) fn read() -> std::io::Result<Vec<u8>> {
    #[expect(unsafe_code, reason = "there is no safe wrapper of sysctlbyname")]
    let ask = |buffer: *mut std::ffi::c_void, length: &mut usize| {
        // SAFETY: the name ends in NUL, and `buffer` is null or has `length` bytes.
        let verdict = unsafe {
            libc::sysctlbyname(
                c"net.inet.tcp.pcblist_n".as_ptr(),
                buffer,
                length,
                std::ptr::null_mut(),
                0,
            )
        };
        match verdict {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    let mut length = 0;
    ask(std::ptr::null_mut(), &mut length)?;
    // Sockets may be opened between the two calls.
    length += length / 8 + 4096;
    let mut table = vec![0; length];
    ask(table.as_mut_ptr().cast(), &mut length)?;
    table.truncate(length);
    Ok(table)
}

/// The socket whose connection leads from `peer` to `local`.
pub(super) fn find(table: &[u8], local: SocketAddr, peer: SocketAddr) -> Option<PeerSocket> {
    let mut rest = table.get(number(table, 0)? as usize..)?;
    let mut is_it = false;
    let mut holder = None;
    loop {
        let length = number(rest, 0)? as usize;
        let record = rest.get(..length).filter(|record| record.len() >= 8)?;
        match number(record, 4)? {
            XSO_INPCB => is_it = ends(record) == Some((peer, local)),
            XSO_SOCKET if is_it => {
                // A closed socket keeps its last owner's uid.
                let is_held = short(record, SO_STATE)? & SS_NOFDREF == 0;
                let uid = number(record, SO_UID)?;
                holder = is_held.then_some(Holder { uid, inode: None });
            }
            // The last record of a socket's group.
            XSO_TCPCB if is_it => {
                let state = TcpState::of_xnu(number(record, T_STATE)?)?;
                return Some(PeerSocket { holder, state });
            }
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(8)..)?;
    }
}

/// The socket's own address and the other end's.
fn ends(record: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let address = |at: usize| -> Option<IpAddr> {
        let bytes: [u8; 16] = record.get(at..at + 16)?.try_into().ok()?;
        Some(match record.get(INP_VFLAG)? & 3 {
            INP_IPV4 => Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]).into(),
            _ => Ipv6Addr::from(bytes).to_canonical(),
        })
    };
    let port = |at: usize| Some(u16::from_be_bytes(record.get(at..at + 2)?.try_into().ok()?));
    Some((
        SocketAddr::new(address(INP_LADDR)?, port(INP_LPORT)?),
        SocketAddr::new(address(INP_FADDR)?, port(INP_FPORT)?),
    ))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(bytes))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_ne_bytes(bytes))
}

const XSO_SOCKET: u32 = 0x001;
const XSO_INPCB: u32 = 0x010;
const XSO_TCPCB: u32 = 0x020;

const INP_FPORT: usize = 16;
const INP_LPORT: usize = 18;
const INP_VFLAG: usize = 44;
const INP_FADDR: usize = 48;
const INP_LADDR: usize = 64;
const INP_IPV4: u8 = 1;
const SO_STATE: usize = 26;
const SO_UID: usize = 64;
/// No descriptor refers to the socket any more (`bsd/sys/socketvar.h`).
const SS_NOFDREF: u16 = 0x0001;
const T_STATE: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, length: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut record = vec![0; length];
        record[..4].copy_from_slice(&u32::try_from(length).unwrap().to_ne_bytes());
        record[4..8].copy_from_slice(&kind.to_ne_bytes());
        for (at, bytes) in fields {
            record[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        record.resize(length.next_multiple_of(8), 0);
        record
    }

    fn socket(lport: u16, fport: u16, uid: u32, so_state: u16, t_state: u32) -> Vec<u8> {
        let pcb = record(
            XSO_INPCB,
            104,
            &[
                (INP_FPORT, &fport.to_be_bytes()),
                (INP_LPORT, &lport.to_be_bytes()),
                (INP_VFLAG, &[INP_IPV4]),
                (INP_FADDR + 12, &[127, 0, 0, 1]),
                (INP_LADDR + 12, &[127, 0, 0, 1]),
            ],
        );
        let so = record(
            XSO_SOCKET,
            84,
            &[
                (SO_STATE, &so_state.to_ne_bytes()),
                (SO_UID, &uid.to_ne_bytes()),
            ],
        );
        // Buffers and statistics come in between.
        let buffer = record(0x002, 36, &[]);
        let tcp = record(XSO_TCPCB, 204, &[(T_STATE, &t_state.to_ne_bytes())]);
        [pcb, so, buffer, tcp].concat()
    }

    #[test]
    fn d1_the_owner_of_exactly_this_connection_is_found() {
        const IS_CONNECTED: u16 = 0x0002;
        let head = record(0, 24, &[]);
        let table = [
            head,
            socket(8484, 50000, 501, IS_CONNECTED, 4),
            socket(50000, 8484, 502, IS_CONNECTED, 4),
            socket(50002, 8484, 503, SS_NOFDREF, 9),
            socket(50003, 8484, 504, 0x0004, 2),
        ]
        .concat();
        let local = "127.0.0.1:8484".parse().unwrap();
        let peer = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let held = |uid, state| {
            let holder = Some(Holder { uid, inode: None });
            Some(PeerSocket { holder, state })
        };
        let found = |port| find(&table, local, peer(port));
        assert_eq!(found(50000), held(502, TcpState::Established));
        assert_eq!(found(50001), None);
        let closed = PeerSocket {
            holder: None,
            state: TcpState::FinWait2,
        };
        assert_eq!(found(50002), Some(closed));
        assert_eq!(found(50003), held(504, TcpState::SynSent));
        for cut in 0..table.len() {
            let _ = find(&table[..cut], local, peer(50003));
        }
    }
}
