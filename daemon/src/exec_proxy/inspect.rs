//! Ends TLS where the program takes itself to be talking to Zendesk, and serves HTTP there.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use loopdesk_protocol::Problem;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{AlertDescription, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::authority::Identity;
use super::failed;
use super::hop::{Daemon, Hop};
use crate::config::Origin;
use crate::facts::{ConnFacts, Local};
use crate::keys::Trace;
use crate::listener::StreamServer;
use crate::peer::Peer;
use crate::upstream;

/// Serves the account's origins.
#[derive(Debug)]
pub(super) struct Inspector {
    tls: Arc<ServerConfig>,
    server: StreamServer,
    daemon: Arc<Daemon>,
    /// The hosts whose certificate a program has refused.
    refused: Mutex<BTreeSet<String>>,
}

impl Inspector {
    /// Shows `identity`, and passes requests on to `daemon`.
    ///
    /// # Errors
    /// If the identity can't be used.
    pub(super) fn new(
        identity: Identity,
        server: StreamServer,
        daemon: Arc<Daemon>,
    ) -> Result<Self, Problem> {
        let unusable =
            |error: &dyn std::fmt::Display| failed("the certificate can't be used", error);
        let key = BASE64_STANDARD.decode(identity.key.expose());
        let key = PrivatePkcs8KeyDer::from(key.map_err(|error| unusable(&error))?);
        let key = PrivateKeyDer::from(key);
        let certificate = CertificateDer::from(identity.certificate);
        let config = ServerConfig::builder_with_provider(upstream::crypto_provider())
            .with_safe_default_protocol_versions()
            .map(ServerConfigBuilder::with_no_client_auth);
        let config = config.and_then(|config| config.with_single_cert(vec![certificate], key));
        let mut config = config.map_err(|error| unusable(&error))?;
        // `proxy.sock` speaks nothing else.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: Arc::new(config),
            server,
            daemon,
            refused: Mutex::default(),
        })
    }

    /// A way for requests to `origin` that come without TLS of their own.
    pub(super) fn hop(&self, origin: Origin, ended: CancellationToken) -> Hop {
        Hop::new(Arc::clone(&self.daemon), origin, ended)
    }

    /// Serves one connection that the command has opened to `origin`, until either side ends it.
    pub(super) async fn serve<S>(&self, stream: S, origin: Origin, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let accepted = tokio::time::timeout(HANDSHAKE, self.accept(stream, &origin)).await;
        let stream = match accepted {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.note(&origin, &error),
            Err(_) => return tracing::debug!(%origin, "no TLS handshake in time"),
        };
        let ended = stop.child_token();
        let hop = self.hop(origin, ended.clone());
        let facts = ConnFacts::new(Local::Unix, Peer::Own, Trace::Nothing);
        self.server.serve(stream, facts, Arc::new(hop), ended).await;
    }

    async fn accept<S>(&self, stream: S, origin: &Origin) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let named = hello.client_hello().server_name().map(str::to_owned);
        if let Some(named) = named.filter(|named| !named.eq_ignore_ascii_case(origin.host())) {
            return Err(io::Error::other(format!(
                "the program asks for {origin}, and in TLS for another host, {}",
                named.escape_debug()
            )));
        }
        hello.into_stream(Arc::clone(&self.tls)).await
    }

    /// Says once for each host what a program's refusal means.
    fn note(&self, origin: &Origin, error: &io::Error) {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
        let Some(rustls::Error::AlertReceived(alert)) = tls else {
            return tracing::debug!(%origin, %error, "a TLS handshake failed");
        };
        if !is_about_trust(*alert) {
            return tracing::info!(%origin, ?alert, "a program ended a TLS handshake");
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.insert(origin.host().to_owned()) {
            tracing::warn!(
                host = origin.host(),
                ?alert,
                "a program doesn't trust the certificate of this run, so it has a certificate store \
                 of its own: have it read the file that SSL_CERT_FILE names, or give its own setting \
                 for that the same value; `loopdesk guide exec` lists the settings"
            );
        }
    }
}

/// What programs send that don't know the authority (RFC 8446 section 6.2).
fn is_about_trust(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
    )
}

type ServerConfigBuilder = rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>;

/// Far more than two programs on one machine need.
const HANDSHAKE: Duration = Duration::from_secs(10);
