//! The routes, by the names in their paths.

use super::{RouteEntry, RouteVerb, has_locale, is_locale, names};

/// What is known beneath one name.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// By name, in order.
    literals: Vec<(&'static str, Self)>,
    variables: Vec<(VariableKind, Self)>,
    /// Whether a locale may follow it.
    has_locale: bool,
    /// What is known of exactly this path.
    here: NodeEntries,
    /// What is known of this path and of everything beneath it that has no entry of its own.
    beneath: NodeEntries,
}

/// A name of the path is in the table, but in another letter case.
struct OtherCase;

type NodeEntries = [Option<Box<RouteEntry>>; RouteVerb::ALL.len()];

impl Tree {
    pub(super) fn add(&mut self, path: &'static str, verb: RouteVerb, entry: RouteEntry) {
        let mut names: Vec<&'static str> = names(path).collect();
        let beneath = names.pop_if(|name| *name == "**").is_some();
        let mut node = self;
        for name in names {
            node = node.child(name);
        }
        let entries = if beneath {
            &mut node.beneath
        } else {
            &mut node.here
        };
        entries[verb as usize] = Some(Box::new(entry));
    }

    /// The most exact entry for a path. A name in the table takes precedence over a variable, in
    /// any letter case; in another case than the table's, the route is unknown.
    pub(super) fn find(&self, verb: RouteVerb, path: &[&str]) -> Option<&RouteEntry> {
        self.look(verb, path).ok().flatten()
    }

    fn look(&self, verb: RouteVerb, path: &[&str]) -> Result<Option<&RouteEntry>, OtherCase> {
        let beneath = self.beneath[verb as usize].as_deref();
        let Some((name, rest)) = path.split_first() else {
            return Ok(self.here[verb as usize].as_deref().or(beneath));
        };
        if let Some(entry) = self.look_exactly(verb, name, rest)? {
            return Ok(Some(entry));
        }
        // With or without a locale, a Help Center path is the same path.
        if self.has_locale
            && is_locale(name.as_bytes())
            && let Some((name, rest)) = rest.split_first()
            && let Some(entry) = self.look_exactly(verb, name, rest)?
        {
            return Ok(Some(entry));
        }
        Ok(beneath)
    }

    fn look_exactly(
        &self,
        verb: RouteVerb,
        name: &str,
        rest: &[&str],
    ) -> Result<Option<&RouteEntry>, OtherCase> {
        match self.literal(name) {
            Some(node) => {
                if let Some(entry) = node.look(verb, rest)? {
                    return Ok(Some(entry));
                }
            }
            None if self.has_in_other_case(name) => return Err(OtherCase),
            None => {}
        }
        for (kind, node) in &self.variables {
            if kind.takes(name)
                && let Some(entry) = node.look(verb, rest)?
            {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Whether some path begins with exactly these names.
    pub(super) fn has_literal(&self, names: &[&str]) -> bool {
        match names.split_first() {
            None => true,
            Some((name, rest)) => self
                .literal(name)
                .is_some_and(|node| node.has_literal(rest)),
        }
    }

    /// Every entry.
    pub(super) fn entries(&self) -> Vec<&RouteEntry> {
        let mut entries: Vec<&RouteEntry> = Vec::new();
        entries.extend(
            self.here
                .iter()
                .chain(&self.beneath)
                .filter_map(Option::as_deref),
        );
        let literals = self.literals.iter().map(|(_, node)| node);
        for node in literals.chain(self.variables.iter().map(|(_, node)| node)) {
            entries.extend(node.entries());
        }
        entries
    }

    fn has_in_other_case(&self, name: &str) -> bool {
        let is_same = |known: &str| known.eq_ignore_ascii_case(name);
        name.bytes().any(|b| b.is_ascii_uppercase())
            && self.literals.iter().any(|(known, _)| is_same(known))
    }

    fn literal(&self, name: &str) -> Option<&Self> {
        let at = self
            .literals
            .binary_search_by(|(known, _)| (*known).cmp(name));
        Some(&self.literals[at.ok()?].1)
    }

    fn child(&mut self, name: &'static str) -> &mut Self {
        if let Some(kind) = VariableKind::named(name) {
            let at = self.variables.iter().position(|(known, _)| *known == kind);
            let at = at.unwrap_or_else(|| {
                self.variables.push((kind, Self::default()));
                self.variables.len() - 1
            });
            return &mut self.variables[at].1;
        }
        let at = match self
            .literals
            .binary_search_by(|(known, _)| (*known).cmp(name))
        {
            Ok(at) => at,
            Err(at) => {
                let node = Self {
                    has_locale: has_locale(name),
                    ..Self::default()
                };
                self.literals.insert(at, (name, node));
                at
            }
        };
        &mut self.literals[at].1
    }
}

/// What a variable part of a path looks like. The more narrowly it is described, the fewer unknown
/// routes pass for known ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VariableKind {
    Id,
    User,
    Code,
    Key,
    Type,
    File,
}

impl VariableKind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "{id}" => Some(Self::Id),
            "{user}" => Some(Self::User),
            "{code}" => Some(Self::Code),
            "{key}" => Some(Self::Key),
            "{type}" => Some(Self::Type),
            "{file}" => Some(Self::File),
            _ => None,
        }
    }

    fn takes(self, name: &str) -> bool {
        let is_number = || name.bytes().all(|b| b.is_ascii_digit());
        match self {
            Self::Id => is_number(),
            Self::User => name == "me" || is_number(),
            Self::Code => {
                let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
                let is_long = || {
                    let has_digit = name.bytes().any(|b| b.is_ascii_digit());
                    name.len() >= CODE_MIN && has_digit && name.bytes().all(is_plain)
                };
                is_number() || is_long()
            }
            Self::Key => !name.contains('.'),
            Self::File => true,
            Self::Type => name.starts_with("zen:"),
        }
    }
}

/// ULIDs have 26 characters, UUIDs 36, job ids 32; no route's own name has twenty and a digit.
const CODE_MIN: usize = 20;
