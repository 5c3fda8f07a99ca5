//! `--key`: a command with the rights of a local key and no others.

use loopdesk_protocol::key::{self, Callers, OfAccount};
use loopdesk_tests::Raw;

use super::held::{Held, no_helper};
use super::{ME, binary, named, reader};

const GET: &str = "GET /api/v2/users/me.json HTTP/1.1\r\nHost: acme.zendesk.com\r\n\r\n";

#[tokio::test]
async fn s9_d3_a_read_only_key_can_not_write_and_the_command_never_sees_it() {
    let (named, daemon) = named().await;
    let home = &named.stage.home;
    let made = reader(&named).await;
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    home.is_secret("the key", &secret);
    let made = home
        .loopdesk(["key", "create", "writer", "--scope", "write", "--json"])
        .await
        .ok();
    let writer = made.json()["secret"].as_str().unwrap().to_owned();
    let code = ["-sS", "-o", "/dev/null", "-w", "%{http_code}"];
    let exec = async |more: &[&str]| {
        let start = ["--key", "reader", "--", "curl"];
        named
            .exec(&[&start[..], &code, more].concat())
            .await
            .ok()
            .stdout
    };
    assert_eq!(exec(&[ME]).await, "200");
    let tickets = "https://acme.zendesk.com/api/v2/tickets.json";
    let json = [
        "-H",
        "Content-Type: application/json",
        "-d",
        "{\"ticket\":{\"comment\":{\"body\":\"x\"}}}",
    ];
    assert_eq!(exec(&[&json[..], &[tickets]].concat()).await, "403");
    // Not even with another key in the request: the run has one key's rights.
    let bearer = format!("Authorization: Bearer {writer}");
    assert_eq!(
        exec(&[&json[..], &["-H", &bearer, tickets]].concat()).await,
        "403"
    );
    let override_ = [
        "-H",
        "X-Loopdesk-Ticket: x",
        "-H",
        "X-Loopdesk-Origin: https://other.example",
    ];
    assert_eq!(
        exec(&[&json[..], &override_, &[tickets]].concat()).await,
        "403"
    );
    let posts = named.stage.zendesk.requests();
    assert!(
        posts.iter().all(|seen| seen.path != "/api/v2/tickets.json"),
        "{posts:?}"
    );
    let env = named
        .exec(&["--key", "reader", "--", "env"])
        .await
        .ok()
        .stdout;
    assert!(!env.contains("ldk_"), "{env}");
    daemon.stop().await;
}

#[tokio::test]
async fn s9_d2_a_revoked_key_ends_its_runs_at_once() {
    let (named, daemon) = named().await;
    let home = &named.stage.home;
    reader(&named).await;
    let held = Held::start(&named, &["--key", "reader"]).await;
    let mut tls = held.acme().await;
    tls.send(GET).await;
    assert_eq!(tls.answer().await.head.status(), 200);
    home.loopdesk(["key", "revoke", "reader"]).await.ok();
    let listed = home.loopdesk(["key", "list", "--json"]).await.ok().json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 0, "{listed}");
    tls.send(GET).await;
    let answer = tls.answer().await;
    assert_eq!(answer.head.status(), 401, "{answer:?}");
    assert_eq!(answer.head.get("x-loopdesk-error").unwrap(), "ticket-over");
    held.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_d2_a_run_never_gets_the_rights_of_a_later_key_of_the_same_name() {
    let (named, daemon) = named().await;
    let home = &named.stage.home;
    let create = async |scope: &str| {
        let words = ["key", "create", "reader", "--scope", scope, "--json"];
        home.loopdesk(words).await.ok();
    };
    create("read").await;
    let held = Held::start(&named, &["--key", "reader"]).await;
    home.loopdesk(["key", "revoke", "reader"]).await.ok();
    create("read,write").await;
    // The next daemon is asked for a new ticket.
    daemon.stop().await;
    home.loopdesk(["wait"]).await.ok();
    let mut tls = held.acme().await;
    tls.send(GET).await;
    let answer = tls.answer().await;
    assert_eq!(answer.head.status(), 401, "{answer:?}");
    assert_eq!(answer.head.get("x-loopdesk-error").unwrap(), "ticket-over");
    held.end().await;
    let pid = named.stage.status().await.daemon.pid;
    loopdesk_tests::daemon::terminate(pid).await;
}

