//! The encryption of what is on disk, and its key.

pub(super) mod data_key;
pub(super) mod seal;
