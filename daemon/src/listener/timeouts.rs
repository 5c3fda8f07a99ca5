//! How long a client may stall its connection while a request is in flight.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::connection_limit::ConnState;
use crate::body::BodyError;

/// A connection that breaks off when its client reads nothing for [`UNREAD_MAX`]. Until then a
/// stalled client costs one buffer here and one window at Zendesk's end, however large the answer.
#[derive(Debug)]
pub(super) struct WriteTimeout<S> {
    inner: S,
    state: Arc<ConnState>,
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(inner: S, state: Arc<ConnState>) -> Self {
        Self {
            inner,
            state,
            stuck: None,
        }
    }

    fn judge<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.stuck.take().is_some() {
                self.state.flows();
            }
            return written;
        }
        let state = &self.state;
        let timer = self.stuck.get_or_insert_with(|| {
            state.stalls();
            Box::pin(sleep(UNREAD_MAX))
        });
        timer.as_mut().poll(cx).map(|()| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client stopped reading",
            ))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.judge(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, pieces);
        this.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// A request body that breaks off when waiting for its client takes too long in total:
/// [`OWED_MAX`], plus a second per [`SLOWEST`] bytes received. Only waiting for the client is
/// counted, not the time in which Zendesk delays both.
#[derive(Debug)]
pub(super) struct BodyTimeout<B> {
    inner: B,
    state: Arc<ConnState>,
    received: u64,
    waited: Duration,
    since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl<B> BodyTimeout<B> {
    pub(super) fn new(inner: B, state: Arc<ConnState>) -> Self {
        Self {
            inner,
            state,
            received: 0,
            waited: Duration::ZERO,
            since: None,
            timer: Box::pin(sleep(OWED_MAX)),
        }
    }
}

impl<B> Body for BodyTimeout<B>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            if let Some(since) = this.since.take() {
                this.waited += since.elapsed();
                this.state.flows();
            }
            if let Some(Ok(frame)) = &frame {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.received += bytes as u64;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if this.since.is_none() {
            this.since = Some(Instant::now());
            this.state.stalls();
            let allowed = OWED_MAX + Duration::from_secs(this.received / SLOWEST);
            let left = allowed.saturating_sub(this.waited);
            this.timer.as_mut().reset(Instant::now() + left);
        }
        this.timer
            .as_mut()
            .poll(cx)
            .map(|()| Some(Err(BodyTooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Why a request's body breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the client sent it too slowly")]
struct BodyTooSlow;

/// Longer than a script spends on one page of an answer that it reads piece by piece.
const UNREAD_MAX: Duration = Duration::from_secs(300);

/// For a script that generates an upload while sending it.
const OWED_MAX: Duration = Duration::from_secs(300);

/// Bytes a second. Scripts run on this machine: anything slower isn't a transfer.
const SLOWEST: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::super::connection_limit::ConnectionLimit;
    use super::*;
    use http_body_util::BodyExt;
    use http_body_util::channel::Channel;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn d1_p18_a_client_that_reads_nothing_is_given_up_and_a_slow_one_is_not() {
        let permit = ConnectionLimit::new(1).take().await;
        let (mut client, server) = tokio::io::duplex(8);
        let mut server = WriteTimeout::new(server, permit.state());
        server.write_all(b"12345678").await.unwrap();
        let sent = tokio::spawn(async move {
            let sent = server.write_all(&[b'x'; 9]).await;
            (sent, server)
        });
        sleep(UNREAD_MAX - Duration::from_secs(1)).await;
        client.read_exact(&mut [0; 16]).await.unwrap();
        let (sent, mut server) = sent.await.unwrap();
        sent.unwrap();
        let before = Instant::now();
        let error = server.write_all(&[b'y'; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(before.elapsed() >= UNREAD_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn d1_p18_a_body_that_drips_breaks_off_and_a_slow_one_arrives() {
        for (piece, arrives) in [(1, false), (30 * 1024, true)] {
            let permit = ConnectionLimit::new(1).take().await;
            let (mut client, body) = Channel::<Bytes, BodyError>::new(1);
            let body = BodyTimeout::new(body, permit.state());
            let sending = tokio::spawn(async move {
                for _ in 0..100 {
                    sleep(Duration::from_secs(25)).await;
                    if client.send_data(vec![b'x'; piece].into()).await.is_err() {
                        return;
                    }
                }
            });
            let whole = body.collect().await;
            assert_eq!(whole.is_ok(), arrives, "{piece} bytes each 25 s");
            sending.await.unwrap();
        }
    }
}
