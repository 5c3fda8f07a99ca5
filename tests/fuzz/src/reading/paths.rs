//! Every way in which a server may read a path, one by one.
//!
//! The daemon judges a path by its most lenient reading. Here, each leniency that some server has
//! is switched on and off separately, in each order that matters: what any of these servers takes
//! for a route that creates credentials must have been refused.

use std::collections::BTreeSet;

/// Whether some server would take this target for a route that creates or shows credentials.
pub(crate) fn mints_credentials(method: &str, target: &str) -> Option<String> {
    let path = target.split('?').next().unwrap_or_default();
    for leniencies in 0..1 << IGNORES_CASE {
        let server = Server(leniencies | 1 << IGNORES_CASE);
        let segments = server.segments(path.as_bytes());
        let text: Vec<String> = segments
            .iter()
            .map(|segment| String::from_utf8_lossy(segment).into_owned())
            .collect();
        let segments: Vec<&str> = text.iter().map(String::as_str).collect();
        let reads = matches!(method, "GET" | "HEAD");
        let is_credential = match segments[..] {
            ["oauth", ..] => true,
            ["hc", "api", version, "integration", ..] => is_name(version),
            ["api", "services", "zis", "connections", ..] => true,
            [
                "api",
                "services",
                "zis",
                "integrations",
                name,
                "connections",
                ..,
            ] => is_name(name),
            ["api", version, ..] if !is_name(version) => false,
            ["api", _, "oauth", "tokens", "current"] => !reads,
            [
                "api",
                _,
                "oauth" | "api_tokens" | "remote_authentications",
                ..,
            ] => true,
            ["api", _, "users", user, "password", "requirements"] => is_name(user) && !reads,
            ["api", _, "users", user, "password" | "oauth", ..] => is_name(user),
            ["api", _, "webhooks", webhook, "signing_secret", ..] => is_name(webhook),
            ["api", _, "help_center", "integration", "token", ..]
            | ["api", _, "help_center", "en-us", "integration", "token", ..]
            | ["api", _, "channels", "voice", "call_console", ..] => true,
            _ => false,
        };
        if is_credential {
            return Some(segments.join("/"));
        }
    }
    None
}

/// The segments of a path as every server may read them.
pub(crate) fn readings(path: &str) -> BTreeSet<Vec<Vec<u8>>> {
    let servers = (0..1 << LENIENCIES).map(Server);
    servers
        .map(|server| server.segments(path.as_bytes()))
        .collect()
}

/// Possible values of a version or a user: no server accepts `%2e` or `..` as one.
fn is_name(segment: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    !segment.is_empty() && segment.bytes().all(is_plain)
}

/// `%XX` decoded once.
pub(crate) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                result.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, ..) => {
                result.push(byte);
                at += 1;
            }
        }
    }
    result
}

/// A server, described by its leniencies.
#[derive(Clone, Copy)]
struct Server(u32);

impl Server {
    fn has(self, leniency: u32) -> bool {
        self.0 >> leniency & 1 == 1
    }

    fn segments(self, path: &[u8]) -> Vec<Vec<u8>> {
        let in_its_case = |path: Vec<u8>| match self.has(IGNORES_CASE) {
            true => path.to_ascii_lowercase(),
            false => path,
        };
        let mut path = in_its_case(path.to_vec());
        if self.has(RESOLVES_FIRST) {
            path = joined(&resolved(split(&path)));
        }
        if self.has(DECODES) {
            path = in_its_case(decoded(&path));
        }
        if self.has(DECODES_AGAIN) {
            path = in_its_case(decoded(&path));
        }
        if self.has(READS_BACKSLASH) {
            for byte in &mut path {
                if *byte == b'\\' {
                    *byte = b'/';
                }
            }
        }
        if self.has(CUTS) {
            let end = path.iter().position(|b| matches!(b, b'?' | b'#' | 0));
            path.truncate(end.unwrap_or(path.len()));
        }
        let mut segments = split(&path);
        if self.has(DROPS_PARAMETERS) {
            for segment in &mut segments {
                let end = segment.iter().position(|b| *b == b';');
                segment.truncate(end.unwrap_or(segment.len()));
            }
        }
        segments.retain(|segment| !segment.is_empty());
        if self.has(RESOLVES) {
            segments = resolved(segments);
        }
        if self.has(DROPS_FORMAT)
            && let Some(last) = segments.last_mut()
        {
            let end = last.iter().rposition(|b| *b == b'.').filter(|at| *at > 0);
            last.truncate(end.unwrap_or(last.len()));
        }
        segments
    }
}

fn split(path: &[u8]) -> Vec<Vec<u8>> {
    let segments = path.split(|b| *b == b'/').map(<[u8]>::to_vec);
    segments.filter(|segment| !segment.is_empty()).collect()
}

fn joined(segments: &[Vec<u8>]) -> Vec<u8> {
    segments.join(&b'/')
}

/// RFC 3986 section 5.2.4.
fn resolved(segments: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut result = Vec::new();
    for segment in segments {
        match segment.as_slice() {
            b"." => {}
            b".." => drop(result.pop()),
            _ => result.push(segment),
        }
    }
    result
}

const RESOLVES_FIRST: u32 = 0;
const DECODES: u32 = 1;
const DECODES_AGAIN: u32 = 2;
const READS_BACKSLASH: u32 = 3;
const CUTS: u32 = 4;
const DROPS_PARAMETERS: u32 = 5;
const RESOLVES: u32 = 6;
const DROPS_FORMAT: u32 = 7;
const IGNORES_CASE: u32 = 8;
const LENIENCIES: u32 = 9;
