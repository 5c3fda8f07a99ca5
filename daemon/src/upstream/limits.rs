//! Time limits for Zendesk that several modules share.

use std::time::Duration;

/// The longest wait for a connection: three SYNs (at 0, 1 and 3 s) and a handshake over a bad
/// mobile link fit, and a script's own time-out is rarely shorter.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);
