//! `GET /v1/version`.

use loopdesk_protocol::version::Version;
use loopdesk_protocol::{PROTOCOL, VERSION};

/// Who answers.
pub(in crate::control) fn version() -> Version {
    Version {
        version: VERSION.to_owned(),
        protocol: PROTOCOL,
        pid: std::process::id(),
    }
}
