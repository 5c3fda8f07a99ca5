//! One connection of the load generator.

use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::response::{Framing, Head};

/// Where requests go, and what they are.
pub(super) struct Target {
    pub(super) port: u16,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) request: String,
    pub(super) upload: usize,
    pub(super) closes: bool,
}

impl Target {
    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
        Ok(Box::new(stream.await?))
    }
}

/// TCP, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Sends one request after another.
pub(super) struct Client {
    target: Rc<Target>,
    stream: Option<Box<dyn Stream>>,
    buffer: Vec<u8>,
}

/// What one client saw.
#[derive(Default)]
pub(super) struct Report {
    /// Of the requests that ended in the window.
    pub(super) times: Vec<Duration>,
    pub(super) failures: u64,
    pub(super) first_failure: Option<String>,
}

impl Client {
    pub(super) fn new(target: Rc<Target>) -> Self {
        Self {
            target,
            stream: None,
            buffer: vec![0; READ],
        }
    }

    pub(super) async fn send_until(mut self, begin: Instant, end: Instant) -> Report {
        let mut report = Report::default();
        loop {
            let began = Instant::now();
            if began >= end {
                return report;
            }
            match timeout_at(end + LATE, self.send()).await {
                Ok(Ok(())) => {
                    let now = Instant::now();
                    if now >= begin && now < end {
                        report.times.push(now - began);
                    }
                }
                Ok(Err(failure)) => {
                    self.stream = None;
                    report.failures += 1;
                    report
                        .first_failure
                        .get_or_insert_with(|| failure.to_string());
                    // A peer that refuses everything must not keep the core busy.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(_late) => {
                    report.failures += 1;
                    let late = "no answer in time".to_owned();
                    report.first_failure.get_or_insert(late);
                    return report;
                }
            }
        }
    }

    /// One request and its whole answer.
    async fn send(&mut self) -> io::Result<()> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.target.connect().await?,
        };
        stream.write_all(self.target.request.as_bytes()).await?;
        let mut left = self.target.upload;
        while left > 0 {
            let piece = left.min(UPLOAD.len());
            stream.write_all(&UPLOAD[..piece]).await?;
            left -= piece;
        }
        stream.flush().await?;

        let mut filled = 0;
        let (head, end_of_head) = loop {
            if filled == self.buffer.len() {
                return Err(io::Error::other("a head larger than the buffer"));
            }
            let length = stream.read(&mut self.buffer[filled..]).await?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += length;
            if let Some(found) = Head::read(&self.buffer[..filled])? {
                break found;
            }
        };
        if !(200..300).contains(&head.status) {
            let text = String::from_utf8_lossy(&self.buffer[..filled.min(600)]).into_owned();
            return Err(io::Error::other(text));
        }
        let mut framing = head.framing;
        framing.take(&self.buffer[end_of_head..filled])?;
        while !framing.is_whole() {
            let length = stream.read(&mut self.buffer).await?;
            if length == 0 {
                if matches!(framing, Framing::UntilClose) {
                    break;
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            framing.take(&self.buffer[..length])?;
        }
        if !self.target.closes && !head.closes {
            self.stream = Some(stream);
        }
        Ok(())
    }
}

/// As large as what a fast reader is given at once.
const READ: usize = 256 * 1024;
static UPLOAD: [u8; 64 * 1024] = [b'u'; 64 * 1024];
/// How long an answer may last after the window.
const LATE: Duration = Duration::from_secs(20);
