//! Encryption of the records and journals on disk, and its key.

pub(super) mod data_key;
pub(super) mod seal;
