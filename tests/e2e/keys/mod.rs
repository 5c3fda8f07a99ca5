//! Local keys from outside: a real daemon, and scripts that send a key where a token used to be.

mod access;
mod anonymous;
mod life;
mod limits;
mod people;
mod words;
mod writes;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loopdesk_protocol::key::{self, Create, Created, RightsText};
use loopdesk_tests::zendesk::{Fault, Gate};
use loopdesk_tests::{Daemon, Raw, Stage};

const ME: &str = "/api/v2/users/me.json";
const TICKETS: &str = "/api/v2/tickets.json";

/// A daemon with a session.
struct Scene {
    stage: Stage,
    _daemon: Daemon,
}

impl Scene {
    async fn set() -> Self {
        Self::on(super::stage().await).await
    }

    /// An account that requires a key.
    async fn locked() -> Self {
        Self::configured("", "access = \"key\"").await
    }

    async fn configured(top: &str, account: &str) -> Self {
        let zendesk = loopdesk_tests::zendesk::Zendesk::builder();
        Self::on(Stage::with_config(super::binary(), zendesk, top, account).await).await
    }

    async fn on(stage: Stage) -> Self {
        let daemon = stage.logged_in().await;
        stage.zendesk.clear();
        Self {
            stage,
            _daemon: daemon,
        }
    }

    /// A key with these scopes, as a script sends it.
    async fn key(&self, name: &str, scopes: &[&str]) -> String {
        self.create(name, scopes, &[], &[]).await
    }

    async fn create(&self, name: &str, scopes: &[&str], allow: &[&str], deny: &[&str]) -> String {
        let texts = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect();
        let asked = Create {
            name: name.to_owned(),
            rights: RightsText {
                scopes: texts(scopes),
                allow: texts(allow),
                deny: texts(deny),
            },
            ..Create::default()
        };
        self.made(&asked).await.secret.expose().to_owned()
    }

    async fn made(&self, asked: &Create) -> Created {
        let made = self.stage.control().post(key::CREATE, asked).await;
        let made: Created = made.unwrap();
        self.stage
            .home
            .is_secret("a local key", made.secret.expose());
        made
    }

    /// A key as the control API shows it.
    async fn shown(&self, name: &str) -> key::KeyStatus {
        let keys: key::KeyList = self.stage.control().get(key::LIST).await.unwrap();
        let mut keys = keys.keys.into_iter();
        keys.find(|key| key.name == name).unwrap()
    }

    /// One request on its own connection.
    async fn asks(&self, line: &str, headers: &str, body: &str) -> Told {
        let mut raw = Raw::connect(self.stage.port).await;
        told(&mut raw, self.stage.port, line, headers, body).await
    }

    /// A GET with a key as Bearer token.
    async fn gets(&self, path: &str, key: &str) -> Told {
        self.asks(&format!("GET {path}"), &bearer(key), "").await
    }

    /// What `look` finds while `request` waits for Zendesk's response, and the outcome of the
    /// request.
    async fn meanwhile<R, T>(
        &self,
        request: impl Future<Output = R>,
        look: impl AsyncFn() -> Option<T>,
    ) -> (T, R) {
        let gate = Gate::closed();
        let held = Fault::on("GET", ME).once().hold_answer(&gate);
        let held = self.stage.zendesk.fault(held);
        let looking = async {
            gate.reached(1).await;
            let found = loop {
                if let Some(found) = look().await {
                    break found;
                }
                tokio::task::yield_now().await;
            };
            gate.open();
            found
        };
        let both = tokio::join!(looking, request);
        held.remove();
        both
    }

    /// What Zendesk has seen; clears the record.
    fn seen(&self) -> Vec<String> {
        let records = self.stage.zendesk.requests().into_iter();
        let seen = records.map(|record| record.to_string()).collect();
        self.stage.zendesk.clear();
        seen
    }
}

/// One request on an open connection.
async fn told(raw: &mut Raw, port: u16, line: &str, headers: &str, body: &str) -> Told {
    let length = if body.is_empty() && line.starts_with("GET") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    raw.send(format!(
        "{line} HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}{length}\r\n{body}"
    ))
    .await;
    let answer = raw.answer().await;
    let code = answer.head.get("x-loopdesk-error").map(str::to_owned);
    Told {
        status: answer.head.status(),
        code: code.unwrap_or_default(),
        challenges: answer.head.all("www-authenticate"),
        body: String::from_utf8_lossy(&answer.body).into_owned(),
    }
}

/// What a script is told.
#[derive(Debug)]
struct Told {
    status: u16,
    /// The message of an error of loopdesk's own.
    code: String,
    challenges: Vec<String>,
    body: String,
}

impl Told {
    #[track_caller]
    fn is(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.code.as_str()),
            (status, code),
            "{self:?}"
        );
    }

    /// The description of an error in Zendesk's shape.
    #[track_caller]
    fn description(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert!(json["error"].is_string(), "{self:?}");
        json["description"].as_str().unwrap().to_owned()
    }
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

/// As `curl -u USER:KEY` sends it.
fn basic(user: &str, key: &str) -> String {
    let pair = STANDARD.encode(format!("{user}:{key}"));
    format!("Authorization: Basic {pair}\r\n")
}
