//! The one table of Zendesk's routes: what each does, to what, and what it carries.
//!
//! ```text
//! routes.txt ─ read ─▶ Tree    what a route certainly is: decides what is allowed
//!                  └─▶ Marked  what it might be: decides what is refused or left alone
//! ```
//!
//! The routes are in `routes.txt`, with their sources. A route that isn't there is never found, and
//! is treated as a write to everything. What allows something is matched exactly; what restricts is
//! matched in every version of the API, in any letter case and behind a locale, in the most lenient
//! reading of a path (`normalized_path`).

mod marked;
mod normalized_path;
#[cfg(test)]
pub(crate) mod published;
mod read;
pub(crate) mod scope;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::LazyLock;

use http::Method;

use self::marked::{Marked, Marks};
pub(crate) use self::normalized_path::{NormalizedPath, PathName};
use self::scope::{Resource, RouteEffect, Scopes};
use self::tree::Tree;

/// The table, read once.
pub(crate) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    // A line that can't be read is left out: its route is then unknown. The tests make sure that
    // there is no such line.
    Table::of(read::lines(ROUTES).filter_map(Result::ok))
});

/// Every known route.
#[derive(Debug)]
pub(crate) struct Table {
    tree: Tree,
    marked: Marked,
}

impl Table {
    fn of(lines: impl Iterator<Item = RouteLine>) -> Self {
        let lines: Vec<RouteLine> = lines.collect();
        let marked = Marked::of(&lines);
        let mut tree = Tree::default();
        for line in lines {
            for (method, entry) in line.entries {
                tree.add(line.path, method, entry);
            }
        }
        Self { tree, marked }
    }

    /// The entry of a route, if it is known. HEAD and OPTIONS are treated like GET.
    pub(crate) fn find(&self, method: &Method, path: &[&str]) -> Option<&RouteEntry> {
        self.tree.find(RouteVerb::of(method)?, path)
    }

    /// Whether `entry` is the only one known at the very path of its line, so that no other method
    /// could do something else there.
    pub(crate) fn is_alone(&self, entry: &RouteEntry, path: &[&str]) -> bool {
        let others = RouteVerb::ALL
            .iter()
            .filter(|(_, verb)| *verb != entry.verb);
        others
            .map(|(_, verb)| self.tree.find(*verb, path))
            .all(|found| found.is_none())
    }

    /// Whether the last name of a path is a file name, in which dots have no meaning.
    pub(crate) fn names_a_file(&self, path: &[&str]) -> bool {
        let entry = self.tree.find(RouteVerb::Get, path);
        entry.is_some_and(|entry| entry.path.ends_with("/{file}"))
    }

    /// What a request with this method to this path might carry.
    pub(crate) fn properties(&self, method: &Method, path: &NormalizedPath<'_>) -> Properties {
        self.marked.properties(method, path)
    }

    /// Whether paths beneath `/api/v2`, and no others, begin with this name: a path that begins
    /// with it probably lacks `/api/v2`.
    pub(crate) fn is_name_beneath_v2(&self, name: &str) -> bool {
        self.tree.has_literal(&["api", "v2", name]) && !self.tree.has_literal(&[name])
    }

    /// Every entry.
    pub(crate) fn entries(&self) -> Vec<&RouteEntry> {
        self.tree.entries()
    }
}

/// What is known of a route.
#[derive(Clone, Debug)]
pub(crate) struct RouteEntry {
    /// The verb by which its method is treated.
    pub(crate) verb: RouteVerb,
    /// Its path with names for its variable parts, as in Zendesk's own descriptions.
    pub(crate) path: String,
    pub(crate) effect: RouteEffect,
    /// The resources, a scope for any one of which is enough; empty if only the broad scopes are.
    pub(crate) of: Vec<&'static str>,
    /// The scopes, any one of which is enough.
    pub(crate) needs: Scopes,
    /// Why it has this effect, if its method suggests another.
    pub(crate) why: Option<&'static str>,
    /// Whether it receives a file.
    pub(crate) takes_file: bool,
    /// Whether it searches or exports, so that its answer may contain records of any kind.
    pub(crate) mixed: bool,
}

