//! What `deny` rules keep from a key: the routes they name, and others that might show the same.

use std::collections::BTreeSet;

use http::{Method, Uri};

use super::path::{ApiPath, Segments};
use super::rule::Rule;
use crate::route_table::scope::RouteEffect;
use crate::route_table::{RouteEntry, RouteVerb, TABLE, without_locales};

/// Rules that deny.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Denied {
    rules: Vec<Rule>,
    /// The resources of known routes that a rule makes unreadable.
    resources: BTreeSet<&'static str>,
}

/// Why a route is denied although no rule names it.
#[derive(Debug)]
pub(super) enum Why<'a> {
    /// It isn't in the table, so it may show or do what this rule denies.
    Unknown(&'a Rule),
    /// It is a search or an export, which may contain what this rule denies.
    Mixed(&'a Rule),
}

impl Denied {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let mut resources = BTreeSet::new();
        for rule in rules.iter().filter(|rule| rule.covers_reading()) {
            for entry in reads().filter(|entry| rule.may_fit(entry)) {
                resources.extend(&entry.of);
            }
        }
        Self { rules, resources }
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule that names a route, in any case and behind any locale.
    pub(super) fn by_name(&self, method: &Method, path: &Segments<'_>) -> Option<&Rule> {
        if self.rules.is_empty() {
            return None;
        }
        let plain = without_locales(path);
        let denies = |rule: &&Rule| {
            let denies_plain = |plain: &Vec<&str>| rule.denies(method, plain);
            rule.denies(method, path) || plain.as_ref().is_some_and(denies_plain)
        };
        self.rules.iter().find(denies)
    }

    /// Whether a route is denied although no rule names it.
    pub(super) fn by_what_it_shows(&self, entry: Option<&RouteEntry>) -> Option<Why<'_>> {
        let first = self.rules.first()?;
        let Some(entry) = entry else {
            return Some(Why::Unknown(first));
        };
        let is_search = || {
            let shares = entry.of.iter().any(|of| self.resources.contains(of));
            shares && entry.path.split('/').any(|name| name == "search")
        };
        if entry.mixed || is_search() {
            return self.about_reading().map(Why::Mixed);
        }
        None
    }

    /// Whether some rule denies reading.
    pub(super) fn is_about_reading(&self) -> bool {
        self.about_reading().is_some()
    }

    fn about_reading(&self) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.covers_reading())
    }

    /// The known routes that can be read and show records of a kind that a rule denies.
    pub(super) fn also_shown(&self, allows: impl Fn(&Method, &Uri) -> bool) -> Vec<String> {
        let mut denied: BTreeSet<&str> = BTreeSet::new();
        for rule in self.rules.iter().filter(|rule| rule.covers_reading()) {
            let fitting = reads().filter(|entry| rule.may_fit(entry));
            denied.extend(fitting.filter_map(kind));
        }
        let shows = |entry: &&RouteEntry| {
            let Some(kind) = kind(entry) else {
                return false;
            };
            let shares = entry.of.iter().any(|of| self.resources.contains(of));
            denied
                .iter()
                .any(|denied| is_alias(kind, denied) || shares && is_kind_of(kind, denied))
        };
        let mut also: Vec<String> = reads()
            .filter(shows)
            .filter(|entry| {
                let target = sample(entry).parse().unwrap_or_default();
                allows(&Method::GET, &target)
            })
            .map(|entry| format!("GET {}", entry.path))
            .collect();
        also.sort();
        also.dedup();
        also
    }
}

/// The known routes that only read, by GET.
fn reads() -> impl Iterator<Item = &'static RouteEntry> {
    let entries = TABLE.entries().into_iter();
    entries.filter(|entry| entry.verb == RouteVerb::Get && entry.effect == RouteEffect::Read)
}

/// The kind of records that a route shows: the last name in its path that is neither a variable nor
/// a way of listing them.
fn kind(entry: &RouteEntry) -> Option<&str> {
    let mut names = entry.path.rsplit('/');
    names.find(|name| !name.starts_with('{') && !WAYS.contains(name) && !name.is_empty())
}

/// Whether records of one kind are a subset of another: `deleted_tickets` are tickets.
fn is_kind_of(kind: &str, of: &str) -> bool {
    let ends = || {
        let rest = kind.strip_suffix(of);
        rest.is_some_and(|rest| rest.ends_with('_'))
    };
    kind == of || ends()
}

/// Whether records of one kind are those of another under a different name.
fn is_alias(kind: &str, of: &str) -> bool {
    let mut aliases = ALIASES.iter().filter(|(name, _)| *name == of);
    aliases.any(|(_, names)| names.split_ascii_whitespace().any(|name| name == kind))
}

/// A path that matches the entry.
fn sample(entry: &RouteEntry) -> String {
    let names = entry.path.split('/').map(|name| match name {
        "{type}" => "zen:user",
        "**" => "any",
        name if name.starts_with('{') => "35436",
        name => name,
    });
    names.collect::<Vec<_>>().join("/")
}

/// Whether a rule may match some path of an entry.
impl Rule {
    fn may_fit(&self, entry: &RouteEntry) -> bool {
        let fits = |path: &str| {
            let path = ApiPath::of(path).ok();
            path.is_some_and(|path| self.fits_some(&path.segments()))
        };
        let path = entry.path.replace(['{', '}'], "*");
        match path.strip_suffix("/**") {
            Some(base) => (0..DEPTH).any(|more| fits(&format!("{base}{}", "/*".repeat(more)))),
            None => fits(&path),
        }
    }
}

/// Path names for ways of listing records rather than for a kind of them.
const WAYS: [&str; 11] = [
    "**",
    "active",
    "autocomplete",
    "compact",
    "count",
    "cursor",
    "recent",
    "sample",
    "search",
    "show_many",
    "me",
];

/// Records of a kind under other names.
static ALIASES: [(&str, &str); 2] = [
    (
        "tickets",
        "assigned ccd execute followed incidents problems requested requests",
    ),
    ("users", "agents collaborators email_ccs followers"),
];

/// How many levels below a wholly known path rules are searched for.
const DEPTH: usize = 6;
