//! A wide-area link: what connects to it reaches another local port, later and slower.
//!
//! `relay PORT TO-PORT ROUND-TRIP-MS MBIT-PER-SECOND`
//!
//! A new connection's first byte waits one more round trip, as long as the TCP handshake takes on a real
//! link. All connections share one bandwidth in each direction. TCP's slow start and losses aren't
//! imitated.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|word| word.parse().map_err(io::Error::other))
        .collect::<Result<_, _>>()?;
    let [port, to, round_trip, megabits] = arguments[..] else {
        return Err(io::Error::other(
            "usage: relay PORT TO-PORT ROUND-TRIP-MS MBIT-PER-SECOND",
        ));
    };
    let (port, to) = (
        u16::try_from(port).map_err(io::Error::other)?,
        u16::try_from(to).map_err(io::Error::other)?,
    );
    let half_way = Duration::from_millis(round_trip) / 2;
    let up = Arc::new(Direction::new(half_way, megabits));
    let down = Arc::new(Direction::new(half_way, megabits));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (near, _peer) = listener.accept().await?;
        let connected = Instant::now() + 2 * half_way;
        let (up, down) = (Arc::clone(&up), Arc::clone(&down));
        tokio::spawn(async move {
            let far = TcpStream::connect(("127.0.0.1", to)).await?;
            near.set_nodelay(true)?;
            far.set_nodelay(true)?;
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            tokio::spawn(carry(up, connected, near_read, far_write));
            tokio::spawn(carry(down, connected, far_read, near_write));
            io::Result::Ok(())
        });
    }
}

/// One direction of the link.
struct Direction {
    delay: Duration,
    bits_per_second: u64,
    /// When the last byte that was sent has left.
    free: Mutex<Instant>,
}

impl Direction {
    fn new(delay: Duration, megabits: u64) -> Self {
        Self {
            delay,
            bits_per_second: megabits * 1_000_000,
            free: Mutex::new(Instant::now()),
        }
    }

    /// When these bytes arrive, if they are ready to be sent at `ready`.
    fn arrival(&self, bytes: usize, ready: Instant) -> Instant {
        let bits = 8 * u64::try_from(bytes).unwrap_or(u64::MAX);
        let time = Duration::from_nanos(bits * 1_000_000_000 / self.bits_per_second);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = ready.max(*free) + time;
        *free + self.delay
    }
}

/// Carries bytes until the sender ends; then the receiver learns that as late as a last byte.
async fn carry(
    direction: Arc<Direction>,
    connected: Instant,
    mut from: impl AsyncRead + Unpin + Send + 'static,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (send, mut sent) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    tokio::spawn(async move {
        loop {
            let mut bytes = vec![0; SEGMENTS];
            let length = from.read(&mut bytes).await.unwrap_or(0);
            bytes.truncate(length);
            let arrival = direction.arrival(length, connected.max(Instant::now()));
            if send.send((arrival, bytes)).await.is_err() || length == 0 {
                return;
            }
        }
    });
    while let Some((arrival, bytes)) = sent.recv().await {
        sleep_until(arrival).await;
        if bytes.is_empty() {
            break;
        }
        to.write_all(&bytes).await?;
    }
    to.shutdown().await
}

/// A few packets, so that connections share the bandwidth fairly.
const SEGMENTS: usize = 8 * 1024;
/// Four times what the link holds at 40 ms and 20 Mbit/s, as buffers on a real path.
const IN_FLIGHT: usize = 48;
