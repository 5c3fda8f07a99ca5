//! What a command sends to others goes out as it would without `exec`.

use std::net::SocketAddr;

use loopdesk_tests::Raw;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::held::Held;
use super::named;

/// Sends everything back.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                drop(tokio::io::copy(&mut from, &mut to).await);
            });
        }
    });
    address
}

#[tokio::test]
async fn s9_tunnels_to_others_go_through_the_persons_own_proxy_unseen() {
    let (named, daemon) = named().await;
    named.proxy.knows("others.example:8443", echo().await);
    let held = Held::start(&named, &[]).await;
    let (raw, status) = held.connect("others.example:8443").await;
    assert_eq!(status, 200);
    let mut stream = raw.into_stream();
    let sent: Vec<u8> = (0..1 << 20).map(|n: u32| n.to_le_bytes()[1]).collect();
    let (mut from, mut to) = stream.split();
    let write = async {
        to.write_all(&sent).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(write, from.read_to_end(&mut heard));
    read.unwrap();
    assert!(heard == sent, "{} of {} bytes", heard.len(), sent.len());
    held.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_old_axios_names_the_whole_url_and_is_answered_as_the_person() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    let mut raw = Raw::connect(held.port()).await;
    for path in [
        "/api/v2/users/me.json",
        "/api/v2/tickets.json?query=created%3E2025-01-01",
    ] {
        raw.send(format!(
            "GET https://acme.zendesk.com{path} HTTP/1.1\r\nHost: acme.zendesk.com\r\n\
             Proxy-Authorization: {}\r\n\r\n",
            held.login()
        ))
        .await;
        let answer = raw.answer().await;
        assert_eq!(answer.head.status(), 200, "{path}: {answer:?}");
    }
    held.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_plain_http_goes_to_the_persons_own_http_proxy() {
    let (mut named, daemon) = named().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://ada:secret@{}", listener.local_addr().unwrap());
    named.stage.home.set("http_proxy", proxy);
    let held = Held::start(&named, &[]).await;
    let mut raw = Raw::connect(held.port()).await;
    raw.send(format!(
        "POST http://plain.example:8080/a?b=c HTTP/1.1\r\nHost: plain.example:8080\r\n\
         Proxy-Authorization: {}\r\nProxy-Connection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        held.login()
    ))
    .await;
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut served = Raw::new(stream);
        let asked = served.request().await;
        served
            .send("HTTP/1.1 201 Created\r\nX-Made: yes\r\nContent-Length: 4\r\n\r\nmade")
            .await;
        asked
    };
    let (asked, answer) = tokio::join!(serve, raw.answer());
    assert_eq!(
        asked.head.line,
        "POST http://plain.example:8080/a?b=c HTTP/1.1"
    );
    // `ada:secret`, and nothing of the run's own login.
    assert_eq!(
        asked.head.get("proxy-authorization").unwrap(),
        "Basic YWRhOnNlY3JldA=="
    );
    assert_eq!(asked.head.get("proxy-connection"), None);
    assert_eq!(asked.body, b"hi");
    assert_eq!(
        (answer.head.status(), &answer.body[..]),
        (201, &b"made"[..])
    );
    assert_eq!(answer.head.get("x-made").unwrap(), "yes");
    held.end().await;
    daemon.stop().await;
}
