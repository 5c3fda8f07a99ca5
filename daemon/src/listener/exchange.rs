//! Tracks the current exchange of a connection, and supplies the answers that hyper doesn't give.
//!
//! When hyper can't read a head, it answers with a bare status or just closes the connection. So
//! the stream wrappers that see the bytes pass in both directions note the progress here: an answer
//! to a head that no handler has seen must be hyper's own, and is dropped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use http::header::TRANSFER_ENCODING;
use http_body::Body;

use super::request_line::TARGET_MAX;
use crate::error_response::{ErrorResponse, HeadError};

/// The current exchange of a connection. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange(Arc<Mutex<ExchangeState>>);

#[derive(Debug, Default)]
struct ExchangeState {
    stage: ExchangeStage,
    /// Why the head was refused at its first line.
    fault: Option<HeadError>,
    /// Whether it is a HEAD request.
    is_head: bool,
    /// Lines of the head so far, including the first one.
    lines: usize,
    /// Whether a line since the end of the last request begins with `Content-Length:`.
    names_length: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ExchangeStage {
    /// Nothing of the next request has arrived.
    #[default]
    Idle,
    /// Part of its first line has arrived.
    Line,
    /// hyper is reading its head.
    Head,
    /// A handler has it, and this many bytes of its body are still to come.
    Handled(u64),
    /// A handler has it, and its body is chunked.
    HandledInChunks,
    /// A handler has answered it.
    Answered {
        /// Whether any of the answer has been written.
        is_heard: bool,
        /// Whether the connection ends with it.
        is_last: bool,
    },
}

/// What the next bytes on the connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextBytes {
    /// The first line of a request.
    Line,
    /// This many bytes of a body.
    Body(u64),
    /// Left to hyper to parse.
    Other,
}

/// What to do with bytes that hyper writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteVerdict {
    /// Send them to the client.
    Passes,
    /// Drop them: they are an answer of hyper's own.
    Drops,
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum ConnectionEnd {
    /// In the normal way.
    Orderly,
    /// hyper can't go on.
    Broken(hyper::Error),
    /// Its place was needed.
    GaveWay,
    /// The daemon is stopping.
    Stopping,
}

impl ConnectionEnd {
    pub(super) fn of(result: hyper::Result<()>) -> Self {
        match result {
            Ok(()) => Self::Orderly,
            Err(error) => Self::Broken(error),
        }
    }
}

impl Exchange {
    /// What comes next on the connection.
    pub(super) fn next(&self) -> NextBytes {
        match self.state().stage {
            ExchangeStage::Idle
            | ExchangeStage::Line
            | ExchangeStage::Answered { is_last: false, .. } => NextBytes::Line,
            ExchangeStage::Handled(left @ 1..) => NextBytes::Body(left),
            ExchangeStage::Head
            | ExchangeStage::Handled(0)
            | ExchangeStage::HandledInChunks
            | ExchangeStage::Answered { is_last: true, .. } => NextBytes::Other,
        }
    }

    /// Part of a request's first line has arrived.
    pub(super) fn line_begins(&self) {
        let mut state = self.state();
        if state.stage != ExchangeStage::Line {
            *state = ExchangeState {
                stage: ExchangeStage::Line,
                ..ExchangeState::default()
            };
        }
    }

    /// Its first line is passed to hyper.
    pub(super) fn line_is_read(&self, is_head: bool) {
        *self.state() = ExchangeState {
            stage: ExchangeStage::Head,
            is_head,
            ..ExchangeState::default()
        };
    }

    /// Its first line can't be used.
    pub(super) fn line_is_refused(&self, fault: HeadError) {
        self.state().fault = Some(fault);
    }

    /// Notes that hyper was given this many lines, and whether one begins with `Content-Length:`.
    pub(super) fn lines_go_by(&self, lines: usize, names_length: bool) {
        let mut state = self.state();
        if state.stage == ExchangeStage::Head {
            state.lines += lines;
        }
        state.names_length |= names_length;
    }

    /// Notes that hyper was given this many bytes of a body of known length.
    pub(super) fn body_goes_by(&self, bytes: u64) {
        if let ExchangeStage::Handled(left) = &mut self.state().stage {
            *left = left.saturating_sub(bytes);
        }
    }

