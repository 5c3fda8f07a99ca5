//! The scopes that routes need and local keys have: Zendesk's own names, each one bit of a set.
//!
//! `read` and `write` cover everything, `tickets:read` and the like one resource. As at Zendesk, a
//! scope for writing doesn't include reading, and `impersonate` is needed in addition to the
//! others.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// What a scope lets a key do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteEffect {
    /// Reads.
    Read,
    /// Changes something, or obtains a credential.
    Write,
}

impl RouteEffect {
    /// What a route with this effect does.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
        }
    }
}

/// A kind of resource with scopes of its own, as its index in [`RESOURCES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resource(u8);

impl Resource {
    /// The resource with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let place = RESOURCES.iter().position(|(known, _)| *known == name)?;
        u8::try_from(place).ok().map(Self)
    }

    /// Its scope for this effect, if it has one.
    pub(crate) fn scope(self, effect: RouteEffect) -> Scopes {
        let bit = FIRST + 2 * self.0 + u8::from(effect == RouteEffect::Write);
        Scopes(1 << bit) & Scopes::KNOWN
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Scopes(u64);

impl Scopes {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READ: Self = Self(1);
    pub(crate) const WRITE: Self = Self(1 << 1);
    pub(crate) const IMPERSONATE: Self = Self(1 << 2);

    /// Every scope that exists.
    pub(crate) const KNOWN: Self = {
        let (mut known, mut place) = ((1 << FIRST) - 1, 0);
        while place < RESOURCES.len() {
            known |= (RESOURCES[place].1 as u64) << (FIRST as usize + 2 * place);
            place += 1;
        }
        Self(known)
    };

    /// Every scope that changes nothing by itself.
    const READING: Self = {
        let (mut reading, mut place) = (Self::READ.0 | Self::IMPERSONATE.0, 0);
        while place < RESOURCES.len() {
            reading |= 1 << (FIRST as usize + 2 * place);
            place += 1;
        }
        Self(reading)
    };

    /// Parses a scope.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some((scope, _)) = Self::all().find(|(_, name)| name == text) {
            return Ok(scope);
        }
        let mut parts = text.split([' ', ',', '+']);
        if parts.clone().count() > 1 && parts.all(|part| Self::parse(part).is_ok()) {
            return Err(format!(
                "`{text}` is several scopes: give each one separately."
            ));
        }
        let (name, access) = text.split_once(':').unwrap_or((text, ""));
        if let Some(resource) = Resource::named(name) {
            let only =
                names(resource.scope(RouteEffect::Read) | resource.scope(RouteEffect::Write));
            return Err(match access {
                "" => format!(
                    "`{text}` is only half a scope: write {}.",
                    only.join(" or ")
                ),
                _ => format!(
                    "`{text}` isn't a scope: `{name}` has {}.",
                    only.join(" and ")
                ),
            });
        }
        if name == "unrestricted" {
            return Err(format!(
                "`{text}` isn't a scope for local keys: `read` and `write` together allow everything."
            ));
        }
        let hint = match nearest(text) {
            Some(near) => format!(" Did you mean `{near}`?"),
            None => String::new(),
        };
        let known = names(Self::KNOWN).join(", ");
        Err(format!(
            "`{text}` isn't a scope.{hint} The scopes are {known}."
        ))
    }

    /// Every scope with its name, the broad ones first.
    pub(crate) fn all() -> impl Iterator<Item = (Self, String)> {
        let broad = [
            (Self::READ, "read"),
            (Self::WRITE, "write"),
            (Self::IMPERSONATE, "impersonate"),
        ];
        let of_resources = RESOURCES.iter().zip(0..).flat_map(|((name, _), place)| {
            let scope = move |effect| Resource(place).scope(effect);
            [
                (scope(RouteEffect::Read), format!("{name}:read")),
                (scope(RouteEffect::Write), format!("{name}:write")),
            ]
        });
        broad
            .into_iter()
            .map(|(scope, name)| (scope, name.to_owned()))
            .chain(of_resources)
            .filter(|(scope, _)| !scope.is_empty())
    }

    /// The names of the scopes in the set. The broad ones come last, since the narrowest scope that
    /// is enough is the one to ask for.
    pub(crate) fn names(self) -> Vec<String> {
        let broad = Self::READ | Self::WRITE | Self::IMPERSONATE;
        let of = |part: Self| Self::all().filter(move |(scope, _)| (self & part).has(*scope));
        let mut names: Vec<String> = of(Self(!broad.0)).map(|(_, name)| name).collect();
        names.extend(of(broad).map(|(_, name)| name));
        names
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the set contains one of `others`.
    pub(crate) fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether nothing in the set allows changes.
    pub(crate) fn only_read(self) -> bool {
        self.0 & !Self::READING.0 == 0
    }

    /// The scopes that `limit` lacks; a broad scope covers each narrower one.
    pub(crate) fn beyond(self, limit: Self) -> Self {
        let mut covered = limit.0;
        if limit.has(Self::READ) {
            covered |= Self::READING.0 & !Self::IMPERSONATE.0;
        }
        if limit.has(Self::WRITE) {
            covered |= Self::KNOWN.0 & !Self::READING.0;
        }
        Self(self.0 & !covered)
    }

    /// The scopes that a broad scope in the same set makes redundant.
    pub(crate) fn redundant(self) -> Self {
        let narrow = Self(self.0 & !(Self::READ | Self::WRITE).0);
        let kept = narrow.beyond(Self(self.0 & (Self::READ | Self::WRITE).0));
        Self(narrow.0 & !kept.0)
    }
}

