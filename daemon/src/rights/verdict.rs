//! The text of a decision: which line decides, and why.

use std::fmt;

use http::Method;
use http::header::HeaderName;

use super::Rule;
use super::denied::Why;
use super::path::{Ambiguity, ApiPath};
use super::side_loads::RefusedSideLoad;
use crate::route_table::RouteEntry;
use crate::route_table::scope::{Scopes, names};
use crate::telemetry::Sent;

/// Why a key may not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDenied {
    /// The scopes that would each be enough; empty if none would.
    pub needs: Vec<String>,
    /// The line that decides.
    pub line: String,
    /// Why, as a sentence.
    pub why: String,
}

impl PolicyDenied {
    /// For a request that no limited key may send in this form.
    pub(super) fn of_request(line: String, why: String) -> Self {
        Self {
            needs: Vec::new(),
            line,
            why,
        }
    }
}

impl fmt::Display for PolicyDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for PolicyDenied {}

/// The decision on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The scopes that are each enough; empty if scopes don't decide.
    pub needs: Vec<String>,
    /// The line that decides.
    pub line: String,
    /// Why, as a sentence.
    pub why: String,
}

impl From<PolicyDenied> for Explanation {
    fn from(denial: PolicyDenied) -> Self {
        Self {
            allowed: false,
            needs: denial.needs,
            line: denial.line,
            why: denial.why,
        }
    }
}

/// What allows something.
pub(super) enum GrantedBy<'a> {
    /// The key isn't limited.
    Everything,
    Rule(&'a Rule),
    /// The key's scopes that a route needs, and what is known about the route.
    Scope {
        scopes: Scopes,
        entry: Option<&'static RouteEntry>,
    },
}

impl GrantedBy<'_> {
    pub(super) fn explanation(&self) -> Explanation {
        let (needs, line, why) = match self {
            Self::Everything => (
                vec!["read".to_owned(), "write".to_owned()],
                "scopes `read` and `write`".to_owned(),
                "The key allows everything that its account does.".to_owned(),
            ),
            Self::Rule(rule) => (
                Vec::new(),
                format!("allow `{rule}`"),
                "A rule of the key allows it.".to_owned(),
            ),
            Self::Scope { scopes, entry } => {
                let scope = names(*scopes).swap_remove(0);
                let (needs, what) = match entry {
                    Some(entry) => (entry.needs, format!("This route {}", effect(entry))),
                    None => (Scopes::WRITE, UNKNOWN.to_owned()),
                };
                let why = format!("{what}, which {scope} allows.");
                (needs.names(), format!("scope {scope}"), why)
            }
        };
        Explanation {
            allowed: true,
            needs,
            line,
            why,
        }
    }
}

pub(super) fn of_method_header(name: &HeaderName) -> PolicyDenied {
    PolicyDenied::of_request(
        format!("header `{name}`"),
        format!(
            "The header `{name}` names another method, which some servers use, and this key is \
             limited to what the request's own method may do."
        ),
    )
}

pub(super) fn of_method_in_query() -> PolicyDenied {
    PolicyDenied::of_request(
        "`_method` in the query".to_owned(),
        "The query has a parameter `_method`, which some servers use instead of the request's own \
         method, and this key is limited to what that one may do."
            .to_owned(),
    )
}

pub(super) fn of_another_person() -> PolicyDenied {
    PolicyDenied {
        needs: vec!["impersonate".to_owned()],
        line: "header `x-on-behalf-of`".to_owned(),
        why: "The header `X-On-Behalf-Of` makes Zendesk act for another person, for which this \
              key needs the scope `impersonate`."
            .to_owned(),
    }
}

pub(super) fn of_ambiguous_path(ambiguity: Ambiguity) -> PolicyDenied {
    PolicyDenied::of_request(
        "the path can be read two ways".to_owned(),
        format!(
            "The path can be read two ways, and this key is limited to some paths: {ambiguity}."
        ),
    )
}

pub(super) fn of_rule(rule: &Rule, method: &Method, path: &ApiPath<'_>) -> PolicyDenied {
    PolicyDenied::of_request(
        format!("deny `{rule}`"),
        format!(
            "A rule of the key denies `{}`, whatever else it allows.",
            shown(method, path)
        ),
    )
}

pub(super) fn of_scope(
    entry: Option<&RouteEntry>,
    method: &Method,
    path: &ApiPath<'_>,
) -> PolicyDenied {
    let Some(entry) = entry else {
        let shown = shown(method, path);
        return PolicyDenied {
            needs: Scopes::WRITE.names(),
            line: format!("route table: `{shown}` isn't known"),
            why: format!("{UNKNOWN}: this key needs `write`, or a rule that allows it."),
        };
    };
    let scopes = match entry.of.as_slice() {
        [] => "no scope of its own".to_owned(),
        [one] => format!("scope `{one}`"),
        several => format!("scopes `{}`", several.join("`, `")),
    };
    let (verb, path) = (entry.verb.name(), &entry.path);
    PolicyDenied {
        needs: entry.needs.names(),
        line: format!(
            "route table: `{verb} {path}` {}, {scopes}",
            entry.effect.verb()
        ),
        why: format!(
            "This route {}: this key needs {}, or a rule that allows it.",
            effect(entry),
            names(entry.needs).join(" or "),
        ),
    }
}

/// For a side load in `place`.
pub(super) fn of_side_load(refused: &RefusedSideLoad, place: &str) -> PolicyDenied {
    let name = Sent::escaped(&refused.name);
    let line = format!("`include` in {place}, side load `{name}`");
    match refused.needs {
        Some(needs) => PolicyDenied {
            needs: needs.names(),
            line,
            why: format!(
                "The request side-loads `{name}`, for which this key needs {}.",
                names(needs).join(" or ")
            ),
        },
        None => PolicyDenied::of_request(
            line,
            format!(
                "The request side-loads `{name}`, which may contain what a `deny` rule of this key \
                 denies."
            ),
        ),
    }
}

/// For a route that no `deny` rule names, and that may show the same.
pub(super) fn of_what_it_shows(why: &Why<'_>, method: &Method, path: &ApiPath<'_>) -> PolicyDenied {
    let shown = shown(method, path);
    match why {
        Why::Unknown(rule) => PolicyDenied::of_request(
            format!("route table: `{shown}` isn't known, and deny `{rule}`"),
            format!(
                "This route isn't known, so it may show or do what the rule `{rule}` of this key \
                 denies: only an `allow` rule for `{shown}` itself lets it through."
            ),
        ),
        Why::Mixed(rule) => PolicyDenied::of_request(
            format!("route table: `{shown}` searches or exports, and deny `{rule}`"),
            format!(
                "This route searches or exports, which may find what the rule `{rule}` of this key \
                 denies: only an `allow` rule for `{shown}` itself lets it through."
            ),
        ),
    }
}

fn effect(entry: &RouteEntry) -> String {
    match entry.why {
        Some(why) => format!("{} ({why})", entry.effect.verb()),
        None => entry.effect.verb().to_owned(),
    }
}

fn shown(method: &Method, path: &ApiPath<'_>) -> String {
    let (method, path) = (
        Sent::escaped(method.as_str()),
        Sent::escaped(path.to_string()),
    );
    format!("{method} {path}")
}

/// The text for a route that isn't in the table.
const UNKNOWN: &str = "This route isn't known, so it is treated as a write to everything";
