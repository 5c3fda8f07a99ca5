//! Keys from their creation to their revocation, on a real disk.

mod guesses;

use std::fs;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Uri};
use jiff::SignedDuration;
use loopdesk_protocol::SecretText;
use loopdesk_protocol::account::Person;
use tokio::time::Instant;

use super::*;
use crate::clock::Mover;
use crate::error_response::KeyErrorResponse;
use crate::route::KeyPolicy;
use crate::samples;

struct KeysBench {
    keys: Keys,
    clock: Clock,
    mover: Mover,
    paths: Paths,
    _home: tempfile::TempDir,
}

fn bench() -> KeysBench {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
    let (clock, mover) = Clock::movable();
    KeysBench {
        keys: Keys::open(&paths, clock.clone()),
        clock,
        mover,
        paths,
        _home: home,
    }
}

fn person(id: u64) -> Person {
    Person {
        id,
        name: format!("Person {id}"),
        email: None,
        role: None,
    }
}

fn new(name: &str) -> NewKey {
    NewKey {
        name: name.to_owned(),
        account: "acme".parse().unwrap(),
        person: person(1),
        rights: protocol::RightsText {
            scopes: vec!["read".to_owned()],
            ..protocol::RightsText::default()
        },
        expires_in: None,
        note: None,
    }
}

/// Without limits from the machine's file.
fn policy() -> KeyPolicy {
    KeyPolicy::new(&samples::config(Vec::new()))
}

fn sent(text: &str) -> PresentedKey {
    let mut headers = HeaderMap::new();
    headers.insert(KEY_HEADER, HeaderValue::from_str(text).unwrap());
    extract(&headers, &Uri::from_static("/")).unwrap().unwrap()
}

impl KeysBench {
    fn create(&self, name: &str) -> SecretText {
        self.keys.create(new(name)).unwrap().1
    }