#[tokio::test]
async fn s9_an_account_that_needs_keys_needs_one_here_too() {
    use loopdesk_tests::by_name::ByName;
    use loopdesk_tests::zendesk::Zendesk;
    let named = ByName::set(binary(), Zendesk::builder(), "", "access = \"key\"").await;
    let daemon = named.logged_in().await;
    let refused = named.exec(&["--", "curl", "-sS", ME]).await.failed(2);
    assert!(
        refused
            .stderr
            .contains("`loopdesk exec --key NAME -- COMMAND`"),
        "{refused:?}"
    );
    reader(&named).await;
    named
        .exec(&["--key", "reader", "--", "curl", "-sSf", ME])
        .await
        .ok();
    no_helper(&named).await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_d1_a_ticket_works_on_the_socket_alone_and_ends_with_its_connection() {
    use loopdesk_protocol::exec::{PLAN, PlanRequest, TICKET, TicketRequest};
    let (named, daemon) = named().await;
    reader(&named).await;
    let asked = PlanRequest {
        key: Some("reader".to_owned()),
        ..PlanRequest::default()
    };
    let plan = named.stage.control().post(PLAN, &asked).await.unwrap();
    let asked = TicketRequest {
        key: plan.key.unwrap(),
    };
    let mut answer = named.stage.control().stream(TICKET, &asked).await.unwrap();
    let ticket = answer.next().await.unwrap().unwrap().ticket;
    named.stage.home.is_secret("a ticket", ticket.expose());
    let head = |host: &str, origin: &str| {
        format!(
            "GET /api/v2/users/me.json HTTP/1.1\r\nHost: {host}\r\nX-Loopdesk-Origin: {origin}\r\n\
             X-Loopdesk-Rewrite: none\r\nX-Loopdesk-Ticket: {}\r\n\r\n",
            ticket.expose()
        )
    };
    let acme = "https://acme.zendesk.com";
    let over_socket = async |origin: &str| {
        let socket = named.stage.home.paths().proxy_socket();
        let mut raw = Raw::new(tokio::net::UnixStream::connect(socket).await.unwrap());
        raw.send(head("acme.localhost", origin)).await;
        raw.answer().await.head
    };
    assert_eq!(over_socket(acme).await.status(), 200);
    let foreign = over_socket("https://evil.example").await;
    assert_eq!(foreign.status(), 421);
    assert_eq!(foreign.get("x-loopdesk-error").unwrap(), "foreign-origin");
    let host = format!("localhost:{}", named.stage.port);
    let mut raw = Raw::connect(named.stage.port).await;
    raw.send(head(&host, acme)).await;
    assert_eq!(raw.answer().await.head.status(), 400);
    drop(answer);
    loopdesk_tests::wait::eventually("the ticket ends", async || {
        over_socket(acme).await.status() == 401
    })
    .await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_o3_the_command_is_shown_as_the_caller_and_not_its_helper() {
    let (named, daemon) = named().await;
    let home = &named.stage.home;
    reader(&named).await;
    let script = home.path().join("report.sh");
    // A program can't choose how it is shown.
    let get = format!("curl -sSf -o /dev/null -H 'X-Loopdesk-Caller: 1 init' {ME}");
    std::fs::write(&script, format!("echo $$\n{get}\n{get}\n")).unwrap();
    let command = ["--", "sh", script.to_str().unwrap()];
    let sh = std::fs::canonicalize("/bin/sh").unwrap();
    let sh = sh.file_name().unwrap().to_str().unwrap();
    let shown = |ran: &str| format!("{sh} report.sh ({})", ran.trim());

    let ran = named
        .exec(&[&["--key", "reader"][..], &command].concat())
        .await
        .ok();
    let used = home.loopdesk(["key", "show", "reader", "--json"]).await;
    let used = used.ok().json();
    assert_eq!(used["last_used"]["process"], shown(&ran.stdout), "{used}");
    assert_eq!(used["requests"], 2);

    let ran = named.exec(&command).await.ok();
    let asked = OfAccount::default();
    let callers: Callers = named
        .stage
        .control()
        .post(key::CALLERS, &asked)
        .await
        .unwrap();
    let of_run = callers
        .callers
        .iter()
        .find(|caller| caller.last.process.as_deref() == Some(&shown(&ran.stdout)));
    assert_eq!(of_run.map(|caller| caller.requests), Some(2), "{callers:?}");
    let all = format!("{callers:?}");
    assert!(!all.contains("loopdeskd") && !all.contains("init"), "{all}");
    daemon.stop().await;
}
