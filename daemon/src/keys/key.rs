//! One key, as it is held in memory.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use loopdesk_protocol::account::Person;
use loopdesk_protocol::{Kind, Problem, key};
use subtle::{Choice, ConstantTimeEq};

use super::format::{Digest, KeyId};
use super::rights::Written;
use super::tally::Tally;
use crate::config::{AccountName, Ttl};
use crate::rights::Rights;

/// A local key, without its secret.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name, which no other key has.
    pub name: String,
    /// The part of it that may be shown.
    pub id: KeyId,
    /// Whose session it uses.
    pub account: AccountName,
    /// The Zendesk user for whom it acts.
    pub person: Person,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires, if it does.
    pub expires_at: Option<Timestamp>,
    /// What the person wanted to remember.
    pub note: Option<String>,
    /// Whether it was revoked and is here only because the disk did not take that.
    pub is_revoked: bool,
    pub(super) rights: Written,
    pub(super) secrets: Secrets,
    pub(super) tally: Arc<Tally>,
}

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct New {
    /// Its name: 1 to 64 letters, digits, `-`, `_` and `.`, the first a letter or digit.
    pub name: String,
    /// Whose session it uses.
    pub account: AccountName,
    /// The Zendesk user who is logged in there.
    pub person: Person,
    /// What it allows.
    pub rights: key::Rights,
    /// After how long it expires; never if absent.
    pub expires_in: Option<Duration>,
    /// What the person wants to remember.
    pub note: Option<String>,
}

impl Key {
    /// A key from now on.
    ///
    /// # Errors
    /// What is wrong with the wish.
    pub(super) fn new(
        new: New,
        id: KeyId,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        check_name(&new.name)?;
        if let Some(note) = &new.note {
            check_note(note)?;
        }
        let wrong = |why: String| Problem::new(Kind::Usage, why);
        let expires_at = new.expires_in.map(|time| match (time, after(now, time)) {
            (Duration::ZERO, _) | (_, None) => Err(wrong(format!(
                "a key that expires in {} s is of no use: give a time such as `90d`",
                time.as_secs()
            ))),
            (_, Some(at)) => Ok(at),
        });
        let rights = Written::asked(new.rights).map_err(|why| {
            wrong(format!(
                "what key `{}` is to allow can't be read: {why}",
                new.name
            ))
            .hint("see `loopdesk key create --help`")
        })?;
        Ok(Self {
            name: new.name,
            id,
            account: new.account,
            person: new.person,
            created_at: now,
            expires_at: expires_at.transpose()?,
            note: new.note.filter(|note| !note.is_empty()),
            is_revoked: false,
            rights,
            secrets: Secrets::new(digest),
            tally: Arc::default(),
        })
    }

    /// What it allows.
    ///
    /// # Errors
    /// Why nobody can tell: it allows nothing then.
    pub fn rights(&self) -> Result<&Rights, &str> {
        self.rights.meaning()
    }

    /// What it allows, as it is written.
    pub fn rights_text(&self) -> &key::Rights {
        self.rights.text()
    }

    /// When it ends, if no key may live longer than `most`.
    pub fn ends_at(&self, most: Option<Ttl>) -> Option<Timestamp> {
        let most =
            most.and_then(|most| after(self.created_at, Duration::from_secs(most.as_secs())));
        match (self.expires_at, most) {
            (Some(own), Some(most)) => Some(own.min(most)),
            (own, most) => own.or(most),
        }
    }

    /// Until when some secret from before a rotation works, if one does.
    pub fn old_secret_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.secrets.old(now).map(|old| old.until).max()
    }
}

/// What is kept of the secrets of one key: of the one that was made last, and of those before it
/// that were promised some more time.
///
/// Each rotation gives the secret that it replaces a time of grace, and doesn't touch what earlier
/// ones have promised; one without a grace ends them all.
#[derive(Clone, Debug)]
pub(super) struct Secrets {
    current: Digest,
    old: Vec<Old>,
}

/// A secret that was replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Old {
    pub(super) digest: Digest,
    /// The first moment at which it works no more.
    pub(super) until: Timestamp,
}

impl Secrets {
    pub(super) fn new(current: Digest) -> Self {
        Self {
            current,
            old: Vec::new(),
        }
    }

    /// Those of a stored key; `None` if there can't be so many.
    pub(super) fn stored(current: Digest, old: Vec<Old>) -> Option<Self> {
        (old.len() <= OLD_MAX).then_some(Self { current, old })
    }

    /// The newest.
    pub(super) fn current(&self) -> &Digest {
        &self.current
    }

