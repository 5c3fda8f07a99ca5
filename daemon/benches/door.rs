//! What it costs to let a request in: admission and route on a connection that stands, the look at
//! who has opened one, the check of a local key, and what it allows.
//!
//! `cargo bench -p loopdeskd --bench door`

#![expect(clippy::unwrap_used, reason = "what can't be built ends the run")]

use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::Request;
use http::header::AUTHORIZATION;
use http::request::Parts;
use loopdesk_protocol::Paths;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::key;
use loopdeskd::admission::Admission;
use loopdeskd::clock::Clock;
use loopdeskd::config::check;
use loopdeskd::facts::{ConnFacts, Local};
use loopdeskd::keys::{Caller, Failures, Keys, NewKey, RequestAuth, Trace, extract};
use loopdeskd::peer::Peer;
use loopdeskd::peer::Peers;
use loopdeskd::rights::Rights;
use loopdeskd::route::Routes;
use sha2::{Digest, Sha256};

fn door(criterion: &mut Criterion) {
    let config = check::parse(CONFIG).unwrap();
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
    let keys = Keys::open(&paths, Clock::system());
    let key = keys.create(new("nightly".to_owned(), "tickets:read"));
    let key = key.unwrap().1;
    let (admission, routes) = (
        Admission::new(&config, keys),
        Routes::new(&config, Clock::system()),
    );
    let addr = "127.0.0.1:8484".parse().unwrap();
    let facts = ConnFacts::new(Local::Tcp { addr }, Peer::Own, Trace::Nothing);
    let mut group = criterion.benchmark_group("door");
    for (name, target) in [
        ("a short path", "/api/v2/tickets.json?page[size]=100"),
        (
            "a path with escapes",
            "/api/v2/search.json?query=type%3Aticket&/../%2e%2e/x%2fy",
        ),
    ] {
        let mut head = head(target);
        group.bench_function(name, |b| {
            b.iter(|| {
                let admitted = at_once(admission.check(&facts, black_box(&mut head)));
                let admitted = admitted.unwrap();
                routes.resolve(&facts, &admitted, None, &head).unwrap()
            });
        });
    }
    let mut with_key = head("/api/v2/tickets.json?page[size]=100");
    let bearer = format!("Bearer {}", key.expose());
    with_key
        .headers
        .insert(AUTHORIZATION, bearer.try_into().unwrap());
    group.bench_function("with a key", |b| {
        b.iter_batched_ref(
            || with_key.clone(),
            |head| {
                let admitted = at_once(admission.check(&facts, head));
                let admitted = admitted.unwrap();
                let key = routes.valid_key(&admitted).unwrap();
                routes.resolve(&facts, &admitted, key, head).unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    let rights = Rights::parse(&key::RightsText {
        scopes: vec!["tickets:read".to_owned()],
        ..key::RightsText::default()
    });
    let (rights, head) = (rights.unwrap(), head("/api/v2/tickets.json?page[size]=100"));
    group.bench_function("a key's rights", |b| {
        b.iter(|| black_box(&rights).judge(black_box(&head)).unwrap());
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, remote) = listener.accept().unwrap();
    let (local, peers) = (server.local_addr().unwrap(), Peers::new());
    let whose = peers.of_tcp(&server, local, remote);
    assert_eq!(whose.unwrap().peer, Peer::Own);
    group.bench_function("whose connection it is", |b| {
        b.iter(|| peers.of_tcp(&server, black_box(local), remote).unwrap());
    });
    group.finish();
    drop(client);
}

/// The right key, where scripts send it, among a hundred others; and a hash of as many bytes, which
/// is a part of it.
fn keys(criterion: &mut Criterion) {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
    let keys = Keys::open(&paths, Clock::system());
    let created: Vec<_> = (0..100)
        .map(|n| keys.create(new(format!("key-{n}"), "read")).unwrap())
        .collect();
    let secret = created[50].1.expose();
    let basic = STANDARD.encode(format!("agent@example.com/token:{secret}"));
    let mut group = criterion.benchmark_group("a key's check");
    let failures = Failures::default();
    for (name, value) in [
        ("bearer", format!("Bearer {secret}")),
        ("basic", format!("Basic {basic}")),
    ] {
        let mut head = head("/api/v2/tickets.json?page[size]=100");
        head.headers
            .insert(AUTHORIZATION, value.try_into().unwrap());
        group.bench_function(name, |b| {
            b.iter(|| {
                let found = extract(black_box(&head.headers), &head.uri);
                let found = found.unwrap().unwrap();
                at_once(keys.check(&found, &failures)).unwrap()
            });
        });
    }
    let head = head("/api/v2/tickets.json?page[size]=100");
    group.bench_function("none is sent", |b| {
        b.iter(|| extract(black_box(&head.headers), &head.uri).unwrap());
    });
    let caller = Caller::new(Trace::Nothing);
    group.bench_function("noting its use", |b| {
        b.iter(|| keys.note_use(RequestAuth::Key(black_box(&created[50].0)), &caller));
    });
    let account = "acme".parse().unwrap();
    group.bench_function("noting a use without one", |b| {
        b.iter(|| keys.note_use(RequestAuth::Keyless(black_box(&account)), &caller));
    });
    group.bench_function("SHA-256 of its length", |b| {
        b.iter(|| Sha256::digest(black_box(&secret.as_bytes()[4..55])));
    });
    group.finish();
}

fn new(name: String, scope: &str) -> NewKey {
    NewKey {
        name,
        account: "acme".parse().unwrap(),
        person: Person {
            id: 1,
            name: "Ann".to_owned(),
            email: None,
            role: None,
        },
        rights: key::RightsText {
            scopes: vec![scope.to_owned()],
            ..key::RightsText::default()
        },
        expires_in: Some(Duration::from_secs(86_400)),
        note: None,
    }
}

/// Only a wrong key is waited for.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!(),
    }
}

/// As a script with a common library sends it.
fn head(target: &str) -> Parts {
    let request = Request::get(target)
        .header("host", "localhost:8484")
        .header("user-agent", "python-requests/2.34.2")
        .header("accept-encoding", "gzip, deflate")
        .header("accept", "*/*")
        .header("connection", "keep-alive")
        .header("authorization", "Basic bWVAZXhhbXBsZS5jb20vdG9rZW46eA==");
    request.body(()).unwrap().into_parts().0
}

const CONFIG: &str = r#"
default-account = "acme"

[accounts.acme]
subdomain = "acme"
client-id = "loopdesk"

[accounts.beta]
subdomain = "beta"
client-id = "loopdesk"
port = 8490
"#;

criterion_group!(benches, door, keys);
criterion_main!(benches);
