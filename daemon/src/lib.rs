//! loopdeskd: keeps one OAuth session per Zendesk account alive and lends it to local scripts.
//!
//! # The request path
//!
//! ```text
//! request   listener → admission → route → write_back → session → upstream
//!            bytes     may it?     where?  local URLs   whose     Zendesk
//!                                          in the body  token?
//! response  upstream → session → rewrite → listener
//!            Zendesk   a 401?    what the
//!                                script sees
//! ```
//!
//! [`rewrite`] and [`upstream`] see a request's head before [`session`] is asked for a token: what
//! rewriting the answer needs is known from the request alone. `daemon/README.md` draws both phases,
//! describes each module and lists the promises that tests cite (R1, S5, D4 …).
//!
//! A module only uses modules to its right, and the foundation: [`body`], [`clock`], [`conditions`],
//! [`config`], [`error_response`], [`facts`], [`failpoint`], [`keys`], [`network`], [`os`], [`peer`],
//! [`rights`], [`route_table`], [`supervise`], [`telemetry`]. Only [`app`] knows all of them. [`control`]
//! and [`notifications`] aren't part of the request path.
//!
//! `exec_proxy` is another process: the helper of `loopdesk exec`, beside one command.
//!
//! [`keys`] tells which local key a request carries, and [`rights`] what that allows: admission and
//! route decide by them, and control changes them.

pub mod admission;
pub mod app;
pub mod body;
mod cli;
pub mod clock;
pub mod conditions;
pub mod config;
mod content;
pub mod control;
mod durable;
pub mod error_response;
mod exec_proxy;
pub mod facts;
pub mod failpoint;
mod hex;
mod hop_by_hop;
mod html;
pub mod keys;
pub mod listener;
pub mod network;
pub mod notifications;
pub mod os;
pub mod peer;
mod percent;
mod program;
pub mod proof;
pub mod rewrite;
pub mod rights;
pub mod route;
pub mod route_table;
#[cfg(test)]
mod samples;
mod secret_forms;
pub mod session;
mod signpost;
pub mod supervise;
pub mod telemetry;
pub mod upstream;
pub mod write_back;

pub use cli::main;
