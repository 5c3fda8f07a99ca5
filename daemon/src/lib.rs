//! loopdeskd: keeps one OAuth session per Zendesk account alive and lends it to local scripts.
//!
//! # The way of a request
//!
//! ```text
//! listener → admission → route → session → upstream → rewrite
//!  bytes     may it?     where?  whose     Zendesk    what the
//!                                token?               script sees
//! ```
//!
//! A module uses only what is to its right, and the foundation: [`body`], [`clock`], [`config`],
//! [`refusal`], [`telemetry`], [`supervise`]. [`wire`] alone knows everyone. [`control`] stands
//! beside the flow.

pub mod body;
pub mod clock;
pub mod config;
mod hop_by_hop;
pub mod refusal;
#[cfg(test)]
mod samples;
pub mod supervise;
pub mod telemetry;
pub mod upstream;
