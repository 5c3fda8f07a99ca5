//! One test for each row of the table of attacks, over bare sockets: `tests/attacks.md` is the
//! list. After each attack Zendesk has seen nothing, or exactly one clean request.

mod browser;
mod callback;
mod framing;
mod guesses;
mod headers;
mod lengths;
mod list;
mod logs;
mod page;
mod peers;
mod route;
mod target;
mod users;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use loopdesk_tests::secrets::Scanner;
use loopdesk_tests::zendesk::{Credential, Record, Standing};
use loopdesk_tests::{Daemon, Raw, Stage};

const ME: &str = "/api/v2/users/me.json";

/// What a script may use as its credential, and Zendesk must never see.
const LOCAL: &str = "zd_5d41402abc4b2a76b9719d911017c592";

/// A daemon with a session, and a Zendesk whose records start with the attack.
struct Scene {
    stage: Stage,
    daemon: Daemon,
}

impl Scene {
    async fn set() -> Self {
        Self::on(super::stage().await).await
    }

    async fn on(stage: Stage) -> Self {
        let daemon = stage.logged_in().await;
        stage.zendesk.clear();
        Self { stage, daemon }
    }

    fn port(&self) -> u16 {
        self.stage.port
    }

    /// A request without a body.
    fn request(&self, line: &str, headers: &str) -> String {
        let port = self.port();
        format!("{line} HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}\r\n")
    }

    /// A POST with `body` as it is; the headers must give its length.
    fn post(&self, headers: &str, body: &str) -> String {
        self.request("POST /api/v2/tickets.json", headers) + body
    }

    /// Sends `bytes` and nothing more; returns everything received until the end.
    async fn hears(&self, bytes: impl AsRef<[u8]>) -> Heard {
        let mut attacker = Raw::connect(self.port()).await;
        // A request that is refused early may find the connection closed.
        drop(attacker.try_send(bytes).await);
        drop(attacker.try_shut_down().await);
        let all = attacker.all().await;
        Heard(String::from_utf8_lossy(&all).into_owned())
    }

    /// Asserts that `bytes` get one error response of our own, which is of no use to a web page,
    /// and that Zendesk sees nothing of them.
    #[track_caller]
    fn refused(&self, heard: &Heard, status: u16, code: &str, what: &str) {
        assert_eq!(heard.statuses(), [status], "{what:?}: {heard:?}");
        let head = heard.0.split("\r\n\r\n").next().unwrap_or_default();
        let said = format!("{}\r\n", head.to_ascii_lowercase());
        let marker = format!("x-loopdesk-error: {code}\r\n");
        assert!(said.contains(&marker), "{what:?}: {heard:?}");
        assert!(!said.contains("access-control-"), "{what:?}: {heard:?}");
        assert_eq!(self.seen(), Vec::<String>::new(), "{what:?}");
    }

    /// Asserts that what was sent has reached Zendesk as exactly one clean request, and clears the
    /// record.
    #[track_caller]
    fn one_clean(&self, what: &str) -> Record {
        let mut records = self.stage.zendesk.requests();
        assert_eq!(records.len(), 1, "{what:?}: {:?}", self.seen());
        let record = records.remove(0);
        self.clean(&record, what);
        self.stage.zendesk.clear();
        record
    }

    /// Asserts that a request carries the session's token and nothing that it must not.
    #[track_caller]
    fn clean(&self, record: &Record, what: &str) {
        let credential = record.headers.get_all(AUTHORIZATION).iter().count();
        assert_eq!(credential, 1, "{what:?}: {record:?}");
        let is_live = matches!(
            record.credential,
            Credential::Bearer {
                standing: Standing::Live,
                ..
            }
        );
        assert!(is_live, "{what:?}: {record:?}");
        for name in record.headers.keys() {
            let name = name.as_str();
            let ends_here = ENDS_HERE.contains(&name)
                || name.contains('_')
                || ["x-forwarded-", "x-loopdesk-", "proxy-", "sec-fetch-"]
                    .iter()
                    .any(|family| name.starts_with(family));
            assert!(!ends_here, "{what:?}: {name} in {record:?}");
        }
        let mut scanner = Scanner::default();
        scanner.add("the script's credential", LOCAL.as_bytes());
        let mut text = format!("{} ", record.target()).into_bytes();
        for (name, value) in &record.headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(value.as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(&record.body);
        let found = scanner.find(&text);
        assert!(found.is_empty(), "{what:?}: {found:?} in {record:?}");
        let origin = self.stage.zendesk.origin();
        let authority = record.authority.as_deref().unwrap_or_default();
        assert_eq!(origin, format!("https://{authority}"), "{what:?}");
    }

    /// What Zendesk has seen.
    fn seen(&self) -> Vec<String> {
        let records = self.stage.zendesk.requests().into_iter();
        records.map(|record| record.to_string()).collect()
    }

    /// Asserts that Zendesk has seen nothing, and that a well-behaved script is still served.
    async fn nothing_arrived(&self) {
        assert_eq!(self.seen(), Vec::<String>::new());
        self.serves().await;
    }

    /// Asserts that a well-behaved script is served.
    async fn serves(&self) {
        self.stage.zendesk.clear();
        let honest = self.request(&format!("GET {ME}"), "");
        assert_eq!(self.hears(honest).await.statuses(), [200]);
        self.one_clean("an honest script");
    }
}

/// Everything that an attacker has received on one connection.
#[derive(Debug)]
struct Heard(String);

impl Heard {
    /// The statuses of all responses.
    fn statuses(&self) -> Vec<u16> {
        let lines = self.0.split("HTTP/1.").skip(1);
        lines
            .filter_map(|line| line.get(2..5)?.parse().ok())
            .collect()
    }
}

/// Basic credentials with the local token as their password.
fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{LOCAL}")))
}

/// Headers that Zendesk never sees from us.
const ENDS_HERE: [&str; 15] = [
    "connection",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "http2-settings",
    "keep-alive",
    "origin",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-original-url",
    "x-rewrite-url",
];
