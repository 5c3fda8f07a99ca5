//! D4: no secret where others could read it, at the most verbose level, in any of its forms.

use std::collections::BTreeSet;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loopdesk_tests::secrets::{CANARY, ProcessWatch, Scanner};
use loopdesk_tests::zendesk::{Answer, Client, Fault, Zendesk, users};
use loopdesk_tests::{Daemon, Home, Stage};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::{binary, stage};

const CLIENT_SECRET: &str = "9f/86d081884c+7d659a2feaa0c55ad015==a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[tokio::test]
async fn d4_a_login_a_refresh_and_a_logout_leave_no_secret_anywhere() {
    let mut stage = stage().await;
    let run = Run::begin(&mut stage);
    let daemon = stage.daemon().await;
    let mut said = Vec::new();
    said.push(run.loopdesk(&stage, &["login"], "").await);
    said.extend(run.an_ordinary_day(&stage).await);
    run.end(&stage, daemon, said, 7).await;
}

#[tokio::test]
async fn d4_an_account_s_read_only_pair_leaves_no_secret_anywhere() {
    let settings = "read-only-grant = true";
    let mut stage = Stage::with_config(binary(), Zendesk::builder(), "", settings).await;
    let run = Run::begin(&mut stage);
    let daemon = stage.daemon().await;
    let mut said = vec![run.loopdesk(&stage, &["login", "--json"], "").await];
    // The states of its pages aren't among the secrets: they are good for one use.
    said.extend(run.an_ordinary_day(&stage).await);
    run.end(&stage, daemon, said, 11).await;
}

#[tokio::test]
async fn d4_a_login_by_a_clients_secret_leaves_no_secret_anywhere() {
    let client = Client::confidential("loopdesk", CLIENT_SECRET).user(users::AGENT);
    let builder = Zendesk::builder().client(client);
    let grant = "grant = \"client-credentials\"";
    let mut stage = Stage::with_config(binary(), builder, "", grant).await;
    let run = Run::begin(&mut stage);
    let daemon = stage.daemon().await;
    let mut said = Vec::new();
    let login = ["login", "--client-secret-stdin"];
    // Refused, so that Zendesk's words about it are shown.
    said.push(
        run.loopdesk(&stage, &login, "wrong/86d081884c+7d659a2feaa0c55")
            .await,
    );
    said.push(run.loopdesk(&stage, &login, CLIENT_SECRET).await);
    said.extend(run.an_ordinary_day(&stage).await);
    run.end(&stage, daemon, said, 4).await;
}

#[test]
fn the_scanner_finds_what_was_planted() {
    let mut scanner = Scanner::default();
    scanner.add("token", CLIENT_SECRET.as_bytes());
    let url: String = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
    let mut planted = vec![CLIENT_SECRET.to_owned(), url];
    for before in ["", "a", "me"] {
        planted.push(STANDARD.encode(format!("{before}{CLIENT_SECRET}")));
    }
    for text in planted {
        let found = scanner.find(format!("x=1 {text}\n").as_bytes());
        assert!(!found.is_empty(), "{text}");
    }
    assert!(scanner.find(&CLIENT_SECRET.as_bytes()[1..]).is_empty());

    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("deep")).unwrap();
    std::fs::write(home.path().join("deep/file"), CLIENT_SECRET).unwrap();
    assert_eq!(scanner.find_below(home.path(), &[]).len(), 1);
    assert!(
        scanner
            .find_below(home.path(), &[home.path().join("deep")])
            .is_empty()
    );
}

#[tokio::test]
async fn a_home_with_a_token_in_it_fails_its_test() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    assert!(Daemon::log(&stage.home).contains("TRACE"));
    daemon.stop().await;
    let home = stage.home;
    let token = stage.zendesk.tokens().remove(0).access;
    std::fs::write(home.path().join("state/left"), STANDARD.encode(token)).unwrap();
    let fails = std::panic::AssertUnwindSafe(|| drop(home));
    std::panic::catch_unwind(fails).unwrap_err();
}

/// At the end, the home itself checks everything that others could see.
#[tokio::test]
async fn a_home_that_has_shown_a_secret_fails_its_test() {
    type Leak = fn(&mut Home);
    let leaks: [(&str, Leak); 4] = [
        ("nothing", |_| {}),
        ("a registered secret in what was said", |home| {
            home.has_shown("a page", format!("key={}", STANDARD.encode(CLIENT_SECRET)));
        }),
        ("a token in what was said", |home| {
            home.has_shown("a page", format!("zd_{CANARY}_1"));
        }),
        ("a secret in the environment", |home| {
            home.set("PLANTED", CLIENT_SECRET);
        }),
    ];
    for (what, leak) in leaks {
        let mut home = Home::new(binary()).unwrap();
        home.is_secret("a key", CLIENT_SECRET);
        leak(&mut home);
        // A program of the home's that runs long enough.
        std::os::unix::fs::symlink("/bin/sleep", home.bin().join("sleep")).unwrap();
        let mut waits = home.command("sleep").arg("600").spawn().unwrap();
        // The system shows it a moment later.
        let environment = format!("/proc/{}/environ", waits.id().unwrap());
        while std::fs::read(&environment).unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let fails = std::panic::AssertUnwindSafe(|| drop(home));
        let failed = std::panic::catch_unwind(fails).is_err();
        waits.kill().await.unwrap();
        assert_eq!(failed, what != "nothing", "{what}");
    }
}

