//! A simulated Zendesk, so that developing and testing need no account.
//!
//! It listens on loopback with real TLS under its own CA, speaks HTTP/1.1 and HTTP/2, and behaves
//! as `daemon/ZENDESK.md` says: the consent page, the token endpoint with its rotation, the API
//! with its paging, exports, uploads, redirects, headers and errors. Tests can control what they
//! can't wait for: time, lifetimes, faults, an admin's acts, a lost network. And every request is
//! recorded for them.
//!
//! ```no_run
//! use std::time::Duration;
//! use loopdesk_tests::zendesk::{Answer, Decision, Fault, Zendesk};
//!
//! # async fn example() -> std::io::Result<()> {
//! let zendesk = Zendesk::builder()
//!     .granted_access_ttl(Duration::from_secs(3))
//!     .start()
//!     .await?;
//! // Configure a daemon with `url = zendesk.origin()`, `client-id = zendesk.client_id()` and
//! // `extra-ca-file = zendesk.ca_file()`, start its login, and play the browser:
//! # let authorize_url = "";
//! let callback = zendesk.consent(authorize_url, Decision::Allow).await?;
//! // The next refresh loses its answer after Zendesk has rotated the tokens:
//! let lost = zendesk.fault(Fault::on("POST", "/oauth/tokens").once().reset_after_commit());
//! // Every list of tickets fails twice:
//! zendesk.fault(Fault::on("GET", "/api/v2/tickets").times(2).answer(Answer::maintenance(1)));
//! zendesk.wait_for(|requests| requests.iter().any(|r| r.token_post.is_some())).await.unwrap();
//! assert_eq!(lost.hits(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! The path of a request: `server` (TLS, one connection) → `exchange` (record, faults) → `oauth`,
//! `api` or `files` (Zendesk's behaviour, without an await, so that it happens as a whole or not at
//! all) → `response_headers` (headers, compression) → `response_body` (the body, in pieces if a fault wants).
//!
//! A request is processed to its end even if the client hangs up, like at the real Zendesk. The
//! data is the same in every run; tokens are random, so that none from another run can be valid.

#![expect(
    clippy::result_large_err,
    reason = "an error is a response like any other, and as large; nothing here is a hot path"
)]

mod admin;
mod answer;
mod api;
mod builder;
mod call;
mod caller;
mod connections;
mod exchange;
mod faults;
mod files;
mod gate;
mod limits;
mod oauth;
mod paging;
mod policy;
mod record;
mod response_body;
mod response_headers;
mod server;
mod shared;
mod store;
pub(crate) mod tls;
pub mod users;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

pub use answer::Answer;
pub use api::OTHER_PRODUCTS_CREDENTIAL;
pub use builder::{Builder, Protocols};
pub use caller::{Caller, Decision, Reply, json};
pub use connections::Taken;
pub use faults::{Fault, Installed};
pub use gate::Gate;
pub use oauth::{Client, ClientKind, Malformed, Standing, TokenFormat, TokenPair};
pub use record::{Credential, Host, Outcome, Record, TimedOut, TokenPost};
pub use tls::Certificate;

use server::Listening;
use shared::Shared;

/// A running simulation. Dropping it stops it.
#[derive(Debug)]
pub struct Zendesk {
    shared: Arc<Shared>,
    listening: [Listening; 2],
    /// The folder of the CA's certificate, unless the builder named another.
    _directory: Option<TempDir>,
}

impl Zendesk {
    /// Sets up a simulation.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Starts one that behaves like Zendesk.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// The account's origin: `https://127.0.0.1:PORT`.
    pub fn origin(&self) -> &str {
        &self.shared.places.origin
    }

    /// The origin in absolute URLs; the same unless the builder has set another.
    pub fn public_origin(&self) -> &str {
        &self.shared.places.public_origin
    }

    /// The origin of the second host, which serves files.
    pub fn second_origin(&self) -> &str {
        &self.shared.places.files_origin
    }

    /// The account's port.
    pub fn port(&self) -> u16 {
        self.shared.places.address.port()
    }

    /// The second host's port.
    pub fn second_port(&self) -> u16 {
        self.shared.places.files_address.port()
    }

    /// The CA's certificate file, in PEM; for `extra-ca-file`, `curl --cacert`, `SSL_CERT_FILE`.
    pub fn ca_file(&self) -> &Path {
        &self.shared.places.ca_file
    }

    /// The identifier of the client that is always registered.
    pub fn client_id(&self) -> &str {
        builder::DEFAULT_CLIENT
    }

    /// The redirect URIs that it may use.
    pub fn redirect_uris(&self) -> Vec<String> {
        let oauth = shared::lock(&self.shared.oauth);
        let client = oauth.client(builder::DEFAULT_CLIENT);
        client.map_or_else(Vec::new, |client| client.redirect_uris.clone())
    }

    /// A client that trusts this simulation.
    pub fn caller(&self) -> io::Result<Caller> {
        let places = &self.shared.places;
        let address = Some(places.address);
        Caller::trusting(places.ca_pem.as_bytes(), &places.origin, address)
    }

    /// Acts as the browser of the consenting user: opens an authorize URL, clicks, and returns the
    /// address that the browser is redirected to, without following it. An error page is an error.
    pub async fn consent(&self, authorize_url: &str, decision: Decision) -> io::Result<String> {
        self.caller()?.consent(authorize_url, decision).await
    }

    /// Installs a fault, after those that are already installed.
    pub fn fault(&self, fault: Fault) -> Installed {
        self.shared.faults.install(fault)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// All requests so far to either host, including those in flight, in order.
    pub fn requests(&self) -> Vec<Record> {
        self.shared.records.all()
    }

    /// The requests to `POST /oauth/tokens` so far, except those whose body is incomplete.
    pub fn token_posts(&self) -> Vec<Record> {
        let mut requests = self.requests();
        requests.retain(|record| record.token_post.is_some());
        requests
    }

    /// How many requests so far match.
    pub fn count(&self, fits: impl Fn(&Record) -> bool) -> usize {
        self.shared.records.count(fits)
    }

    /// Returns once the requests so far fulfil a condition; fails after ten seconds, with a list of
    /// the requests in the error.
    pub async fn wait_for(&self, condition: impl Fn(&[Record]) -> bool) -> Result<(), TimedOut> {
        self.wait_for_within(PATIENCE, condition).await
    }

    /// The same with another time limit.
    pub async fn wait_for_within(
        &self,
        within: Duration,
        condition: impl Fn(&[Record]) -> bool,
    ) -> Result<(), TimedOut> {
        self.shared.records.wait_for(within, condition).await
    }

    /// Clears the record. Requests in flight are no longer recorded.
    pub fn clear(&self) {
        self.shared.records.clear();
    }
}

impl Drop for Zendesk {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// Far longer than anything on loopback takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
