//! macOS's table of TCP sockets, `net.inet.tcp.pcblist_n`, which any user may read.
//!
//! The layout is `struct xinpgen`, then for each socket a group of records that begin with their
//! length and kind (`bsd/netinet/in_pcb.h` and `bsd/sys/socketvar.h` of XNU, packed to 4 bytes).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Owner;

/// The table as the system has it now.
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

/// Who owns the socket that is connected from `peer` to `local`.
pub(super) fn owner(table: &[u8], local: SocketAddr, peer: SocketAddr) -> Option<Owner> {
    let mut rest = table.get(number(table, 0)? as usize..)?;
    let mut found = false;
    loop {
        let length = number(rest, 0)? as usize;
        let record = rest.get(..length).filter(|record| record.len() >= 8)?;
        match number(record, 4)? {
            XSO_INPCB => found = ends(record) == Some((peer, local)),
            XSO_SOCKET if found => {
                return Some(Owner {
                    uid: number(record, SO_UID)?,
                    held: true,
                    inode: None,
                });
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

const XSO_SOCKET: u32 = 0x001;
const XSO_INPCB: u32 = 0x010;

const INP_FPORT: usize = 16;
const INP_LPORT: usize = 18;
const INP_VFLAG: usize = 44;
const INP_FADDR: usize = 48;
const INP_LADDR: usize = 64;
const INP_IPV4: u8 = 1;
const SO_UID: usize = 64;

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

    fn socket(lport: u16, fport: u16, uid: u32) -> Vec<u8> {
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
        let so = record(XSO_SOCKET, 84, &[(SO_UID, &uid.to_ne_bytes())]);
        [pcb, so].concat()
    }

    #[test]
    fn the_owner_of_exactly_this_connection_is_found() {
        let head = record(0, 24, &[]);
        let table = [head, socket(8484, 50000, 501), socket(50000, 8484, 502)].concat();
        let local = "127.0.0.1:8484".parse().unwrap();
        let peer = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let found = owner(&table, local, peer(50000));
        assert_eq!(
            found,
            Some(Owner {
                uid: 502,
                held: true,
                inode: None
            })
        );
        assert_eq!(owner(&table, local, peer(50001)), None);
        for cut in 0..table.len() {
            let _ = owner(&table[..cut], local, peer(50000));
        }
    }
}
