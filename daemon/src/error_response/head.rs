//! Why a request's head can't be read, and what to change. Such a request never reaches admission:
//! the listener refuses it.

use std::time::Duration;

use super::code::ErrorCode;

/// What is wrong with a head. None of its bytes are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// The client has begun a TLS handshake.
    Tls,
    /// The first line doesn't begin with a method.
    NoMethod,
    /// The first line has nothing between its method and its version.
    NoTarget,
    /// The first line ends without a version, as in HTTP/0.9.
    NoVersion,
    /// A version other than HTTP/1.0 and 1.1, including HTTP/2 without an upgrade.
    Version,
    /// The target contains a control character.
    Control,
    /// The target contains a `#`.
    Fragment,
    /// The target is neither a path nor a URL.
    NoPath,
    /// The target has more bytes than this.
    TargetTooLong(usize),
    /// The head has more bytes than this.
    TooLarge(usize),
    /// The head has more header lines than this.
    TooManyLines(usize),
    /// A header line isn't `Name: value`.
    Line,
    /// `Content-Length` isn't one number.
    Length,
    /// `Transfer-Encoding` isn't `chunked`, or the version doesn't have it.
    Coding,
    /// The client closed the connection before its head was complete.
    BrokenOff,
    /// The head wasn't complete after this time.
    TooSlow(Duration),
    /// Something else.
    Unreadable,
}

impl HeadError {
    pub(super) fn code(self) -> ErrorCode {
        match self {
            Self::Tls => ErrorCode::TlsRefused,
            Self::Version => ErrorCode::VersionRefused,
            Self::TargetTooLong(_) => ErrorCode::AddressTooLong,
            Self::TooLarge(_) | Self::TooManyLines(_) => ErrorCode::HeadTooLarge,
            Self::TooSlow(_) => ErrorCode::HeadTooSlow,
            Self::NoMethod
            | Self::NoTarget
            | Self::NoVersion
            | Self::Control
            | Self::Fragment
            | Self::NoPath
            | Self::Line
            | Self::Length
            | Self::Coding
            | Self::BrokenOff
            | Self::Unreadable => ErrorCode::BadRequest,
        }
    }

    pub(super) fn description(self) -> String {
        let text = match self {
            Self::Tls => {
                "the client speaks TLS, and loopdesk speaks plain HTTP on this machine: begin the \
                 base URL with `http://`"
            }
            Self::NoMethod => {
                "the request doesn't begin with a method: its first line must read \
                 `GET /api/v2/… HTTP/1.1`"
            }
            Self::NoTarget => {
                "the request's first line contains no address: it must read \
                 `GET /api/v2/… HTTP/1.1`"
            }
            Self::NoVersion => {
                "the request's first line doesn't end with a version: it must read \
                 `GET /api/v2/… HTTP/1.1`"
            }
            Self::Version => {
                "loopdesk speaks HTTP/1.1 and HTTP/1.0 only: switch off HTTP/2 for plain `http://` \
                 addresses in your client (in curl, leave out `--http2-prior-knowledge`)"
            }
            Self::Control => {
                "the address contains a control character, such as a line break, a tab or NUL: \
                 remove it, or percent-encode it (`%0A` for a line break)"
            }
            Self::Fragment => {
                "the address contains a `#`, and what follows it is never part of a request: \
                 write `%23` if it is part of a value, or leave it out"
            }
            Self::NoPath => "the request's address is neither a path nor a URL: begin it with `/`",
            Self::TargetTooLong(most) => {
                return format!(
                    "the address has more than {most} bytes, percent-encoded: ask for fewer ids at \
                     a time"
                );
            }
            Self::TooLarge(most) => {
                return format!(
                    "the request's head has more than {most} bytes: send fewer cookies and the like"
                );
            }
            Self::TooManyLines(most) => {
                return format!("the request has more than {most} header lines: send fewer");
            }
            Self::Line => {
                "a header line of the request can't be read: write each as `Name: value` on one \
                 line, without a space before the colon or the name, and without control \
                 characters"
            }
            Self::Length => {
                "the request's `Content-Length` isn't one number: send the body's length in bytes, \
                 once"
            }
            Self::Coding => {
                "the request's `Transfer-Encoding` must be `chunked`, and HTTP/1.0 has none: send \
                 a `Content-Length` instead"
            }
            Self::BrokenOff => {
                "the request ended before its head was complete: send an empty line after the \
                 headers"
            }
            Self::TooSlow(after) => {
                return format!(
                    "the request's head wasn't complete after {} s: send it in one piece",
                    after.as_secs()
                );
            }
            Self::Unreadable => {
                "the request's head can't be read: it must be HTTP/1.1 according to RFC 9112"
            }
        };
        text.to_owned()
    }
}
