//! The marks of the table: which paths have to do with credentials, and which carry files.
//!
//! Marks restrict, so they apply however a server might read a path: beneath every version of the
//! API, since its older and internal ones share the controllers; in any letter case; behind a
//! locale; and, for credentials, to everything beneath them. A route that is known exactly, by its
//! method and its very path, is exempt again.

use http::Method;

use super::normalized_path::{NormalizedPath, PathName};
use super::{
    CarriedFiles, Credentials, Properties, RouteLine, RouteVerb, has_locale, is_locale, names,
};

/// The marks that a line of the table gives its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) credentials: bool,
    pub(super) takes_file: bool,
    pub(super) gives_file: bool,
    pub(super) own_credential: bool,
    pub(super) mixed: bool,
}

/// Every path with marks.
#[derive(Debug, Default)]
pub(super) struct Marked {
    root: Node,
    /// The names of each path that has to do with credentials, without its variable parts.
    credentials: Vec<Vec<&'static str>>,
    /// The paths of products that have credentials of their own.
    products: Vec<Vec<&'static str>>,
}

#[derive(Debug, Default)]
struct Node {
    literals: Vec<(&'static str, Self)>,
    variable: Option<Box<Self>>,
    /// Whether a locale may follow it.
    has_locale: bool,
    here: Marks,
    beneath: Marks,
    /// The methods that have nothing to do with credentials here, by their index in [`RouteVerb`].
    harmless: u8,
    /// The methods that show the credential that the request itself carries.
    own_token: u8,
}

/// What the walks through the tree have found.
#[derive(Clone, Copy, Default)]
struct FoundMarks {
    credentials: bool,
    /// A route that is known to be harmless.
    harmless: bool,
    own_token: bool,
    takes_file: bool,
    gives_file: bool,
}

impl Marked {
    pub(super) fn of(lines: &[RouteLine]) -> Self {
        let mut marked = Self::default();
        for line in lines.iter().filter(|line| line.marks.are_of_path()) {
            marked.add(line);
        }
        for line in lines.iter().filter(|line| !line.marks.credentials) {
            marked.take_out(line);
        }
        marked
    }

    fn add(&mut self, line: &RouteLine) {
        if line.marks.own_credential {
            let is_literal = |name: &&str| !is_variable(name) && *name != "**";
            self.products
                .push(names(line.path).take_while(is_literal).collect());
        }
        if line.marks.credentials {
            let is_literal = |name: &&str| !is_variable(name) && *name != "**";
            self.credentials
                .push(lenient(line.path).filter(is_literal).collect());
        }
        let mut node = &mut self.root;
        let mut whole = false;
        for name in lenient(line.path) {
            match name {
                "**" => whole = true,
                name if is_variable(name) => node = node.variable.get_or_insert_default(),
                name => node = node.literal(name),
            }
        }
        let mut place = line.marks;
        place.own_credential = false;
        if whole {
            node.beneath = node.beneath.and(place);
        }
        node.here = node.here.and(place);
        // Whatever hangs on a credential's own path is marked like it.
        node.beneath.credentials |= place.credentials;
        for (verb, entry) in &line.entries {
            if entry.path == OWN_TOKEN && *verb == RouteVerb::Get {
                node.own_token |= 1 << *verb as u8;
            }
        }
    }

    fn take_out(&mut self, line: &RouteLine) {
        let path: Vec<&'static str> = lenient(line.path).collect();
        // A pattern without wildcards only matches its very path.
        if path.contains(&"**") {
            return;
        }
        let sample = path.iter().map(|name| match is_variable(name) {
            true => PathName::Borrowed(b"1".as_slice()),
            false => PathName::Borrowed(name.as_bytes()),
        });
        let mut found = FoundMarks::default();
        let sample: Vec<PathName<'_>> = sample.collect();
        self.root.walk(None, &sample, false, &mut found);
        if !found.credentials {
            return;
        }
        let mut node = &mut self.root;
        for name in path {
            node = match is_variable(name) {
                true => node.variable.get_or_insert_default(),
                false => node.literal(name),
            };
        }
        for (verb, _) in &line.entries {
            node.harmless |= 1 << *verb as u8;
        }
    }

