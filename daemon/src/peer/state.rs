//! The states of a TCP socket (RFC 9293 section 3.3.2), by each system's numbers.

/// A socket's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcpState {
    /// Both directions are open.
    Established,
    /// A connection was requested.
    SynSent,
    /// A connection is being accepted.
    SynReceived,
    /// This end has closed its direction; not acknowledged yet.
    FinWait1,
    /// This end has closed its direction, and the other end knows.
    FinWait2,
    /// Both ends have closed; waiting for stray segments.
    TimeWait,
    /// There is no connection, or it has ended.
    Close,
    /// The other end has closed its direction.
    CloseWait,
    /// The other end has closed first, then this one.
    LastAck,
    /// Waiting for connections.
    Listen,
    /// Both ends have closed at the same time.
    Closing,
}

impl TcpState {
    /// By its number in Linux (`include/net/tcp_states.h`).
    #[cfg(any(target_os = "linux", test))]
    pub(super) fn of_linux(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            2 => Self::SynSent,
            // 12 is TCP_NEW_SYN_RECV.
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            _ => return None,
        })
    }

    /// By its number in macOS (`bsd/netinet/tcp_fsm.h` of XNU).
    #[cfg(any(target_os = "macos", test))]
    pub(super) fn of_xnu(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Close,
            1 => Self::Listen,
            2 => Self::SynSent,
            3 => Self::SynReceived,
            4 => Self::Established,
            5 => Self::CloseWait,
            6 => Self::FinWait1,
            7 => Self::Closing,
            8 => Self::LastAck,
            9 => Self::FinWait2,
            10 => Self::TimeWait,
            _ => return None,
        })
    }
}