    /// hyper has read the head. Returns whether it has both a coding and a length. Call this before
    /// reading any of the body.
    pub(super) fn begin<B: Body>(&self, request: &Request<B>) -> bool {
        let is_coded = request.headers().contains_key(TRANSFER_ENCODING);
        let mut state = self.state();
        state.stage = if is_coded {
            ExchangeStage::HandledInChunks
        } else {
            ExchangeStage::Handled(request.body().size_hint().exact().unwrap_or(0))
        };
        is_coded && state.names_length
    }

    /// A handler has answered; the connection ends after that if `is_last`.
    pub(super) fn end(&self, is_last: bool) {
        self.state().stage = ExchangeStage::Answered {
            is_heard: false,
            is_last,
        };
    }

    /// hyper writes bytes that begin with `start`.
    pub(super) fn writes(&self, start: &[u8]) -> WriteVerdict {
        let mut state = self.state();
        match &mut state.stage {
            ExchangeStage::Line | ExchangeStage::Head if start.starts_with(b"HTTP/1.") => {
                return WriteVerdict::Drops;
            }
            ExchangeStage::Answered { is_heard, .. } => *is_heard = true,
            ExchangeStage::Idle
            | ExchangeStage::Line
            | ExchangeStage::Head
            | ExchangeStage::Handled(_)
            | ExchangeStage::HandledInChunks => {}
        }
        WriteVerdict::Passes
    }

    /// Whether at least part of a request has arrived, and nothing of an answer has been sent.
    pub(super) fn is_owed(&self) -> bool {
        match self.state().stage {
            ExchangeStage::Idle | ExchangeStage::Answered { is_heard: true, .. } => false,
            ExchangeStage::Line
            | ExchangeStage::Head
            | ExchangeStage::Handled(_)
            | ExchangeStage::HandledInChunks => true,
            ExchangeStage::Answered {
                is_heard: false, ..
            } => true,
        }
    }

    /// Whether it is a HEAD request.
    pub(super) fn is_head(&self) -> bool {
        self.state().is_head
    }

    /// The refusal for a client that is still owed an answer.
    pub(super) fn owed(&self, ended: &ConnectionEnd, limits: &Limits) -> Option<ErrorResponse> {
        if !self.is_owed() {
            return None;
        }
        let state = self.state();
        if let Some(fault) = state.fault {
            return Some(fault.into());
        }
        let is_unread = matches!(state.stage, ExchangeStage::Line | ExchangeStage::Head);
        match ended {
            ConnectionEnd::GaveWay => Some(ErrorResponse::GaveWay),
            ConnectionEnd::Stopping => Some(ErrorResponse::Stopping),
            ConnectionEnd::Broken(error) if error.is_timeout() && is_unread => {
                Some(HeadError::TooSlow(limits.time).into())
            }
            ConnectionEnd::Broken(error) if error.is_parse_too_large() => Some(
                // The count includes the first line.
                if state.lines > limits.lines + 1 {
                    HeadError::TooManyLines(limits.lines)
                } else {
                    HeadError::TooLarge(limits.bytes)
                }
                .into(),
            ),
            ConnectionEnd::Broken(error) if error.is_parse() => Some(unread(error).into()),
            ConnectionEnd::Broken(error) if is_unread && error.is_incomplete_message() => {
                Some(HeadError::BrokenOff.into())
            }
            ConnectionEnd::Orderly if is_unread => Some(HeadError::BrokenOff.into()),
            // An answer that breaks off before its head was written.
            ConnectionEnd::Broken(error) if error.is_user() => Some(ErrorResponse::BrokenAnswer),
            ConnectionEnd::Broken(_) | ConnectionEnd::Orderly => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, ExchangeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The limits that hyper was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Header lines.
    pub(super) lines: usize,
    /// Bytes of a head.
    pub(super) bytes: usize,
    /// Time for a head to arrive.
    pub(super) time: Duration,
}

/// What hyper finds wrong with a head, which it tells only by its message.
fn unread(error: &hyper::Error) -> HeadError {
    match error.to_string().as_str() {
        "invalid HTTP method parsed" => HeadError::NoMethod,
        "invalid URI" => HeadError::NoPath,
        "URI too long" => HeadError::TargetTooLong(TARGET_MAX),
        "invalid HTTP header parsed" => HeadError::Line,
        "invalid content-length parsed" => HeadError::Length,
        "invalid transfer-encoding parsed" | "unexpected transfer-encoding parsed" => {
            HeadError::Coding
        }
        _ => HeadError::Unreadable,
    }
}
