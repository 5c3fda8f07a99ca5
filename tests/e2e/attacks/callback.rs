//! U10: another user at a login's callback.

use loopdesk_protocol::client::Lines;
use loopdesk_protocol::login::{self, Authorize, LoginEvent, LoginRequest};
use loopdesk_protocol::status::State;
use loopdesk_tests::zendesk::Decision;
use loopdesk_tests::{Stage, other_user};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::users::by_a_stranger;

#[tokio::test]
async fn d1_u10_another_user_neither_opens_nor_finishes_nor_cancels_a_login() {
    let stage = super::super::stage().await;
    let _daemon = stage.daemon().await;
    let (mut events, authorize) = begin(&stage).await;
    let entrance = authorize.entrance.clone().unwrap();
    // Zendesk sends them here with a code of their own.
    let callback = stage.zendesk.consent(&authorize.url, Decision::Allow).await;
    let callback = callback.unwrap();
    let state = authorize.url.split(['?', '&']);
    let state = state
        .clone()
        .find(|word| word.starts_with("state="))
        .unwrap();
    let cancel = format!("{}?error=access_denied&{state}", authorize.redirect_uri);
    let (authority, _) = parts(&callback);
    let (_, port) = authority.rsplit_once(':').unwrap();
    for address in [&entrance, &callback, &cancel] {
        let (_, path) = parts(address);
        let get = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        let Some(heard) = by_a_stranger(port, &get).await else {
            return;
        };
        assert!(heard.starts_with("HTTP/1.1 403 "), "{address}: {heard}");
        assert!(!heard.contains("acme"), "it says nothing: {heard}");
    }
    assert_eq!(stage.acme().await.state, State::SignedOut);

    // The callback still works for the right browser, and only once.
    let enter = [
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{redirect_url}",
    ];
    let enter = enter.into_iter().chain([entrance.as_str()]);
    let led = stage.home.run("curl", enter.clone()).await.ok().stdout;
    assert_eq!(led, format!("302 {}", authorize.url));
    let again = stage.home.run("curl", enter).await.ok().stdout;
    assert_eq!(again, "410 ");
    let ended = stage.home.run("curl", ["-sSi", &callback]).await.ok();
    assert!(ended.stdout.starts_with("HTTP/1.1 200"), "{ended:?}");
    match events.next().await.unwrap() {
        Some(LoginEvent::Done(done)) => assert!(done.new_person),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn d1_u10_connections_of_another_user_take_no_place_at_a_callback() {
    let stage = super::super::stage().await;
    let _daemon = stage.daemon().await;
    let (mut events, authorize) = begin(&stage).await;
    let (authority, _) = parts(&authorize.redirect_uri);
    let (_, port) = authority.rsplit_once(':').unwrap();
    let Some(mut command) = other_user::python(HOLDER, &[port, "64"]).await else {
        return;
    };
    let mut holder = command.spawn().unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("held"));
    let callback = stage.zendesk.consent(&authorize.url, Decision::Allow).await;
    let ended = stage
        .home
        .run("curl", ["-sSi", &callback.unwrap()])
        .await
        .ok();
    assert!(ended.stdout.starts_with("HTTP/1.1 200"), "{ended:?}");
    let done = events.next().await.unwrap();
    assert!(matches!(done, Some(LoginEvent::Done(_))), "{done:?}");
}

async fn begin(stage: &Stage) -> (Lines<LoginEvent>, Authorize) {
    let asked = LoginRequest::default();
    let events = stage.control().stream(login::CALL, &asked).await;
    let mut events: Lines<LoginEvent> = events.unwrap();
    match events.next().await.unwrap() {
        Some(LoginEvent::Authorize(authorize)) => (events, authorize),
        other => panic!("{other:?}"),
    }
}

/// Splits an `http://` address into its authority and the rest.
fn parts(address: &str) -> (&str, &str) {
    let rest = address.strip_prefix("http://").unwrap();
    rest.split_at(rest.find('/').unwrap())
}

/// Opens connections, sends nothing, and replaces those that are closed by new ones.
const HOLDER: &str = r#"
import os, socket, sys
assert os.geteuid() != 0
port, count = int(sys.argv[1]), int(sys.argv[2])
def connection():
    one = socket.create_connection(("127.0.0.1", port), timeout=30)
    one.setblocking(False)
    return one
held = [connection() for _ in range(count)]
print("held", flush=True)
while True:
    for at, one in enumerate(held):
        try:
            if one.recv(1) == b"":
                held[at] = connection()
        except BlockingIOError:
            pass
        except OSError:
            try:
                held[at] = connection()
            except OSError:
                sys.exit()
"#;
