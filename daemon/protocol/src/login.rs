//! A login, from the authorize URL to the stored session.
//!
//! The answer to [`CALL`] is a stream of [`LoginEvent`]s, one JSON object per line. Hanging up
//! cancels the login. While it runs, an address that the user pastes goes to [`CALLBACK`].
//!
//! Before the first event, the daemon checks that the vault can store a key and a record. If it
//! can't, the only event is [`LoginEvent::Failed`] with a problem of kind `vault`.
//!
//! An account that wants a read-only pair as well (`read-only-grant`) has a second page: after the
//! first one comes [`LoginEvent::Obtained`], then another [`LoginEvent::Authorize`]. The browser is
//! led on by itself; if an address was pasted, the user opens the next one. Once the first pair is
//! obtained the login has succeeded: hanging up, denying or waiting leaves out the rest.
//!
//! An account whose grant is `client-credentials` needs no browser: the only event is
//! [`LoginEvent::Done`] or [`LoginEvent::Failed`]. Its secret comes in the [`LoginRequest`] and is
//! stored, encrypted with the vault's key, once Zendesk has accepted it; without one in the request
//! the stored one is used, and if there is none the problem is of kind `login` with the hint
//! `loopdesk login ACCOUNT --client-secret-stdin`. A secret for an account whose grant is
//! `authorization-code` is a problem of kind `usage`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Person;
use crate::call::{Call, Empty};
use crate::client::Lines;
use crate::problem::Problem;
use crate::secret::SecretText;
use crate::status::Role;

/// Starts a login.
pub const CALL: Call<LoginRequest, Lines<LoginEvent>> = Call::post("/v1/login");
/// Hands over a pasted callback address.
pub const CALLBACK: Call<Pasted, Empty> = Call::post("/v1/login/callback");

/// Asks for a login.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LoginRequest {
    /// The account; the default account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether to accept a different Zendesk user from the one logged in before.
    #[serde(default)]
    pub switch_user: bool,
    /// The secret of a confidential OAuth client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretText>,
    /// The page is opened on another machine, and the address of the last page may be pasted. The
    /// login starts even if no callback port is free.
    #[serde(default)]
    pub no_browser: bool,
}

/// What happens during a login.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum LoginEvent {
    /// The user has to open this page.
    Authorize(Authorize),
    /// A pair is stored and in use; another one is still to come.
    Obtained(Obtained),
    /// The session is stored and in use; the last event.
    Done(Done),
    /// Nothing was changed; the last event.
    Failed(Problem),
}

/// Zendesk's page that asks the user to allow access.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Authorize {
    /// The account's name.
    pub account: String,
    /// Zendesk's authorize page with this login's state and PKCE challenge.
    pub url: String,
    /// Where Zendesk sends the browser afterwards.
    pub redirect_uri: String,
    /// The address to start a browser with on this machine, which redirects to `url` once: `url` is
    /// secret, and other users can read a browser's arguments. Absent from the second page on, to
    /// which the browser is redirected, and if the daemon doesn't listen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrance: Option<String>,
    /// Whether the daemon listens at `redirect_uri`. If another program does, the address of the
    /// last page must be pasted.
    #[serde(default = "yes")]
    pub listens: bool,
    /// When the daemon stops waiting.
    pub waits_until: Timestamp,
    /// The pair that this page is for.
    #[serde(default)]
    pub role: Role,
    /// The number of the page, from 1.
    #[serde(default = "one")]
    pub page: u32,
    /// The number of pages.
    #[serde(default = "one")]
    pub pages: u32,
}

/// A token pair that a login obtained before its last page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Obtained {
    /// The account's name.
    pub account: String,
    /// What the pair is for.
    pub role: Role,
    /// Who is logged in now.
    pub person: Person,
}

/// A successful login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Done {
    /// The account's name.
    pub account: String,
    /// Who is logged in now.
    pub person: Person,
    /// The scopes that Zendesk granted.
    pub scopes: Vec<String>,
    /// The scopes that were requested but not granted.
    #[serde(default)]
    pub missing_scopes: Vec<String>,
    /// When the access token expires; it is refreshed before.
    pub access_expires_at: Timestamp,
    /// When the login ends if this machine stays off until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<Timestamp>,
    /// The base URLs that scripts can use.
    pub base_urls: Vec<String>,
    /// Warnings about a successful login, one sentence per line: for example, that scripts act as
    /// an admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// The account's token pairs. Empty from older daemons.
    #[serde(default)]
    pub pairs: Vec<Role>,
    /// Whether this is a different user than before, or the first one.
    #[serde(default)]
    pub new_person: bool,
}

/// The address of the page that failed to load in a browser on another machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pasted {
    /// The whole address, with `code` and `state`. The code is a secret.
    pub address: SecretText,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}
