//! The machine's own way out, for what a program under `loopdesk exec` sends to others than Zendesk:
//! direct, or through the proxy that the person's environment names.
//!
//! What only this machine can reach stays out of reach: a tunnel to a loopback or link-local address
//! would lead to services that trust whoever gets there. On loopdesk's own ports, that goes for every
//! address of this machine. It is decided after the name was resolved.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::connect;
use super::connections::Connections;
use super::egress::{Dialer, Egress, PlainProxy, ProxyError};
use super::error_chain::{find, root};
use super::limits::CONNECT_MAX;
use super::resolve::{NotFromHere, Resolver, is_local, is_local_or_own};
use super::roots;
use crate::body::BodyError;
use crate::network::Network;

/// Opens connections for others. Clones share what they need for it.
#[derive(Clone, Debug)]
pub struct WayOut(Arc<WayOutInner>);

#[derive(Debug)]
struct WayOutInner {
    egress: Egress,
    plain: Egress,
    network: Network,
    own_ports: Vec<u16>,
    /// Made at first use: it loads the system's authorities.
    ways: OnceCell<Ways>,
}

#[derive(Debug)]
struct Ways {
    to_own_ports: Dialers,
    to_others: Dialers,
    tls: Arc<ClientConfig>,
}

#[derive(Clone, Debug)]
struct Dialers {
    https: Dialer,
    plain: Dialer,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum WayOutError {
    /// The target isn't for others.
    #[error("{0}")]
    Refused(String),
    /// The proxy that leads out doesn't connect us.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// Nothing answers there, or not in time.
    #[error("{0}")]
    Unreachable(String),
}

impl WayOut {
    /// Goes out as `egress` says, and as `plain` says for plain `http`, through `network`. loopdesk
    /// listens on `own_ports`.
    pub fn new(egress: Egress, plain: Egress, network: Network, own_ports: Vec<u16>) -> Self {
        Self(Arc::new(WayOutInner {
            egress,
            plain,
            network,
            own_ports,
            ways: OnceCell::new(),
        }))
    }

    /// A connection to `host` (IPv6 in brackets).
    ///
    /// # Errors
    /// The target is out of bounds, or can't be reached.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, WayOutError> {
        let target = self.target(host, port)?;
        let mut dialer = self.dialers(port).await?.https.clone();
        let stream = in_time(host, port, dialer.call(target)).await?;
        Ok(TokioIo::new(stream))
    }

