//! Zendesk's own command line, and tool servers for AI assistants over standard input and output.

use std::process::Stdio;
use std::time::Duration;

use loopdesk_tests::by_name::ByName;
use loopdesk_tests::clients::exec::{new_node, package, python_program};
use loopdesk_tests::clients::{DUMMY, saw_only_loopdesk};
use loopdesk_tests::needs::needs;
use loopdesk_tests::zendesk::{Record, Zendesk};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{exec, named, while_tokens_rotate};

#[tokio::test]
async fn s9_zcli_lists_themes_while_tokens_rotate() {
    let node = new_node().display().to_string();
    let zcli = package("@zendesk/zcli/bin/run").display().to_string();
    if !needs(&[&node, &zcli]) {
        return;
    }
    let (named, _daemon) = named(Zendesk::builder()).await;
    named.stage.zendesk.clear();
    let mut command = exec(&named.stage, &[&node, &zcli, "themes:list", "--json"]);
    command
        .env("ZENDESK_SUBDOMAIN", "acme")
        .env("ZENDESK_OAUTH_TOKEN", DUMMY)
        // It would ask npm's registry for a newer version.
        .env("ZCLI_SKIP_NEW_VERSION_CHECK", "true");
    let paths = ["/api/v2/brands*", "/api/v2/guide/*"];
    let listed = while_tokens_rotate(&named.stage, command, &paths)
        .await
        .ok();
    assert_eq!(
        listed.json()["themes"][0]["name"],
        "Copenhagen",
        "{listed:?}"
    );
    named.stage.get("/api/v2/users/me.json").await;
    saw_only_loopdesk(&named.stage, DUMMY);
}

/// It uses Zenpy, and for some tools urllib.
#[tokio::test]
async fn s9_zendesk_mcp_server_reads_a_ticket_and_adds_a_note() {
    let server = python_program("tool-servers", "zendesk-mcp-server");
    let server = server.display().to_string();
    if !needs(&[&server]) {
        return;
    }
    let (named, _daemon) = named(Zendesk::builder()).await;
    let mut command = exec(&named.stage, &[&server]);
    command
        .env("ZENDESK_SUBDOMAIN", "acme")
        .env("ZENDESK_EMAIL", "me@example.com")
        .env("ZENDESK_API_KEY", DUMMY);
    let tools = Tools {
        list: ("get_tickets", json!({"per_page": 5})),
        read: ("get_ticket", json!({"ticket_id": 7})),
        note: (
            "create_ticket_comment",
            json!({"ticket_id": 7, "comment": NOTE, "public": false}),
        ),
    };
    a_note_is_added(&named, command, tools).await;
}

/// It uses Zenpy, and httpx.
#[tokio::test]
async fn s9_zendesk_mcp_reads_a_ticket_and_adds_a_note() {
    let server = python_program("tool-servers", "zendesk-mcp")
        .display()
        .to_string();
    if !needs(&[&server]) {
        return;
    }
    let (named, _daemon) = named(Zendesk::builder()).await;
    let config = named.stage.home.path().join(".config/zendesk-mcp");
    std::fs::create_dir_all(&config).unwrap();
    let content = json!({"subdomain": "acme", "oauth_token": DUMMY});
    std::fs::write(config.join("config.json"), content.to_string()).unwrap();
    let tools = Tools {
        list: ("zendesk_get_tickets", json!({"per_page": 5})),
        read: ("zendesk_get_ticket", json!({"ticket_id": 7})),
        note: (
            "zendesk_post_internal_note",
            json!({"ticket_id": 7, "body": NOTE}),
        ),
    };
    let command = exec(&named.stage, &[&server]);
    a_note_is_added(&named, command, tools).await;
}

/// How a server calls what an assistant does with it.
struct Tools {
    list: (&'static str, Value),
    read: (&'static str, Value),
    note: (&'static str, Value),
}

async fn a_note_is_added(named: &ByName, command: Command, tools: Tools) {
    let stage = &named.stage;
    stage.zendesk.clear();
    let mut server = Server::start(command).await;
    let offered = server.ask("tools/list", json!({})).await;
    let offered = offered["tools"].as_array().unwrap().clone();
    let has = |name: &str| offered.iter().any(|tool| tool["name"] == name);
    assert!(has(tools.read.0) && has(tools.note.0), "{offered:?}");

    let listed = server.call(tools.list).await;
    assert!(listed.contains("(#1)"), "{listed}");
    stage.home.loopdesk(["refresh"]).await.ok();
    let ticket = server.call(tools.read).await;
    assert!(ticket.contains("(#7)"), "{ticket}");
    stage.home.loopdesk(["refresh"]).await.ok();
    server.call(tools.note).await;

    let puts = stage.zendesk.requests();
    let puts: Vec<&Record> = puts.iter().filter(|one| one.method == "PUT").collect();
    assert_eq!(puts.len(), 1, "{puts:?}");
    let comment = puts[0].json().unwrap()["ticket"]["comment"].clone();
    assert_eq!(comment["public"], false, "{comment}");
    assert!(comment.to_string().contains(NOTE), "{comment}");
    saw_only_loopdesk(stage, DUMMY);
}

/// A server that speaks the Model Context Protocol, one JSON message a line.
struct Server {
    _child: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    last: u64,
}

impl Server {
    async fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        // Not read: less than a pipe holds.
        let mut server = Self {
            requests: child.stdin.take().unwrap(),
            answers,
            _child: child,
            last: 0,
        };
        let hello = json!({
            "protocolVersion": "2025-03-26",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        server.ask("initialize", hello).await;
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        server.send(&initialized).await;
        server
    }

    /// The text of a tool's result.
    async fn call(&mut self, (tool, arguments): (&str, Value)) -> String {
        let asked = json!({"name": tool, "arguments": arguments});
        let result = self.ask("tools/call", asked).await;
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        let failed = result["isError"] == true || text.starts_with("Error");
        assert!(!failed, "{tool}: {text}");
        text
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(&request).await;
        loop {
            let line = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
            let line = line.unwrap().unwrap();
            let line = line.unwrap();
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    async fn send(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.requests.write_all(line.as_bytes()).await.unwrap();
    }
}

const NOTE: &str = "Only for colleagues";
/// Longer than Python takes to start, even on a machine that is busy with a build.
const PATIENCE: Duration = Duration::from_secs(60);
