//! The signals that a daemon responds to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalRequest {
    /// SIGTERM or SIGINT: stop after finishing what is under way.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// Catches the signals from the moment this exists.
#[derive(Debug)]
pub struct SignalStream {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl SignalStream {
    /// Starts to catch them.
    ///
    /// # Errors
    /// If a handler can't be installed.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Cancel-safe: no signal is lost.
    pub async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            _ = self.terminate.recv() => SignalRequest::Stop,
            _ = self.interrupt.recv() => SignalRequest::Stop,
            _ = self.hangup.recv() => SignalRequest::Reload,
        }
    }
}
