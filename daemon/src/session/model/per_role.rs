//! One value for each of an account's pairs.

use loopdesk_protocol::status::Role;

/// The place of this role's value.
pub(in crate::session) fn slot(role: Role) -> usize {
    match role {
        Role::Primary => 0,
        Role::ReadOnly => 1,
    }
}
