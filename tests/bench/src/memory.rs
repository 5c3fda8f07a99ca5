//! How much memory the daemon has for itself, and how fast it starts.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use crate::children::pause;
use crate::load::Load;
use crate::load::response::Head;
use crate::loopdesk::Loopdesk;
use crate::peers::{Peer, REWRITING};
use crate::process::{self, number};
use crate::upstream::{Body, Upstream};
use crate::{Lab, Outcome, progress};

/// Figures of each round.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Milliseconds from `exec` to `READY=1`.
    pub(crate) start: Vec<f64>,
    /// MiB, with a session, after a first request.
    pub(crate) idle: Vec<f64>,
    /// KiB for each of 500 connections that wait for their next request.
    pub(crate) connection: Vec<f64>,
    /// MiB above `idle`, a while after 256 connections were busy.
    pub(crate) left_over: Vec<f64>,
    /// MiB by which the second half of a long stream went above the first.
    pub(crate) growth: Vec<f64>,
    /// How long the daemon had to settle after the burst.
    pub(crate) settling: Duration,
}

pub(crate) fn measure(lab: &Lab, upstream: &Upstream) -> Outcome<Memory> {
    let mut loopdesk = Loopdesk::start(lab, "memory", upstream.http1)?;
    let mut memory = Memory {
        settling: lab.size.settling,
        ..Memory::default()
    };
    for _ in 0..STARTS {
        memory
            .start
            .push(loopdesk.restart()?.as_secs_f64() * 1000.0);
    }
    for round in 0..lab.size.rounds {
        progress(&format!(
            "memory, round {} of {}",
            round + 1,
            lab.size.rounds
        ));
        let idle = idle_memory(lab, &mut loopdesk)?;
        memory.idle.push(idle / 1024.0);
        let scripts: Vec<_> = (0..IDLE_CONNECTIONS)
            .map(|_| Script::connect(loopdesk.port))
            .collect::<Result<_, _>>()?;
        pause(CALM);
        memory
            .connection
            .push((private(&loopdesk) - idle) / f64::from(IDLE_CONNECTIONS));
        drop(scripts);

        let idle = idle_memory(lab, &mut loopdesk)?;
        let peer = Peer {
            name: REWRITING,
            port: loopdesk.port,
            is_direct: false,
            headers: Vec::new(),
            pids: loopdesk.pids(),
        };
        Load::of(lab, &peer, Body::Small, 256)
            .lasting(BURST)
            .run(lab)?;
        pause(lab.size.settling);
        memory.left_over.push((private(&loopdesk) - idle) / 1024.0);

        memory
            .growth
            .push(growth_under_a_stream(lab, &loopdesk)? / 1024.0);
    }
    Ok(memory)
}

/// KiB of a fresh daemon that has served a first request and has nothing to do.
fn idle_memory(lab: &Lab, loopdesk: &mut Loopdesk) -> Outcome<f64> {
    loopdesk.restart_on_core(lab)?;
    drop(Script::connect(loopdesk.port)?);
    pause(CALM);
    Ok(private(loopdesk))
}

/// KiB.
fn private(loopdesk: &Loopdesk) -> f64 {
    number(loopdesk.pids().into_iter().map(process::private).sum())
}

/// KiB by which the second half of a stream went above the first.
fn growth_under_a_stream(lab: &Lab, loopdesk: &Loopdesk) -> Outcome<f64> {
    let mut script = Script::send(loopdesk.port, Body::Endless)?;
    let mut buffer = vec![0; 1 << 20];
    let (mut left, mut halves) = (lab.size.stream, [0.0_f64; 2]);
    let mut next = Instant::now();
    while left > 0 {
        let length = script.more(&mut buffer)?.len();
        left = left.saturating_sub(u64::try_from(length)?);
        if next <= Instant::now() {
            let half = &mut halves[usize::from(left < lab.size.stream / 2)];
            *half = half.max(private(loopdesk));
            next = Instant::now() + EVERY;
        }
    }
    Ok(halves[1] - halves[0])
}

/// A connection to the daemon.
struct Script(TcpStream);

impl Script {
    /// One that has had an answer and is kept.
    fn connect(port: u16) -> Outcome<Self> {
        let mut script = Self::send(port, Body::Small)?;
        let mut seen = Vec::new();
        let (head, length) = loop {
            if let Some(found) = Head::read(&seen)? {
                break found;
            }
            seen.extend_from_slice(script.more(&mut [0; 4096])?);
        };
        if head.status != 200 || head.closes {
            return Err(String::from_utf8_lossy(&seen).into());
        }
        let mut framing = head.framing;
        framing.take(&seen[length..])?;
        while !framing.is_whole() {
            framing.take(script.more(&mut [0; 4096])?)?;
        }
        Ok(script)
    }

    fn more<'a>(&mut self, buffer: &'a mut [u8]) -> Outcome<&'a [u8]> {
        match self.0.read(buffer)? {
            0 => Err("the connection ended early".into()),
            length => Ok(&buffer[..length]),
        }
    }

    fn send(port: u16, body: Body) -> Outcome<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let path = body.path();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer bench\r\n\r\n"
        )?;
        Ok(Self(stream))
    }
}

/// Starts are quick, so that there are more of them than rounds.
const STARTS: usize = 7;
const IDLE_CONNECTIONS: u32 = 500;
/// Enough for what a start or an answer leaves to do.
const CALM: Duration = Duration::from_secs(1);
const BURST: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_millis(200);