    pub(super) fn properties(&self, method: &Method, path: &NormalizedPath<'_>) -> Properties {
        let verb = RouteVerb::of(method);
        let mut found = FoundMarks::default();
        self.root.walk(verb, &path.resolved, false, &mut found);
        if let Some(flat) = &path.flat {
            self.root.walk(verb, flat, false, &mut found);
        }
        let credentials = if path.is_ambiguous {
            // Whichever names a server drops, the rest keeps this order.
            let may_be_left = |names: &Vec<&str>| is_left_of(names, path.flat());
            found.credentials || self.credentials.iter().any(may_be_left)
        } else {
            found.credentials && !found.harmless
        };
        let reads = verb == Some(RouteVerb::Get);
        Properties {
            credentials: match credentials {
                true if found.own_token && !path.is_ambiguous => Credentials::OfThisRequest,
                true => Credentials::Any,
                false => Credentials::None,
            },
            files: CarriedFiles {
                sent: found.takes_file && !reads,
                answered: found.gives_file && reads,
            },
            has_own_credential: self.products.iter().any(|product| {
                let fits = |(known, name): (&&str, &PathName<'_>)| known.as_bytes() == &**name;
                product.len() <= path.resolved.len() && product.iter().zip(&path.resolved).all(fits)
            }),
        }
    }
}

impl Node {
    /// Goes on through every path that these names could be.
    fn walk(
        &self,
        verb: Option<RouteVerb>,
        path: &[PathName<'_>],
        inside: bool,
        found: &mut FoundMarks,
    ) {
        let inside = inside || self.beneath.credentials;
        let Some((name, rest)) = path.split_first() else {
            let is_one_of = |set: u8| verb.is_some_and(|verb| set & 1 << verb as u8 != 0);
            found.own_token |= is_one_of(self.own_token);
            found.harmless |= is_one_of(self.harmless);
            found.credentials |= inside;
            found.takes_file |= self.here.takes_file;
            found.gives_file |= self.here.gives_file;
            return;
        };
        found.takes_file |= self.beneath.takes_file;
        found.gives_file |= self.beneath.gives_file;
        let mut went_on = false;
        for (known, node) in &self.literals {
            if known.as_bytes() == &**name {
                node.walk(verb, rest, inside, found);
                went_on = true;
            }
        }
        if let Some(node) = &self.variable {
            node.walk(verb, rest, inside, found);
            went_on = true;
        }
        if self.has_locale && is_locale(name) {
            self.walk(verb, rest, inside, found);
        }
        found.credentials |= inside && !went_on;
    }

    fn literal(&mut self, name: &'static str) -> &mut Self {
        let at = self.literals.iter().position(|(known, _)| *known == name);
        let at = at.unwrap_or_else(|| {
            let node = Self {
                has_locale: has_locale(name),
                ..Self::default()
            };
            self.literals.push((name, node));
            self.literals.len() - 1
        });
        &mut self.literals[at].1
    }
}

impl Marks {
    /// Whether the marks say more than a known route does.
    fn are_of_path(self) -> bool {
        let Self {
            credentials,
            takes_file,
            gives_file,
            own_credential,
            mixed: _,
        } = self;
        credentials || takes_file || gives_file || own_credential
    }

    fn and(self, other: Self) -> Self {
        Self {
            credentials: self.credentials || other.credentials,
            takes_file: self.takes_file || other.takes_file,
            gives_file: self.gives_file || other.gives_file,
            own_credential: self.own_credential || other.own_credential,
            mixed: self.mixed || other.mixed,
        }
    }
}

/// The names of a path, with any version of the API as the second one.
fn lenient(path: &'static str) -> impl Iterator<Item = &'static str> {
    names(path).map(|name| if name == VERSION { "{key}" } else { name })
}

fn is_variable(name: &str) -> bool {
    name.starts_with('{')
}

/// Whether a path could become these names if some of its own are left out.
fn is_left_of(names: &[&str], path: &[PathName<'_>]) -> bool {
    let mut rest = path.iter();
    let mut names = names.iter();
    names.all(|name| rest.any(|found| name.as_bytes() == &**found))
}

/// The API's version in the table's paths.
const VERSION: &str = "v2";

/// Tells what the token in the request may do: tap-zendesk asks before each run.
const OWN_TOKEN: &str = "/api/v2/oauth/tokens/current";
