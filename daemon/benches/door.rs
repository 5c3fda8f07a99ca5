//! What it costs to let a request in: admission, route and a key's rights on a connection that
//! stands, and the look at who has opened one.
//!
//! `cargo bench -p loopdeskd --bench door`

#![expect(
    clippy::unwrap_used,
    reason = "a door that can't be built ends the run"
)]

use std::hint::black_box;
use std::net::{TcpListener, TcpStream};

use criterion::{Criterion, criterion_group, criterion_main};
use http::Request;
use http::request::Parts;
use loopdesk_protocol::key;
use loopdeskd::admission::peer::Peers;
use loopdeskd::admission::{Admission, ConnFacts, Local, Peer};
use loopdeskd::config::check;
use loopdeskd::rights::Rights;
use loopdeskd::route::Routes;

fn door(criterion: &mut Criterion) {
    let config = check::parse(CONFIG).unwrap();
    let (admission, routes) = (Admission::new(&config), Routes::new(&config));
    let facts = ConnFacts {
        local: Local::Tcp {
            addr: "127.0.0.1:8484".parse().unwrap(),
            account: None,
        },
        peer: Peer::Own,
    };
    let mut group = criterion.benchmark_group("door");
    for (name, target) in [
        ("a short path", "/api/v2/tickets.json?page[size]=100"),
        (
            "a path with escapes",
            "/api/v2/search.json?query=type%3Aticket&/../%2e%2e/x%2fy",
        ),
    ] {
        let head = head(target);
        group.bench_function(name, |b| {
            b.iter(|| {
                let admitted = admission.check(&facts, black_box(&head)).unwrap();
                routes.resolve(&facts, &admitted, &head).unwrap()
            });
        });
    }
    let rights = Rights::parse(&key::Rights {
        scopes: vec!["tickets:read".to_owned()],
        ..key::Rights::default()
    });
    let (rights, head) = (rights.unwrap(), head("/api/v2/tickets.json?page[size]=100"));
    group.bench_function("a key's rights", |b| {
        b.iter(|| black_box(&rights).judge(black_box(&head)).unwrap());
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, remote) = listener.accept().unwrap();
    let (local, peers) = (server.local_addr().unwrap(), Peers::new());
    assert_eq!(peers.of_tcp(local, remote), Peer::Own);
    group.bench_function("whose connection it is", |b| {
        b.iter(|| peers.of_tcp(black_box(local), remote));
    });
    group.finish();
    drop(client);
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

criterion_group!(benches, door);
criterion_main!(benches);
