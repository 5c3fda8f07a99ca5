//! Side loads: further records that a request includes because a parameter asks for them
//! (`include=users,groups`).
//!
//! Zendesk's `read` covers them. A scope for one resource covers side loads that are part of that
//! resource, and those that another scope of the same key covers; any others need the scope that
//! reads them. A key that is allowed a route by a rule may side-load whatever that route offers,
//! and a key that is denied something to read may side-load nothing, since that might be it.
//!
//! Servers merge the parameters of a query and a body, so both are judged here.

use super::param_names;
use crate::route_table::scope::{Resource, RouteEffect, Scopes};

/// The side loads that a request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SideLoads {
    Anything,
    /// Those that these scopes cover.
    Of(Scopes),
    Nothing,
}

/// A side load that a request may not ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefusedSideLoad {
    /// Its name as it appears in the request.
    pub(super) name: String,
    /// The scopes that would each be enough; `None` if the key is denied something to read.
    pub(super) needs: Option<Scopes>,
}

impl SideLoads {
    /// Whether any value of the parameter is allowed.
    pub(super) fn are_free(self) -> bool {
        self == Self::Anything
    }

    /// Judges a query.
    ///
    /// # Errors
    /// The first side load that isn't covered.
    pub(super) fn judge_query(self, query: &str) -> Result<(), RefusedSideLoad> {
        // Without a `%`, no letter of the name is encoded.
        let may_ask = || {
            let bytes = query.as_bytes();
            let is_it = |part: &[u8]| part.eq_ignore_ascii_case(param_names::INCLUDE);
            bytes.contains(&b'%') || bytes.windows(param_names::INCLUDE.len()).any(is_it)
        };
        if self.are_free() || !may_ask() {
            return Ok(());
        }
        // Decoded before it is split: an encoded separator also hides what follows it.
        let decoded = param_names::decoded(query.as_bytes());
        let mut pairs = decoded.split(|b| matches!(b, b'&' | b';' | b'?'));
        pairs.try_for_each(|pair| {
            let mut parts = pair.splitn(2, |b| *b == b'=');
            let name = parts.next().unwrap_or_default();
            match parts.next() {
                Some(value) if param_names::is_include(name) => self.judge(value),
                _ => Ok(()),
            }
        })
    }

    /// Judges a value of the parameter, encoded or not.
    ///
    /// # Errors
    /// The first side load that isn't covered.
    pub(super) fn judge(self, value: &[u8]) -> Result<(), RefusedSideLoad> {
        if self.are_free() {
            return Ok(());
        }
        let value = param_names::decoded(value);
        // `tickets(users,groups)` asks for those of the tickets in a search.
        let asked = value.split(|b| matches!(b, b',' | b'(' | b')' | b'[' | b']' | 0..=b' '));
        for name in asked.filter(|name| !name.is_empty()) {
            let needs = match self {
                Self::Anything => continue,
                Self::Nothing => None,
                Self::Of(scopes) => match needs(name).filter(|needs| !scopes.has(*needs)) {
                    Some(needs) => Some(needs),
                    None => continue,
                },
            };
            return Err(RefusedSideLoad {
                name: String::from_utf8_lossy(name).into_owned(),
                needs,
            });
        }
        Ok(())
    }

    /// The refusal of a parameter whose value can't be parsed.
    pub(super) fn unread(self) -> RefusedSideLoad {
        RefusedSideLoad {
            name: "?".to_owned(),
            needs: match self {
                Self::Nothing => None,
                Self::Anything | Self::Of(_) => Some(Scopes::READ),
            },
        }
    }
}

/// The scopes that each cover a side load; `None` if it needs none.
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
    let scope = Resource::named(of).map(|resource| resource.scope(RouteEffect::Read));
    Some(scope.unwrap_or_default() | Scopes::READ)
}

/// Counts, times, parts and the like of the route's own records (Zendesk's page on side loading,
/// and its description of the Support API).
const OWN: &str = "abilities access_policies app_installation audits categories comment_count \
    comment_events comments dates identities incident_counts last_audits metric_events \
    metric_sets open_ticket_count permissions rule_counts slas translations \
    usage_1h usage_24h usage_7d usage_30d";

/// Side loads of resources with scopes of their own. Those in neither list need `read`.
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
        let allowed = match scopes.has(Scopes::READ) {
            true => SideLoads::Anything,
            false => SideLoads::Of(scopes),
        };
        let refused = allowed.judge_query(query).err()?;
        let needs = refused.needs.unwrap_or_default().names();
        Some(format!("{} {}", refused.name, needs.join(" ")))
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
            "a=1%26include=users",
            "a=1%2526include%253Dusers",
            "%2569nclude=users",
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
    fn d2_a_key_that_is_denied_reads_brings_nothing_along() {
        let refused = |query| SideLoads::Nothing.judge_query(query).map_err(|r| r.name);
        assert_eq!(
            refused("include=comment_count"),
            Err("comment_count".to_owned())
        );
        assert_eq!(refused("page=1&include="), Ok(()));
        assert_eq!(refused("page=1"), Ok(()));
    }

    #[test]
    fn d2_every_resource_of_the_side_loads_exists() {
        for (of, _) in OF_OTHERS {
            assert!(Resource::named(of).is_some(), "{of}");
        }
    }
}
