//! What Zendesk gets from a program under `loopdesk exec`, and what the program gets from Zendesk, is
//! what both would get without loopdesk, but for what the guide lists. Requests and answers are made
//! up, and each is sent twice: straight to the simulated Zendesk, and through `exec`.

mod cases;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use loopdesk_tests::Raw;
use loopdesk_tests::by_name::ByName;
use loopdesk_tests::raw::Message;
use loopdesk_tests::tolerant::{self, Reading, Understood};
use loopdesk_tests::zendesk::{Protocols, Zendesk};
use loopdeskd::rewrite::STRIPPED_VERBATIM;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{exec, named};
use crate::differential::{Dice, decoded, fresh_seed};
use crate::is_long;
use cases::{Case, answer};

#[tokio::test]
async fn s9_both_sides_get_what_they_would_without_loopdesk() {
    let zendesk = Zendesk::builder().protocols(Protocols::Http1);
    let (named, _daemon) = named(zendesk).await;
    let stage = &named.stage;
    let run = Run::start(&named).await;
    stage.zendesk.reset_connections();
    stage.zendesk.connections_closed().await;
    let (told, mut seen) = mpsc::unbounded_channel();
    for _ in 0..CONNECTIONS {
        let (taken, told) = (stage.zendesk.take_connection(), told.clone());
        tokio::spawn(async move { mirror(taken.await, told).await });
    }
    let seed = std::env::var("LOOPDESK_SEED").ok();
    let seed = seed.map_or_else(fresh_seed, |seed| seed.parse().unwrap());
    println!("LOOPDESK_SEED={seed}");
    let mut dice = Dice(seed);
    let time = Duration::from_secs(if is_long() { 300 } else { 8 });
    let (begin, mut count, mut closed) = (Instant::now(), 0, 0);
    let port = stage.zendesk.port();
    let (mut direct, mut through) = (direct(&named, port).await, run.connect().await);
    while begin.elapsed() < time {
        let case = Case::new(&mut dice);
        let Shown(shown) = &Shown(case.bytes.escape_ascii().to_string());
        direct.send(&case.bytes).await;
        let answer_of_zendesk = case.answer(&mut direct).await;
        let sent: Understood = seen.recv().await.unwrap();
        through.send(&case.bytes).await;
        let answer = case.answer(&mut through).await;
        let ours = answer.head.get("x-loopdesk-error");
        assert!(ours.is_none(), "{answer:?} to {shown}");
        let arrived: Understood = seen.recv().await.unwrap();
        assert_eq!(arrived.method, sent.method, "{shown}");
        assert_eq!(decoded(&arrived.target), decoded(&sent.target), "{shown}");
        assert!(arrived.body == sent.body, "another body of {shown}");
        assert_eq!(request_headers(&arrived), request_headers(&sent), "{shown}");
        is_loopdesks(&arrived, shown);
        assert_eq!(answer.head.line, answer_of_zendesk.head.line, "{shown}");
        assert!(
            answer.body == answer_of_zendesk.body,
            "another answer to {shown}"
        );
        let headers = [&answer, &answer_of_zendesk].map(answer_headers);
        assert_eq!(headers[0], headers[1], "{shown}");
        count += 1;
        let is_over = answer.head.has("connection", "close");
        closed += u32::from(is_over);
        if is_over || dice.one_in(8) {
            through = run.connect().await;
        }
    }
    println!("{count} requests, {closed} with `Connection: close`");
    assert!(count > 200, "{count}");
}

#[test]
fn the_guide_lists_what_is_removed_from_requests() {
    let guide = include_str!("../../../../client/guide/clients.md").to_ascii_lowercase();
    let (_, section) = guide.split_once("\n## headers of a request\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for name in REMOVED_FROM_REQUESTS {
        let family = name.starts_with("x-forwarded-").then_some("x-forwarded-*");
        let name = family.unwrap_or(name);
        assert!(section.contains(&format!("`{name}`")), "{name}");
    }
}

/// A command under `exec`, and the way that it is given.
struct Run {
    _child: Child,
    proxy: url::Url,
    connector: TlsConnector,
}

