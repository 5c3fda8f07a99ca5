//! Programs that the benchmark starts, on their cores, and ends again.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Outcome, process};

/// A command for a program on one core, which ends with this process.
pub(crate) fn on_core(core: usize, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM", "taskset", "-c"])
        .arg(core.to_string())
        .arg(program)
        .stdin(Stdio::null());
    command
}

/// A program that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let name = format!("{command:?}");
        let child = command
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        Ok(Self(child))
    }

    /// Starts it and waits until it accepts connections.
    pub(crate) fn start_listening(command: &mut Command, port: u16) -> Outcome<Self> {
        let mut running = Self::start(command)?;
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = running.0.try_wait()? {
                return Err(format!("{command:?} has ended: {status}").into());
            }
            if began.elapsed() > START {
                return Err(format!("{command:?} doesn't listen on port {port}").into());
            }
            pause(Duration::from_millis(10));
        }
        Ok(running)
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Its process and those that it has started.
    pub(crate) fn pids(&self) -> Vec<u32> {
        process::tree(self.pid())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself.
            let _gone = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while let Ok(None) = self.0.try_wait() {
            if began.elapsed() > END {
                drop(self.0.kill());
                drop(self.0.wait());
                return;
            }
            pause(Duration::from_millis(5));
        }
    }
}

/// A port that nothing listens on, below those that the system assigns by itself.
pub(crate) fn free_port() -> Outcome<u16> {
    let own = u16::try_from(std::process::id() % 1000).unwrap_or(0);
    for _ in 0..PORTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + (own * 7 + step) % PORTS;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free".into())
}

/// Waits, without a runtime.
pub(crate) fn pause(time: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the driver has no runtime to block"
    )]
    std::thread::sleep(time);
}

static NEXT: AtomicU16 = AtomicU16::new(0);
const FIRST_PORT: u16 = 12_000;
const PORTS: u16 = 8_000;
/// Far more than any of them takes, even on a busy machine.
const START: Duration = Duration::from_secs(20);
/// Longer than a daemon waits for its open connections.
const END: Duration = Duration::from_secs(12);
