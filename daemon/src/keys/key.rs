//! A key in memory.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use loopdesk_protocol::account::Person;
use loopdesk_protocol::{Kind, Problem, key};
use subtle::{Choice, ConstantTimeEq};

use super::counter::UsageCounter;
use super::format::{KeyId, SecretDigest};
use super::rights::WrittenRights;
use crate::config::{AccountName, Ttl};
use crate::rights::Rights;

/// A local key, without its secret.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its unique name.
    pub name: String,
    /// Its public part.
    pub id: KeyId,
    /// The account whose session it uses.
    pub account: AccountName,
    /// The Zendesk user for whom it acts.
    pub person: Person,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires, if it does.
    pub expires_at: Option<Timestamp>,
    /// A note by its owner.
    pub note: Option<String>,
    /// Whether it was revoked, and is still here because the file couldn't be written.
    pub is_revoked: bool,
    pub(super) rights: WrittenRights,
    pub(super) secrets: KeySecrets,
    pub(super) counter: Arc<UsageCounter>,
}

/// A request for a new key.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name: 1 to 64 letters, digits, `-`, `_` and `.`, the first a letter or digit.
    pub name: String,
    /// The account whose session it uses.
    pub account: AccountName,
    /// The Zendesk user who is logged in there.
    pub person: Person,
    /// What it allows.
    pub rights: key::RightsText,
    /// How long it lives; forever if absent.
    pub expires_in: Option<Duration>,
    /// A note by its owner.
    pub note: Option<String>,
}

impl Key {
    /// A key that was created at `now`.
    ///
    /// # Errors
    /// The name, the note, the lifetime or the rights are invalid.
    pub(super) fn new(
        new: NewKey,
        id: KeyId,
        digest: SecretDigest,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        check_name(&new.name)?;
        if let Some(note) = &new.note {
            check_note(note)?;
        }
        let wrong = |why: String| Problem::new(Kind::Usage, why);
        let expires_at = new.expires_in.map(|time| match (time, after(now, time)) {
            (Duration::ZERO, _) | (_, None) => Err(wrong(format!(
                "a key can't expire after {} s: use a lifetime such as `90d`",
                time.as_secs()
            ))),
            (_, Some(at)) => Ok(at),
        });
        let rights = WrittenRights::asked(new.rights).map_err(|why| {
            wrong(format!(
                "the rights of key `{}` are invalid: {why}",
                new.name
            ))
            .hint("run `loopdesk key create --help`")
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
            secrets: KeySecrets::new(digest),
            counter: Arc::default(),
        })
    }

    /// What it allows.
    ///
    /// # Errors
    /// This release can't read its rights, so it allows nothing.
    pub fn rights(&self) -> Result<&Rights, &str> {
        self.rights.meaning()
    }

    /// What it allows, as written in the file.
    pub fn rights_text(&self) -> &key::RightsText {
        self.rights.text()
    }

    /// When it expires, if keys may live for at most `most`.
    pub fn ends_at(&self, most: Option<Ttl>) -> Option<Timestamp> {
        let most =
            most.and_then(|most| after(self.created_at, Duration::from_secs(most.as_secs())));
        match (self.expires_at, most) {
            (Some(own), Some(most)) => Some(own.min(most)),
            (own, most) => own.or(most),
        }
    }

    /// Until when a secret from before a rotation works, if one does.
    pub fn old_secret_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.secrets.old(now).map(|old| old.until).max()
    }
}

/// The hashes of a key's secrets: the current one, and old ones within their grace period.
///
/// Each rotation gives the secret that it replaces a grace period, and leaves those of earlier secrets
/// alone. A rotation without a grace period ends them all.
#[derive(Clone, Debug)]
pub(super) struct KeySecrets {
    current: SecretDigest,
    old: Vec<OldSecret>,
}