#[tokio::test]
async fn the_watch_sees_arguments_and_environments() {
    let mut stage = stage().await;
    stage.home.set("PLANTED", CLIENT_SECRET);
    let watch = ProcessWatch::start(stage.home.bin());
    stage.home.loopdesk(["version", "--json"]).await;
    let daemon = stage.daemon().await;
    stage.status().await;
    let mut scanner = Scanner::default();
    scanner.add("token", CLIENT_SECRET.as_bytes());
    let seen = watch.stop();
    let daemons = &seen[&stage.home.bin().join("loopdeskd")];
    assert!(daemons.iter().any(|text| !scanner.find(text).is_empty()));
    daemon.stop().await;
}

/// One run of everything under watch.
struct Run {
    watch: ProcessWatch,
}

impl Run {
    fn begin(stage: &mut Stage) -> Self {
        stage.home.set("LOOPDESK_LOG", "trace");
        Self {
            watch: ProcessWatch::start(stage.home.bin()),
        }
    }

    /// Everything that a command prints.
    async fn loopdesk(&self, stage: &Stage, arguments: &[&str], input: &str) -> Vec<u8> {
        let mut command = stage.home.command("loopdesk");
        command.args(arguments).stdin(Stdio::piped());
        let mut command = command.spawn().unwrap();
        let mut stdin = command.stdin.take().unwrap();
        // A command that reads nothing may have ended already.
        drop(stdin.write_all(input.as_bytes()).await);
        drop(stdin);
        let output = command.wait_with_output().await.unwrap();
        [output.stdout, output.stderr].concat()
    }

    async fn an_ordinary_day(&self, stage: &Stage) -> Vec<Vec<u8>> {
        let mut said = Vec::new();
        for arguments in [
            &["status", "--json"][..],
            &["refresh", "--json"],
            &["account", "show", "--json"],
            &["config", "show", "--json"],
        ] {
            said.push(self.loopdesk(stage, arguments, "").await);
        }
        assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
        stage.zendesk.expire_access_tokens();
        assert_eq!(stage.get("/api/v2/tickets/1.json").await.0, 200);
        // Failures are reported at length.
        let broken = stage
            .zendesk
            .fault(Fault::on("POST", "/oauth/tokens").answer(Answer::gateway_page(502)));
        said.push(self.loopdesk(stage, &["refresh", "--json"], "").await);
        broken.remove();
        said.push(self.loopdesk(stage, &["status"], "").await);
        said.push(self.loopdesk(stage, &["logout", "--json"], "").await);
        said
    }

    /// `least`: at least this many secrets were in use, or the test would look for nothing.
    async fn end(self, stage: &Stage, daemon: Daemon, said: Vec<Vec<u8>>, least: usize) {
        let key = std::fs::read_to_string(stage.home.paths().key_file()).unwrap();
        daemon.stop().await;
        let seen = self.watch.stop();
        let mut secrets = BTreeSet::from_iter(stage.secrets());
        for record in stage.zendesk.token_posts() {
            let body: Value = serde_json::from_slice(&record.body).unwrap();
            for name in ["code", "code_verifier", "client_secret", "refresh_token"] {
                secrets.extend(body[name].as_str().map(str::to_owned));
            }
        }
        assert!(secrets.len() >= least, "{} secrets", secrets.len());
        let mut scanner = Scanner::default();
        for secret in &secrets {
            scanner.add("a secret", secret.as_bytes());
        }
        let of_tokens = scanner.len();
        scanner.add("the data key", &STANDARD.decode(key.trim()).unwrap());
        scanner.add("the data key's text", key.trim().as_bytes());
        assert!(scanner.len() > of_tokens);

        let log = Daemon::log(&stage.home);
        assert!(log.contains("TRACE"), "the log is at its most talkative");
        let except = [stage.home.bin(), stage.home.paths().key_file()];
        let found = scanner.find_below(stage.home.path(), &except);
        assert!(found.is_empty(), "{found:#?}");
        for text in &said {
            let found = scanner.find(text);
            assert!(
                found.is_empty(),
                "{found:?} in {}",
                String::from_utf8_lossy(text)
            );
        }
        for program in ["loopdesk", "loopdeskd"] {
            let texts = &seen[&stage.home.bin().join(program)];
            assert!(texts.len() >= 2, "arguments and environment of {program}");
            for text in texts {
                let found = scanner.find(text);
                assert!(
                    found.is_empty(),
                    "{found:?} in {}",
                    String::from_utf8_lossy(text)
                );
            }
        }
    }
}
