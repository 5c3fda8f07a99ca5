//! One value for each of an account's token pairs.

use loopdesk_protocol::status::Role;

/// The index of this role's value in an array with one value per role.
pub(in crate::session) fn role_index(role: Role) -> usize {
    match role {
        Role::Primary => 0,
        Role::ReadOnly => 1,
    }
}
