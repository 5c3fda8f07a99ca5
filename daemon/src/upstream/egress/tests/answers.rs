//! What proxies of every kind may answer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower_service::Service;

use super::super::proxy_stream::ProxyStream;
use super::*;
use crate::body::Body;
use crate::network::Network;
use crate::upstream::connections::Connections;
use crate::upstream::resolve::Resolver;
use crate::upstream::{Credential, Outgoing, Upstream, UpstreamError, roots};

#[tokio::test]
async fn a_tunnel_is_asked_for_and_no_byte_of_it_is_lost() {
    let taken: [&str; 5] = [
        "HTTP/1.1 200 Connection established\r\n\r\nfirst bytes",
        "HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\nfirst bytes",
        "HTTP/1.1 299 Whatever\r\nContent-Length: 3\r\n\r\nfirst bytes",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfirst bytes",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nfirst bytes",
    ];
    for answer in taken {
        let (address, played) = proxy(vec![(Hears::Head, answer.into())]).await;
        let line = dial(&format!("http://ada:pw@{address}")).await.unwrap();
        assert_eq!(read(line, 11).await, b"first bytes", "{answer}");
        let heard = String::from_utf8(played.await.unwrap()).unwrap();
        assert_eq!(
            heard,
            "CONNECT acme.zendesk.com:443 HTTP/1.1\r\nHost: acme.zendesk.com:443\r\n\
             Proxy-Authorization: Basic YWRhOnB3\r\n\r\n"
        );
    }
}

#[tokio::test]
async fn r4_whatever_a_proxy_answers_is_told_and_nothing_was_sent() {
    let page = "<html><head><TITLE>\n Access &amp; \u{1b}[2Jdenied\n</TITLE></head></html>";
    let html = |status: &str, more: &str| {
        let length = page.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n{more}\r\n{page}"
        )
    };
    let with_login = [
        ("HTTP/1.1 407 x\r\n\r\n".to_owned(), "rejects the user and password in HTTPS_PROXY"),
        (
            "HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n".to_owned(),
            "requires Negotiate or NTLM authentication, and loopdesk only supports Basic; run a \
             proxy",
        ),
        (
            "HTTP/1.1 407 x\r\nProxy-Authenticate: Digest realm=\"a\", nonce=\"b\", Basic realm=\"c\"\r\n\r\n".to_owned(),
            "rejects the user and password",
        ),
        (
            html("403 Forbidden", "X-Squid-Error: ERR_ACCESS_DENIED 0\r\n"),
            "won't connect to acme.zendesk.com:443: 403 Forbidden, ERR_ACCESS_DENIED 0, Access \
             &amp; [2Jdenied; ask the proxy",
        ),
        (html("502 Bad Gateway", ""), ": 502 Bad Gateway, Access"),
        ("HTTP/1.1 504\r\nContent-Length: 0\r\n\r\n".to_owned(), "443: 504"),
        (
            "HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\n\r\n\n  come back later  \nmore".to_owned(),
            "443: 503 Busy, come back later;",
        ),
        ("HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n".to_owned(), ": 302 Found;"),
        (
            "HTTP/1.1 405 x\r\nX-Loopdesk-Error: method-refused\r\n\r\n".to_owned(),
            "is a loopdesk, which isn't a proxy; correct HTTPS_PROXY",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "doesn't speak HTTP"),
        ("\u{15}\u{3}\u{1}\0\u{2}\u{2}P".to_owned(), "doesn't speak HTTP"),
        (format!("HTTP/1.1 200 {}", "x".repeat(100_000)), "doesn't speak HTTP"),
        (String::new(), "hung up before it answered"),
        ("HTTP/1.1 200 OK\r\nA".to_owned(), "hung up before it answered"),
    ];
    for (answer, expected) in with_login {
        let (address, _played) = proxy(vec![(Hears::Head, answer.clone().into())]).await;
        let failure = dial(&format!("http://ada:hunter2@{address}"))
            .await
            .unwrap_err();
        let text = failure.to_string();
        assert!(text.contains(expected), "{answer}: {text}");
        assert!(text.contains(&address.to_string()), "{text}");
        assert!(
            !text.contains("hunter2") && !text.contains(char::is_control),
            "{text}"
        );
    }
    let (address, _played) = proxy(vec![(Hears::Head, b"HTTP/1.1 407 x\r\n\r\n".to_vec())]).await;
    let text = dial(&address.to_string()).await.unwrap_err().to_string();
    let expected = format!(
        "the proxy at {address} requires a user and a password; set HTTPS_PROXY to \
         http://USER:PASSWORD@{address}, then "
    );
    assert!(text.contains(&expected), "{text}");
}