impl BitOr for Scopes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Scopes {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl std::ops::BitAnd for Scopes {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The names in a set, as shown in a sentence.
pub(crate) fn names(scopes: Scopes) -> Vec<String> {
    let quoted = |name| format!("`{name}`");
    scopes.names().into_iter().map(quoted).collect()
}

/// The scope that was probably meant.
fn nearest(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase().replace(['.', '-'], "_");
    let with_distance = Scopes::all().map(|(_, name)| (distance(&text, &name), name));
    let (distance, name) = with_distance.min()?;
    (distance <= MISTAKES).then_some(name)
}

/// How many letters must be changed, added or removed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

const READS: u8 = 0b01;
const WRITES: u8 = 0b10;
const BOTH: u8 = READS | WRITES;

/// The resources that have scopes of their own at Zendesk, and which scopes. The first sixteen are
/// in the reference of its OAuth tokens; the others came with the more granular scopes of August
/// 2026, except `themes`, which is in the reference of the Themes API. `unrestricted` isn't here:
/// it is for Zendesk's own programs.
static RESOURCES: [(&str, u8); 27] = [
    ("tickets", BOTH),
    ("users", BOTH),
    ("auditlogs", READS),
    ("organizations", BOTH),
    ("hc", BOTH),
    ("apps", BOTH),
    ("triggers", BOTH),
    ("automations", BOTH),
    ("targets", BOTH),
    ("webhooks", BOTH),
    ("macros", BOTH),
    ("requests", BOTH),
    ("satisfaction_ratings", BOTH),
    ("dynamic_content", BOTH),
    ("any_channel", WRITES),
    ("web_widget", WRITES),
    ("account_settings", BOTH),
    ("brands", BOTH),
    ("custom_objects", BOTH),
    ("deletion_schedules", BOTH),
    ("groups", BOTH),
    ("sla_policies", BOTH),
    ("ticket_attachments", BOTH),
    ("ticket_views", BOTH),
    ("themes", BOTH),
    ("zis", BOTH),
    ("security", READS),
];

/// The bits before those of resources: `read`, `write`, `impersonate`.
const FIRST: u8 = 3;

/// Two typing errors; with three, half of the short names would be near.
const MISTAKES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d2_every_scope_is_one_bit_and_reads_back() {
        let mut seen = Scopes::NONE;
        for (scope, name) in Scopes::all() {
            assert_eq!(Scopes::parse(&name), Ok(scope), "{name}");
            assert_eq!(scope.names(), std::slice::from_ref(&name));
            assert!(!seen.has(scope), "{name}");
            seen |= scope;
        }
        assert_eq!(seen, Scopes::KNOWN);
        assert_eq!(Scopes::all().count(), 53);
    }

    #[test]
    fn d2_a_wrong_scope_is_told_what_would_be_right() {
        for (text, expected) in [
            ("ticket:read", "Did you mean `tickets:read`?"),
            ("tickets.read", "Did you mean `tickets:read`?"),
            ("Tickets:Read", "Did you mean `tickets:read`?"),
            ("organisations:read", "Did you mean `organizations:read`?"),
            ("wirte", "Did you mean `write`?"),
            ("tickets", "write `tickets:read` or `tickets:write`"),
            (
                "tickets:delete",
                "`tickets` has `tickets:read` and `tickets:write`",
            ),
            ("auditlogs:write", "`auditlogs` has `auditlogs:read`."),
            ("security:write", "`security` has `security:read`."),
            ("any_channel:read", "`any_channel` has `any_channel:write`."),
            ("unrestricted", "`read` and `write` together"),
            ("unrestricted:read", "`read` and `write` together"),
            ("read write", "give each one separately"),
            ("tickets:read,users:read", "give each one separately"),
            ("", "The scopes are"),
            ("views:read", "The scopes are `tickets:read`, "),
            ("nothing", "security:read`, `read`, `write`, `impersonate`."),
        ] {
            let error = Scopes::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.starts_with(&format!("`{text}` ")), "{error}");
        }
        assert!(!Scopes::parse("chat").unwrap_err().contains("Did you mean"));
    }

    #[test]
    fn d2_broad_scopes_cover_the_narrower_ones() {
        let set = |names: &[&str]| {
            let scopes = names.iter().map(|name| Scopes::parse(name).unwrap());
            scopes.fold(Scopes::NONE, BitOr::bitor)
        };
        for (asked, limit, beyond) in [
            (&["tickets:read"][..], &["read"][..], &[][..]),
            (&["tickets:read", "write"], &["read"], &["write"]),
            (&["tickets:write"], &["read"], &["tickets:write"]),
            (&["tickets:write", "users:write"], &["read", "write"], &[]),
            (&["read"], &["tickets:read"], &["read"]),
            (
                &["read", "impersonate"],
                &["read", "write"],
                &["impersonate"],
            ),
            (&["impersonate"], &["impersonate"], &[]),
            (
                &["any_channel:write", "auditlogs:read"],
                &["write"],
                &["auditlogs:read"],
            ),
        ] {
            assert_eq!(set(asked).beyond(set(limit)), set(beyond), "{asked:?}");
        }
        assert_eq!(
            set(&["read", "tickets:read", "users:write", "impersonate"]).redundant(),
            set(&["tickets:read"])
        );
        assert_eq!(
            set(&["tickets:read", "users:write"]).redundant(),
            Scopes::NONE
        );
        assert!(set(&["read", "hc:read", "impersonate"]).only_read());
        assert!(!set(&["read", "any_channel:write"]).only_read());
    }
}
