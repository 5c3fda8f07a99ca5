//! State shared by all parts of the simulation.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use loopdeskd::clock::{Clock, Mover};
use tokio_util::sync::CancellationToken;

use super::connections::Connections;
use super::faults::Faults;
use super::limits::Limits;
use super::oauth::{Malformed, OAuth};
use super::policy::Policy;
use super::record::Records;
use super::store::Store;
use super::tls::Identity;

/// Everything the simulation knows. Code that holds two of the locks takes `oauth` before `store`.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) places: Places,
    pub(super) clock: Clock,
    pub(super) mover: Mover,
    pub(super) settings: Mutex<Settings>,
    pub(super) oauth: Mutex<OAuth>,
    pub(super) store: Mutex<Store>,
    pub(super) limits: Mutex<Limits>,
    pub(super) faults: Faults,
    pub(super) records: Records,
    pub(super) connections: Connections,
    pub(super) identity: Identity,
    pub(super) stop: CancellationToken,
}

/// The simulation's addresses.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The account's listener.
    pub(super) address: SocketAddr,
    /// The files' listener.
    pub(super) files_address: SocketAddr,
    /// The origin of the account's listener.
    pub(super) origin: String,
    /// The origin in absolute URLs.
    pub(super) public_origin: Arc<str>,
    /// The origin of the second host.
    pub(super) files_origin: String,
    /// The CA's certificate in PEM, as text and as a file.
    pub(super) ca_pem: String,
    pub(super) ca_file: PathBuf,
}

impl Places {
    /// Whether `authority` (`Host` or `:authority`) names this account, as its front would check.
    pub(super) fn knows(&self, authority: &str) -> bool {
        let authority = authority.to_ascii_lowercase();
        let public = self.public_origin.split_once("://");
        if public.is_some_and(|(_, public)| public == authority) {
            return true;
        }
        let port = self.address.port();
        let (name, own_port) = match authority.rsplit_once(':') {
            Some((name, number)) if !number.ends_with(']') => (name, number == port.to_string()),
            _ => (authority.as_str(), port == 443),
        };
        match name {
            "127.0.0.1" | "localhost" | "[::1]" => own_port,
            _ => name.ends_with(".zendesk.com") || name.ends_with(".zendesk.localhost"),
        }
    }
}

/// What a test may change while the simulation runs.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) token_status: StatusCode,
    pub(super) granted_access_ttl: Option<Duration>,
    pub(super) granted_refresh_ttl: Option<Duration>,
    pub(super) code_ttl: Duration,
    pub(super) malformed: Option<Malformed>,
    pub(super) one_authorization: bool,
    pub(super) gzip: bool,
    pub(super) escaped_slashes: bool,
    pub(super) www_authenticate: bool,
    pub(super) rate_limit: Option<u32>,
    pub(super) body_cap: usize,
    pub(super) upload_limit: u64,
    pub(super) export_page: usize,
    pub(super) policy: Policy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_status: StatusCode::CREATED,
            granted_access_ttl: None,
            granted_refresh_ttl: None,
            code_ttl: CODE_TTL,
            malformed: None,
            one_authorization: false,
            gzip: true,
            escaped_slashes: false,
            www_authenticate: false,
            rate_limit: None,
            body_cap: BODY_CAP,
            upload_limit: UPLOAD_LIMIT,
            export_page: EXPORT_PAGE,
            policy: Policy::default(),
        }
    }
}

/// Locks, even after a panic elsewhere: a failed assertion in one task shouldn't be hidden by
/// poisoned locks in all others.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a code is valid, as documented.
const CODE_TTL: Duration = Duration::from_secs(120);
/// Enough of a body for any assertion about its contents; larger ones are compared by their digest.
const BODY_CAP: usize = 1024 * 1024;
/// The maximum size that Zendesk is said to accept for a file.
const UPLOAD_LIMIT: u64 = 50 * 1024 * 1024;
/// How many records a page of an incremental export has.
const EXPORT_PAGE: usize = 1000;
