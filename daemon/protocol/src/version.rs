//! `GET /v1/version`: which daemon answers on the control socket.

use serde::{Deserialize, Serialize};

use crate::call::Call;

/// Asks for the daemon's version.
pub const CALL: Call<(), Version> = Call::get("/v1/version");

/// The daemon's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The daemon's release.
    pub version: String,
    /// The daemon's [`crate::PROTOCOL`].
    pub protocol: u32,
    /// The daemon's process id.
    pub pid: u32,
    /// Whether systemd or launchd keeps it running.
    #[serde(default)]
    pub supervised: bool,
}
