//! What is known about a connection and an admitted request: what each stage tells the next ones.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::config::{AccountName, Origin};
use crate::error_response::KeyErrorResponse;
use crate::keys::{Caller, Failures, Key, KeyId, Program, Trace};
use crate::peer::Peer;

/// What is known about a connection before its first byte.
#[derive(Clone, Debug)]
pub struct ConnFacts {
    /// Where it arrived.
    pub local: Local,
    /// Which user opened it.
    pub peer: Peer,
    /// How to find the program at its other end.
    pub caller: Caller,
    /// How many wrong keys it has sent.
    pub failures: Arc<Failures>,
    /// Its place among all connections, where places are limited.
    pub place: Option<Arc<dyn ConnectionPlace>>,
}

impl ConnFacts {
    /// The facts about a connection that has just been accepted.
    pub fn new(local: Local, peer: Peer, trace: Trace) -> Self {
        let caller = match local {
            Local::Tcp { .. } => Caller::over_tcp(trace),
            Local::Unix => Caller::new(trace),
        };
        Self {
            local,
            peer,
            caller,
            failures: Arc::default(),
            place: None,
        }
    }
}

/// Where a connection arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// At a TCP address.
    Tcp {
        /// The address.
        addr: SocketAddr,
    },
    /// At `proxy.sock`.
    Unix,
}

/// Marks a request (as an extension) that arrived with both a `Content-Length` and a
/// `Transfer-Encoding`. hyper has already removed the length from the headers.
#[derive(Clone, Copy, Debug)]
pub struct LengthBesideCoding;

/// A connection's place among all connections. Limited keys share a part of them.
pub trait ConnectionPlace: fmt::Debug + Send + Sync {
    /// Waits until the current request, which carries the limited key `key`, gets one of the places
    /// that limited keys share. It keeps that place until it ends.
    fn share(&self, key: KeyId) -> Sharing<'_>;
}

/// Waits for one of the limited keys' shares.
pub type Sharing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// An admitted request.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The base URL that this client used, without a trailing slash.
    pub base: String,
    /// The account named by `Host`.
    pub account: Option<AccountName>,
    /// The local key that it carries.
    pub key: Option<Arc<Key>>,
    /// What the helper of `loopdesk exec` says about it, if it comes from one.
    pub exec: Option<ExecRequest>,
    /// The refusal if it carries no local key but needs one regardless of the account.
    pub(crate) needs_key: Option<KeyErrorResponse>,
}

impl Admitted {
    /// A request without a key that uses this base.
    pub(crate) fn new(base: String, account: Option<AccountName>) -> Self {
        Self {
            base,
            account,
            key: None,
            exec: None,
            needs_key: None,
        }
    }
}

/// What the helper of `loopdesk exec` says about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRequest {
    /// The origin that the program means.
    pub origin: Origin,
    /// Whether heads and bodies stay as Zendesk and the program sent them.
    pub is_verbatim: bool,
    /// The ticket, if the run has only a key's rights.
    pub ticket: Option<SentTicket>,
    /// The command, if its program is known.
    pub caller: Option<Program>,
}

/// A ticket as it was sent. `Debug` doesn't show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SentTicket(Zeroizing<Vec<u8>>);

impl SentTicket {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SentTicket {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for SentTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SentTicket(..)")
    }
}
