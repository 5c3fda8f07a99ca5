//! Sets up a simulation.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loopdeskd::clock::Clock;
use tokio_util::sync::CancellationToken;

use super::connections::Connections;
use super::faults::Faults;
use super::limits::Limits;
use super::oauth::{Client, OAuth, TokenFormat};
use super::record::{Host, Records};
use super::server::{Listening, bind};
use super::shared::{Places, Settings, Shared};
use super::store::{Sizes, Store};
use super::tls::Identity;
use super::{Zendesk, users};

/// Sets up a simulated Zendesk. Every default is Zendesk's behaviour, as far as it is known.
#[derive(Clone, Debug)]
pub struct Builder {
    ip: Ipv4Addr,
    port: u16,
    files_port: u16,
    public_origin: Option<String>,
    public_files_origin: Option<String>,
    directory: Option<PathBuf>,
    protocols: Protocols,
    clients: Vec<Client>,
    consenting_user: u64,
    token_format: TokenFormat,
    settings: Settings,
    sizes: Sizes,
}

/// The protocols offered in the TLS handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/2, then HTTP/1.1.
    #[default]
    Both,
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone.
    Http2,
}

impl Protocols {
    pub(super) fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::Http2 => vec![b"h2".to_vec()],
        }
    }
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            ip: Ipv4Addr::LOCALHOST,
            port: 0,
            files_port: 0,
            public_origin: None,
            public_files_origin: None,
            directory: None,
            protocols: Protocols::Both,
            clients: vec![
                DEFAULT_REDIRECT_URIS
                    .iter()
                    .fold(Client::public(DEFAULT_CLIENT), |client, uri| {
                        client.redirect_uri(uri)
                    }),
            ],
            consenting_user: users::ADMIN,
            token_format: TokenFormat::default(),
            settings: Settings::default(),
            sizes: Sizes::default(),
        }
    }

    /// Listens on this address, in a network of the test's own; without it, on 127.0.0.1.
    #[must_use]
    pub fn address(mut self, ip: impl Into<Ipv4Addr>) -> Self {
        self.ip = ip.into();
        self
    }

    /// Sets the account's port; without it a free one is taken.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the port of the second host, which serves files; without it a free one is taken.
    #[must_use]
    pub fn second_port(mut self, port: u16) -> Self {
        self.files_port = port;
        self
    }

    /// Sets the origin in absolute URLs, such as `https://acme.zendesk.com`; without it, the
    /// simulation's own address.
    #[must_use]
    pub fn public_origin(mut self, origin: &str) -> Self {
        self.public_origin = Some(origin.trim_end_matches('/').to_owned());
        self
    }

    /// Sets the origin of the second host in redirects to files, such as
    /// `https://files.zdusercontent.com`; without it, that host's own address.
    #[must_use]
    pub fn public_second_origin(mut self, origin: &str) -> Self {
        self.public_files_origin = Some(origin.trim_end_matches('/').to_owned());
        self
    }

    /// Writes the CA's certificate, `ca.pem`, into this folder and keeps it there; without it, into
    /// a temporary folder.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Sets the protocols offered in the TLS handshake.
    #[must_use]
    pub fn protocols(mut self, protocols: Protocols) -> Self {
        self.protocols = protocols;
        self
    }

    /// Registers an OAuth client, replacing one with the same identifier.
    ///
    /// There is always a public client `loopdesk`, with loopdesk's three redirect URIs and the
    /// scopes `read` and `write`.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.clients
            .retain(|known| known.identifier != client.identifier);
        self.clients.push(client);
        self
    }

    /// Registers one more redirect URI for the client `loopdesk`.
    #[must_use]
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        for client in &mut self.clients {
            if client.identifier == DEFAULT_CLIENT {
                client.redirect_uris.push(uri.to_owned());
            }
        }
        self
    }

    /// Sets who consents: one of [`users`], or any other user's id.
    #[must_use]
    pub fn consenting_user(mut self, id: u64) -> Self {
        self.consenting_user = id;
        self
    }

    /// Sets the format of access tokens.
    #[must_use]
    pub fn token_format(mut self, format: TokenFormat) -> Self {
        self.token_format = format;
        self
    }

    /// Grants access tokens this lifetime, whatever is requested: 3 s, say.
    #[must_use]
    pub fn granted_access_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.settings.granted_access_ttl = ttl.into();
        self
    }

    /// Grants refresh tokens this lifetime, whatever is requested.
    #[must_use]
    pub fn granted_refresh_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.settings.granted_refresh_ttl = ttl.into();
        self
    }

    /// Sets how long an authorization code is valid; 120 s without it.
    #[must_use]
    pub fn code_ttl(mut self, ttl: Duration) -> Self {
        self.settings.code_ttl = ttl;
        self
    }

    /// Allows this many API requests per clock minute; without it, any number.
    #[must_use]
    pub fn rate_limit(mut self, per_minute: u32) -> Self {
        self.settings.rate_limit = Some(per_minute);
        self
    }

    /// Whether responses are compressed for clients that accept it; on by default.
    #[must_use]
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.settings.gzip = gzip;
        self
    }

    /// Whether JSON responses write `/` as `\/`; off by default.
    #[must_use]
    pub fn escaped_slashes(mut self, escaped: bool) -> Self {
        self.settings.escaped_slashes = escaped;
        self
    }

    /// Whether `WWW-Authenticate` comes with a 401 for a dead token; off by default, since it has
    /// never been observed.
    #[must_use]
    pub fn www_authenticate(mut self, sent: bool) -> Self {
        self.settings.www_authenticate = sent;
        self
    }

    /// Keeps this many bytes of a request's body in its record; 1 MiB without it.
    #[must_use]
    pub fn body_cap(mut self, bytes: usize) -> Self {
        self.settings.body_cap = bytes;
        self
    }

    /// Accepts uploads of this many bytes, which are kept in memory; 50 MiB without it. A larger
    /// one is read, measured and refused with 413.
    #[must_use]
    pub fn upload_limit(mut self, bytes: u64) -> Self {
        self.settings.upload_limit = bytes;
        self
    }

    /// Incremental exports have at most this many records per page; 1,000 without it.
    #[must_use]
    pub fn export_page(mut self, records: usize) -> Self {
        self.settings.export_page = records;
        self
    }

    /// Sets how many tickets there are; 250 without it.
    #[must_use]
    pub fn tickets(mut self, count: u64) -> Self {
        self.sizes.tickets = count;
        self
    }

    /// Sets how many users there are, including the named ones; 120 without it, and at least 12.
    #[must_use]
    pub fn users(mut self, count: u64) -> Self {
        self.sizes.users = count.max(MIN_USERS);
        self
    }

    /// Sets how many organizations there are; 30 without it.
    #[must_use]
    pub fn organizations(mut self, count: u64) -> Self {
        self.sizes.organizations = count;
        self
    }

    /// Sets how many articles there are; 40 without it.
    #[must_use]
    pub fn articles(mut self, count: u64) -> Self {
        self.sizes.articles = count;
        self
    }

    /// Starts it on the current tokio runtime. It listens when this returns.
    pub async fn start(self) -> io::Result<Zendesk> {
        let (clock, mover) = Clock::movable();
        let (identity, ca_pem) = Identity::generate(clock.now(), self.protocols)?;
        let (directory, owned_directory) = match self.directory {
            Some(directory) => (directory, None),
            None => {
                let owned = tempfile::Builder::new().prefix("zendesk-").tempdir()?;
                (owned.path().to_owned(), Some(owned))
            }
        };
        std::fs::create_dir_all(&directory)?;
        let ca_file = directory.join("ca.pem");
        std::fs::write(&ca_file, &ca_pem)?;

        let account = bind((self.ip, self.port).into()).await?;
        let files = bind((self.ip, self.files_port).into()).await?;
        let (address, files_address) = (account.local_addr()?, files.local_addr()?);
        let origin = format!("https://{address}");
        let public_origin: Arc<str> = self.public_origin.as_deref().unwrap_or(&origin).into();
        let shared = Arc::new(Shared {
            places: Places {
                address,
                files_address,
                origin,
                public_origin: Arc::clone(&public_origin),
                files_origin: self
                    .public_files_origin
                    .unwrap_or_else(|| format!("https://{files_address}")),
                ca_pem,
                ca_file,
            },
            clock,
            mover,
            settings: Mutex::new(self.settings),
            oauth: Mutex::new(OAuth::new(
                self.clients,
                self.token_format,
                self.consenting_user,
            )),
            store: Mutex::new(Store::new(public_origin, self.sizes)),
            limits: Mutex::new(Limits::default()),
            faults: Faults::default(),
            records: Records::new(),
            connections: Connections::new(),
            identity,
            stop: CancellationToken::new(),
        });
        let listening = [
            Listening::start(&shared, Host::Account, account)?,
            Listening::start(&shared, Host::Files, files)?,
        ];
        Ok(Zendesk {
            shared,
            listening,
            _directory: owned_directory,
        })
    }
}

/// The client that is always registered.
pub(super) const DEFAULT_CLIENT: &str = "loopdesk";
/// The addresses at which loopdesk waits for a login's callback.
const DEFAULT_REDIRECT_URIS: [&str; 3] = [
    "http://127.0.0.1:18484/callback",
    "http://127.0.0.1:18485/callback",
    "http://127.0.0.1:18486/callback",
];
/// Enough for the named users and some customers.
const MIN_USERS: u64 = 12;
