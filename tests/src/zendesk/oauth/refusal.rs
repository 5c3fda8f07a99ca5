//! The token endpoint's errors, with RFC 6749's codes.

use std::borrow::Cow;

use serde_json::json;

use crate::zendesk::answer::Answer;

/// An error of the token endpoint.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    description: Cow<'static, str>,
}

impl Refusal {
    const fn new(status: u16, code: &'static str, description: &'static str) -> Self {
        Self {
            status,
            code,
            description: Cow::Borrowed(description),
        }
    }

    /// The request can't be parsed, or asks for something out of bounds.
    pub(super) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: 400,
            code: "invalid_request",
            description: description.into(),
        }
    }

    pub(super) fn answer(&self) -> Answer {
        Answer::json(
            self.status,
            &json!({"error": self.code, "error_description": self.description}),
        )
        .header("cache-control", "no-store")
    }
}

pub(super) const INVALID_GRANT: Refusal = Refusal::new(
    400,
    "invalid_grant",
    "The provided access grant is invalid, expired, or revoked (e.g. invalid assertion, expired \
     authorization token, bad end-user password credentials, or mismatching authorization code \
     and redirection URI).",
);
pub(super) const INVALID_CLIENT: Refusal = Refusal::new(
    401,
    "invalid_client",
    "Client authentication failed (e.g. unknown client, no client authentication included, or \
     unsupported authentication method).",
);
pub(super) const UNAUTHORIZED_CLIENT: Refusal = Refusal::new(
    400,
    "unauthorized_client",
    "The authenticated client is not authorized to use this authorization grant type.",
);
pub(super) const INVALID_SCOPE: Refusal = Refusal::new(
    400,
    "invalid_scope",
    "The requested scope is invalid, unknown, malformed, or exceeds the scope granted by the \
     resource owner.",
);
pub(super) const UNSUPPORTED_GRANT_TYPE: Refusal = Refusal::new(
    400,
    "unsupported_grant_type",
    "The authorization grant type is not supported by the authorization server.",
);
