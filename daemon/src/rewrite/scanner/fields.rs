//! The fields of Zendesk's JSON that hold addresses for scripts to follow, each with its source.
//!
//! A path names members from the top of a document: `*` is a member of any name, `[]` an element of
//! an array, and `**.` in front means any depth. Keys match as raw bytes. Only a string at the end
//! of a path counts, and only if every step there is the object or array that the path says.

use std::sync::LazyLock;

use crate::config::RewriteClass::{self, Attachments, Jobs, Pagination, Records};

/// The list: the class that a field belongs to, its path, and the page of Zendesk's that describes
/// it.
static FIELDS: [(RewriteClass, &str, &str); 15] = [
    (Pagination, "next_page", OFFSETS),
    (Pagination, "previous_page", OFFSETS),
    (Pagination, "after_url", EXPORTS),
    (Pagination, "before_url", EXPORTS),
    (Pagination, "links.*", CURSORS),
    // Pages within a page: the work items of each channel of an agent.
    (Pagination, "relationships.*.links.*", CHANNELS),
    (Pagination, "data.relationships.*.links.*", AGENTS),
    (Pagination, "data[].relationships.*.links.*", AGENTS),
    (Pagination, "included[].relationships.*.links.*", CHANNELS),
    (Jobs, "job_status.url", JOBS),
    (Jobs, "job_statuses[].url", JOBS),
    // Of tickets, uploads, pictures and articles.
    (Attachments, "**.content_url", ATTACHMENTS),
    (Attachments, "**.mapped_content_url", ATTACHMENTS),
    // Of voice comments, among a ticket's comments and the events of its audits.
    (Attachments, "**.recording_url", URLS),
    (Records, "**.url", URLS),
];

const OFFSETS: &str = "https://developer.zendesk.com/documentation/api-basics/pagination/paginating-through-lists-using-offset-pagination/";
const CURSORS: &str = "https://developer.zendesk.com/api-reference/introduction/pagination/";
const EXPORTS: &str =
    "https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/";
const AGENTS: &str = "https://developer.zendesk.com/api-reference/agent-availability/agent-availability-api/agent_availabilities/";
const CHANNELS: &str = "https://developer.zendesk.com/api-reference/agent-availability/agent-availability-api/channels/";
const JOBS: &str =
    "https://developer.zendesk.com/api-reference/ticketing/ticket-management/job_statuses/";
const ATTACHMENTS: &str =
    "https://developer.zendesk.com/api-reference/ticketing/tickets/ticket-attachments/";
const URLS: &str = "https://developer.zendesk.com/documentation/ticketing/managing-tickets/working-with-url-properties/";

/// A set of classes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Classes(u8);

impl Classes {
    pub(super) fn of(classes: &[RewriteClass]) -> Self {
        let all = classes.iter().copied();
        all.map(Self::one).fold(Self::default(), Self::and)
    }

