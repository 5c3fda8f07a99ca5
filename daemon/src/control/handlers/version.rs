//! `GET /v1/version`.

use loopdesk_protocol::version::Version;

use crate::failpoint;
use crate::supervise::notify;

/// Which release this daemon is.
pub(in crate::control) fn version() -> Version {
    let (version, protocol) = failpoint::release();
    Version {
        version,
        protocol,
        pid: std::process::id(),
        supervised: notify::is_supervised(),
    }
}