    /// A connection to `host` over TLS, as a program would make it that trusts the system's authorities.
    ///
    /// # Errors
    /// See [`WayOut::connect`].
    pub async fn connect_tls(
        &self,
        host: &str,
        port: u16,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, WayOutError> {
        let stream = self.connect(host, port).await?;
        let name = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let failed = |error: &dyn fmt::Display| unreachable(host, port, error);
        let name = ServerName::try_from(name).map_err(|error| failed(&error))?;
        let connector = TlsConnector::from(Arc::clone(&self.ways().await?.tls));
        connector
            .connect(name, stream)
            .await
            .map_err(|error| failed(&error))
    }

    /// A connection for one plain `http` request to `host`. If it leads to a proxy, that wants the whole
    /// URL in the request's first line.
    ///
    /// # Errors
    /// See [`WayOut::connect`].
    pub async fn connect_plain(
        &self,
        host: &str,
        port: u16,
    ) -> Result<
        (
            impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
            Option<PlainProxy>,
        ),
        WayOutError,
    > {
        let target = self.target(host, port)?;
        let mut dialer = self.dialers(port).await?.plain.clone();
        let (stream, proxy) = in_time(host, port, dialer.plain(target)).await?;
        Ok((TokioIo::new(stream), proxy))
    }

    fn is_own_port(&self, port: u16) -> bool {
        self.0.own_ports.contains(&port)
    }

    fn target(&self, host: &str, port: u16) -> Result<Uri, WayOutError> {
        if is_out_of_bounds(host, self.is_own_port(port)) {
            let why = format!("{host} is on this machine, and `loopdesk exec` doesn't lead there");
            return Err(WayOutError::Refused(why));
        }
        let target = Uri::builder()
            .scheme("https")
            .authority(format!("{host}:{port}"))
            .path_and_query("/")
            .build();
        target.map_err(|error| unreachable(host, port, &error))
    }

    async fn dialers(&self, port: u16) -> Result<&Dialers, WayOutError> {
        let ways = self.ways().await?;
        Ok(match self.is_own_port(port) {
            true => &ways.to_own_ports,
            false => &ways.to_others,
        })
    }

    async fn ways(&self) -> Result<&Ways, WayOutError> {
        let make = || async {
            let made = tokio::task::spawn_blocking(|| roots::verifier(None).and_then(connect::tls));
            let made = made
                .await
                .unwrap_or_else(|error| Err(rustls::Error::General(error.to_string())));
            let mut tls = made.map_err(|error| WayOutError::Unreachable(error.to_string()))?;
            let connections = Connections::new(self.0.network.clone());
            let dialers = |resolver: &Resolver| {
                let dialer = |egress: &Egress| {
                    Dialer::new(
                        egress.clone(),
                        connect::tcp(resolver.clone(), &connections),
                        connect::tcp(GaiResolver::new(), &connections),
                        tls.clone(),
                    )
                };
                Dialers {
                    https: dialer(&self.0.egress),
                    plain: dialer(&self.0.plain),
                }
            };
            let to_own_ports = dialers(&Resolver::for_own_ports());
            let to_others = dialers(&Resolver::for_others());
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(Ways {
                to_own_ports,
                to_others,
                tls: Arc::new(tls),
            })
        };
        self.0.ways.get_or_try_init(make).await
    }
}

async fn in_time<T>(
    host: &str,
    port: u16,
    connecting: impl Future<Output = Result<T, BodyError>>,
) -> Result<T, WayOutError> {
    let error = match tokio::time::timeout(CONNECT_MAX, connecting).await {
        Ok(Ok(connected)) => return Ok(connected),
        Ok(Err(error)) => error,
        Err(_) => {
            let why = format!("no connection after {} s", CONNECT_MAX.as_secs());
            return Err(unreachable(host, port, &why));
        }
    };
    if let Some(refused) = find::<NotFromHere>(&*error) {
        return Err(WayOutError::Refused(refused.to_string()));
    }
    Err(match error.downcast::<ProxyError>() {
        Ok(error) => WayOutError::Proxy(*error),
        Err(error) => unreachable(host, port, &root(&*error)),
    })
}

fn unreachable(host: &str, port: u16, why: &dyn fmt::Display) -> WayOutError {
    WayOutError::Unreachable(format!("{host}:{port} can't be reached: {why}"))
}

/// Whether this host is decided without asking anybody: a local address in any spelling, or a name for
/// this machine. A proxy would resolve both where it is.
fn is_out_of_bounds(host: &str, is_own_port: bool) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return match is_own_port {
            true => is_local_or_own(ip),
            false => is_local(ip),
        };
    }
    let name = bare.trim_end_matches('.').to_ascii_lowercase();
    // `127.1`, `0x7f000001` and the like: inet_aton(3) reads them, and so do resolvers.
    let is_number = |part: &str| {
        part.strip_prefix("0x")
            .unwrap_or(part)
            .chars()
            .all(|c| c.is_ascii_hexdigit())
            && part.starts_with(|c: char| c.is_ascii_digit())
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name == "localhost" || name.ends_with(".localhost") || is_number(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_a_tunnel_to_this_machine_is_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "169.254.169.254",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[fe80::1]",
            "[64:ff9b::7f00:1]",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "localhost",
            "LOCALHOST.",
            "acme.localhost",
        ] {
            assert!(is_out_of_bounds(host, false), "{host}");
            assert!(is_out_of_bounds(host, true), "{host}");
        }
        for host in [
            "acme.zendesk.com",
            "10.0.0.7",
            "192.168.1.1",
            "8.8.8.8",
            "[2001:db8::1]",
            "intranet",
            "localhost.example",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_out_of_bounds(host, false), "{host}");
        }
    }

    #[tokio::test]
    async fn s9_a_name_that_leads_to_this_machine_is_refused_after_it_was_resolved() {
        let network = Network::still();
        let way = WayOut::new(Egress::direct(), Egress::direct(), network, vec![8484]);
        // /etc/hosts resolves it everywhere, and it isn't one of the names above.
        for host in ["ip6-localhost", "localhost.localdomain"] {
            for port in [443, 8484] {
                match way.connect(host, port).await {
                    Err(WayOutError::Refused(why)) => assert!(why.contains(host), "{why}"),
                    // This machine doesn't know the name.
                    Err(WayOutError::Unreachable(_)) => {}
                    Err(WayOutError::Proxy(why)) => panic!("{why}"),
                    Ok(_) => panic!("{host} was reached"),
                }
            }
        }
    }
}