    pub(super) fn has_one_of(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    fn one(class: RewriteClass) -> Self {
        Self(1 << class as u8)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The list as a scanner walks it: down from the top, one container after the other.
pub(super) struct FieldTree {
    places: Vec<FieldNode>,
    /// The fields that match at any depth.
    anywhere: Vec<(&'static [u8], Classes)>,
    /// The lengths of their names and their first letters, one bit each: they already rule out
    /// most keys.
    lengths: u64,
    letters: u64,
}

/// A place in the tree, for one value of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct At(u8);

/// What is known about the value at a place.
#[derive(Default)]
struct FieldNode {
    /// Its classes, as a string.
    classes: Classes,
    /// Its members, as an object.
    members: Vec<(&'static [u8], At)>,
    /// Its further members, as an object.
    any_member: Option<At>,
    /// Its elements, as an array.
    elements: Option<At>,
}

impl FieldTree {
    /// The list as a tree.
    pub(super) fn of_all() -> &'static Self {
        static TREE: LazyLock<FieldTree> = LazyLock::new(FieldTree::new);
        &TREE
    }

    fn new() -> Self {
        let mut tree = Self {
            places: vec![FieldNode::default(), FieldNode::default()],
            anywhere: Vec::new(),
            lengths: 0,
            letters: 0,
        };
        for (class, path, _) in &FIELDS {
            let class = Classes::one(*class);
            if let Some(name) = path.strip_prefix("**.") {
                tree.anywhere.push((name.as_bytes(), class));
                tree.lengths |= 1 << name.len();
                tree.letters |= name.bytes().next().map_or(0, letter);
                continue;
            }
            let mut at = At::TOP;
            for step in path.split('.') {
                let (name, is_list) = match step.strip_suffix("[]") {
                    Some(name) => (name, true),
                    None => (step, false),
                };
                at = tree.grow(at, name);
                if is_list {
                    at = tree.grow(at, "[]");
                }
            }
            tree.places[usize::from(at.0)].classes = class;
        }
        tree
    }

    /// The place one step further on.
    fn grow(&mut self, at: At, step: &'static str) -> At {
        let new = At(u8::try_from(self.places.len()).unwrap_or(At::NOWHERE.0));
        let place = &mut self.places[usize::from(at.0)];
        let found = match step {
            "*" => *place.any_member.get_or_insert(new),
            "[]" => *place.elements.get_or_insert(new),
            name => match place.members.iter().find(|(n, _)| *n == name.as_bytes()) {
                Some((_, known)) => *known,
                None => {
                    place.members.push((name.as_bytes(), new));
                    new
                }
            },
        };
        if found == new {
            self.places.push(FieldNode::default());
        }
        found
    }

    /// The classes of a member by its name alone.
    #[inline(always)]
    pub(super) fn anywhere(&self, name: &[u8]) -> Classes {
        match name.first() {
            Some(first)
                if name.len() < 64
                    && self.lengths >> name.len() & 1 == 1
                    && self.letters & letter(*first) != 0 =>
            {
                self.by_name(name)
            }
            _ => Classes::default(),
        }
    }

    #[inline(never)]
    fn by_name(&self, name: &[u8]) -> Classes {
        let mut fields = self.anywhere.iter();
        let found = fields.find(|(known, _)| *known == name);
        found.map_or(Classes::default(), |(_, classes)| *classes)
    }

    /// The classes of the value at a place, if it is a string.
    pub(super) fn classes(&self, at: At, name: &[u8]) -> Classes {
        self.place(at).classes.and(self.anywhere(name))
    }

    /// The member of the object at a place.
    pub(super) fn member(&self, at: At, name: &[u8]) -> At {
        let place = self.place(at);
        let known = place.members.iter().find(|(known, _)| *known == name);
        let member = known.map(|(_, at)| *at).or(place.any_member);
        member.unwrap_or(At::NOWHERE)
    }

    /// The elements of the array at a place.
    pub(super) fn element(&self, at: At) -> At {
        self.place(at).elements.unwrap_or(At::NOWHERE)
    }

    /// Whether there is anything to find in the object or array at a place.
    pub(super) fn goes_on(&self, at: At, is_object: bool) -> bool {
        let place = self.place(at);
        if is_object {
            !place.members.is_empty() || place.any_member.is_some()
        } else {
            place.elements.is_some()
        }
    }

    fn place(&self, at: At) -> &FieldNode {
        &self.places[usize::from(at.0)]
    }
}

impl At {
    /// Nothing is known about the value.
    pub(super) const NOWHERE: Self = Self(0);
    /// A document.
    pub(super) const TOP: Self = Self(1);
}

impl Default for At {
    fn default() -> Self {
        Self::NOWHERE
    }
}

/// One bit of 64.
fn letter(byte: u8) -> u64 {
    1 << (byte % 64)
}

#[cfg(test)]
mod tests {
    use super::super::token::LONGEST_NAME;
    use super::super::trail::DEEPEST;
    use super::*;

    #[test]
    fn s2_every_field_has_a_source_of_zendesks_and_fits_the_scanner() {
        for (_, path, source) in &FIELDS {
            assert!(
                source.starts_with("https://developer.zendesk.com/"),
                "{path}: {source}"
            );
            let steps = path.trim_start_matches("**.").split('.');
            for step in steps.clone() {
                let name = step.trim_end_matches("[]");
                assert!(name.len() <= LONGEST_NAME, "{name} in {path}");
            }
            let lists = path.matches("[]").count();
            assert!(steps.count() + lists <= DEEPEST, "{path}");
        }
        assert!(FieldTree::of_all().places.len() < usize::from(u8::MAX));
    }

    #[test]
    fn s2_a_path_leads_where_it_says_and_nowhere_else() {
        let tree = FieldTree::of_all();
        let walk = |steps: &[&str]| {
            steps.iter().fold(At::TOP, |at, step| match *step {
                "[]" => tree.element(at),
                name => tree.member(at, name.as_bytes()),
            })
        };
        let found = |steps: &[&str]| tree.places[usize::from(walk(steps).0)].classes;
        let paging = Classes::one(Pagination);
        for steps in [
            &["next_page"][..],
            &["links", "next"],
            &["data", "relationships", "channels", "links", "next"],
            &["data", "[]", "relationships", "x", "links", ""],
            &["included", "[]", "relationships", "x", "links", "prev"],
        ] {
            assert!(found(steps) == paging, "{steps:?}");
        }
        for steps in [
            &["links"][..],
            &["links", "next", "href"],
            &["ticket", "next_page"],
            &["included", "relationships", "x", "links", "prev"],
            &["data", "[]", "links", "self"],
            &["job_status", "[]", "url"],
            &["job_statuses", "url"],
        ] {
            assert!(found(steps) == Classes::default(), "{steps:?}");
        }
    }
}
