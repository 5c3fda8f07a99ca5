//! What the service is to be, and what its manager says that it is.

pub(crate) mod address;
pub(crate) mod environment;
pub(crate) mod report;
pub(crate) mod spec;