    async fn check(&self, secret: &str) -> Result<String, KeyError> {
        let key = self.keys.check(&sent(secret), &Failures::default()).await?;
        let valid = policy().valid(&key, self.clock.now()).map(drop);
        match valid.map_err(|invalid| invalid.refusal(&key)) {
            Ok(()) => Ok(key.name.clone()),
            Err(KeyErrorResponse::Invalid(wrong)) => Err(wrong),
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    fn restart(&mut self) {
        self.keys = Keys::open(&self.paths, self.clock.clone());
    }
}

#[tokio::test]
async fn d2_a_key_works_from_its_creation_to_its_revocation_across_restarts() {
    let mut bench = bench();
    let (key, secret) = bench.keys.create(new("nightly")).unwrap();
    let other = bench.create("other");
    let name = Ok("nightly".to_owned());
    assert_eq!(bench.check(secret.expose()).await, name);
    bench.restart();
    assert_eq!(bench.check(secret.expose()).await, name);
    assert_eq!(bench.keys.named("nightly").unwrap().id, key.id);
    let names: Vec<_> = bench
        .keys
        .all()
        .iter()
        .map(|key| key.name.clone())
        .collect();
    assert_eq!(names, ["nightly", "other"]);

    assert_eq!(bench.keys.revoke("nightly").unwrap().id, key.id);
    assert_eq!(bench.check(secret.expose()).await, Err(KeyError::Unknown));
    bench.restart();
    assert_eq!(bench.check(secret.expose()).await, Err(KeyError::Unknown));
    assert_eq!(bench.check(other.expose()).await, Ok("other".to_owned()));
    assert!(bench.keys.named("nightly").is_none());
    let again = bench.create("nightly");
    assert_ne!(again.expose(), secret.expose());
}

#[tokio::test]
async fn d4_only_a_hash_is_kept() {
    let bench = bench();
    let secret = bench.create("nightly");
    let secret = secret.expose();
    for entry in fs::read_dir(bench.paths.state_dir()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        // The id may be shown; no stretch of the secret may.
        for piece in secret.as_bytes()[13..].windows(8) {
            let piece = std::str::from_utf8(piece).unwrap();
            assert!(!text.contains(piece), "{}", path.display());
        }
    }
    let shown = format!("{:?}", bench.keys);
    assert!(!shown.contains(&secret[13..]), "{shown}");
}

#[tokio::test]
async fn d2_w10_whatever_does_not_fit_gets_one_answer() {
    let bench = bench();
    let right = bench.create("nightly");
    let right = right.expose();
    let revoked = bench.create("revoked");
    bench.keys.revoke("revoked").unwrap();
    let other = bench.create("other");
    let wrong_secret = format!("{}{}", &right[..13], &other.expose()[13..]);
    let mut bad_checksum = right[..56].to_owned();
    bad_checksum.push_str(&other.expose()[56..]);
    for text in [
        revoked.expose(),
        &wrong_secret,
        &bad_checksum,
        &right[..61],
        &right.to_ascii_lowercase(),
        "ldk_",
        "",
    ] {
        assert_eq!(bench.check(text).await, Err(KeyError::Unknown), "{text}");
    }
    assert!(bench.check(right).await.is_ok());
}

#[tokio::test]
async fn d2_a_key_ends_by_the_clock_and_only_its_holder_is_told() {
    let bench = bench();
    let new = NewKey {
        expires_in: Some(Duration::from_secs(3600)),
        ..new("nightly")
    };
    let (key, secret) = bench.keys.create(new).unwrap();
    assert!(bench.check(secret.expose()).await.is_ok());
    bench.mover.jump(SignedDuration::from_secs(3601));
    let expired = KeyError::Expired {
        name: "nightly".to_owned(),
        at: key.expires_at.unwrap(),
    };
    assert_eq!(bench.check(secret.expose()).await, Err(expired));
    let mut guess = secret.expose().to_owned();
    guess.replace_range(13..14, if &guess[13..14] == "a" { "b" } else { "a" });
    assert_eq!(bench.check(&guess).await, Err(KeyError::Unknown));
    // The clock is set right again.
    bench.mover.jump(SignedDuration::from_secs(-3600));
    assert!(bench.check(secret.expose()).await.is_ok());
}

#[tokio::test]
async fn d2_after_a_rotation_the_old_secret_has_its_time_of_grace() {
    let mut bench = bench();
    let hour = Duration::from_secs(3600);
    let first = bench.create("nightly");
    let (key, second) = bench.keys.rotate("nightly", hour).unwrap();
    let until = key.old_secret_until(bench.clock.now()).unwrap();
    assert!(bench.clock.until(until) <= hour);
    let (_, third) = bench.keys.rotate("nightly", hour * 5).unwrap();
    bench.restart();
    for secret in [&first, &second, &third] {
        assert!(bench.check(secret.expose()).await.is_ok());
    }
    bench.mover.jump(SignedDuration::from_secs(3601));
    assert_eq!(bench.check(first.expose()).await, Err(KeyError::Unknown));
    assert!(bench.check(second.expose()).await.is_ok());
    let (key, fourth) = bench.keys.rotate("nightly", Duration::ZERO).unwrap();
    assert_eq!(key.old_secret_until(bench.clock.now()), None);
    for secret in [&first, &second, &third] {
        assert_eq!(bench.check(secret.expose()).await, Err(KeyError::Unknown));
    }
    assert!(bench.check(fourth.expose()).await.is_ok());
    assert!(bench.keys.rotate("nobody", hour).is_err());
}

#[tokio::test]
async fn d2_a_key_is_shown_with_all_that_it_is_but_its_secret() {
    let bench = bench();
    let new = NewKey {
        expires_in: Some(Duration::from_secs(3600)),
        note: Some("for the night shift".to_owned()),
        ..new("nightly")
    };
    let (_, secret) = bench.keys.create(new).unwrap();
    let (key, _) = bench
        .keys
        .rotate("nightly", Duration::from_secs(60))
        .unwrap();
    let state = || policy().state(&key, bench.clock.now(), None);
    assert_eq!(state(), protocol::KeyState::Active);
    let shown = bench.keys.shown(&key, state());
    assert_eq!(shown.id, secret.expose()[..12]);
    assert_eq!((shown.account.as_str(), shown.person.id), ("acme", 1));
    assert_eq!(shown.rights.scopes, ["read"]);
    assert_eq!(shown.expires_at, key.expires_at);
    assert_eq!(shown.note.as_deref(), Some("for the night shift"));
    assert!(shown.old_secret_until.is_some());
    bench.mover.jump(SignedDuration::from_secs(3601));
    assert_eq!(state(), protocol::KeyState::Expired);
    assert_eq!(bench.keys.shown(&key, state()).old_secret_until, None);
}

#[tokio::test]
async fn d2_names_are_unique_and_wishes_are_checked() {
    let bench = bench();
    let secret = bench.create("nightly");
    let refused = |new: NewKey| {
        let before = bench.keys.all().len();
        let problem = bench.keys.create(new).unwrap_err();
        assert_eq!(problem.kind, loopdesk_protocol::Kind::Usage, "{problem}");
        assert_eq!(bench.keys.all().len(), before);
        problem
    };
    let twice = refused(new("nightly"));
    assert!(
        twice.hints[0].contains("loopdesk key rotate nightly"),
        "{twice:?}"
    );
    refused(new("a b"));
    // A user has pasted the key itself.
    let pasted = refused(new(secret.expose()));
    assert!(
        !format!("{pasted:?}").contains(&secret.expose()[4..]),
        "{pasted:?}"
    );
    refused(NewKey {
        rights: protocol::RightsText::default(),
        ..new("x")
    });
    for time in [Duration::ZERO, Duration::MAX] {
        refused(NewKey {
            expires_in: Some(time),
            ..new("x")
        });
    }
    for note in ["a\nb".to_owned(), "x".repeat(501)] {
        refused(NewKey {
            note: Some(note),
            ..new("x")
        });
    }
}

#[tokio::test]
async fn r8_keys_are_confirmed_for_another_person_by_account_and_by_name() {
    let bench = bench();
    let acme: AccountName = "acme".parse().unwrap();
    for name in ["one", "two"] {
        bench.create(name);
    }
    let other = NewKey {
        account: "beta".parse().unwrap(),
        ..new("beta-one")
    };
    bench.keys.create(other).unwrap();
    let confirm = |name, id| {
        let confirmed = bench.keys.confirm(&acme, name, &person(id)).unwrap();
        confirmed.iter().map(|k| k.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(confirm(Some("one"), 2), ["one"]);
    assert_eq!(confirm(None, 2), ["two"]);
    assert_eq!(confirm(None, 2), [""; 0]);
    let of = |name| bench.keys.named(name).unwrap().person.id;
    assert_eq!((of("one"), of("two"), of("beta-one")), (2, 2, 1));
    for name in ["beta-one", "none"] {
        assert!(bench.keys.confirm(&acme, Some(name), &person(2)).is_err());
    }
}

#[tokio::test]
async fn d2_l7_a_file_that_is_gone_closes_the_door_until_it_is_back() {
    let mut bench = bench();
    let secret = bench.create("nightly");
    let file = bench.paths.local_keys_file();
    let aside = file.with_extension("aside");
    fs::rename(&file, &aside).unwrap();
    bench.restart();
    let problem = bench.keys.problem().await.unwrap();
    assert!(problem.message.contains("missing"), "{problem}");
    let closed = Err(KeyError::Closed(problem.clone()));
    assert_eq!(bench.check(secret.expose()).await, closed);
    // Not distinguished from a right key: the daemon can't know.
    assert_eq!(bench.check("ldk_").await, closed);
    assert_eq!(bench.keys.create(new("other")).unwrap_err(), problem);
    assert_eq!(bench.keys.revoke("nightly").unwrap_err(), problem);
    assert!(bench.keys.all().is_empty());

    fs::rename(&aside, &file).unwrap();
    assert_eq!(bench.keys.problem().await, None, "put back");
    assert!(bench.check(secret.expose()).await.is_ok());
}

// The runtime has one thread: if it blocked, nothing would go on.
#[tokio::test(flavor = "current_thread")]
async fn o2_who_asks_for_problems_while_the_disk_is_slow_holds_up_nobody() {
    let bench = bench();
    let inner = Arc::clone(&bench.keys.0);
    let (begun, begins) = std::sync::mpsc::channel();
    let (end, ends) = std::sync::mpsc::channel::<()>();
    // A change that waits for the disk.
    let writing = std::thread::spawn(move || {
        let _writer = inner.writer();
        begun.send(()).unwrap();
        let waited = ends.recv_timeout(Duration::from_secs(20));
        assert!(waited.is_ok(), "the runtime was blocked");
    });
    begins.recv().unwrap();
    let (problem, ()) = tokio::join!(bench.keys.problem(), async {
        tokio::task::yield_now().await;
        end.send(()).unwrap();
    });
    assert_eq!(problem, None);
    writing.join().unwrap();
}

#[tokio::test]
async fn o1_keys_that_come_with_a_late_home_are_shown_without_a_restart() {
    let bench = bench();
    let secret = bench.create("nightly");
    let state = bench.paths.state_dir().to_owned();
    let aside = state.with_extension("aside");
    fs::rename(&state, &aside).unwrap();
    let late = Keys::open(&bench.paths, bench.clock.clone());
    assert_eq!(late.problem().await, None);
    assert!(late.all().is_empty());
    fs::rename(&aside, &state).unwrap();
    assert_eq!(late.problem().await, None);
    assert_eq!(late.all().len(), 1);
    let (sent, failures) = (sent(secret.expose()), Failures::default());
    assert!(late.check(&sent, &failures).await.is_ok());
}

#[tokio::test]
async fn d2_a_running_daemon_notices_what_becomes_of_the_file() {
    let bench = bench();
    let secret = bench.create("nightly");
    let file = bench.paths.local_keys_file();
    let aside = file.with_extension("aside");
    let becomes = async |works: bool| {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while bench.check(secret.expose()).await.is_ok() != works {
            assert!(std::time::Instant::now() < deadline, "in vain");
            bench.mover.jump(SignedDuration::from_millis(500));
            tokio::task::yield_now().await;
        }
    };
    fs::rename(&file, &aside).unwrap();
    becomes(false).await;
    fs::rename(&aside, &file).unwrap();
    becomes(true).await;
}

#[tokio::test]
async fn d2_a_change_builds_on_what_is_on_disk() {
    let bench = bench();
    let one = bench.create("one");
    let second = Keys::open(&bench.paths, bench.clock.clone());
    second.revoke("one").unwrap();
    let two = second.create(new("two")).unwrap().1;
    bench.create("three");
    assert_eq!(bench.check(one.expose()).await, Err(KeyError::Unknown));
    assert!(bench.check(two.expose()).await.is_ok());
    // But never on a damaged file.
    fs::write(bench.paths.local_keys_file(), "x").unwrap();
    let problem = bench.keys.create(new("four")).unwrap_err();
    assert!(problem.message.contains("truncated"), "{problem}");
    assert_eq!(fs::read(bench.paths.local_keys_file()).unwrap(), b"x");
}

#[tokio::test]
async fn d2_a_disk_that_takes_nothing_keeps_no_revoked_key_alive() {
    let mut bench = bench();
    let secret = bench.create("nightly");
    // A folder in place of the new file: not even root can replace it.
    let temp = bench.paths.local_keys_file().with_added_extension("new");
    fs::create_dir(&temp).unwrap();
    assert!(bench.keys.create(new("other")).is_err());
    assert!(bench.keys.named("other").is_none());
    assert!(bench.keys.rotate("nightly", Duration::ZERO).is_err());
    assert!(bench.check(secret.expose()).await.is_ok(), "as it was");

    let problem = bench.keys.revoke("nightly").unwrap_err();
    assert!(problem.message.contains("refused from now on"), "{problem}");
    let again = problem.hints.last().unwrap();
    assert!(again.contains("loopdesk key revoke nightly"), "{problem:?}");
    assert_eq!(bench.check(secret.expose()).await, Err(KeyError::Unknown));
    assert!(bench.keys.named("nightly").unwrap().is_revoked);
    assert!(bench.keys.rotate("nightly", Duration::ZERO).is_err());

    fs::remove_dir(&temp).unwrap();
    bench.keys.revoke("nightly").unwrap();
    assert!(bench.keys.named("nightly").is_none());
    bench.restart();
    assert_eq!(bench.check(secret.expose()).await, Err(KeyError::Unknown));
}

#[tokio::test]
async fn d2_rights_that_can_t_be_read_allow_nothing() {
    let bench = bench();
    let secret = bench.create("nightly");
    let contents = file::KeyFileContents {
        generation: 9,
        keys: bench
            .keys
            .all()
            .iter()
            .map(|key| {
                let mut key = Key::clone(key);
                key.rights = rights::WrittenRights::kept(protocol::RightsText::default());
                key
            })
            .collect(),
    };
    bench
        .keys
        .0
        .store
        .write(&contents, bench.clock.now())
        .unwrap();
    bench.keys.0.look();
    let refused = bench.check(secret.expose()).await;
    assert!(
        matches!(refused, Err(KeyError::Unreadable { .. })),
        "{refused:?}"
    );
    assert!(bench.keys.named("nightly").unwrap().rights().is_err());
}
