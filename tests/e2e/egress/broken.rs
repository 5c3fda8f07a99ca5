//! Proxies that want a password, refuse, hang, die or aren't proxies at all.

use std::sync::Arc;
use std::time::Duration;

use loopdesk_protocol::status::State;
use loopdesk_tests::Raw;
use loopdesk_tests::proxy::{Manner, Proxy};
use loopdesk_tests::zendesk::{Fault, Gate};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::super::is_in_order;
use super::{ME, anew, behind};

#[tokio::test]
async fn r4_nothing_that_a_proxy_does_ends_a_session() {
    let proxy = Proxy::start().await.unwrap();
    let stage = behind(&proxy).await;
    let daemon = stage.logged_in().await;
    let says = |answer: &str| Manner::Says(answer.as_bytes().to_vec());
    let page = "<html><title>Access denied</title><p>By the rules of Corp</html>";
    let denied = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    );
    let portal = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{page}");
    let cases = [
        (
            says("HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"a\"\r\n\r\n"),
            502,
            "requires a user and a password; set HTTPS_PROXY to http://USER:PASSWORD@",
            "proxy-login",
        ),
        (
            says("HTTP/1.1 407 x\r\nProxy-Authenticate: NTLM\r\n\r\n"),
            502,
            "requires NTLM authentication",
            "proxy-login",
        ),
        (
            says(&denied),
            502,
            "403 Forbidden, Access denied; ask the proxy's administrator",
            "proxy-refuses",
        ),
        (
            says("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            502,
            "502 Bad Gateway; check that",
            "proxy-refuses",
        ),
        (
            says("HTTP/1.1 504 Gateway Timeout\r\n\r\n"),
            502,
            "504 Gateway Timeout",
            "proxy-refuses",
        ),
        (
            says("HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n"),
            502,
            "302 Found",
            "proxy-refuses",
        ),
        (
            says("220 mail.corp ESMTP\r\n"),
            502,
            "doesn't speak HTTP",
            "proxy-broken",
        ),
        (says(""), 502, "hung up before it answered", "proxy-broken"),
        (
            Manner::Silent,
            504,
            "took longer than 10 s",
            "proxy-timed-out",
        ),
        // A portal that accepts everything and then shows its page where TLS should begin.
        (
            says(&portal),
            502,
            "no trusted connection through the proxy at",
            "tls-failed",
        ),
    ];
    for (manner, status, words, code) in cases {
        let what = format!("{manner:?}");
        proxy.behave(manner);
        proxy.end_tunnels();
        let (got, said) = anew(&stage).await;
        assert_eq!(got, status, "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
        assert!(said.contains(&proxy.authority()), "{what}: {said}");
        let failed = stage.home.loopdesk(["refresh"]).await.failed(5);
        assert!(
            failed.stderr.contains(&proxy.authority()),
            "{what}: {failed:?}"
        );
        assert_eq!(stage.acme().await.state, State::Unreachable, "{what}");
        let conditions = stage.status().await.conditions;
        let told: Vec<_> = conditions.iter().map(|one| one.code()).collect();
        assert_eq!(told, [code], "{what}: {conditions:#?}");
        if status == 502 && !words.starts_with("no trusted") {
            let last = stage.status().await.egress.last_error.unwrap();
            assert!(last.message.contains(words), "{what}: {last:?}");
        }

        proxy.behave(Manner::Good);
        proxy.end_tunnels();
        stage.home.loopdesk(["refresh"]).await.ok();
        assert_eq!(anew(&stage).await.0, 200, "{what}");
        assert!(stage.status().await.egress.last_error.is_none(), "{what}");
        let state = stage.acme().await.state;
        assert!(is_in_order(state), "{what}: {state:?}");
    }
    assert_eq!(stage.live_pairs(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn s7_a_post_that_got_no_tunnel_was_never_sent() {
    let proxy = Proxy::start().await.unwrap();
    let stage = behind(&proxy).await;
    let _daemon = stage.logged_in().await;
    stage.zendesk.clear();
    proxy.behave(Manner::Says(b"HTTP/1.1 503 Busy\r\n\r\n".to_vec()));
    proxy.end_tunnels();
    let arguments = [
        "-d",
        "{\"ticket\":{}}",
        "-H",
        "Content-Type: application/json",
        "-i",
    ];
    let answer = stage.curl("/api/v2/tickets.json", &arguments).await.ok();
    let answer = answer.stdout.to_lowercase();
    assert!(answer.starts_with("http/1.1 502"), "{answer}");
    assert!(answer.contains("x-loopdesk-error: no-upstream"), "{answer}");
    assert!(!answer.contains("retry-after"), "{answer}");
    assert_eq!(stage.zendesk.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_proxy_that_dies_under_load_costs_502s_and_no_session() {
    let proxy = Proxy::start().await.unwrap();
    let stage = behind(&proxy).await;
    let _daemon = stage.logged_in().await;
    let (port, dies) = (stage.port, Arc::new(Barrier::new(SCRIPTS + 1)));
    let mut scripts = JoinSet::new();
    for _ in 0..SCRIPTS {
        let dies = Arc::clone(&dies);
        scripts.spawn(async move {
            let mut script = Raw::connect(port).await;
            let (mut served, mut refused) = (0, Vec::new());
            // Until each has met the dead proxy, and a few times more.
            while refused.len() < 5 {
                let request = format!("GET {ME} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
                script.send(request).await;
                let answer = script.answer().await;
                match answer.status() {
                    200 => {
                        served += 1;
                        if served == 20 {
                            dies.wait().await;
                        }
                    }
                    502 => refused.push(answer.text()),
                    _ => panic!("{answer:?}"),
                }
                if answer.head.has("connection", "close") {
                    script = Raw::connect(port).await;
                }
            }
            refused
        });
    }
    // All are running, and continue while it dies.
    dies.wait().await;
    proxy.die();
    for refused in scripts.join_all().await {
        // The first request may already have been sent.
        let last = refused.last().unwrap();
        let expected = format!("the proxy at {} can't be reached", proxy.authority());
        assert!(last.contains(&expected), "{refused:#?}");
    }
    stage.home.loopdesk(["refresh"]).await.failed(5);
    assert_eq!(stage.acme().await.state, State::Unreachable);
    proxy.come_back().await;
    assert_eq!(anew(&stage).await.0, 200);
    let state = stage.acme().await.state;
    assert!(is_in_order(state), "{state:?}");
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(stage.live_pairs(), 1);
}

#[tokio::test]
async fn s3_a_download_through_a_proxy_streams_and_its_end_is_told() {
    let proxy = Proxy::start().await.unwrap();
    let stage = behind(&proxy).await;
    let _daemon = stage.logged_in().await;
    let middle = Gate::closed();
    let fault = Fault::on("GET", "/api/v2/tickets/*")
        .repeat_body(vec![b' '; 1000], 100)
        .pause_body(50_000, &middle);
    let _held = stage.zendesk.fault(fault);
    let mut script = Raw::connect(stage.port).await;
    let request = format!(
        "GET /api/v2/tickets/1 HTTP/1.1\r\nHost: localhost:{}\r\n\r\n",
        stage.port
    );
    script.send(request).await;
    let waited = tokio::time::timeout(Duration::from_secs(30), script.head()).await;
    assert_eq!(waited.expect("the head comes before the end").status(), 200);
    proxy.end_tunnels();
    let rest = script.all().await;
    assert!(
        !rest.ends_with(b"0\r\n\r\n"),
        "a body that was cut off has no end"
    );
}

const SCRIPTS: usize = 16;
