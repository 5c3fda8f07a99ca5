//! `POST /v1/exec` and `POST /v1/exec/ticket`, and what `loopdesk exec` and its helper,
//! `loopdeskd exec-proxy`, tell each other.
//!
//! ```text
//! loopdesk exec ── PLAN ──────────────▶ daemon      which account, may it?
//!       │ starts, Assignment on standard input
//!       ▼
//! loopdeskd exec-proxy                              makes the certificates, and ends
//!       │ starts, itself, as the helper
//!       ▼
//! the helper ── TICKET, if there is a key ─▶ daemon
//!       │ Reply on standard output
//!       ▼
//! loopdesk exec ── becomes the command, with the environment that leads to the helper
//! ```

mod original_env;
mod restore;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::client::Lines;
use crate::problem::Problem;
use crate::secret::SecretText;

pub use original_env::{ORIGINAL_ENV, OriginalEnv};
pub use restore::restore_environment;

/// Asks what a run may use.
pub const PLAN: Call<PlanRequest, Plan> = Call::post("/v1/exec");

/// Asks for a ticket with the rights of a local key. The answer is one line, and stays open: the ticket
/// works until the connection closes.
pub const TICKET: Call<TicketRequest, Lines<Ticket>> = Call::post("/v1/exec/ticket");

/// `loopdeskd exec-proxy` reads an [`Assignment`] as JSON, and answers with a [`Reply`].
pub const HELPER: &str = "exec-proxy";

/// On `proxy.sock`: the origin that the request is for, which must be one of the account's.
pub const ORIGIN_HEADER: &str = "x-loopdesk-origin";

/// On `proxy.sock`: the ticket of a run with a local key.
pub const TICKET_HEADER: &str = "x-loopdesk-ticket";

/// On `proxy.sock`: the command of a run, `PROCESS PROGRAM`. It is absent if its program isn't known.
pub const CALLER_HEADER: &str = "x-loopdesk-caller";

/// The value of `X-Loopdesk-Rewrite` that leaves everything as Zendesk and the program sent it. Works
/// only beside [`ORIGIN_HEADER`].
pub const REWRITE_NONE: &str = "none";

/// Names what a command is to run with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlanRequest {
    /// The account; the key's or the default one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The name of a local key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What a run may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The account.
    pub account: String,
    /// Its origins, `https://HOST[:PORT]`.
    pub origins: Vec<String>,
    /// The id of the local key, if there is one: its name may be that of another one later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The daemon's ports for scripts.
    pub ports: Vec<u16>,
}

/// Says for which local key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TicketRequest {
    /// Its id, from the [`Plan`].
    pub key: String,
}

/// A ticket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// The value of [`TICKET_HEADER`].
    pub ticket: SecretText,
}

/// What the helper is started for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// What the daemon has answered.
    pub plan: Plan,
    /// The daemon's control socket. `proxy.sock` is beside it.
    pub control_socket: PathBuf,
    /// The process that becomes the command. The helper ends when it does.
    pub command: u32,
}

/// What the helper answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It serves.
    Ready(Ready),
    /// It doesn't, and has ended.
    Failed(Problem),
}

/// Where a ready helper is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// The proxy's URL, with its password.
    pub proxy: SecretText,
    /// The certificates to trust: the system's, the person's own, and that of this run.
    pub bundle: PathBuf,
    /// The certificate of this run, and the person's own in NODE_EXTRA_CA_CERTS.
    pub extra: PathBuf,
    /// A folder with settings for PHP.
    pub php: PathBuf,
}
