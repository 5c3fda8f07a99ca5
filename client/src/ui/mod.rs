//! Input and output: text for people, JSON for programs.

pub(crate) mod confirm;
mod json;
pub(crate) mod keyboard;
pub(crate) mod output;
pub(crate) mod secret;
pub(crate) mod shell;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;
