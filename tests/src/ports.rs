//! Ports for tests that run concurrently, in one run or in several on one machine.
//!
//! Each process reserves blocks of ports. The first port of a block remains bound for as long as
//! the process runs and serves as a lock: it works across users, and the system releases it by
//! itself.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

/// A port that is free on both loopback interfaces, and that no other process gets from here.
///
/// It is below the range from which the system assigns ports by itself.
///
/// # Panics
/// If the machine has none left.
pub fn free() -> u16 {
    let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..=BLOCKS {
        for port in reserved.rest.by_ref() {
            if is_free(port) {
                return port;
            }
        }
        reserved.take_block();
    }
    panic!("no port is free");
}

struct Reserved {
    /// Bound until the process ends, so that no other process takes their blocks.
    locks: Vec<TcpListener>,
    /// The unused ports of the latest block.
    rest: std::ops::Range<u16>,
    /// The block to try next.
    next: u16,
}

impl Reserved {
    fn take_block(&mut self) {
        for _ in 0..BLOCKS {
            let first = FIRST + self.next * BLOCK;
            self.next = (self.next + 1) % BLOCKS;
            if let Ok(lock) = TcpListener::bind((Ipv4Addr::LOCALHOST, first)) {
                self.locks.push(lock);
                self.rest = first + 1..first + BLOCK;
                return;
            }
        }
        panic!("no block of ports is free");
    }
}

fn is_free(port: u16) -> bool {
    let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && (!has_v6 || TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok())
}

static RESERVED: LazyLock<Mutex<Reserved>> = LazyLock::new(|| {
    // Processes begin at different blocks, so that they rarely try one that is taken.
    let next = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or(0);
    Mutex::new(Reserved {
        locks: Vec::new(),
        rest: 0..0,
        next,
    })
});

/// Linux assigns ports from 32768 on, macOS from 49152.
const FIRST: u16 = 20_000;
const BLOCKS: u16 = 500;
/// How many ports a block has, including the one that is its lock. Most processes need one block.
const BLOCK: u16 = 24;
