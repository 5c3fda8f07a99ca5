//! What an admin has forbidden to people and networks. Zendesk's wording isn't known; these texts
//! are plausible, and clients must be lenient.

use serde_json::json;

use super::answer::Answer;
use super::shared::Shared;
use super::shared::lock;

/// What is forbidden.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Policy {
    /// The client's network isn't one of those that are allowed.
    pub(super) network_refused: bool,
    /// Only logins by single sign-on are accepted.
    pub(super) single_sign_on: bool,
    /// A suspension is reported, instead of looking like a dead token.
    pub(super) suspension_told: bool,
}

/// The response to any request from a network that isn't allowed.
pub(super) fn at_the_front(shared: &Shared) -> Option<Answer> {
    lock(&shared.settings).policy.network_refused.then(|| {
        Answer::json(
            403,
            &json!({"error": {
                "title": "Forbidden",
                "message": "Access from your IP address is restricted by the account's settings.",
            }}),
        )
    })
}

/// The response for a suspended user, if suspensions are reported.
pub(super) fn of_suspended(shared: &Shared) -> Option<Answer> {
    lock(&shared.settings).policy.suspension_told.then(|| {
        Answer::json(
            403,
            &json!({
                "error": "access_denied",
                "error_description": "The user of this token is suspended.",
            }),
        )
    })
}

/// The response to a refresh of a login that wasn't by single sign-on.
pub(super) fn of_a_refresh(shared: &Shared) -> Option<Answer> {
    lock(&shared.settings).policy.single_sign_on.then(|| {
        Answer::json(
            401,
            &json!({
                "error": "access_denied",
                "error_description": "This account requires Single Sign-On; please sign in again.",
            }),
        )
    })
}
