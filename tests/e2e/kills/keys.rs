//! SIGKILL at every step of a change to the local keys.
//!
//! The rule: the file is the old one or the new one, complete, and the daemon accepts keys.

use http::{HeaderMap, Uri};
use loopdesk_tests::key_writer::{key, person};
use loopdesk_tests::{Failpoints, Home};
use loopdeskd::clock::Clock;
use loopdeskd::failpoint::{KEY_CHANGE, KEYS_RENAMED};
use loopdeskd::keys::{Failures, KEY_HEADER, Keys, extract};

use crate::binary;

/// Opens the keys as the next start would.
async fn opened(home: &Home) -> Keys {
    let keys = Keys::open(&home.paths(), Clock::system());
    assert_eq!(keys.problem().await, None);
    keys
}

async fn works(keys: &Keys, secret: &str) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert(KEY_HEADER, secret.parse().unwrap());
    let found = extract(&headers, &Uri::from_static("/")).unwrap().unwrap();
    keys.check(&found, &Failures::default()).await.is_ok()
}

/// Runs the change until it ends or is killed; returns which.
async fn is_whole(home: &Home, change: &str, name: &str) -> bool {
    let mut program = home.command("key-writer");
    let status = program.args([change, name]).status().await.unwrap();
    assert!(matches!(status.code(), None | Some(0)), "{status}");
    status.success()
}

#[tokio::test]
async fn d2_killed_at_any_step_of_a_change_the_keys_are_the_old_or_the_new_ones() {
    let mut home = Home::new(binary()).unwrap();
    let Some(failpoints) = Failpoints::of(&mut home) else {
        return;
    };
    assert!(is_whole(&home, "create", "first").await);
    assert_eq!(failpoints.trace(), KEY_CHANGE, "these are all the steps");
    let other = opened(&home).await.create(key("other")).unwrap().1;

    for change in ["create", "rotate", "revoke", "confirm"] {
        for (at, step) in KEY_CHANGE.into_iter().enumerate() {
            let what = format!("{change}, killed at {step}");
            let secret = match change {
                "create" => None,
                _ => Some(opened(&home).await.create(key("nightly")).unwrap().1),
            };
            failpoints.kill_at(step);
            assert!(!is_whole(&home, change, "nightly").await, "{what}");
            failpoints.spare_at(step);

            let keys = opened(&home).await;
            let found = keys.named("nightly");
            let old_works = match &secret {
                Some(secret) => works(&keys, secret.expose()).await,
                None => false,
            };
            let is_new = match change {
                "create" => found.is_some(),
                "rotate" => found.is_some() && !old_works,
                "revoke" => found.is_none() && !old_works,
                _ => found.as_ref().is_some_and(|key| key.person.id == 2) && old_works,
            };
            let is_old = match change {
                "create" => found.is_none(),
                "confirm" => found.as_ref().is_some_and(|key| key.person.id == 1) && old_works,
                _ => found.is_some() && old_works,
            };
            let is_done = KEY_CHANGE[..=at].contains(&KEYS_RENAMED);
            assert_eq!((is_old, is_new), (!is_done, is_done), "{what}");
            // Everything else is unchanged, line by line.
            assert!(works(&keys, other.expose()).await, "{what}");
            let untouched = keys.named("other").unwrap();
            assert_eq!(untouched.rights_text(), &key("other").rights, "{what}");
            assert_eq!(untouched.person, person(1), "{what}");
            if let Some(found) = found {
                assert_eq!(found.rights_text(), &key("nightly").rights, "{what}");
                keys.revoke("nightly").unwrap();
            }
        }
    }
}