#[tokio::test]
async fn a_proxy_that_isn_t_there_or_isn_t_what_it_is_called_is_named() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let text = dial(&format!("http://{nobody}"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.contains(&format!("the proxy at {nobody} can't be reached")),
        "{text}"
    );
    assert!(text.contains("check that HTTPS_PROXY is right"), "{text}");
    let plain = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    let (address, _played) = proxy(vec![(Hears::Bytes(1), plain)]).await;
    let text = dial(&format!("https://{address}"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.contains(&format!("no trusted connection to the proxy at {address}")),
        "{text}"
    );
    assert!(text.contains("begins with the proxy's scheme"), "{text}");
}

#[tokio::test]
async fn socks_is_spoken_to_the_letter_and_no_byte_is_lost() {
    let name = [&[5, 1, 0, 3, 16][..], b"acme.zendesk.com", &[1, 187]].concat();
    let bound: [&[u8]; 3] = [
        &[5, 0, 0, 1, 127, 0, 0, 1, 1, 2],
        &[5, 0, 0, 3, 2, b'h', b'i', 1, 2],
        &[
            5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2,
        ],
    ];
    for bound in bound {
        let last = [bound, b"first bytes"].concat();
        let script = vec![
            (Hears::Bytes(3), vec![5, 0]),
            (Hears::Bytes(name.len()), last),
        ];
        let (address, played) = proxy(script).await;
        let line = dial(&format!("socks5://{address}")).await.unwrap();
        assert_eq!(read(line, 11).await, b"first bytes");
        assert_eq!(played.await.unwrap(), [&[5, 1, 0][..], &name].concat());
    }
    let script = vec![
        (Hears::Bytes(4), vec![5, 2]),
        (Hears::Bytes(9), vec![1, 0]),
        (Hears::Bytes(name.len()), bound[0].to_vec()),
    ];
    let (address, played) = proxy(script).await;
    dial(&format!("socks5h://ada:pwd@{address}")).await.unwrap();
    let login = [1, 3, b'a', b'd', b'a', 3, b'p', b'w', b'd'];
    let heard = [&[5, 2, 0, 2][..], &login, &name].concat();
    assert_eq!(played.await.unwrap(), heard);
}

#[tokio::test]
async fn r4_whatever_a_socks_proxy_answers_is_told() {
    let (hello, request) = (|| Hears::Bytes(3), || Hears::Bytes(1));
    let refusal = |code| {
        vec![
            (hello(), vec![5, 0]),
            (request(), vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0]),
        ]
    };
    let cases = [
        (
            vec![(hello(), vec![5, 0xff])],
            "requires a user and a password; set HTTPS_PROXY to socks5h://USER",
        ),
        (vec![(hello(), vec![5, 1])], "doesn't speak SOCKS5"),
        (vec![(hello(), vec![5, 2])], "doesn't speak SOCKS5"),
        (
            vec![(hello(), b"HTTP/1.1 400".to_vec())],
            "doesn't speak SOCKS5",
        ),
        (vec![(hello(), Vec::new())], "hung up before it answered"),
        (
            refusal(2),
            "won't connect to acme.zendesk.com: not allowed by its rules",
        ),
        (
            refusal(5),
            "won't connect to acme.zendesk.com: connection refused",
        ),
        (refusal(99), "won't connect to acme.zendesk.com: failure 99"),
        (
            vec![(hello(), vec![5, 0]), (request(), vec![5, 0, 0, 9])],
            "doesn't speak SOCKS5",
        ),
        (
            vec![(hello(), vec![5, 0]), (request(), vec![5, 0, 0, 1, 0])],
            "hung up",
        ),
    ];
    for (script, expected) in cases {
        let (address, _played) = proxy(script).await;
        let text = dial(&format!("socks5h://{address}"))
            .await
            .unwrap_err()
            .to_string();
        assert!(text.contains(expected), "{text}");
    }
    for answer in [vec![5, 0xff], vec![5, 2]] {
        let script = vec![(Hears::Bytes(4), answer), (Hears::Bytes(1), vec![1, 1])];
        let (address, _played) = proxy(script).await;
        let text = dial(&format!("socks5h://ada:pwd@{address}"))
            .await
            .unwrap_err()
            .to_string();
        assert!(text.contains("rejects the user and password"), "{text}");
    }
}

