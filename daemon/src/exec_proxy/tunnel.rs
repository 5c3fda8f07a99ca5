//! A tunnel to others: bytes pass both ways, unseen.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};

/// Passes bytes on until both sides have ended.
pub(super) async fn pass<A, B>(mut command: A, mut other: B) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let copied = copy_bidirectional_with_sizes(&mut command, &mut other, BUFFER, BUFFER);
    copied.await.map(drop)
}

/// As much as a socket hands over at a time on a fast line. Larger ones gain nothing.
const BUFFER: usize = 64 << 10;
