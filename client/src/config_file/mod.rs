//! The configuration file: edited without losing comments, replaced atomically.

mod comment;
mod edit;
#[cfg(test)]
mod properties;
mod value;
mod write;

pub(crate) use edit::{ConfigEdit, parse};
pub(crate) use value::{text_value, values};
pub(crate) use write::{ConfigDraft, ConfigFile};
