//! A script that writes HTTP/1.1 byte by byte, for what no HTTP library would send.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One side of a connection, client or server.
#[derive(Debug)]
pub struct Raw<S = TcpStream> {
    stream: S,
    /// Bytes received and not parsed yet.
    ahead: Vec<u8>,
}

/// The head of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The start line, without its line end.
    pub line: String,
    /// The headers in their order and spelling.
    pub headers: Vec<(String, String)>,
}

/// A complete message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its head.
    pub head: Head,
    /// Its body, decoded from its chunks.
    pub body: Vec<u8>,
    /// Its trailer section.
    pub trailers: Vec<(String, String)>,
}

impl Raw {
    /// A connection to a port of 127.0.0.1.
    ///
    /// # Panics
    /// If the port refuses.
    pub async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        Self::new(stream.expect("the port accepts connections"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Wraps an open connection.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            ahead: Vec::new(),
        }
    }

    /// Sends these bytes unchanged.
    ///
    /// # Panics
    /// If the other side has gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.try_send(bytes).await;
        sent.expect("the other side takes it");
    }

    /// The same for the case that the other side may have gone.
    ///
    /// # Errors
    /// If the other side has gone.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Ends our side of the connection; reading is still possible.
    ///
    /// # Panics
    /// If the other side has gone.
    pub async fn shut_down(&mut self) {
        let done = self.try_shut_down().await;
        done.expect("the other side is there");
    }

    /// The same for the case that the other side may have gone.
    ///
    /// # Errors
    /// If the other side has gone.
    pub async fn try_shut_down(&mut self) -> std::io::Result<()> {
        self.stream.shutdown().await
    }

    /// The connection itself. Nothing that was received may be left in here.
    ///
    /// # Panics
    /// If something is.
    pub fn into_stream(self) -> S {
        assert!(self.ahead.is_empty(), "bytes came that nobody has read");
        self.stream
    }

    /// The next head.
    ///
    /// # Panics
    /// If there is none, or an unreadable one.
    pub async fn head(&mut self) -> Head {
        let end = loop {
            if let Some(at) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.more().await, "the end came instead of a head");
        };
        let text: Vec<u8> = self.ahead.drain(..end).collect();
        Head::parse(&text)
    }

    /// The next response, to a request other than HEAD.
    ///
    /// # Panics
    /// If there is no complete one.
    pub async fn answer(&mut self) -> Message {
        let head = self.head().await;
        let bodiless = matches!(head.status(), 100..200 | 204 | 304);
        self.rest(head, bodiless, true).await
    }

    /// The next request.
    ///
    /// # Panics
    /// If there is no complete one.
    pub async fn request(&mut self) -> Message {
        let head = self.head().await;
        self.rest(head, false, false).await
    }

    /// Exactly this many bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.ahead.len() < count {
            assert!(self.more().await, "the end came after {:?}", self.ahead);
        }
        self.ahead.drain(..count).collect()
    }

    /// Reads and discards this many bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub async fn skip(&mut self, count: u64) {
        let mut left = count;
        loop {
            let here = usize::try_from(left).map_or(self.ahead.len(), |n| n.min(self.ahead.len()));
            self.ahead.drain(..here);
            left -= here as u64;
            if left == 0 {
                return;
            }
            assert!(self.more().await, "the end came {left} bytes early");
        }
    }

    /// Everything up to the other side's end, or a reset.
    pub async fn all(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.ahead)
    }

    /// The bytes of one chunk of a chunked body; none at its end.
    ///
    /// # Panics
    /// If it isn't a chunk.
    pub async fn chunk(&mut self) -> Vec<u8> {
        let size = self.line().await;
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
        let data = self.bytes(size).await;
        if size > 0 {
            assert_eq!(self.bytes(2).await, b"\r\n");
        }
        data
    }

    async fn rest(&mut self, head: Head, bodiless: bool, may_end: bool) -> Message {
        let (mut body, mut trailers) = (Vec::new(), Vec::new());
        if bodiless {
        } else if head.has("transfer-encoding", "chunked") {
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
            loop {
                let line = self.line().await;
                if line.is_empty() {
                    break;
                }
                trailers.extend(fields(&line));
            }
        } else if let Some(length) = head.get("content-length") {
            body = self.bytes(length.parse().expect("a length")).await;
        } else if may_end {
            body = self.all().await;
        }
        Message {
            head,
            body,
            trailers,
        }
    }

    async fn line(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.ahead.windows(2).position(|two| two == b"\r\n") {
                break at;
            }
            assert!(self.more().await, "the end came within a line");
        };
        let line: Vec<u8> = self.ahead.drain(..end + 2).take(end).collect();
        String::from_utf8(line).expect("text")
    }

    /// Reads more; `false` at the other side's end.
    async fn more(&mut self) -> bool {
        self.ahead.reserve(READ);
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.ahead)).await;
        match read {
            Ok(Ok(count)) => count > 0,
            Ok(Err(_)) => false,
            Err(_) => panic!("nothing came after {:?}", self.ahead),
        }
    }
}

impl Head {
    /// Parses a complete head.
    ///
    /// # Panics
    /// If it isn't a head.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let (line, rest) = text.split_once("\r\n").expect("a start line");
        Self {
            line: line.to_owned(),
            headers: fields(rest),
        }
    }

    /// A response's status.
    ///
    /// # Panics
    /// If it has none.
    pub fn status(&self) -> u16 {
        let status = self.line.split(' ').nth(1).expect("a status");
        status.parse().expect("a status")
    }

    /// A header's first value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter();
        let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// A header's values, line by line.
    pub fn all(&self, name: &str) -> Vec<String> {
        let lines = self.headers.iter();
        let found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).collect()
    }

    /// Whether a header is a list with this item.
    pub fn has(&self, name: &str, item: &str) -> bool {
        let mut lines = self.headers.iter();
        lines.any(|(known, value)| {
            known.eq_ignore_ascii_case(name)
                && value
                    .split(',')
                    .any(|one| one.trim().eq_ignore_ascii_case(item))
        })
    }
}

impl Message {
    /// A response's status.
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("head", &self.head)
            .field("body", &self.text())
            .field("trailers", &self.trailers)
            .finish()
    }
}

fn fields(text: &str) -> Vec<(String, String)> {
    let lines = text.split("\r\n").filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("a field");
            (name.to_owned(), value.trim().to_owned())
        })
        .collect()
}

/// As much as one system call returns.
const READ: usize = 64 << 10;

/// Longer than any successful operation takes, and shorter than a test may take.
const PATIENCE: Duration = Duration::from_secs(30);
