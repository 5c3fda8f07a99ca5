//! Ports that move from one account to another, and ports that another program holds for a while.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use loopdesk_tests::{Raw, Stage, ports};

use super::super::stage;
use super::ME;

#[tokio::test]
async fn s6_o2_a_port_changes_hands_between_accounts_and_listen_and_never_closes() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let hands = Hands::of(&stage);
    // A script that keeps its connection open is served by the port's new owner, like any other.
    hands.give(&hands.to("other", hands.port)).await;
    let mut script = Raw::connect(hands.port).await;
    for round in 0..3 {
        for (owner, expected) in [
            ("other", "loopdesk login other"),
            ("third", "loopdesk login third"),
            ("acme", "\"user\""),
            ("listen", "\"user\""),
        ] {
            hands.give(&hands.to(owner, hands.port)).await;
            let listeners = stage.status().await.listeners;
            let address = format!("127.0.0.1:{}", hands.port);
            let own: Vec<_> = listeners.iter().filter(|l| l.address == address).collect();
            assert_eq!(own.len(), 1, "{listeners:#?}");
            assert!(own[0].open && own[0].problem.is_none(), "{own:#?}");
            let shared = owner == "listen";
            assert_eq!(own[0].account.as_deref(), (!shared).then_some(owner));
            let said = hands.ask().await;
            assert!(said.contains(expected), "{round}, {owner}: {said}");
            let request = format!(
                "GET {ME} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n",
                hands.port
            );
            script.send(request).await;
            let answer = script.answer().await.text();
            assert!(answer.contains(expected), "{round}, {owner}: {answer}");
        }
    }
}

#[tokio::test]
async fn o2_a_port_that_is_given_up_and_taken_again_at_once_is_there() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let hands = Hands::of(&stage);
    let (one, two) = (hands.port, ports::free());
    for round in 0..20 {
        let port = if round % 2 == 0 { one } else { two };
        hands.give(&hands.to("other", port)).await;
    }
}

#[tokio::test]
async fn o2_a_reload_of_the_same_text_opens_the_port_that_another_program_has_let_go() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let hands = Hands::of(&stage);
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, hands.port)).unwrap();
    fs::write(&hands.file, hands.to("acme", hands.port)).unwrap();
    for _ in 0..2 {
        // Reported each time, and not only when the file has changed.
        let reload = stage.home.loopdesk(["config", "reload"]).await.failed(6);
        let taken = format!("port {} is already in use", hands.port);
        assert!(reload.stderr.contains(&taken), "{reload:#?}");
    }
    drop(held);
    stage.home.loopdesk(["config", "reload"]).await.ok();
    assert!(hands.ask().await.contains("\"user\""));
    stage.home.loopdesk(["status"]).await.ok();
}

/// A configuration in which one port has different owners over time.
struct Hands<'a> {
    stage: &'a Stage,
    file: std::path::PathBuf,
    text: String,
    port: u16,
}

impl<'a> Hands<'a> {
    fn of(stage: &'a Stage) -> Self {
        let file = stage.home.paths().config_file();
        Self {
            text: fs::read_to_string(&file).unwrap(),
            file,
            stage,
            port: ports::free(),
        }
    }

    /// The configuration in which `port` belongs to `owner`, an account or `listen`.
    fn to(&self, owner: &str, port: u16) -> String {
        let text = format!("default-account = \"acme\"\n{}", self.text);
        match owner {
            "listen" => text.replace("listen = [", &format!("listen = [\"127.0.0.1:{port}\", ")),
            "acme" => format!("{text}port = {port}\n"),
            name => format!(
                "{text}[accounts.{name}]\nsubdomain = \"other\"\nclient-id = \"c\"\nport = {port}\n"
            ),
        }
    }

    async fn give(&self, text: &str) {
        fs::write(&self.file, text).unwrap();
        let home = &self.stage.home;
        home.loopdesk(["config", "reload"]).await.ok();
    }

    async fn ask(&self) -> String {
        let url = format!("http://127.0.0.1:{}{ME}", self.port);
        let home = &self.stage.home;
        home.run("curl", ["-sS", &url]).await.ok().stdout
    }
}
