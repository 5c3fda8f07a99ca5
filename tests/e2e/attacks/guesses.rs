//! Responses to guesses at a token, at each entry point: identical to those for a wrong guess.

use loopdesk_protocol::call::Call;
use loopdesk_protocol::login::{self, LoginEvent, LoginRequest};
use loopdesk_protocol::{key, proof, session, unlock, wait};
use loopdesk_tests::Raw;
use tokio::net::UnixStream;

use super::{ME, Scene};

#[tokio::test]
async fn d7_no_refusal_tells_that_a_guess_at_a_token_was_right() {
    let scene = Scene::set().await;
    for guess in guesses(&scene.stage.secrets()) {
        let answers = guess.both(async |guess| {
            let mut heard = Vec::new();
            for attack in at_the_proxy(&scene, guess) {
                heard.push(scene.hears(attack).await.0);
            }
            heard
        });
        answers.await;
    }
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d7_no_answer_of_the_control_socket_tells_that_a_guess_at_a_token_was_right() {
    let scene = Scene::set().await;
    for guess in guesses(&scene.stage.secrets()) {
        let answers = guess.both(async |guess| {
            let mut heard = Vec::new();
            for (line, body) in at_the_control_socket(guess) {
                let socket = scene.stage.home.paths().control_socket();
                let mut socket = Raw::new(UnixStream::connect(socket).await.unwrap());
                let request = format!(
                    "{line} HTTP/1.1\r\nHost: loopdesk\r\nConnection: close\r\nContent-Length: \
                     {}\r\n\r\n{body}",
                    body.len()
                );
                socket.send(request).await;
                heard.push(String::from_utf8_lossy(&socket.all().await).into_owned());
            }
            heard
        });
        answers.await;
    }
}

#[tokio::test]
async fn d7_no_page_of_a_login_tells_that_a_guess_at_a_token_was_right() {
    let scene = Scene::set().await;
    let [guess, ..] = &guesses(&scene.stage.secrets())[..] else {
        panic!("nothing to guess at");
    };
    let answers = guess.both(async |guess| {
        let control = scene.stage.control();
        let asked = LoginRequest::default();
        let mut events = control.stream(login::CALL, &asked).await.unwrap();
        let Some(LoginEvent::Authorize(authorize)) = events.next().await.unwrap() else {
            panic!("no login begins");
        };
        let mut parameters = authorize.url.split(['?', '&']);
        let state = parameters.find(|text| text.starts_with("state="));
        let state = state.unwrap();
        let uri: http::Uri = authorize.redirect_uri.parse().unwrap();
        let mut heard = Vec::new();
        for query in [
            format!("state={guess}&code=x"),
            format!("error={guess}&error_description={guess}&{state}"),
        ] {
            let mut browser = Raw::connect(uri.port_u16().unwrap()).await;
            let authority = uri.authority().unwrap();
            let request = format!(
                "GET {}?{query} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n",
                uri.path()
            );
            browser.send(request).await;
            heard.push(String::from_utf8_lossy(&browser.all().await).into_owned());
        }
        let Some(LoginEvent::Failed(problem)) = events.next().await.unwrap() else {
            panic!("the login goes on");
        };
        assert!(problem.message.contains(guess), "{problem}");
        heard.push(problem.message);
        heard
    });
    answers.await;
}

/// A piece of a token, and a similar text that isn't part of one.
struct Guess {
    right: String,
    wrong: String,
}

impl Guess {
    /// Asserts that all responses are the same, except for the guess itself.
    async fn both(&self, ask: impl AsyncFn(&str) -> Vec<String>) {
        let unseen = |guess: &str, heard: Vec<String>| -> Vec<String> {
            let heard = heard.iter().map(|text| without_date(text));
            let heard = heard.map(|text| text.replace(guess, "GUESS"));
            // Account names are lower case.
            let lower = guess.to_ascii_lowercase();
            heard.map(|text| text.replace(&lower, "GUESS")).collect()
        };
        let right = unseen(&self.right, ask(&self.right).await);
        let wrong = unseen(&self.wrong, ask(&self.wrong).await);
        assert!(right.iter().any(|text| text.contains("GUESS")));
        for (right, wrong) in right.iter().zip(&wrong) {
            assert_eq!(right, wrong, "{}", self.right);
        }
    }
}

fn guesses(secrets: &[String]) -> Vec<Guess> {
    assert!(secrets.len() >= 2, "an access and a refresh token");
    let hex = |text: &str| -> String { text.bytes().map(|b| format!("{b:02x}")).collect() };
    let of = |secret: &String| {
        // Replaced by another letter of the same class, so that the two texts differ only in being
        // a guess at a token or not.
        let other: String = secret
            .chars()
            .map(|c| match c {
                'f' | 'F' | '9' => '0',
                'z' | 'Z' => 'a',
                c if c.is_ascii_alphanumeric() => char::from(c as u8 + 1),
                c => c,
            })
            .collect();
        let end = secret.len();
        [
            (0, end.min(WHOLE)),
            (end - 16, end),
            (end - 8, end),
            (end / 2 - 8, end / 2 + 8),
        ]
        .into_iter()
        .flat_map(|(from, to)| {
            let (right, wrong) = (&secret[from..to], &other[from..to]);
            [
                Guess {
                    right: right.to_owned(),
                    wrong: wrong.to_owned(),
                },
                Guess {
                    right: hex(right),
                    wrong: hex(wrong),
                },
            ]
        })
        .collect::<Vec<_>>()
    };
    secrets.iter().flat_map(of).collect()
}

fn at_the_proxy(scene: &Scene, guess: &str) -> Vec<String> {
    let get = |target: &str, headers: &str| scene.request(&format!("GET {target}"), headers);
    let port = scene.port();
    vec![
        format!("GET {ME} HTTP/1.1\r\nHost: {guess}\r\n\r\n"),
        format!("GET {ME} HTTP/1.1\r\nHost: {guess}.localhost:{port}\r\n\r\n"),
        format!("GET {ME} HTTP/1.0\r\nHost: {guess}:1\r\n\r\n"),
        get(&format!("/oauth/{guess}"), ""),
        get(&format!("/api/v2/users/{guess}/password"), ""),
        scene.request(&format!("TRACE /{guess}"), ""),
        get(ME, &format!("Authorization: Bearer ldk_{guess}\r\n")),
        get(ME, &format!("X-Loopdesk-Key: {guess}\r\n")),
        get(ME, &format!("Origin: https://{guess}\r\n")),
        get(ME, &format!("Transfer-Encoding: {guess}\r\n")),
        get(ME, &format!("Upgrade: websocket, {guess}\r\n")),
        format!("GET http://{guess}/ HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"),
    ]
}

fn at_the_control_socket(guess: &str) -> Vec<(String, String)> {
    let account = || serde_json::json!({ "account": guess });
    let name = || serde_json::json!({ "name": guess });
    let explain = |method: &str, path: &str, key: Option<&str>| {
        let body = serde_json::json!({ "method": method, "path": path, "key": key });
        post(&key::EXPLAIN, &body)
    };
    vec![
        (format!("GET /v1/{guess}"), String::new()),
        (
            format!("GET {}?account={guess}&timeout=1", wait::CALL.path),
            String::new(),
        ),
        post(&login::CALL, &account()),
        post(&login::CALLBACK, &serde_json::json!({ "address": guess })),
        post(&session::LOGOUT, &account()),
        post(&session::REFRESH, &account()),
        post(&unlock::CALL, &serde_json::json!({ "passphrase": guess })),
        post(
            &proof::CALL,
            &serde_json::json!({ "nonce": guess, "address": "127.0.0.1:1" }),
        ),
        post(
            &key::CREATE,
            &serde_json::json!({ "name": format!("{guess} !"), "scopes": ["read"] }),
        ),
        post(
            &key::CREATE,
            &serde_json::json!({ "name": "x", "scopes": [guess] }),
        ),
        post(
            &key::CREATE,
            &serde_json::json!({ "name": "x", "allow": [format!("{guess} /api/v2/tickets")] }),
        ),
        post(
            &key::ROTATE,
            &serde_json::json!({ "name": guess, "grace": 0 }),
        ),
        post(&key::REVOKE, &name()),
        post(&key::CONFIRM, &name()),
        post(&key::CALLERS, &account()),
        explain(guess, ME, None),
        explain("GET", guess, None),
        explain("GET", &format!("/oauth/{guess}"), None),
        explain("GET", ME, Some(guess)),
    ]
}

fn post<Q, A>(call: &Call<Q, A>, body: &serde_json::Value) -> (String, String) {
    (format!("{} {}", call.method, call.path), body.to_string())
}

fn without_date(text: &str) -> String {
    let lines = text.split_inclusive("\r\n");
    lines
        .filter(|line| !line.to_ascii_lowercase().starts_with("date:"))
        .collect()
}

/// What any response repeats in full.
const WHOLE: usize = 60;
