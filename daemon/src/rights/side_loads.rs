//! Side loads: what a read brings along because its query asks for it (`include=users,groups`).
//!
//! Zendesk's `read` includes them. A scope for one resource brings along what that resource is
//! made of, and what another scope of the same key covers; for anything else the key needs the
//! scope that reads it. A key that is allowed a route by a rule is allowed what it brings along.

use super::names;
use crate::route_table::scope::{Effect, Resource, Scopes};

/// The first side load that none of `scopes` covers, with the scopes of which one would.
pub(super) fn beyond(scopes: Scopes, query: &str) -> Option<(String, Scopes)> {
    if scopes.has(Scopes::READ) {
        return None;
    }
    let values = query.split(['&', ';']).filter_map(value);
    for value in values {
        let value = names::decoded(value.as_bytes());
        // `tickets(users,groups)` asks for those of the tickets in a search.
        let asked = value.split(|b| matches!(b, b',' | b'(' | b')' | 0..=b' '));
        for name in asked.filter(|name| !name.is_empty()) {
            if let Some(needs) = needs(name).filter(|needs| !scopes.has(*needs)) {
                return Some((String::from_utf8_lossy(name).into_owned(), needs));
            }
        }
    }
    None
}

/// What a pair of a query asks to bring along.
fn value(pair: &str) -> Option<&str> {
    let (name, value) = pair.split_once('=')?;
    let is_include = |name: &[u8]| names::base(name).eq_ignore_ascii_case(b"include");
    let found = match name.contains(['%', '+']) {
        true => is_include(&names::decoded(name.as_bytes())),
        false => is_include(name.as_bytes()),
    };
    found.then_some(value)
}

/// The scopes of which one covers a side load; `None` where none is needed.
fn needs(name: &[u8]) -> Option<Scopes> {
    let is_in = |names: &str| {
        let mut names = names.split_ascii_whitespace();
        names.any(|known| known.as_bytes() == name)
    };
    if is_in(OWN) {
        return None;
    }
    let (of, _) = OF_OTHERS
        .iter()
        .find(|(_, names)| is_in(names))
        .unwrap_or(&("", ""));
    let scope = Resource::named(of).map(|resource| resource.scope(Effect::Read));
    Some(scope.unwrap_or_default() | Scopes::READ)
}

/// Counts, times, parts and the like of whatever the route is about (Zendesk's page on side
/// loading, and its description of the Support API).
const OWN: &str = "abilities access_policies app_installation audits categories comment_count \
    comment_events comments dates identities incident_counts last_audits metric_events \
    metric_sets open_ticket_count permissions rule_counts slas translations \
    usage_1h usage_24h usage_7d usage_30d";

/// What has scopes of its own, by these. What is in neither list needs `read`.
static OF_OTHERS: [(&str, &str); 8] = [
    (
        "tickets",
        "custom_statuses problems ticket_fields ticket_forms tickets",
    ),
    ("users", "collaborators email_ccs followers users"),
    ("organizations", "organization_memberships organizations"),
    ("groups", "group_memberships groups"),
    ("brands", "brands"),
    ("hc", "articles posts sections topics user_segments"),
    ("satisfaction_ratings", "satisfaction_ratings"),
    ("sla_policies", "sla_policies"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(scopes: &[&str], query: &str) -> Option<String> {
        let scopes = scopes.iter().map(|name| Scopes::parse(name).unwrap());
        let scopes = scopes.fold(Scopes::NONE, |all, scope| all | scope);
        let (name, needs) = beyond(scopes, query)?;
        Some(format!("{name} {}", needs.names().join(" ")))
    }

    #[test]
    fn d2_a_side_load_needs_the_scope_of_what_it_brings_along() {
        let tickets = &["tickets:read"][..];
        for query in [
            "",
            "page[size]=100",
            "included=users",
            "query=include",
            "include",
            "include=",
            "include=comment_count,dates",
            "include=ticket_forms&page=2",
            "includes=users",
            "filter[include]=users",
        ] {
            assert_eq!(refused(tickets, query), None, "{query}");
        }
        for query in [
            "include=users",
            "page=1&include=comment_count,users",
            "include=users,groups",
            "include[]=users",
            "include%5B%5D=users",
            "inc%6cude=users",
            "include=%75sers",
            "include=tickets(users,groups)",
            "page=1;include=users",
            "include=+users",
            "Include=users",
            "include=comment_count&include=users",
        ] {
            let needs = "users users:read read".to_owned();
            assert_eq!(refused(tickets, query), Some(needs), "{query}");
        }
        for (scopes, query, expected) in [
            (&["tickets:read", "users:read"][..], "include=users", None),
            (&["read"], "include=users,roles,anything", None),
            (
                &["tickets:read", "users:read"],
                "include=users,groups",
                Some("groups groups:read read"),
            ),
            (
                &["tickets:write"],
                "include=users",
                Some("users users:read read"),
            ),
            (&["users:read"], "include=roles", Some("roles read")),
            (
                &["hc:read"],
                "include=users,sections",
                Some("users users:read read"),
            ),
            (
                &["hc:read"],
                "include=sections,categories,translations",
                None,
            ),
            (&["write"], "include=users", Some("users users:read read")),
        ] {
            assert_eq!(
                refused(scopes, query).as_deref(),
                expected,
                "{scopes:?} {query}"
            );
        }
    }

    #[test]
    fn d2_every_resource_of_the_side_loads_exists() {
        for (of, _) in OF_OTHERS {
            assert!(Resource::named(of).is_some(), "{of}");
        }
    }
}
