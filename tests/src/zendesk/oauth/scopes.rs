//! Which scopes exist, what each allows, and which a client may get.

use http::Method;

/// Whether a token with these scopes may do `method` on `resource`.
pub(in crate::zendesk) fn allows(scopes: &[String], method: &Method, resource: &str) -> bool {
    let broad = broad(method);
    scopes.iter().any(|scope| match scope.split_once(':') {
        None => scope == broad,
        Some((named, right)) => named == resource && right == broad && is_known(scope),
    })
}

/// The scope that a method needs, whatever the resource.
pub(in crate::zendesk) fn broad(method: &Method) -> &'static str {
    if method.is_safe() { "read" } else { "write" }
}

/// Whether one of them is a scope that Zendesk knows.
pub(in crate::zendesk) fn is_any_known(scopes: &[String]) -> bool {
    scopes.iter().any(|scope| is_known(scope))
}

/// Whether a client with this ceiling may get `scope`. A misspelt scope passes: Zendesk issues a
/// token for it, which is then useless.
pub(super) fn within(ceiling: &[String], scope: &str) -> bool {
    !is_known(scope)
        || ceiling.iter().any(|allowed| {
            allowed == scope
                || scope
                    .split_once(':')
                    .is_some_and(|(_, right)| right == allowed)
        })
}

/// Whether Zendesk knows such a scope.
fn is_known(scope: &str) -> bool {
    match scope.split_once(':') {
        None => matches!(scope, "read" | "write" | "impersonate"),
        Some(("auditlogs", right)) => right == "read",
        Some(("any_channel" | "web_widget", right)) => right == "write",
        Some((resource, right)) => {
            matches!(right, "read" | "write") && RESOURCES.contains(&resource)
        }
    }
}

const RESOURCES: [&str; 14] = [
    "tickets",
    "users",
    "organizations",
    "hc",
    "apps",
    "triggers",
    "automations",
    "targets",
    "webhooks",
    "macros",
    "requests",
    "satisfaction_ratings",
    "dynamic_content",
    "unrestricted",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(list: &str) -> Vec<String> {
        list.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn broad_and_named_scopes_allow_what_they_say() {
        assert!(allows(&scopes("read"), &Method::GET, "tickets"));
        assert!(!allows(&scopes("read"), &Method::POST, "tickets"));
        assert!(allows(&scopes("tickets:write"), &Method::PUT, "tickets"));
        assert!(!allows(&scopes("tickets:write"), &Method::PUT, "users"));
        assert!(!allows(&scopes("raed"), &Method::GET, "tickets"));
    }

    #[test]
    fn the_ceiling_covers_narrower_scopes_and_lets_typos_pass() {
        assert!(within(&scopes("read"), "tickets:read"));
        assert!(!within(&scopes("read"), "write"));
        assert!(!within(&scopes("read write"), "impersonate"));
        assert!(within(&scopes("read"), "raed"));
    }
}