    /// The others that work, oldest first.
    pub(super) fn old(&self, now: Timestamp) -> impl Iterator<Item = &Old> {
        self.old.iter().filter(move |old| now < old.until)
    }

    /// Whether one of them has this digest. Takes the same time for any number of them.
    pub(super) fn fit(&self, digest: &Digest, now: Timestamp) -> Choice {
        let mut fits = self.current.is(digest);
        for place in 0..OLD_MAX {
            let (digest_of_old, works) = match self.old.get(place) {
                Some(old) => (&old.digest, now < old.until),
                None => (&self.current, false),
            };
            fits |= digest_of_old.is(digest) & u8::from(works).ct_eq(&1);
        }
        fits
    }

    /// Puts a new secret in the place of the current one, which works for `grace` more; `None` if
    /// too many would work.
    pub(super) fn rotated(&self, new: Digest, grace: Duration, now: Timestamp) -> Option<Self> {
        if grace.is_zero() {
            return Some(Self::new(new));
        }
        let mut old: Vec<Old> = self.old(now).copied().collect();
        old.push(Old {
            digest: self.current,
            until: after(now, grace)?,
        });
        Self::stored(new, old)
    }
}

/// What a key's name can be.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let wrong = |what: &str| {
        Err(Problem::new(Kind::Usage, what.to_owned()).hint("for example `nightly-report`"))
    };
    if name.contains(key::PREFIX) {
        return wrong("a key's name can't hold `ldk_`, as the keys themselves do");
    }
    let in_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.len() <= NAME_MAX && name.chars().all(in_name) {
        return Ok(());
    }
    wrong(
        "a key's name has 1 to 64 letters, digits, `-`, `_` and `.`, and begins with a letter or digit",
    )
}

/// What can be noted beside a key.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_note(note: &str) -> Result<(), Problem> {
    let wrong = |what: &str| Err(Problem::new(Kind::Usage, what.to_owned()));
    if note.len() > NOTE_MAX {
        return wrong("a key's note has at most 500 bytes");
    }
    // It goes to terminals.
    if note.contains(char::is_control) {
        return wrong("a key's note can't hold line ends and other control characters");
    }
    Ok(())
}

fn after(now: Timestamp, time: Duration) -> Option<Timestamp> {
    now.checked_add(SignedDuration::try_from(time).ok()?).ok()
}

/// As long as a host's label, and one more.
const NAME_MAX: usize = 64;
const NOTE_MAX: usize = 500;
/// Old secrets that work at the same time. Who needs more has lost track.
pub(super) const OLD_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::random().unwrap()
    }

    fn fits(secrets: &Secrets, digest: &Digest, now: Timestamp) -> bool {
        secrets.fit(digest, now).into()
    }

    #[test]
    fn d2_each_old_secret_works_until_its_own_moment() {
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let at = |hours: i64| start + SignedDuration::from_hours(hours);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let (first, second, third) = (digest(), digest(), digest());
        let one = Secrets::new(first);
        let two = one.rotated(second, hours(10), at(0)).unwrap();
        let three = two.rotated(third, hours(2), at(1)).unwrap();
        let table = [
            (1, [true, true, true]),
            (2, [true, true, true]),
            // The second secret's two hours are over, the first one's ten are not.
            (3, [true, false, true]),
            (9, [true, false, true]),
            (10, [false, false, true]),
        ];
        for (hour, expected) in table {
            let works = [first, second, third].map(|digest| fits(&three, &digest, at(hour)));
            assert_eq!(works, expected, "after {hour} h");
        }
        assert!(!fits(&three, &digest(), at(1)));
        let ended = three.rotated(digest(), Duration::ZERO, at(1)).unwrap();
        for digest in [first, second, third] {
            assert!(!fits(&ended, &digest, at(1)), "no grace, no old secret");
        }
    }

    #[test]
    fn d2_more_old_secrets_than_a_person_can_know_are_not_kept() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let day = Duration::from_secs(86_400);
        let mut secrets = Secrets::new(digest());
        for _ in 0..OLD_MAX {
            secrets = secrets.rotated(digest(), day, now).unwrap();
        }
        assert!(secrets.rotated(digest(), day, now).is_none());
        let later = now + SignedDuration::from_hours(24);
        let rotated = secrets.rotated(digest(), day, later).unwrap();
        assert_eq!(rotated.old(later).count(), 1, "those of yesterday are gone");
        assert!(secrets.rotated(digest(), Duration::MAX, now).is_none());
    }

    #[test]
    fn d2_names_are_words() {
        for good in ["a", "nightly-report", "0.9_x", &"x".repeat(64)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in [
            "", "-x", ".x", "_x", "a b", "a/b", "ä", "a\n", "x-ldk_y", &long,
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
