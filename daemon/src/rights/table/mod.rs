//! Which route needs which scope, by what it does.
//!
//! The routes are in `routes.txt`, with where they are known from. What isn't there is found
//! nowhere, and counts as a write to everything.

mod read;
mod tree;

use std::sync::LazyLock;

use http::Method;

use self::tree::Tree;
use super::path::Segments;
use super::scope::{Effect, Resource, Scopes};

/// The table, read once.
pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    // A line that can't be read is left out: what it is about counts as unknown. The tests see to
    // it that there is none.
    Table::of(read::lines(ROUTES).filter_map(Result::ok))
});

/// Every known route.
#[derive(Debug)]
pub(super) struct Table(Tree);

impl Table {
    fn of(lines: impl Iterator<Item = Line>) -> Self {
        let mut tree = Tree::default();
        for line in lines {
            for (method, entry) in line.entries {
                tree.add(line.path, method, entry);
            }
        }
        Self(tree)
    }

    /// The entry of a route, if it is known. HEAD and OPTIONS are judged as GET.
    pub(super) fn find(&self, method: &Method, path: &Segments<'_>) -> Option<&Entry> {
        self.0.find(Verb::of(method)?, path)
    }

    /// Whether this is the first name of paths beneath `/api/v2`, and of no others: whoever begins a
    /// path with it has left out `/api/v2`.
    pub(super) fn is_name_beneath_v2(&self, name: &str) -> bool {
        self.0.has_literal(&["api", "v2", name]) && !self.0.has_literal(&[name])
    }

    /// Every entry.
    #[cfg(test)]
    pub(super) fn entries(&self) -> Vec<&Entry> {
        self.0.entries()
    }
}

/// What is known of a route.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The methods go by this one.
    pub(super) verb: Verb,
    /// Its path with names for its variable parts, as in Zendesk's own descriptions.
    pub(super) path: String,
    pub(super) effect: Effect,
    /// The resources of which one scope is enough; none if only the broad ones are.
    pub(super) of: Vec<&'static str>,
    /// The scopes of which one is enough.
    pub(super) needs: Scopes,
    /// Why it has this effect, where its method says otherwise.
    pub(super) why: Option<&'static str>,
}

/// The methods that tell routes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub(super) const ALL: [(&'static str, Self); 5] = [
        ("GET", Self::Get),
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("PATCH", Self::Patch),
        ("DELETE", Self::Delete),
    ];

    /// By which a request with this method is judged, if it is one that routes are known for.
    fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Some(Self::Get),
            Method::POST => Some(Self::Post),
            Method::PUT => Some(Self::Put),
            Method::PATCH => Some(Self::Patch),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, verb)| *verb == self);
        known.map_or("", |(name, _)| name)
    }
}

/// One line of the table: a path, and what each method does there.
struct Line {
    path: &'static str,
    entries: Vec<(Verb, Entry)>,
}

/// The scopes that a route of these resources needs.
fn needs(of: &[Resource], effect: Effect, follows: bool) -> Scopes {
    let of_all = |effect| {
        let scopes = of.iter().map(|resource| resource.scope(effect));
        scopes.fold(Scopes::NONE, |all, scope| all | scope)
    };
    match effect {
        Effect::Read if follows => of_all(Effect::Write) | Scopes::READ | Scopes::WRITE,
        Effect::Read => of_all(Effect::Read) | Scopes::READ,
        Effect::Write => of_all(Effect::Write) | Scopes::WRITE,
    }
}

static ROUTES: &str = include_str!("routes.txt");

#[cfg(test)]
mod tests {
    use super::super::path::ApiPath;
    use super::*;

    fn found(method: &str, path: &str) -> Option<String> {
        let path = ApiPath::of(path).unwrap();
        let entry = TABLE.find(&method.parse().unwrap(), &path.segments())?;
        let verb = entry.verb.name();
        Some(format!("{verb} {} {}", entry.path, entry.effect.verb()))
    }

    #[test]
    fn d3_every_line_can_be_read() {
        let wrong: Vec<_> = read::lines(ROUTES).filter_map(Result::err).collect();
        assert_eq!(wrong, Vec::<String>::new());
        assert!(TABLE.entries().len() > 700, "{}", TABLE.entries().len());
    }

