//! Life on a real machine: ports that change hands, few descriptors, folders that appear late and
//! disappear.

mod descriptors;
mod detached;
mod hints;
mod late_home;
mod ports;
mod root;
mod runtime_folder;

/// A route that needs the session.
const ME: &str = "/api/v2/users/me.json";
