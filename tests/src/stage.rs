//! A simulated Zendesk, a private home that is configured for it, and ports for both.

use std::path::Path;

use loopdesk_protocol::Client;
use loopdesk_protocol::status::{self, Status};
use serde_json::Value;

use crate::daemon::Daemon;
use crate::home::{Home, Output};
use crate::ports;
use crate::wait::PATIENCE;
use crate::zendesk::{self, Standing, Zendesk};

/// The environment of a test.
#[derive(Debug)]
pub struct Stage {
    /// The simulated Zendesk.
    pub zendesk: Zendesk,
    /// The person's home.
    pub home: Home,
    /// The port that serves scripts.
    pub port: u16,
}

impl Stage {
    /// Sets it up: account `acme` at a Zendesk that `builder` sets up; nothing runs yet.
    ///
    /// `binary` is the binary whose `main` calls [`crate::programs::act`].
    ///
    /// # Panics
    /// If the machine doesn't support it.
    pub async fn set(binary: &Path, builder: zendesk::Builder) -> Self {
        Self::with_config(binary, builder, "", "").await
    }

    /// Like [`Stage::set`], with additional lines for the top of the configuration and for the
    /// account.
    ///
    /// # Panics
    /// If the machine doesn't support it.
    pub async fn with_config(
        binary: &Path,
        builder: zendesk::Builder,
        top: &str,
        account: &str,
    ) -> Self {
        let port = ports::free();
        let callback = format!("http://127.0.0.1:{}/callback", ports::free());
        let zendesk = builder
            .redirect_uri(&callback)
            .start()
            .await
            .expect("the simulated Zendesk starts");
        let mut home = Home::new(binary).expect("a home can be made");
        home.set("CONSENT_CA", zendesk.ca_file().display().to_string());
        home.configure(&format!(
            "listen = [\"127.0.0.1:{port}\", \"[::1]:{port}\"]\n\
             vault = \"keyfile\"\n\
             redirect-uris = [\"{callback}\"]\n\
             {top}\n\
             [accounts.acme]\n\
             url = \"{}\"\n\
             client-id = \"{}\"\n\
             extra-ca-file = \"{}\"\n\
             {account}\n",
            zendesk.origin(),
            zendesk.client_id(),
            zendesk.ca_file().display(),
        ));
        Self {
            zendesk,
            home,
            port,
        }
    }

    /// Starts the daemon.
    ///
    /// # Panics
    /// If it doesn't start.
    pub async fn daemon(&self) -> Daemon {
        Daemon::start(&self.home).await.expect("the daemon starts")
    }

    /// Starts the daemon and logs in.
    ///
    /// # Panics
    /// If either fails.
    pub async fn logged_in(&self) -> Daemon {
        let daemon = self.daemon().await;
        self.home.loopdesk(["login"]).await.ok();
        daemon
    }

    /// The base URL for scripts.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs `curl -sS` with a path of the base URL and further arguments.
    ///
    /// # Panics
    /// If curl isn't installed.
    pub async fn curl(&self, path: &str, arguments: &[&str]) -> Output {
        let url = format!("{}{path}", self.base());
        let mut all = vec!["-sS", "--max-time", "60"];
        all.extend_from_slice(arguments);
        all.push(&url);
        let output = self.home.run("curl", all).await;
        self.home.has_shown("an answer", output.stdout.clone());
        output
    }

    /// The status and body of the response to a GET by curl, with a dummy credential.
    ///
    /// # Panics
    /// If there is no response.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let output = self
            .curl(
                path,
                &["-u", "me@example.com/token:x", "-w", "\n%{http_code}"],
            )
            .await
            .ok();
        let (body, status) = output.stdout.rsplit_once('\n').expect("a status line");
        (status.parse().expect("a status"), body.to_owned())
    }

    /// Like [`Stage::get`], with the body as JSON.
    ///
    /// # Panics
    /// If it isn't JSON.
    pub async fn get_json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        let json = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
        (status, json)
    }

    /// The daemon's control API.
    pub fn control(&self) -> Client {
        Client::new(self.home.paths().control_socket())
    }

    /// The daemon's status.
    ///
    /// # Panics
    /// If there is none.
    pub async fn status(&self) -> Status {
        let status = self.control().get(status::CALL).await;
        let status: Status = status.expect("the daemon answers");
        let text = serde_json::to_vec(&status).expect("it is JSON");
        self.home.has_shown("the status", text);
        status
    }

    /// Account `acme` in the daemon's status.
    ///
    /// # Panics
    /// If it isn't there.
    pub async fn acme(&self) -> status::AccountStatus {
        let mut accounts = self.status().await.accounts.into_iter();
        let acme = accounts.find(|account| account.name == "acme");
        acme.expect("account `acme` is there")
    }

    /// How many pairs Zendesk would still refresh.
    pub fn live_pairs(&self) -> usize {
        let live = |pair: &&zendesk::TokenPair| pair.refresh_standing == Standing::Live;
        self.zendesk.tokens().iter().filter(live).count()
    }

    /// Every token that Zendesk has issued.
    pub fn secrets(&self) -> Vec<String> {
        let pairs = self.zendesk.tokens().into_iter();
        pairs
            .flat_map(|pair| std::iter::once(pair.access).chain(pair.refresh))
            .collect()
    }

    /// Zendesk's response to a GET with a token of its own, requested without loopdesk.
    ///
    /// # Panics
    /// If there is no response.
    pub async fn direct(&self, path: &str) -> String {
        let token = self.zendesk.issue_tokens(&["read"]).access;
        let caller = self.zendesk.caller().expect("a caller").bearer(&token);
        let reply = caller.get(path).await.expect("an answer");
        String::from_utf8(reply.into_body().to_vec()).expect("text")
    }

    /// Account `acme` once the daemon has finished with the stored session: a request waits for
    /// that, and gets a response in any case.
    ///
    /// # Panics
    /// If there is no response.
    pub async fn acme_loaded(&self) -> status::AccountStatus {
        self.get("/api/v2/users/me.json").await;
        self.acme().await
    }

    /// Waits until the requests that Zendesk has seen fulfil `condition`.
    ///
    /// # Panics
    /// If that takes longer than any test should take.
    pub async fn zendesk_sees(&self, condition: impl Fn(&[zendesk::Record]) -> bool) {
        let seen = self.zendesk.wait_for_within(PATIENCE, condition).await;
        seen.unwrap_or_else(|late| panic!("{late}"));
    }
}
