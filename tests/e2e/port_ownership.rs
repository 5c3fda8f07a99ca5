//! Who owns the port: `status` proves it.

use std::net::{Ipv6Addr, TcpListener};

use loopdesk_tests::zendesk::Zendesk;
use loopdesk_tests::{Home, Stage, ports};
use serde_json::Value;

use super::{binary, stage};

async fn listeners(home: &Home, code: i32) -> Vec<Value> {
    let status = home.loopdesk(["status", "--json"]).await.failed(code);
    status.json()["listeners"].as_array().unwrap().clone()
}

fn at<'a>(listeners: &'a [Value], address: &str) -> &'a Value {
    let mut found = listeners.iter().filter(|one| one["address"] == address);
    found
        .next()
        .unwrap_or_else(|| panic!("{address} in {listeners:#?}"))
}

#[tokio::test]
async fn d1_u2_status_proves_that_every_port_answers_for_this_daemon() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let before = stage.zendesk.requests().len();
    let found = listeners(&stage.home, 0).await;
    for address in [
        format!("127.0.0.1:{}", stage.port),
        format!("[::1]:{}", stage.port),
    ] {
        assert_eq!(at(&found, &address)["answers"], "this-daemon");
    }
    let shown = stage.home.loopdesk(["status"]).await.ok().stdout;
    assert!(shown.contains("(answers)"), "{shown}");

    // The question itself: it has no effect, tells nothing, is blocked for web pages, and never
    // reaches Zendesk.
    let path = format!("/.well-known/loopdesk?nonce={}", "a".repeat(64));
    let (status, proof) = stage.get_json(&path).await;
    assert_eq!((status, proof.as_object().unwrap().len()), (200, 1));
    assert_eq!(proof["proof"].as_str().unwrap().len(), 64);
    for (arguments, status) in [
        (["-X", "POST"], "405"),
        (["-H", "Origin: https://evil.example"], "403"),
        (["-H", "Host: evil.example"], "421"),
    ] {
        let all = [&arguments[..], &["-o", "/dev/null", "-w", "%{http_code}"]].concat();
        assert_eq!(stage.curl(&path, &all).await.ok().stdout, status);
    }
    assert_eq!(stage.get("/.well-known/loopdesk?nonce=short").await.0, 400);
    assert_eq!(stage.zendesk.requests().len(), before);
}

#[tokio::test]
async fn d1_u2_u3_a_squatter_in_the_other_address_family_is_pointed_out() {
    let stage = stage().await;
    let config = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&config).unwrap();
    stage
        .home
        .configure(&text.replace(&format!(", \"[::1]:{}\"", stage.port), ""));
    let _daemon = stage.logged_in().await;
    let squatter = TcpListener::bind((Ipv6Addr::LOCALHOST, stage.port)).unwrap();
    // It passes every question on, as a squatter would that wants to be taken for us.
    let real = stage.port;
    std::thread::spawn(move || {
        for client in squatter.incoming() {
            relay(client.unwrap(), real);
        }
    });
    let found = listeners(&stage.home, 1).await;
    assert_eq!(
        at(&found, &format!("127.0.0.1:{real}"))["answers"],
        "this-daemon"
    );
    let squatted = at(&found, &format!("[::1]:{real}"));
    assert_eq!(squatted["answers"], "another");
    let said = squatted["problem"]["message"].as_str().unwrap();
    assert!(said.contains("another program answers"), "{said}");
    let shown = stage.home.loopdesk(["status"]).await.failed(1);
    assert!(
        shown
            .stdout
            .contains("(another program answers, see below)"),
        "{shown:?}"
    );
}

#[tokio::test]
async fn d1_u2_a_squatter_on_an_accounts_port_is_pointed_out() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let port = ports::free();
    let squatter = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for client in squatter.incoming() {
            let mut client = client.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"proof\":\"abc\"}";
            drop(std::io::Write::write_all(&mut client, answer));
        }
    });
    let set = ["account", "set", "acme", "port", &port.to_string()];
    // The daemon reports that it can't have the port.
    stage.home.loopdesk(set).await;
    let found = listeners(&stage.home, 1).await;
    let squatted = at(&found, &format!("127.0.0.1:{port}"));
    assert_eq!(squatted["answers"], "another");
    let problem = &squatted["problem"];
    assert!(
        problem["message"]
            .as_str()
            .unwrap()
            .contains("already in use"),
        "{problem}"
    );
    let hint = problem["hints"][0].as_str().unwrap();
    assert!(
        hint.starts_with("run `loopdesk account set acme port "),
        "{hint}"
    );
}

#[tokio::test]
async fn d1_u2_a_held_port_ends_the_start_with_the_holder_and_the_next_free_one() {
    let stage = Stage::set(binary(), Zendesk::builder()).await;
    let _held = TcpListener::bind(("127.0.0.1", stage.port)).unwrap();
    let said = loopdesk_tests::Daemon::start(&stage.home)
        .await
        .unwrap_err();
    assert!(
        said.contains(&format!("port {} is already in use", stage.port)),
        "{said}"
    );
    if cfg!(target_os = "linux") {
        let own = format!("process {}", std::process::id());
        assert!(said.contains(&own), "{said}");
    }
    let (_, command) = said
        .split_once("Hint: run `loopdesk config set listen ")
        .unwrap();
    let addresses = command.split('`').next().unwrap();
    for address in addresses.split(',') {
        TcpListener::bind(address).unwrap();
    }
    // The same words reach a person whose command starts the daemon.
    let by_cli = stage.home.loopdesk(["login"]).await.failed(6).stderr;
    let message = format!(
        "loopdesk can't start: port {} is already in use",
        stage.port
    );
    assert!(by_cli.contains(&message), "{by_cli}");
    assert!(
        by_cli.contains("Hint: run `loopdesk config set listen "),
        "{by_cli}"
    );
}

fn relay(client: std::net::TcpStream, port: u16) {
    use std::io::copy;
    let server = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut to, mut from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || copy(&mut from, &mut to));
    let (mut from, mut to) = (server, client);
    std::thread::spawn(move || copy(&mut from, &mut to));
}
