//! Reads one request from the bytes of a connection, by RFC 9112 and without any of its leniencies.

/// What the bytes start with.
#[derive(Debug)]
pub(crate) enum Read {
    /// A request, and its length in bytes.
    Whole(Request, usize),
    /// An incomplete one.
    Part,
    /// No request, and why not.
    KeyError(&'static str),
}

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With characters that RFC 3986 doesn't allow percent-encoded.
    pub(crate) target: String,
    /// Whether it was already in that form.
    pub(crate) is_encoded: bool,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Every value of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        let lines = self.headers.iter().filter(|(known, _)| known == name);
        lines.map(|(_, value)| value.as_slice()).collect()
    }
}

/// Reads the first request.
pub(crate) fn request(bytes: &[u8]) -> Read {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return Read::Part;
    };
    match head(&bytes[..end]) {
        Ok((mut request, framing)) => {
            let rest = &bytes[end + 4..];
            let body = match framing {
                Framing::Length(length) => match rest.get(..length) {
                    Some(body) => Ok(Some((body.to_owned(), length))),
                    None => Ok(None),
                },
                Framing::Chunked => chunked(rest),
            };
            match body {
                Ok(Some((body, length))) => {
                    request.body = body;
                    Read::Whole(request, end + 4 + length)
                }
                Ok(None) => Read::Part,
                Err(why) => Read::KeyError(why),
            }
        }
        Err(why) => Read::KeyError(why),
    }
}

/// Whether the first head has both a length and a coding, read as loosely as any parser may.
pub(crate) fn has_two_lengths(bytes: &[u8]) -> bool {
    let lines = bytes
        .split(|b| *b == b'\n')
        .map(|line| line.trim_ascii_end());
    let lines = lines.skip_while(|line| line.is_empty());
    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let names = |name: &[u8]| {
        head.iter().any(|line| {
            let start = line.get(..name.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
    };
    names(b"content-length:") && names(b"transfer-encoding:")
}

/// How the end of a body is determined (RFC 9112 section 6.3).
enum Framing {
    Length(usize),
    Chunked,
}

fn head(text: &[u8]) -> Result<(Request, Framing), &'static str> {
    let mut lines = lines(text)?.into_iter();
    let first = lines.next().unwrap_or_default();
    let (method, version, target) = first_line(first)?;
    let encoded: String = target.iter().map(|byte| encoded(*byte)).collect();
    let mut headers = Vec::new();
    for line in lines {
        headers.push(field(line)?);
    }
    let request = Request {
        method: String::from_utf8_lossy(method).into_owned(),
        is_encoded: encoded.as_bytes() == target,
        target: encoded,
        headers,
        body: Vec::new(),
    };
    let lengths = request.values("content-length");
    let codings = request.values("transfer-encoding");
    let framing = match (&lengths[..], &codings[..]) {
        ([], []) => Framing::Length(0),
        ([length], []) => Framing::Length(number(length, 10)?),
        ([], [b"chunked"]) if version == b"HTTP/1.1" => Framing::Chunked,
        _ => return Err("lengths that could be read two ways"),
    };
    Ok((request, framing))
}

/// The target is everything between the first space and the last version.
fn first_line(line: &[u8]) -> Result<FirstLine<'_>, &'static str> {
    let end = line.len().checked_sub(8).ok_or("a short request line")?;
    let (rest, version) = line.split_at(end);
    if version != b"HTTP/1.1" && version != b"HTTP/1.0" {
        return Err("another version");
    }
    let space = rest.iter().position(|b| *b == b' ');
    let (method, rest) = rest.split_at(space.ok_or("no space in the request line")?);
    if !is_token(method) {
        return Err("the method is no token");
    }
    match rest {
        [b' ', target @ .., b' '] if !target.is_empty() => {
            let is_unreadable = |b: &u8| b.is_ascii_control() || *b == b'#';
            if target.iter().any(is_unreadable) {
                return Err("what no target can have");
            }
            Ok((method, version, target))
        }
        _ => Err("no target"),
    }
}

/// Method, version and target.
type FirstLine<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// RFC 3986 sections 2.1 to 2.3.
fn encoded(byte: u8) -> String {
    let marks = "-._~:/?[]@!$&'()*+,;=%";
    let letter = char::from(byte);
    if letter.is_ascii_alphanumeric() || marks.contains(letter) {
        letter.to_string()
    } else {
        format!("%{byte:02X}")
    }
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), &'static str> {
    let colon = find(line, b":").ok_or("a line without a colon")?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return Err("the name of a header is no token");
    }
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !is_blank(b));
    let end = value.iter().rposition(|b| !is_blank(b));
    let value = start
        .zip(end)
        .map_or(&b""[..], |(start, end)| &value[start..=end]);
    let is_text = |b: &u8| matches!(b, b'\t' | b' '..=b'~' | 0x80..);
    if !value.iter().all(is_text) {
        return Err("a control character in a header");
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Ok((name, value.to_owned()))
}

/// The body and its number of bytes; nothing if it is incomplete.
fn chunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let line = &bytes[at..at + end];
        let size = line.split(|b| *b == b';').next().unwrap_or_default();
        let size = number(size, 16)?;
        at += end + 2;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..).and_then(|rest| rest.get(..size)) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        at += size;
        match bytes.get(at..at + 2) {
            Some(b"\r\n") => at += 2,
            Some(_) => return Err("a chunk longer than it says"),
            None => return Ok(None),
        }
    }
    // The trailer section ends like a head.
    let rest = &bytes[at..];
    if rest.starts_with(b"\r\n") {
        return Ok(Some((body, at + 2)));
    }
    let Some(end) = find(rest, b"\r\n\r\n") else {
        return Ok(None);
    };
    for line in lines(&rest[..end])? {
        field(line)?;
    }
    Ok(Some((body, at + end + 4)))
}

fn lines(text: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    let is_bare = |line: &&[u8]| line.iter().any(|b| matches!(b, b'\r' | b'\n'));
    if lines.iter().any(is_bare) {
        return Err("a bare CR or LF");
    }
    Ok(lines)
}

fn number(digits: &[u8], radix: u32) -> Result<usize, &'static str> {
    let is_digit = |b: &u8| char::from(*b).is_digit(radix);
    if digits.is_empty() || !digits.iter().all(is_digit) {
        return Err("not a number");
    }
    let digits = String::from_utf8_lossy(digits);
    usize::from_str_radix(&digits, radix).map_err(|_| "too large a number")
}

fn is_token(text: &[u8]) -> bool {
    let is_tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !text.is_empty() && text.iter().all(is_tchar)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}
