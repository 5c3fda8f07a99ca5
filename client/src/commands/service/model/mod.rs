//! What to install as the service, and what its manager reports.

pub(crate) mod address;
pub(crate) mod environment;
pub(crate) mod report;
pub(crate) mod spec;
