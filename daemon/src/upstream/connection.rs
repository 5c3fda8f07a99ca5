//! The TCP connections under everything else, to Zendesk or to a proxy: what the network does to
//! them decides whether the pool above may keep using them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, Connection};
use hyper_util::rt::TokioIo;
use rustix::net::Shutdown;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;

use crate::network::{RouteStatus, since_last_ack, unacknowledged};

/// One TCP connection, as seen from outside the task that reads and writes it.
#[derive(Debug)]
pub(super) struct ConnectionState {
    local: IpAddr,
    peer: SocketAddr,
    began: Instant,
    /// How many bytes were written.
    written: AtomicU64,
    /// When something was last received, in milliseconds since the start.
    heard: AtomicU64,
    retired: AtomicBool,
    mistrusted: AtomicBool,
    /// Why it was cut; 0 if it wasn't.
    cut: AtomicU8,
    /// `None` once it is closed.
    open: Mutex<Option<OpenConnection>>,
}

/// Why a connection was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CutReason {
    /// Nothing can reach it any more.
    #[error("this machine's network has changed")]
    Moved,
    /// The other end has shown no sign of life.
    #[error("nothing that was sent has been acknowledged for {} s", SILENCE_MAX.as_secs())]
    Silent,
}

impl ConnectionState {
    /// A connection, and the stream that reads and writes it.
    ///
    /// # Errors
    /// If it has already ended.
    pub(super) fn new(stream: TcpStream) -> io::Result<(Arc<Self>, Stream)> {
        let (local, peer) = (stream.local_addr()?.ip(), stream.peer_addr()?);
        let (reading, writing) = stream.into_split();
        let connection = Arc::new(Self {
            local,
            peer,
            began: Instant::now(),
            written: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            mistrusted: AtomicBool::new(false),
            cut: AtomicU8::new(0),
            open: Mutex::new(Some(OpenConnection {
                writing: TokioIo::new(writing),
                pooled: None,
            })),
        });
        let stream = Stream {
            reading: TokioIo::new(reading),
            connection: Arc::clone(&connection),
        };
        Ok((connection, stream))
    }

    /// The kernel's present view of its route.
    pub(super) fn way(&self) -> RouteStatus {
        RouteStatus::of(self.local, self.peer)
    }

    /// Records the pool's handle for this connection, taken from the first request on it.
    pub(super) fn is_pooled_as(&self, capture: &CaptureConnection) {
        if let Some(open) = &mut *self.open() {
            open.pooled.get_or_insert_with(|| capture.clone());
            if self.retired.load(Ordering::SeqCst) {
                open.leave_the_pool();
            }
        }
    }

    /// Gives it no new requests. Those in flight continue.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        let is_unused = match &*self.open() {
            Some(open) if open.pooled.is_some() => {
                open.leave_the_pool();
                false
            }
            // The first request of a new connection registers itself sooner than that.
            Some(_) => self.began.elapsed() > UNUSED,
            None => false,
        };
        if is_unused {
            self.cut(CutReason::Moved);
        }
    }

    /// The same, and requests in flight may be lost.
    pub(super) fn mistrust(&self) {
        self.mistrusted.store(true, Ordering::SeqCst);
        self.retire();
    }

    /// Whether requests in flight may be lost.
    pub(super) fn is_mistrusted(&self) -> bool {
        self.mistrusted.load(Ordering::SeqCst)
    }

    /// Closes it at once, with everything in flight.
    pub(super) fn cut(&self, why: CutReason) {
        self.retired.store(true, Ordering::SeqCst);
        let _first =
            self.cut
                .compare_exchange(0, why as u8 + 1, Ordering::SeqCst, Ordering::SeqCst);
        if let Some(open) = &*self.open() {
            open.leave_the_pool();
            // Wakes the reader. An error means that the connection had already ended by itself.
            let _ended = rustix::net::shutdown(open.socket(), Shutdown::Both);
        }
    }

    /// Why it was cut.
    pub(super) fn was_cut(&self) -> Option<CutReason> {
        let whys = [CutReason::Moved, CutReason::Silent];
        let why = self.cut.load(Ordering::SeqCst);
        whys.into_iter().find(|cut| *cut as u8 + 1 == why)
    }

    /// When something was last received.
    pub(super) fn heard(&self) -> Instant {
        self.began + Duration::from_millis(self.heard.load(Ordering::Relaxed))
    }

    /// How many of the written bytes were acknowledged, and how many weren't; `None` once it is
    /// closed.
    pub(super) fn acknowledged(&self) -> Option<(u64, u64)> {
        let written = self.written.load(Ordering::Relaxed);
        let left = unacknowledged(self.open().as_ref()?.socket()).ok()?;
        Some((written.saturating_sub(left), left))
    }

    /// Whether the other end may have acknowledged something within this time. A peer that reads
    /// nothing acknowledges nothing new, and is still alive.
    pub(super) fn may_live(&self, within: Duration) -> bool {
        let open = self.open();
        let since = open
            .as_ref()
            .and_then(|open| since_last_ack(open.socket()).ok());
        since.flatten().is_some_and(|since| since < within)
    }

    fn open(&self) -> MutexGuard<'_, Option<OpenConnection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parts of a connection that exist until it is closed.
#[derive(Debug)]
struct OpenConnection {
    writing: TokioIo<OwnedWriteHalf>,
    /// The pool's handle for it: it refers to this very connection until it is closed.
    pooled: Option<CaptureConnection>,
}

impl OpenConnection {
    fn socket(&self) -> &TcpStream {
        self.writing.inner().as_ref()
    }

    fn leave_the_pool(&self) {
        if let Some(pooled) = &self.pooled
            && let Some(connected) = &*pooled.connection_metadata()
        {
            connected.poison();
        }
    }
}

/// Reads and writes one connection.
#[derive(Debug)]
pub(super) struct Stream {
    reading: TokioIo<OwnedReadHalf>,
    connection: Arc<ConnectionState>,
}

impl Stream {
    fn write(
        &self,
        write: impl FnOnce(Pin<&mut TokioIo<OwnedWriteHalf>>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let written = self.with_writing(write);
        if let Poll::Ready(Ok(bytes)) = written {
            self.connection
                .written
                .fetch_add(bytes as u64, Ordering::Relaxed);
        }
        written
    }

    fn with_writing<T>(
        &self,
        act: impl FnOnce(Pin<&mut TokioIo<OwnedWriteHalf>>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Some(cut) = self.connection.was_cut() {
            return Poll::Ready(Err(ended(cut)));
        }
        match &mut *self.connection.open() {
            Some(open) => act(Pin::new(&mut open.writing)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().extra(Arc::clone(&self.connection))
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Bytes that were received before a cut are still read to the end.
        let read = Pin::new(&mut self.reading).poll_read(cx, buffer);
        if read.is_ready() {
            let since = u64::try_from(self.connection.began.elapsed().as_millis());
            let since = since.unwrap_or(u64::MAX);
            self.connection.heard.store(since, Ordering::Relaxed);
        }
        read
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(|writing| writing.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_writing(|writing| writing.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_writing(|writing| writing.poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        // As TCP streams do. Asking the inner stream would take the lock.
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|writing| writing.poll_write_vectored(cx, slices))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        drop(self.connection.open().take());
    }
}

fn ended(cut: CutReason) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, cut)
}

/// How long a connection may go without any acknowledgement before it is given up: a direct client
/// would survive an outage of some seconds, and a request that may have acted can't be sent again.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Longer than the pool ever takes to put the first request on a connection, if there is one.
const UNUSED: Duration = Duration::from_secs(5);