    #[test]
    fn d3_a_route_is_found_by_its_path_and_method() {
        for (method, path, expected) in [
            ("GET", "/api/v2/tickets", "GET /api/v2/tickets reads"),
            (
                "GET",
                "/api/v2/tickets/35436.json",
                "GET /api/v2/tickets/{id} reads",
            ),
            (
                "HEAD",
                "/api/v2/tickets/35436",
                "GET /api/v2/tickets/{id} reads",
            ),
            (
                "OPTIONS",
                "/api/v2/tickets/35436",
                "GET /api/v2/tickets/{id} reads",
            ),
            (
                "PUT",
                "/api/v2/tickets/update_many",
                "PUT /api/v2/tickets/update_many writes",
            ),
            ("GET", "/api/v2/users/me", "GET /api/v2/users/me reads"),
            ("PUT", "/api/v2/users/me", "PUT /api/v2/users/{user} writes"),
            (
                "GET",
                "/api/v2/users/me/identities",
                "GET /api/v2/users/{user}/identities reads",
            ),
            (
                "GET",
                "/api/v2/users/me/session/renew",
                "GET /api/v2/users/me/session/renew writes",
            ),
            (
                "POST",
                "/api/v2/views/preview",
                "POST /api/v2/views/preview reads",
            ),
            (
                "GET",
                "/api/v2/job_statuses/8b726e606741012ffc2d782bcb7848fe",
                "GET /api/v2/job_statuses/{code} reads",
            ),
            (
                "GET",
                "/api/v2/webhooks/01EJFTSCC78X5V07NPY2MHR00M",
                "GET /api/v2/webhooks/{code} reads",
            ),
            (
                "GET",
                "/api/v2/routing/attributes/15821cba-7326-11e8-b07e-950ba849aa27",
                "GET /api/v2/routing/attributes/{code} reads",
            ),
            (
                "GET",
                "/api/v2/help_center/en-us/articles/1",
                "GET /api/v2/help_center/** reads",
            ),
            (
                "GET",
                "/api/v2/help_center",
                "GET /api/v2/help_center/** reads",
            ),
            (
                "GET",
                "/api/v2/help_center/integration/token",
                "GET /api/v2/help_center/integration/** writes",
            ),
            (
                "POST",
                "/api/v2/help_center/integration/token",
                "POST /api/v2/help_center/** writes",
            ),
            (
                "DELETE",
                "/api/v2/channels/voice/phone_numbers/1",
                "DELETE /api/v2/channels/voice/** writes",
            ),
            (
                "GET",
                "/api/v2/zen:custom_object:car/1/relationship_fields/2/zen:ticket",
                "GET /api/v2/{type}/{key}/relationship_fields/{key}/{type} reads",
            ),
            (
                "GET",
                "/attachments/token/x/",
                "GET /attachments/token/{key} reads",
            ),
            (
                "GET",
                "/api/v2/custom_objects/limits/object_limit",
                "GET /api/v2/custom_objects/limits/object_limit reads",
            ),
            (
                "PATCH",
                "/api/v2/custom_objects/limits",
                "PATCH /api/v2/custom_objects/{key} writes",
            ),
        ] {
            assert_eq!(
                found(method, path).as_deref(),
                Some(expected),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn d3_what_is_not_in_the_table_is_unknown() {
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/api/v2"),
            ("GET", "/api/v2/unheard_of"),
            ("GET", "/api/v2/Tickets"),
            ("GET", "/API/v2/tickets"),
            ("GET", "/api/v1/tickets"),
            ("GET", "/api/tickets"),
            ("GET", "/tickets"),
            ("POST", "/api/v2/tickets/count"),
            ("PATCH", "/api/v2/tickets/1"),
            ("MERGE", "/api/v2/tickets/1"),
            ("get", "/api/v2/tickets"),
            ("GET", "/api/v2/tickets/1/unheard_of"),
            // Something other than an id where an id is expected.
            ("GET", "/api/v2/tickets/purge"),
            ("GET", "/api/v2/tickets/create_many"),
            ("GET", "/api/v2/users/someone"),
            ("GET", "/api/v2/users/me2"),
            ("GET", "/api/v2/webhooks/restart_all_of_them"),
            ("GET", "/api/v2/job_statuses/cancel"),
            ("GET", "/api/v2/user/1/relationship_fields/2/zen:ticket"),
            ("POST", "/api/v2/views/preview/count/x"),
            ("GET", "/api/v2/users/1/password"),
            ("GET", "/api/v2/chat/chats"),
            ("GET", "/sc/v2/apps"),
            ("GET", "/hc/en-us/articles/1"),
            ("POST", "/attachments/token/x"),
            ("GET", "/attachments/token/x/y"),
        ] {
            assert_eq!(found(method, path), None, "{method} {path}");
        }
    }
}
