//! The errors of the API, in their different shapes.

use serde_json::{Value, json};

use crate::zendesk::answer::Answer;

/// The token is dead; or, indistinguishable from that, `X-On-Behalf-Of` names no user.
pub(super) fn invalid_token(www_authenticate: bool) -> Answer {
    let description = "The access token provided is expired, revoked, malformed or invalid for \
                       other reasons.";
    let answer = Answer::json(
        401,
        &json!({"error": "invalid_token", "error_description": description}),
    );
    if www_authenticate {
        return answer.header(
            "www-authenticate",
            &format!(
                "Bearer realm=\"Zendesk\", error=\"invalid_token\", \
                 error_description=\"{description}\""
            ),
        );
    }
    answer
}

/// No credential, or one that is no longer accepted.
pub(super) fn not_authenticated() -> Answer {
    Answer::json(401, &json!({"error": "Couldn't authenticate you"}))
}

/// The token lacks the scope.
pub(super) fn missing_scope(scope: &str) -> Answer {
    Answer::json(
        403,
        &json!({
            "error": "Forbidden",
            "description": format!("You are missing the following required scopes: {scope}"),
        }),
    )
}

/// The user's role doesn't allow it.
pub(super) fn not_allowed() -> Answer {
    Answer::json(
        403,
        &json!({"error": {
            "title": "Forbidden",
            "message": "You do not have access to this page. Please contact the account owner of \
                        this help desk for further help.",
        }}),
    )
}

/// The record doesn't exist.
pub(super) fn not_found() -> Answer {
    Answer::json(
        404,
        &json!({"error": "RecordNotFound", "description": "Not found"}),
    )
}

/// The endpoint doesn't exist.
pub(super) fn invalid_endpoint() -> Answer {
    Answer::json(
        404,
        &json!({"error": "InvalidEndpoint", "description": "Not found"}),
    )
}

/// A record is invalid and can't be saved.
pub(super) fn record_invalid(field: &str, description: &str, error: &str) -> Answer {
    let details = json!({field: [{"description": description, "error": error}]});
    Answer::json(
        422,
        &json!({
            "error": "RecordInvalid",
            "description": "Record validation errors",
            "details": details,
        }),
    )
}

/// The request lacks the object that it is about, or isn't JSON.
pub(super) fn invalid_attribute(name: &str) -> Answer {
    Answer::json(
        400,
        &json!({"error": {
            "title": "Invalid attribute",
            "message": format!("You passed an invalid value for the {name} attribute. Must be an object"),
        }}),
    )
}

/// The request can't be parsed.
pub(super) fn unprocessable(error: &str, description: &str) -> Answer {
    let body: Value = json!({"error": error, "description": description});
    Answer::json(422, &body)
}
