//! The configuration in use, and why the current file may not be in use.

use std::sync::Arc;

use jiff::Timestamp;
use loopdesk_protocol::Problem;

use super::Config;

/// The configuration in use.
#[derive(Clone, Debug)]
pub struct LoadedConfig {
    /// The configuration.
    pub config: Arc<Config>,
    /// The path of the user's file.
    pub path: String,
    /// The path of the machine's file, if that exists.
    pub system_path: Option<String>,
    /// When it was loaded.
    pub loaded_at: Timestamp,
    /// Why the current file isn't in use.
    pub problem: Option<Problem>,
}
