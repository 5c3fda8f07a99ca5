//! The configuration in use, and why the file as it stands now may not be.

use std::sync::Arc;

use jiff::Timestamp;
use loopdesk_protocol::Problem;

use super::Config;

/// What is in use.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Arc<Config>,
    /// The user's file.
    pub path: String,
    /// The machine's file, if there is one.
    pub system_path: Option<String>,
    /// When it was read.
    pub loaded_at: Timestamp,
    /// Why the file as it stands now isn't in use.
    pub problem: Option<Problem>,
}
