//! Requests, `explain` and `key list` agree about a key.

use std::time::Duration;

use http::Request;
use jiff::SignedDuration;
use loopdesk_protocol::{Paths, key};

use super::*;
use crate::body::Budget;
use crate::clock::Clock;
use crate::facts::{Admitted, ConnFacts, Local};
use crate::keys::{Keys, NewKey, Trace};
use crate::peer::Peer;
use crate::route::{ExplainQuery, Routes};
use crate::samples;

/// A verdict on a key: the error code of its request, its state in `key list`, and the line of `explain`.
type KeyVerdict = (&'static str, KeyState, &'static str);

#[test]
fn d2_requests_and_explain_and_the_list_judge_a_key_alike() {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
    let (clock, mover) = Clock::movable();
    let keys = Keys::open(&paths, clock.clone());
    let make = |name: &str, scopes: &[&str], hours: Option<u64>| {
        let new = NewKey {
            name: name.to_owned(),
            account: "acme".parse().unwrap(),
            person: person(1),
            rights: key::RightsText {
                scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
                ..key::RightsText::default()
            },
            expires_in: hours.map(|hours| Duration::from_secs(hours * 3600)),
            note: None,
        };
        keys.create(new).unwrap().0
    };
    let (all, brief) = (
        make("all", &["read", "write"], None),
        make("b", &["read"], Some(1)),
    );
    let users = make("users", &["users:read"], None);
    let (ok, later) = ("", SignedDuration::from_hours(2));
    let cases: [(&Key, bool, SignedDuration, &str, u64, KeyVerdict); 7] = [
        (
            &all,
            false,
            SignedDuration::ZERO,
            "acme",
            1,
            (ok, KeyState::Active, "scopes `read` and `write`"),
        ),
        (
            &all,
            true,
            SignedDuration::ZERO,
            "acme",
            1,
            (ok, KeyState::Limited, "scopes `read` and `write`"),
        ),
        (
            &all,
            true,
            later,
            "acme",
            1,
            ("key-expired", KeyState::Expired, "the key's expiry"),
        ),
        (
            &brief,
            false,
            later,
            "beta",
            2,
            ("key-expired", KeyState::Expired, "the key's expiry"),
        ),
        (
            &brief,
            false,
            SignedDuration::ZERO,
            "beta",
            2,
            (
                "key-of-another-account",
                KeyState::Suspended,
                "the key is for account `acme`",
            ),
        ),
        (
            &brief,
            false,
            SignedDuration::ZERO,
            "acme",
            2,
            (ok, KeyState::Suspended, "the key's person"),
        ),
        (
            &users,
            false,
            SignedDuration::ZERO,
            "acme",
            2,
            ("key-denied", KeyState::Suspended, ""),
        ),
    ];
    for (key, is_bounded, after, named, logged_in, (code, state, line)) in cases {
        let mut config = samples::config(
            ["acme", "beta"]
                .map(|name| samples::account(name, &format!("https://{name}.zendesk.com")))
                .into(),
        );
        if is_bounded {
            let most = key::RightsText {
                scopes: vec!["read".to_owned()],
                ..key::RightsText::default()
            };
            config.max_key_scope = Some(Rights::parse(&most).unwrap());
            config.max_key_age = Some(Ttl::of_key("1h").unwrap());
        }
        mover.jump(after);
        let routes = Routes::new(&config, clock.clone());
        let (asked, person) = (
            format!("{} {named} {logged_in}", key.name),
            person(logged_in),
        );
        assert_eq!(sent(&routes, key, named), code, "{asked}");
        let shown = KeyPolicy::new(&config).state(key, clock.now(), Some(&person));
        assert_eq!(shown, state, "{asked}");
        let named = named.parse().unwrap();
        let explained = routes.explain(ExplainQuery {
            method: &Method::GET,
            target: &Uri::from_static(TICKETS),
            account: Some(&named),
            key: Some(key),
            person: Some(&person),
        });
        assert!(explained.line.contains(line), "{asked}: {explained:?}");
        let is_suspended = code.is_empty() && state == KeyState::Suspended;
        assert_eq!(
            explained.allowed,
            code.is_empty() && !is_suspended,
            "{asked}"
        );
        mover.jump(-after);
    }
}

#[tokio::test]
async fn d2_a_body_is_held_to_the_keys_rights_and_to_max_key_scope() {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
    let clock = Clock::system();
    let keys = Keys::open(&paths, clock.clone());
    let rights = |scopes: &[&str]| key::RightsText {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..key::RightsText::default()
    };
    let (narrow, wide): (&[&str], &[&str]) = (&["tickets:read"], &["tickets:read", "users:read"]);
    for (own, most, passes) in [
        (wide, wide, true),
        (narrow, wide, false),
        (wide, narrow, false),
    ] {
        let new = NewKey {
            name: format!("{}-of-{}", own.len(), most.len()),
            account: "acme".parse().unwrap(),
            person: person(1),
            rights: rights(own),
            expires_in: None,
            note: None,
        };
        let key = keys.create(new).unwrap().0;
        let account = samples::account("acme", "https://acme.zendesk.com");
        let mut config = samples::config([account].into());
        config.max_key_scope = Some(Rights::parse(&rights(most)).unwrap());
        let policy = KeyPolicy::new(&config);
        let text = "{\"view\":{},\"include\":\"users\"}";
        let (head, ()) = Request::post("/api/v2/views/preview")
            .header("content-type", "application/json")
            .header("content-length", text.len())
            .body(())
            .unwrap()
            .into_parts();
        let valid = policy.valid(&key, clock.now()).unwrap();
        valid.allows(&head).unwrap();
        let mut memory = BudgetShare::of(Budget::of(true));
        let guarded = valid.guard(&head, Body::full(text), &mut memory).await;
        assert_eq!(guarded.is_ok(), passes, "{}", key.name);
    }
}

/// The error code that a request with this key gets.
fn sent(routes: &Routes, key: &Key, named: &str) -> &'static str {
    let facts = ConnFacts::new(Local::Unix, Peer::Own, Trace::Nothing);
    let mut admitted = Admitted::new(String::new(), Some(named.parse().unwrap()));
    admitted.key = Some(key.clone().into());
    let (head, ()) = Request::get(TICKETS).body(()).unwrap().into_parts();
    let resolved = match routes.valid_key(&admitted) {
        Ok(key) => routes.resolve(&facts, &admitted, key, &head),
        Err(refusal) => Err(refusal.into()),
    };
    resolved.map_or_else(|refusal| refusal.code(), |_| "")
}

fn person(id: u64) -> Person {
    Person {
        id,
        name: format!("Person {id}"),
        email: None,
        role: None,
    }
}

const TICKETS: &str = "/api/v2/tickets.json";