/// A secret that was replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct OldSecret {
    pub(super) digest: SecretDigest,
    /// When it stops working.
    pub(super) until: Timestamp,
}

impl KeySecrets {
    pub(super) fn new(current: SecretDigest) -> Self {
        Self {
            current,
            old: Vec::new(),
        }
    }

    /// The secrets of a stored key; `None` if there are too many.
    pub(super) fn stored(current: SecretDigest, old: Vec<OldSecret>) -> Option<Self> {
        (old.len() <= OLD_MAX).then_some(Self { current, old })
    }

    /// The current one.
    pub(super) fn current(&self) -> &SecretDigest {
        &self.current
    }

    /// The old ones that still work, oldest first.
    pub(super) fn old(&self, now: Timestamp) -> impl Iterator<Item = &OldSecret> {
        self.old.iter().filter(move |old| now < old.until)
    }

    /// Whether a secret that works has this digest. Takes the same time for any number of secrets.
    pub(super) fn fit(&self, digest: &SecretDigest, now: Timestamp) -> Choice {
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

    /// Replaces the current secret, which keeps working for `grace`; `None` if too many old secrets
    /// would work.
    pub(super) fn rotated(
        &self,
        new: SecretDigest,
        grace: Duration,
        now: Timestamp,
    ) -> Option<Self> {
        if grace.is_zero() {
            return Some(Self::new(new));
        }
        let mut old: Vec<OldSecret> = self.old(now).copied().collect();
        old.push(OldSecret {
            digest: self.current,
            until: after(now, grace)?,
        });
        Self::stored(new, old)
    }
}

/// Checks a key's name.
///
/// # Errors
/// It contains `ldk_`, is too long, or has other characters than allowed.
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let wrong = |what: &str| {
        Err(Problem::new(Kind::Usage, what.to_owned()).hint("for example `nightly-report`"))
    };
    if name.contains(key::PREFIX) {
        return wrong("a key's name can't contain `ldk_`, which the keys themselves begin with");
    }
    let in_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.len() <= NAME_MAX && name.chars().all(in_name) {
        return Ok(());
    }
    wrong(
        "a key's name must be 1 to 64 letters, digits, `-`, `_` or `.`, and begin with a letter or digit",
    )
}

/// Checks a key's note.
///
/// # Errors
/// It is too long or contains control characters.
pub(super) fn check_note(note: &str) -> Result<(), Problem> {
    let wrong = |what: &str| Err(Problem::new(Kind::Usage, what.to_owned()));
    if note.len() > NOTE_MAX {
        return wrong("a key's note can have at most 500 bytes");
    }
    // It is printed on terminals.
    if note.contains(char::is_control) {
        return wrong("a key's note can't contain line breaks or other control characters");
    }
    Ok(())
}

fn after(now: Timestamp, time: Duration) -> Option<Timestamp> {
    now.checked_add(SignedDuration::try_from(time).ok()?).ok()
}

/// A DNS label has at most 63.
const NAME_MAX: usize = 64;
const NOTE_MAX: usize = 500;
/// Old secrets that work at the same time. More than a person can keep track of.
pub(super) const OLD_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> SecretDigest {
        SecretDigest::random().unwrap()
    }

    fn fits(secrets: &KeySecrets, digest: &SecretDigest, now: Timestamp) -> bool {
        secrets.fit(digest, now).into()
    }

    #[test]
    fn d2_each_old_secret_works_until_its_own_moment() {
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let at = |hours: i64| start + SignedDuration::from_hours(hours);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let (first, second, third) = (digest(), digest(), digest());
        let one = KeySecrets::new(first);
        let two = one.rotated(second, hours(10), at(0)).unwrap();
        let three = two.rotated(third, hours(2), at(1)).unwrap();
        let table = [
            (1, [true, true, true]),
            (2, [true, true, true]),
            // The second secret's two hours are over; the first one's ten aren't.
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
        let mut secrets = KeySecrets::new(digest());
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