/// What a request might carry, by the most lenient reading of its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    /// Whether it creates, shows or revokes credentials.
    pub(crate) credentials: Credentials,
    /// Whether it carries files, which are never changed.
    pub(crate) files: CarriedFiles,
    /// Whether its product has credentials of its own and doesn't accept Support's tokens.
    pub(crate) has_own_credential: bool,
}

/// What a route has to do with credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// It shows part of the token that the request itself carries, and what that token may do.
    OfThisRequest,
    /// It creates, shows, changes or revokes credentials.
    Any,
}

/// In which directions a route carries files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CarriedFiles {
    /// The request's body is a file, or contains one.
    pub sent: bool,
    /// The answer's body is a file.
    pub answered: bool,
}

/// The methods that distinguish routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteVerb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl RouteVerb {
    pub(crate) const ALL: [(&'static str, Self); 5] = [
        ("GET", Self::Get),
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("PATCH", Self::Patch),
        ("DELETE", Self::Delete),
    ];

    /// The verb by which requests with this method are treated, if there is one.
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

    pub(crate) fn name(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, verb)| *verb == self);
        known.map_or("", |(name, _)| name)
    }
}

/// One line of the table: a path, what each method does there, and what it carries.
struct RouteLine {
    path: &'static str,
    entries: Vec<(RouteVerb, RouteEntry)>,
    marks: Marks,
}

/// The scopes that a route of these resources needs.
fn needs(of: &[Resource], effect: RouteEffect, follows: bool) -> Scopes {
    let of_all = |effect| {
        let scopes = of.iter().map(|resource| resource.scope(effect));
        scopes.fold(Scopes::NONE, |all, scope| all | scope)
    };
    match effect {
        RouteEffect::Read if follows => of_all(RouteEffect::Write) | Scopes::READ | Scopes::WRITE,
        RouteEffect::Read => of_all(RouteEffect::Read) | Scopes::READ,
        RouteEffect::Write => of_all(RouteEffect::Write) | Scopes::WRITE,
    }
}

/// The names of a path of the table, from the root.
fn names(path: &'static str) -> impl Iterator<Item = &'static str> {
    let (base, path) = match path.strip_prefix('/') {
        Some(path) => ("", path),
        None => (BASE, path),
    };
    let names = base.split('/').chain(path.split('/'));
    names.filter(|name| !name.is_empty())
}

/// Whether a locale may follow a name: Help Center's paths mean the same with and without one.
fn has_locale(name: &str) -> bool {
    LOCALISED.contains(&name)
}

/// A Help Center path without its locale; `None` if it contains none.
pub(crate) fn without_locales<'a>(path: &[&'a str]) -> Option<Vec<&'a str>> {
    let is_one = |pair: &[&str]| {
        LOCALISED
            .iter()
            .any(|name| name.eq_ignore_ascii_case(pair[0]))
            && is_locale(pair[1].as_bytes())
    };
    let at = path.windows(2).position(is_one)? + 1;
    Some([&path[..at], &path[at + 1..]].concat())
}

/// Whether a name could be the locale in a Help Center path (`en-us`).
fn is_locale(name: &[u8]) -> bool {
    let mut parts = name.split(|b| matches!(b, b'-' | b'_'));
    let is_language =
        |part: &[u8]| matches!(part.len(), 2..=3) && part.iter().all(u8::is_ascii_alphabetic);
    let is_tag =
        |part: &[u8]| matches!(part.len(), 1..=8) && part.iter().all(u8::is_ascii_alphanumeric);
    parts.next().is_some_and(is_language) && parts.all(is_tag)
}

/// The names that Help Center's paths begin with.
const LOCALISED: [&str; 4] = ["help_center", "guide", "community", "hc"];

/// Nearly every route begins with this.
const BASE: &str = "/api/v2/";

static ROUTES: &str = include_str!("routes.txt");
