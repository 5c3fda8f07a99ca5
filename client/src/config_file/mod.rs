//! The configuration's text: edited without losing a comment, replaced in one step.

mod comment;
mod edit;
#[cfg(test)]
mod properties;
mod value;
mod write;

pub(crate) use edit::{ConfigEdit, parse};
pub(crate) use value::{text_value, values};
pub(crate) use write::{ConfigDraft, ConfigFile};
