//! What an admin has forbidden to persons and places. How Zendesk words it isn't known; these are
//! plausible, and whoever reads them has to be lenient.

use serde_json::json;

use super::answer::Answer;
use super::shared::Shared;
use super::shared::lock;

/// What is forbidden.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Policy {
    /// The client's network is not among those that are allowed.
    pub(super) network_refused: bool,
    /// Only logins by single sign-on count.
    pub(super) single_sign_on: bool,
    /// A suspension is told, instead of looking like a token that is dead.
    pub(super) suspension_told: bool,
}

/// The answer to whoever comes from a network that isn't allowed, to any request.
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

/// The answer about a suspended user, where it is told.
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

/// The answer to a refresh of a login that single sign-on hasn't made.
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
