//! Refuses connections with a short answer, those of other users above all, and closes them.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::error_response::ErrorResponse;
use crate::telemetry::{self, Whom};

/// Refuses connections without taking places from others. Clones share one limit.
#[derive(Clone, Debug)]
pub(super) struct Rejector(Arc<Semaphore>);

impl Rejector {
    /// Answers at most `at_once` connections at a time.
    pub(super) fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Answers with the reason, then closes; under load, closes without an answer. Nothing that the
    /// client sends is read as a request.
    pub(super) fn reject<S>(&self, stream: S, whom: Whom, why: ErrorResponse, tracker: &TaskTracker)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        telemetry::refused(whom, why.code());
        let Ok(place) = Arc::clone(&self.0).try_acquire_owned() else {
            return;
        };
        tracker.spawn(async move {
            // Best effort: the client may not read it.
            let _unheard =
                tokio::time::timeout(LINGER, reject_now(stream, &answer(why).await)).await;
            drop(place);
        });
    }

    /// The same for a connection whose place is needed at once.
    pub(super) async fn reject_now<S>(&self, stream: S, answer: &[u8])
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Ok(_place) = self.0.try_acquire() else {
            return;
        };
        let _unheard = tokio::time::timeout(LINGER, reject_now(stream, answer)).await;
    }
}

/// Writes a last answer and shuts down the writing side.
pub(super) async fn say<S>(stream: &mut S, answer: &[u8]) -> std::io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    stream.write_all(answer).await?;
    stream.shutdown().await
}

async fn reject_now<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: &[u8],
) -> std::io::Result<()> {
    say(&mut stream, answer).await?;
    // Closing with unread bytes would send a reset, which destroys the answer.
    let mut rest = (&mut stream).take(SWALLOWED);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

/// The refusal in HTTP/1.1 wire format.
pub(super) async fn answer(why: ErrorResponse) -> Vec<u8> {
    let (mut head, body) = why.into_response().into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let body = body.unwrap_or_default();
    head.headers.insert("content-length", body.len().into());
    let close = http::HeaderValue::from_static("close");
    head.headers.insert(http::header::CONNECTION, close);
    let mut answer = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    answer
}

/// Turns an answer into one to HEAD.
pub(super) fn leave_out_body(answer: &mut Vec<u8>) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    answer.truncate(end.map_or(0, |end| end + 4));
}

/// Enough for a client to read two hundred bytes.
const LINGER: Duration = Duration::from_secs(1);

/// A request that is already on its way.
const SWALLOWED: u64 = 64 * 1024;
