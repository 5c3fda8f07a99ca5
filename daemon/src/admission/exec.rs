//! What the helper of `loopdesk exec` says about a request. Only `proxy.sock` takes it: over TCP it would
//! be another way to choose where a request goes, and by whose rights.

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue};
use loopdesk_protocol::exec::{CALLER_HEADER, ORIGIN_HEADER, REWRITE_NONE, TICKET_HEADER};

use super::framing;
use crate::config::Origin;
use crate::content::items;
use crate::error_response::ErrorResponse;
use crate::facts::{ExecRequest, Local};
use crate::keys::Program;
use crate::program;

/// What the headers of a request at `local` say; `None` if it isn't of a helper.
pub(super) fn read(
    local: &Local,
    headers: &HeaderMap,
) -> Result<Option<ExecRequest>, ErrorResponse> {
    let (origin, ticket) = (one(headers, &ORIGIN)?, one(headers, &TICKET)?);
    let caller = one(headers, &CALLER)?;
    if matches!(local, Local::Tcp { .. }) {
        return match origin.or(ticket) {
            None => Ok(None),
            Some(_) => Err(bad("it is for `loopdesk exec`, on `proxy.sock` alone")),
        };
    }
    let Some(origin) = origin else {
        return match ticket {
            None => Ok(None),
            Some(_) => Err(bad("its ticket needs an origin beside it")),
        };
    };
    let read = |text: &HeaderValue| text.to_str().ok()?.parse::<Origin>().ok();
    Ok(Some(ExecRequest {
        origin: read(origin).ok_or_else(|| bad("its origin can't be read"))?,
        is_verbatim: items(headers, REWRITE)
            .any(|item| item.eq_ignore_ascii_case(REWRITE_NONE.as_bytes())),
        ticket: ticket.map(|ticket| ticket.as_bytes().to_vec().into()),
        caller: caller.and_then(command),
    }))
}

fn one<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, ErrorResponse> {
    framing::at_most_one(headers, name)?;
    Ok(headers.get(name))
}

/// Only shown, so what can't be read is left out.
fn command(caller: &HeaderValue) -> Option<Program> {
    let text = std::str::from_utf8(caller.as_bytes()).ok()?;
    let (process, name) = text.split_once(' ')?;
    program::is_presentable(name).then_some(())?;
    Some(Program {
        name: name.into(),
        process: Some(process.parse().ok()?),
    })
}

fn bad(why: &str) -> ErrorResponse {
    ErrorResponse::BadRequest(format!(
        "the request has a header of loopdesk's own that can't be used: {why}"
    ))
}

static ORIGIN: HeaderName = HeaderName::from_static(ORIGIN_HEADER);
static TICKET: HeaderName = HeaderName::from_static(TICKET_HEADER);
static CALLER: HeaderName = HeaderName::from_static(CALLER_HEADER);
const REWRITE: HeaderName = HeaderName::from_static("x-loopdesk-rewrite");

#[cfg(test)]
mod tests {
    use super::*;

    fn code(local: &Local, headers: &[(&'static str, &'static str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        match read(local, &map) {
            Ok(None) => "none".to_owned(),
            Ok(Some(exec)) => format!("{} {}", exec.origin, exec.is_verbatim),
            Err(refusal) => refusal.code().to_owned(),
        }
    }

    #[test]
    fn s9_only_the_socket_takes_a_helpers_headers() {
        let tcp = Local::Tcp {
            addr: ([127, 0, 0, 1], 8484).into(),
        };
        let acme = ("x-loopdesk-origin", "https://acme.zendesk.com");
        let none = ("x-loopdesk-rewrite", "none");
        let ticket = ("x-loopdesk-ticket", "abc");
        let port = ("x-loopdesk-origin", "https://acme.zendesk.com:443");
        for (local, headers, expected) in [
            (&Local::Unix, &[][..], "none"),
            (&Local::Unix, &[acme], "https://acme.zendesk.com false"),
            (&Local::Unix, &[port, none], "https://acme.zendesk.com true"),
            (
                &Local::Unix,
                &[acme, none, ticket],
                "https://acme.zendesk.com true",
            ),
            (&Local::Unix, &[none], "none"),
            (&Local::Unix, &[ticket], "bad-request"),
            (&Local::Unix, &[acme, acme], "bad-request"),
            (&Local::Unix, &[acme, ticket, ticket], "bad-request"),
            (
                &Local::Unix,
                &[("x-loopdesk-origin", "http://acme.zendesk.com")],
                "bad-request",
            ),
            (&tcp, &[none], "none"),
            (&tcp, &[acme], "bad-request"),
            (&tcp, &[ticket], "bad-request"),
        ] {
            assert_eq!(code(local, headers), expected, "{local:?} {headers:?}");
        }
    }

    #[test]
    fn s9_a_command_is_shown_by_a_name_that_can_be_shown() {
        let shown = |text: &[u8]| {
            let program = command(&HeaderValue::from_bytes(text).unwrap())?;
            Some((program.name.to_string(), program.process))
        };
        let expected = ("python3.12 report.py".to_owned(), Some(4711));
        assert_eq!(shown(b"4711 python3.12 report.py"), Some(expected));
        for text in [
            &b"4711"[..],
            b"4711 ",
            b"curl 4711",
            b"-1 curl",
            b"4711 \xff",
            b"4711 a\tb",
            b"4711 ldk_Q3vT9xKa_x",
        ] {
            assert_eq!(shown(text), None, "{text:?}");
        }
    }
}
