//! A company's HTTP proxy, small enough to misbehave on demand.
//!
//! It accepts CONNECT, over plain TCP or TLS, and records each request for a tunnel. Instead of
//! opening one, it can respond with whatever a test wants, or intercept the TLS inside.

mod serve;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use loopdeskd::clock::Clock;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::raw::Head;
use crate::zendesk::tls::Pems;

/// A running proxy. It ends when dropped, and so do its tunnels.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    directory: TempDir,
}

/// What a proxy does with a request for a tunnel.
#[derive(Clone, Debug)]
pub enum Manner {
    /// It opens the tunnel.
    Good,
    /// It sends this and closes the connection.
    Says(Vec<u8>),
    /// It sends nothing and keeps the connection open.
    Silent,
    /// It opens the tunnel and acts as the server, with a certificate of its own authority.
    OpensTls {
        /// The authority that the proxy itself trusts, as PEM.
        trusts: PathBuf,
    },
}

impl Proxy {
    /// A proxy that is reached over plain TCP.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::set_up(false).await
    }

    /// A proxy that is reached over TLS.
    ///
    /// # Errors
    /// If no port can be bound or no certificate created.
    pub async fn start_tls() -> io::Result<Self> {
        Self::set_up(true).await
    }

    async fn set_up(has_tls: bool) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let pems = make_pems(directory.path())?;
        let certificate = CertificateDer::from_pem_slice(pems.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(pems.key.as_bytes());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            has_tls,
            certificate: certificate.map_err(io::Error::other)?,
            key: key.map_err(io::Error::other)?,
            state: Mutex::new(State {
                manner: Manner::Good,
                login: None,
                places: BTreeMap::new(),
                asked: Vec::new(),
                tunnels: CancellationToken::new(),
                listening: CancellationToken::new(),
            }),
        });
        let proxy = Self {
            shared,
            address,
            directory,
        };
        proxy.listen(listener);
        Ok(proxy)
    }

    /// Creates an authority and a certificate by it for a proxy outside this process: `ca.pem`,
    /// `certificate.pem` and `key.pem`, readable by all users.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn write_pems(directory: &Path) -> io::Result<()> {
        make_pems(directory).map(drop)
    }

    /// `127.0.0.1:PORT`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The value for `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        let scheme = if self.shared.has_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The same with a user and a password, already percent-encoded.
    pub fn url_as(&self, login: &str) -> String {
        self.url().replace("://", &format!("://{login}@"))
    }

    /// The certificate of its authority.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Sets its behaviour from now on.
    pub fn behave(&self, manner: Manner) {
        self.shared.state().manner = manner;
    }

    /// Requires `user:password` from now on.
    pub fn want_login(&self, login: &str) {
        self.shared.state().login = Some(login.to_owned());
    }

    /// Resolves `authority`, `host:port`, to this address from now on.
    pub fn knows(&self, authority: &str, address: SocketAddr) {
        let mut state = self.shared.state();
        state.places.insert(authority.to_owned(), address);
    }

    /// All requests for a tunnel so far.
    pub fn asked(&self) -> Vec<Head> {
        self.shared.state().asked.clone()
    }

    /// Ends every tunnel.
    pub fn end_tunnels(&self) {
        let tunnels = &mut self.shared.state().tunnels;
        std::mem::take(tunnels).cancel();
    }

    /// Stops listening, and ends every tunnel.
    pub fn die(&self) {
        self.shared.state().listening.cancel();
        self.end_tunnels();
    }

    /// Listens again at the same address.
    ///
    /// # Panics
    /// If another program has taken it.
    pub async fn come_back(&self) {
        self.shared.state().listening = CancellationToken::new();
        let listener = TcpListener::bind(self.address).await;
        self.listen(listener.expect("the port is still free"));
    }

    fn listen(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let stop = shared.state().listening.clone();
        tokio::spawn(async move {
            let accept = async {
                loop {
                    if let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve::connection(Arc::clone(&shared), stream));
                    }
                }
            };
            tokio::select! {
                () = accept => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.die();
    }
}

fn make_pems(directory: &Path) -> io::Result<Pems> {
    let pems = Pems::generate("Proxy", Clock::system().now())?;
    std::fs::write(directory.join("ca.pem"), &pems.ca)?;
    std::fs::write(directory.join("certificate.pem"), &pems.certificate)?;
    std::fs::write(directory.join("key.pem"), &pems.key)?;
    Ok(pems)
}

/// Writes certificates of several authorities into one file.
///
/// # Panics
/// If a certificate can't be read, or the file can't be written.
pub fn join_authorities(files: &[&Path], to: &Path) {
    let text = files
        .iter()
        .map(|file| std::fs::read_to_string(file).expect("a certificate"));
    std::fs::write(to, text.collect::<String>()).expect("the file can be written");
}

struct Shared {
    has_tls: bool,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    login: Option<String>,
    places: BTreeMap<String, SocketAddr>,
    asked: Vec<Head>,
    tunnels: CancellationToken,
    listening: CancellationToken,
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.state().fmt(f)
    }
}