impl Run {
    async fn start(named: &ByName) -> Self {
        let script = "echo \"$HTTPS_PROXY\"; echo \"$SSL_CERT_FILE\"; exec cat";
        let mut command = exec(&named.stage, &["sh", "-c", script]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = async || lines.next_line().await.unwrap().unwrap();
        let proxy = line().await.parse().unwrap();
        let bundle = std::fs::read(line().await).unwrap();
        let connector = trusting(&bundle);
        Self {
            _child: child,
            proxy,
            connector,
        }
    }

    /// A tunnel to Zendesk, as far as the program knows.
    async fn connect(&self) -> Raw<TlsStream<TcpStream>> {
        let port = self.proxy.port().unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let login = format!("loopdesk:{}", self.proxy.password().unwrap());
        let login = BASE64_STANDARD.encode(login);
        let connect = format!(
            "CONNECT acme.zendesk.com:443 HTTP/1.1\r\nHost: acme.zendesk.com:443\r\n\
             Proxy-Authorization: Basic {login}\r\n\r\n"
        );
        stream.write_all(connect.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", head.escape_ascii());
        secured(&self.connector, stream).await
    }
}

/// A connection that loopdesk has nothing to do with.
async fn direct(named: &ByName, port: u16) -> Raw<TlsStream<TcpStream>> {
    let ca = std::fs::read(named.stage.zendesk.ca_file()).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    secured(&trusting(&ca), stream).await
}

async fn secured(connector: &TlsConnector, stream: TcpStream) -> Raw<TlsStream<TcpStream>> {
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from("acme.zendesk.com").unwrap();
    Raw::new(connector.connect(name, stream).await.unwrap())
}

fn trusting(pem: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(tls))
}

/// Zendesk: reports what it understands, and answers as the request's `X-Answer` says.
async fn mirror(
    mut stream: loopdesk_tests::zendesk::Taken,
    told: mpsc::UnboundedSender<Understood>,
) {
    let mut ahead = Vec::new();
    loop {
        let (understood, length) = match tolerant::read(&ahead) {
            Reading::Whole(understood, length) => (understood, length),
            Reading::Part => match stream.read_buf(&mut ahead).await {
                Ok(1..) => continue,
                _ => return,
            },
            Reading::Nothing => return,
        };
        ahead.drain(..length);
        let mut headers = understood.headers.iter();
        let seed = headers.find(|(name, _)| name.eq_ignore_ascii_case(b"x-answer"));
        let seed = String::from_utf8_lossy(&seed.unwrap().1).parse().unwrap();
        let is_head = understood.method == b"HEAD";
        if told.send(understood).is_err() {
            return;
        }
        let answer = answer(&mut Dice(seed), is_head);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// A request that is shown if the test fails while it is on its way.
struct Shown(String);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            loopdesk_tests::demo::say(&self.0);
        }
    }
}

/// Names as they were spelled, without what ends at loopdesk.
fn request_headers(understood: &Understood) -> Vec<(String, String)> {
    let headers = understood.headers.iter().map(|(name, value)| {
        let (name, value) = (name.escape_ascii(), value.escape_ascii());
        (name.to_string(), value.to_string())
    });
    let gone = [HOP_BY_HOP, REMOVED_FROM_REQUESTS, &["accept-encoding"]].concat();
    without(headers, &gone)
}

fn answer_headers(answer: &Message) -> Vec<(String, String)> {
    let headers = answer.head.headers.iter().cloned();
    let gone = [HOP_BY_HOP, STRIPPED_VERBATIM].concat();
    without(headers, &gone)
}

fn without(
    headers: impl Iterator<Item = (String, String)>,
    gone: &[&str],
) -> Vec<(String, String)> {
    let gone: BTreeSet<_> = gone.iter().copied().collect();
    let stays = |(name, _): &(String, String)| !gone.contains(name.to_ascii_lowercase().as_str());
    let mut headers: Vec<_> = headers.filter(stays).collect();
    // The order of lines with the same name counts, and no other.
    headers.sort_by(|left, right| left.0.cmp(&right.0));
    headers
}

/// The session's token, once, and nothing of what the guide says doesn't arrive.
fn is_loopdesks(arrived: &Understood, shown: &str) {
    let all = |name: &str| {
        let headers = arrived.headers.iter();
        let found = headers.filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let tokens = all("authorization");
    assert!(
        tokens.len() == 1 && tokens[0] != b"Bearer a-dummy",
        "{shown}"
    );
    // Of codings, only those that loopdesk can search for tokens.
    for codings in all("accept-encoding") {
        let known = [&b"gzip"[..], b"identity"].contains(&codings.as_slice());
        assert!(known, "{} of {shown}", codings.escape_ascii());
    }
    for name in REMOVED_FROM_REQUESTS
        .iter()
        .filter(|name| **name != "authorization")
    {
        assert!(all(name).is_empty(), "{name} arrived of {shown}");
    }
}

/// RFC 9110 section 7.6.1. A body's length is the same, if it has one.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
];

/// Headers of a request that the guide lists as removed, and the token, which is the session's.
const REMOVED_FROM_REQUESTS: &[&str] = &[
    "authorization",
    "cookie",
    "origin",
    "referer",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-original-url",
];

/// More connections to Zendesk than are opened.
const CONNECTIONS: usize = 1000;
