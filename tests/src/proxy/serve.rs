//! One connection to the proxy: the request for a tunnel, and the tunnel.

use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Manner, Shared};
use crate::raw::Head;

/// Serves it to its end. Errors are the client's business.
pub(super) async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    drop(stream.set_nodelay(true));
    let served = async {
        if shared.has_tls {
            let stream = shared
                .acceptor(&[b"http/1.1".to_vec()])?
                .accept(stream)
                .await?;
            shared.serve(stream).await
        } else {
            shared.serve(stream).await
        }
    };
    drop(served.await);
}

impl Shared {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> io::Result<()> {
        let head = head(&mut stream).await?;
        let mut words = head.line.split(' ');
        let authority = match (words.next(), words.next(), words.next()) {
            (Some("CONNECT"), Some(authority), Some("HTTP/1.1")) => authority.to_owned(),
            _ => return say(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await,
        };
        let (manner, place, is_welcome, end) = {
            let mut state = self.state();
            let is_welcome = state.login.as_ref().is_none_or(|login| {
                let basic = format!("Basic {}", BASE64_STANDARD.encode(login));
                head.get("proxy-authorization") == Some(&basic)
            });
            state.asked.push(head);
            let place = state.places.get(&authority).map(ToString::to_string);
            let end = state.tunnels.clone();
            (state.manner.clone(), place, is_welcome, end)
        };
        let place = place.unwrap_or_else(|| authority.clone());
        let tunnel = async {
            match manner {
                _ if !is_welcome => say(&mut stream, WANTS_LOGIN).await,
                Manner::Says(answer) => say(&mut stream, &answer).await,
                Manner::Silent => std::future::pending().await,
                Manner::Good => {
                    let Ok(mut to) = TcpStream::connect(&place).await else {
                        return say(&mut stream, NOBODY_THERE).await;
                    };
                    to.set_nodelay(true)?;
                    stream.write_all(TAKEN).await?;
                    copy_bidirectional(&mut stream, &mut to).await.map(drop)
                }
                Manner::OpensTls { trusts } => {
                    let to = TcpStream::connect(&place).await?;
                    stream.write_all(TAKEN).await?;
                    self.open_tls(stream, to, &authority, &trusts).await
                }
            }
        };
        tokio::select! {
            done = tunnel => done,
            () = end.cancelled() => Ok(()),
        }
    }

    /// Reads what should be confidential, as such proxies do, and passes it on.
    async fn open_tls<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        from: S,
        to: TcpStream,
        authority: &str,
        trusts: &Path,
    ) -> io::Result<()> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(trusts).map_err(io::Error::other)? {
            let certificate = certificate.map_err(io::Error::other)?;
            roots.add(certificate).map_err(io::Error::other)?;
        }
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let mut client = client.with_root_certificates(roots).with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(client));
        let mut to = connector.connect(name, to).await?;
        // Both sides must use the same protocol.
        let spoken = to.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let spoken: Vec<_> = spoken.into_iter().collect();
        let mut from = self.acceptor(&spoken)?.accept(from).await?;
        copy_bidirectional(&mut from, &mut to).await.map(drop)
    }

    fn acceptor(&self, protocols: &[Vec<u8>]) -> io::Result<TlsAcceptor> {
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth();
        let (certificate, key) = (self.certificate.clone(), self.key.clone_key());
        let mut server = server
            .with_single_cert(vec![certificate], key)
            .map_err(io::Error::other)?;
        server.alpn_protocols = protocols.to_vec();
        Ok(TlsAcceptor::from(Arc::new(server)))
    }
}

/// The request's head, and not a byte more: what follows belongs to the tunnel.
async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Head> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await?);
    }
    Ok(Head::parse(&text))
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, answer: &[u8]) -> io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await
}

const TAKEN: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
const NOBODY_THERE: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
const WANTS_LOGIN: &[u8] = b"HTTP/1.1 407 Proxy Authentication Required\r\n\
    Proxy-Authenticate: Basic realm=\"corp\"\r\nContent-Length: 0\r\n\r\n";