#[tokio::test]
async fn s7_a_tunnel_that_isn_t_given_can_not_have_acted() {
    let (address, _played) = proxy(vec![(Hears::Head, b"HTTP/1.1 407 x\r\n\r\n".to_vec())]).await;
    for proxy in [address.to_string(), "gopher://proxy".to_owned()] {
        let failure = send(&[("ALL_PROXY", &proxy)]).await;
        assert!(matches!(failure, UpstreamError::Proxy(_)), "{failure:?}");
        assert!(!failure.may_have_acted());
        let refusal = failure.refusal(&"https://acme.zendesk.com".parse().unwrap());
        assert_eq!(
            (refusal.status().as_u16(), refusal.code()),
            (502, "no-upstream")
        );
        let text = refusal.description();
        assert!(
            text.starts_with("can't reach https://acme.zendesk.com: "),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn r4_a_proxy_that_says_nothing_is_given_up_within_the_time_for_a_connection() {
    // Time advances as soon as every task is idle.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silent = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        std::future::pending::<TcpStream>().await;
        stream
    });
    let failure = send(&[("HTTPS_PROXY", &address.to_string())]).await;
    silent.abort();
    let origin = "https://acme.zendesk.com".parse().unwrap();
    let refusal = failure.refusal(&origin);
    assert_eq!(refusal.status(), 504, "{failure:?}");
    let text = refusal.description();
    assert!(
        text.contains(&format!(
            "through the proxy at {address} took longer than 10 s"
        )),
        "{text}"
    );
    assert!(!failure.may_have_acted());
}

#[tokio::test]
async fn o3_how_the_last_connection_has_failed_shows_until_one_succeeds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let egress = egress(&[("HTTPS_PROXY", &address.to_string())]);
    let upstream = upstream(egress.clone());
    let call = || {
        let request = Request::get("https://acme.zendesk.com/").body(Bytes::new());
        upstream.call(request.unwrap(), Duration::from_secs(20))
    };
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let (failed, _stream) = tokio::join!(call(), answer);
    failed.unwrap_err();
    let told = egress.status(std::iter::empty()).last_error.unwrap();
    assert!(told.message.contains("403 No"), "{told:?}");
    egress.note(None);
    assert!(egress.status(std::iter::empty()).last_error.is_none());
}

/// A request for Zendesk through a proxy.
async fn send(variables: &[(&str, &str)]) -> UpstreamError {
    let upstream = upstream(egress(variables));
    let post = Request::builder()
        .method(Method::POST)
        .uri("/api/v2/tickets.json");
    let post = post
        .header(AUTHORIZATION, "x")
        .body(Body::full("once"))
        .unwrap();
    let origin = "https://acme.zendesk.com".parse().unwrap();
    let mut outgoing = Outgoing::new(post, origin, Credential::Injected);
    upstream.send(&mut outgoing, None).await.unwrap_err()
}

/// A proxy that plays `script` on its first connection: what it sends after having received what.
async fn proxy(script: Vec<(Hears, Vec<u8>)>) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let played = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        for (hears, says) in script {
            let from = heard.len();
            while !hears.is_over(&heard[from..]) {
                let mut buffer = [0; 1024];
                let n = stream.read(&mut buffer).await.unwrap();
                assert_ne!(n, 0, "ended after {heard:?}");
                heard.extend_from_slice(&buffer[..n]);
            }
            stream.write_all(&says).await.unwrap();
        }
        heard
    });
    (address, played)
}

enum Hears {
    Head,
    Bytes(usize),
}

impl Hears {
    fn is_over(&self, heard: &[u8]) -> bool {
        match self {
            Self::Head => heard.ends_with(b"\r\n\r\n"),
            Self::Bytes(n) => heard.len() >= *n,
        }
    }
}

fn upstream(egress: Egress) -> Upstream {
    let account = samples::account("acme", "https://acme.zendesk.com");
    Upstream::new(&account, egress, Network::still(), &samples::conditions()).unwrap()
}

fn dialer(egress: Egress) -> Dialer {
    let tls = rustls::ClientConfig::builder_with_provider(roots::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let account = samples::account("acme", "https://acme.zendesk.com");
    let resolver = Resolver::new(&account);
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let mut straight = HttpConnector::new_with_resolver(resolver);
    straight.enforce_http(false);
    let connections = Connections::new(Network::still());
    Dialer::new(
        egress,
        connections.knows(straight),
        connections.knows(tcp),
        tls,
    )
}

/// The result of a connection to `acme.zendesk.com:443` through this proxy, up to TLS.
async fn dial(proxy: &str) -> Result<ProxyStream, ProxyError> {
    let mut dialer = dialer(egress(&[("HTTPS_PROXY", proxy)]));
    let target = "https://acme.zendesk.com".parse().unwrap();
    std::future::poll_fn(|cx| dialer.poll_ready(cx))
        .await
        .unwrap();
    match dialer.call(target).await {
        Ok(line) => Ok(line),
        Err(error) => Err(*error.downcast().unwrap()),
    }
}

async fn read(line: ProxyStream, length: usize) -> Vec<u8> {
    let mut line = TokioIo::new(line);
    let mut bytes = vec![0; length];
    line.read_exact(&mut bytes).await.unwrap();
    bytes
}
