//! Ports that nobody else on this machine is likely to take meanwhile.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that is free on both loopback interfaces now.
///
/// It lies below the range from which the system gives out ports by itself, and processes start
/// their search at different places, so that tests side by side don't meet.
///
/// # Panics
/// If the machine has none left.
pub fn free() -> u16 {
    let start =
        FIRST + u16::try_from(std::process::id() % u32::from(COUNT / BLOCK)).unwrap_or(0) * BLOCK;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start - FIRST + step) % COUNT;
        let free_v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        if free_v4 && (!has_v6 || TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok()) {
            return port;
        }
    }
    panic!("no port is free");
}

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Linux gives out ports from 32768 on, macOS from 49152.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
/// How many ports one process may want.
const BLOCK: u16 = 24;
