//! One connection towards Zendesk, direct or through a proxy, up to the point where TLS with
//! Zendesk begins.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Extensions, HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::upgrade::Upgraded;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::connect::{Connected, Connection};
use loopdesk_protocol::proxy::Scheme;
use rustls::ClientConfig;
use tower_service::Service;

use super::{Egress, Proxy, ProxyError, ToProxy, socks, tunnel};
use crate::body::BodyError;
use crate::upstream::connection::{ConnectionState, Stream};
use crate::upstream::connections::TrackingConnector;
use crate::upstream::resolve::Resolver;

/// Opens connections on the route that the egress chooses.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Dialer {
    egress: Egress,
    straight: TrackingConnector<Resolver>,
    to_proxy: HttpsConnector<TrackingConnector<GaiResolver>>,
}

impl Dialer {
    /// Opens direct connections with `straight`. A connection to a proxy may lead to a private
    /// address, which `straight` may refuse, since the user has named the proxy explicitly. `tls`
    /// is used with proxies that require it.
    pub(in crate::upstream) fn new(
        egress: Egress,
        straight: TrackingConnector<Resolver>,
        to_proxy: TrackingConnector<GaiResolver>,
        mut tls: ClientConfig,
    ) -> Self {
        // CONNECT is sent in its HTTP/1.1 form.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            egress,
            straight,
            to_proxy: HttpsConnector::from((to_proxy, tls)),
        }
    }
}

impl Dialer {
    /// A connection for one plain `http` request to `target`. A proxy on the way wants the whole URL in
    /// the request's first line, and the second value in its head, if there is a login.
    pub(in crate::upstream) async fn plain(
        &mut self,
        target: Uri,
    ) -> Result<(ProxyStream, Option<PlainProxy>), BodyError> {
        let proxy = self.egress.proxy(&target)?;
        let Some(proxy) = proxy.filter(|proxy| proxy.url.scheme() != Scheme::Socks5) else {
            return Ok((self.call(target).await?, None));
        };
        let stream = self.to_proxy.call(proxy.address.clone()).await;
        let stream = stream.map_err(|error| ProxyError::unreachable(&proxy, &*error))?;
        let plain = PlainProxy {
            login: proxy.basic.clone(),
        };
        Ok((ProxyStream::Proxy(Box::new(stream)), Some(plain)))
    }
}

/// The proxy that a plain request goes to.
#[derive(Clone, Debug)]
pub struct PlainProxy {
    /// The value of `Proxy-Authorization`.
    pub login: Option<HeaderValue>,
}

impl Service<Uri> for Dialer {
    type Response = ProxyStream;
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = Result<ProxyStream, BodyError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        ready!(self.straight.poll_ready(cx))?;
        self.to_proxy.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        match self.egress.proxy(&target) {
            Ok(None) => {
                let connecting = self.straight.call(target);
                Box::pin(async move { Ok(ProxyStream::Straight(connecting.await?)) })
            }
            Ok(Some(proxy)) => {
                let connecting = self.to_proxy.call(proxy.address.clone());
                Box::pin(async move {
                    let stream = connecting.await;
                    let stream =
                        stream.map_err(|error| ProxyError::unreachable(&proxy, &*error))?;
                    Ok(through(&proxy, stream, &target).await?)
                })
            }
            Err(unusable) => Box::pin(async move { Err(unusable.into()) }),
        }
    }
}

/// Asks a connected proxy for a connection to `target`.
async fn through(proxy: &Proxy, stream: ToProxy, target: &Uri) -> Result<ProxyStream, ProxyError> {
    match proxy.url.scheme() {
        Scheme::Http | Scheme::Https => {
            let connection = connection(&stream);
            let tunnel = tunnel::open(proxy, stream, target).await?;
            Ok(ProxyStream::Tunnel(tunnel, connection))
        }
        Scheme::Socks5 => socks::open(proxy, stream, target)
            .await
            .map(|stream| ProxyStream::Proxy(Box::new(stream))),
    }
}

/// The connection behind a stream, kept beside it since an upgrade hides the stream.
fn connection(stream: &ToProxy) -> Option<Arc<ConnectionState>> {
    let mut extras = Extensions::new();
    stream.connected().get_extras(&mut extras);
    extras.remove()
}

/// A connection, open up to TLS with Zendesk.
#[derive(Debug)]
pub(in crate::upstream) enum ProxyStream {
    /// To Zendesk.
    Straight(Stream),
    /// Through a proxy that has accepted CONNECT. Bytes that came with its answer are still to be
    /// read.
    Tunnel(Upgraded, Option<Arc<ConnectionState>>),
    /// Through a SOCKS proxy, or to a proxy for a plain request.
    Proxy(Box<ToProxy>),
}

/// Runs the same code for each kind of line.
macro_rules! each {
    ($line:expr, $inner:ident => $act:expr) => {
        match $line {
            ProxyStream::Straight($inner) => $act,
            ProxyStream::Tunnel($inner, _) => $act,
            ProxyStream::Proxy($inner) => $act,
        }
    };
}

impl Connection for ProxyStream {
    fn connected(&self) -> Connected {
        match self {
            // HTTP doesn't see the proxy, and the pool has no use for knowing about it.
            Self::Straight(stream) => stream.connected(),
            Self::Proxy(stream) => stream.connected(),
            Self::Tunnel(_, Some(connection)) => Connected::new().extra(Arc::clone(connection)),
            Self::Tunnel(_, None) => Connected::new(),
        }
    }
}

impl Read for ProxyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        each!(&mut *self, inner => Pin::new(inner).poll_read(cx, buffer))
    }
}

impl Write for ProxyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, inner => Pin::new(inner).poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, inner => Pin::new(inner).poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, inner => inner.is_write_vectored())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, inner => Pin::new(inner).poll_write_vectored(cx, slices))
    }
}
