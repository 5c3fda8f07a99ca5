//! A server that accepts what HTTP libraries reject, and reports what it has understood.
//!
//! It parses as loosely as real servers do: any bytes in a target, bare line feeds, folded lines,
//! blanks around a name.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A request as it was understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Understood {
    /// Up to the first space.
    pub method: Vec<u8>,
    /// Up to the last ` HTTP/`.
    pub target: Vec<u8>,
    /// Names as they were spelled, and values without blanks around them.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Decoded from its chunks.
    pub body: Vec<u8>,
}

/// Responds to requests with what it understood, until the client ends or can't be understood.
pub async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let mut ahead = Vec::new();
    loop {
        let (understood, length) = match read(&ahead) {
            Reading::Whole(understood, length) => (understood, length),
            Reading::Part => match stream.read_buf(&mut ahead).await {
                Ok(1..) => continue,
                _ => return,
            },
            Reading::Nothing => return,
        };
        ahead.drain(..length);
        let body = serde_json::to_string(&understood).expect("it is JSON");
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// What the bytes start with.
#[derive(Debug)]
pub enum Reading {
    /// A request, and its length.
    Whole(Understood, usize),
    /// An incomplete one.
    Part,
    /// Nothing that any server would understand.
    Nothing,
}

/// Reads the first request.
pub fn read(bytes: &[u8]) -> Reading {
    let mut lines = Lines { bytes, at: 0 };
    let first = loop {
        match lines.next() {
            None => return Reading::Part,
            Some(b"") => {}
            Some(line) => break line,
        }
    };
    let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    loop {
        let line = match lines.next() {
            None => return Reading::Part,
            Some(b"") => break,
            Some(line) => line,
        };
        if let (b' ' | b'\t', Some((_, value))) = (line[0], headers.last_mut()) {
            value.push(b' ');
            value.extend_from_slice(line.trim_ascii());
            continue;
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            return Reading::Nothing;
        };
        let name = line[..colon].trim_ascii().to_vec();
        headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
    }
    let Some((method, target)) = words(first) else {
        return Reading::Nothing;
    };
    let value = |wanted: &str| {
        let mut lines = headers.iter();
        let found = lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    let rest = &bytes[lines.at..];
    let body = if value("transfer-encoding").is_some() {
        chunked(rest)
    } else {
        let length = value("content-length");
        let length = length.map_or(Ok(0), |length| length.parse::<usize>());
        let Ok(length) = length else {
            return Reading::Nothing;
        };
        rest.get(..length).map(|body| (body.to_vec(), length))
    };
    let Some((body, length)) = body else {
        return Reading::Part;
    };
    let understood = Understood {
        method: method.to_vec(),
        target: target.to_vec(),
        headers,
        body,
    };
    Reading::Whole(understood, lines.at + length)
}

fn words(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = line.iter().position(|b| *b == b' ')?;
    let version = line.windows(6).rposition(|part| part == b" HTTP/")?;
    Some((&line[..space], line.get(space + 1..version)?))
}

fn chunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let mut lines = Lines { bytes, at };
        let size = lines.next()?;
        let size = size.split(|b| *b == b';').next().unwrap_or_default();
        let size = usize::from_str_radix(String::from_utf8_lossy(size).trim(), 16).ok()?;
        if size == 0 {
            while !lines.next()?.is_empty() {}
            return Some((body, lines.at));
        }
        body.extend_from_slice(bytes.get(lines.at..lines.at + size)?);
        lines.at += size;
        lines.next()?;
        at = lines.at;
    }
}

/// Lines without their ends; only complete ones.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|b| *b == b'\n')?;
        self.at += end + 1;
        let line = &rest[..end];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}
