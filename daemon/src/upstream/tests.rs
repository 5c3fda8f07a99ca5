//! Against servers with real TLS.

mod answers;
mod network;

use std::convert::Infallible;
use std::path::PathBuf;

use http::header::{AUTHORIZATION, HOST};
use http::{Method, Version};
use http_body_util::{Channel, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::ConnectionState;
use super::*;
use crate::config::Origin;
use crate::samples;

#[tokio::test]
async fn s1_the_request_arrives_with_our_token_over_http_1_and_2() {
    for (alpn, version) in [("http/1.1", Version::HTTP_11), ("h2", Version::HTTP_2)] {
        let server = Server::bind(alpn).await;
        let (seen, mut requests) = mpsc::unbounded_channel();
        let upstream = server.upstream();
        let origin = server.origin();
        server.serve(move |request| {
            seen.send(request.map(drop)).unwrap();
        });

        let request = request(Method::GET, "/api/v2/x?y=%20z&access_token=theirs")
            .header("authorization", "Basic dGhlaXJz")
            .header("connection", "authorization")
            .header("host", "localhost:8484")
            .header("x-kept", "1")
            .body(Body::empty());
        let mut outgoing = Outgoing::new(request.unwrap(), origin.clone(), Credential::Injected);
        let response = upstream.send(&mut outgoing, Some(&ours())).await.unwrap();
        assert_eq!(response.status(), 200);

        let seen = requests.recv().await.unwrap();
        assert_eq!(seen.version(), version);
        assert_eq!(seen.uri().path_and_query().unwrap(), "/api/v2/x?y=%20z");
        assert_eq!(seen.headers().get_all(AUTHORIZATION).iter().count(), 1);
        assert_eq!(seen.headers()[AUTHORIZATION], "Bearer ours");
        assert_eq!(seen.headers()["x-kept"], "1");
        let host = match version {
            Version::HTTP_2 => seen.uri().authority().unwrap().to_string(),
            _ => seen.headers()[HOST].to_str().unwrap().to_owned(),
        };
        assert_eq!(host, origin.authority().as_str());
    }
}

#[tokio::test]
async fn the_letter_case_of_headers_is_kept_and_lengths_are_right() {
    let server = Server::bind("http/1.1").await;
    let (upstream, origin) = (server.upstream(), server.origin());
    let script = one_request(
        "POST /a HTTP/1.1\r\nHost: localhost\r\nX-MiXed: 1\r\nContent-Length: 3\r\n\r\nabc",
    )
    .await;
    let head = tokio::spawn(async move {
        let mut stream = server.accept().await;
        let head = read_until(&mut stream, "abc").await;
        stream.write_all(OK).await.unwrap();
        head
    });
    let mut outgoing = Outgoing::new(script.map(Body::from), origin, Credential::Injected);
    assert!(outgoing.is_replayable());
    upstream.send(&mut outgoing, Some(&ours())).await.unwrap();
    let head = head.await.unwrap();
    assert!(head.contains("\r\nX-MiXed: 1\r\n"), "{head}");
    assert_eq!(
        head.to_ascii_lowercase()
            .matches("content-length: 3")
            .count(),
        1
    );
    assert!(
        !head.to_ascii_lowercase().contains("transfer-encoding"),
        "{head}"
    );
}

#[tokio::test]
async fn s7_a_lost_connection_costs_a_get_nothing_and_a_post_once() {
    for (method, tries) in [(Method::GET, 2), (Method::HEAD, 2), (Method::POST, 1)] {
        let server = Server::bind("http/1.1").await;
        let (upstream, origin) = (server.upstream(), server.origin());
        let (seen, mut heads) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for answers in [false, true] {
                let mut stream = server.accept().await;
                let head = read_until(&mut stream, "\r\n\r\n").await;
                seen.send(head).unwrap();
                if answers {
                    stream.write_all(OK).await.unwrap();
                }
            }
        });
        let request = request(method, "/a").body(Body::empty()).unwrap();
        let mut outgoing = Outgoing::new(request, origin, Credential::Injected);
        let verdict = upstream.send(&mut outgoing, Some(&ours())).await;
        assert_eq!(verdict.is_ok(), tries == 2, "{verdict:?}");
        if let Err(failure) = verdict {
            assert!(failure.may_have_acted());
            assert_eq!(failure.refusal(outgoing.origin()).status(), 502);
        }
        assert!(heads.recv().await.is_some());
        assert_eq!(heads.try_recv().is_ok(), tries == 2);
    }
}

#[tokio::test]
async fn s7_what_http_2_turns_away_unread_is_sent_again_with_its_body() {
    for turned_away in [Turn::Refused, Turn::GoneAway] {
        let server = Server::bind("h2").await;
        let (upstream, origin) = (server.upstream(), server.origin());
        let bodies = tokio::spawn(async move {
            let mut first = Frames::of(server.accept().await).await;
            let (stream, body) = first.request().await;
            match turned_away {
                Turn::Refused => {
                    first.write(RST_STREAM, 0, stream, &[0, 0, 0, 7]).await;
                    let (stream, again) = first.request().await;
                    first.answer(stream).await;
                    (first, body, again)
                }
                Turn::GoneAway => {
                    first.write(GOAWAY, 0, 0, &[0; 8]).await;
                    let mut second = Frames::of(server.accept().await).await;
                    let (stream, again) = second.request().await;
                    second.answer(stream).await;
                    (second, body, again)
                }
            }
        });
        let post = request(Method::POST, "/a")
            .body(Body::full("body"))
            .unwrap();
        let mut outgoing = Outgoing::new(post, origin, Credential::Injected);
        let response = upstream.send(&mut outgoing, Some(&ours())).await.unwrap();
        assert_eq!(response.status(), 200);
        let (_open, first, again) = bodies.await.unwrap();
        assert_eq!(
            (first.as_slice(), again.as_slice()),
            (&b"body"[..], &b"body"[..])
        );
    }
}

#[tokio::test]
async fn s7_up_to_the_last_stream_of_a_goaway_a_post_may_have_acted() {
    for (method, tries) in [(Method::POST, 1), (Method::GET, 2)] {
        let server = Server::bind("h2").await;
        let (upstream, origin) = (server.upstream(), server.origin());
        let served = tokio::spawn(async move {
            let mut first = Frames::of(server.accept().await).await;
            let (stream, _) = first.request().await;
            let last = stream.to_be_bytes();
            first
                .write(GOAWAY, 0, 0, &[&last[..], &[0; 4]].concat())
                .await;
            drop(first);
            let mut second = Frames::of(server.accept().await).await;
            let (stream, _) = second.request().await;
            second.answer(stream).await;
            second
        });
        let request = request(method, "/a").body(Body::empty()).unwrap();
        let mut outgoing = Outgoing::new(request, origin, Credential::Injected);
        let verdict = upstream.send(&mut outgoing, Some(&ours())).await;
        assert_eq!(verdict.is_ok(), tries == 2, "{verdict:?}");
        match verdict {
            Ok(_) => drop(served.await.unwrap()),
            Err(failure) => {
                assert!(failure.may_have_acted(), "{failure:?}");
                assert!(!served.is_finished(), "nobody has come a second time");
            }
        }
    }
}

#[tokio::test]
async fn interim_answers_of_http_2_are_not_the_final_one() {
    let server = Server::bind("h2").await;
    let (upstream, origin) = (server.upstream(), server.origin());
    let served = tokio::spawn(async move {
        let mut frames = Frames::of(server.accept().await).await;
        let (stream, _) = frames.request().await;
        // `:status: 103`, its name from HPACK's static table, its value spelled out.
        let hints = [8, 3, b'1', b'0', b'3'];
        frames.write(HEADERS, END_HEADERS, stream, &hints).await;
        frames.answer(stream).await;
        frames
    });
    let get = request(Method::GET, "/a").body(Body::empty()).unwrap();
    let mut outgoing = Outgoing::new(get, origin, Credential::Injected);
    let response = upstream.send(&mut outgoing, Some(&ours())).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(served.await.unwrap());
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_not_believed() {
    let server = Server::bind("h2").await;
    let other = Server::bind("h2").await;
    let account = samples::account_trusting(&server.origin().to_string(), &other.ca);
    let conditions = samples::conditions();
    let upstream =
        Upstream::new(&account, Egress::direct(), Network::still(), &conditions).unwrap();
    let origin = server.origin();
    tokio::spawn(async move { server.acceptor.accept(server.tcp().await).await.map(drop) });
    let get = request(Method::GET, "/").body(Body::empty()).unwrap();
    let mut outgoing = Outgoing::new(get, origin, Credential::Injected);
    let failure = upstream.send(&mut outgoing, None).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::Tls(_)), "{failure:?}");
    assert!(!failure.may_have_acted());
    assert!(failure.to_string().contains("certificate"), "{failure}");
}

#[tokio::test]
async fn nobody_at_home_is_a_failure_that_can_not_have_acted() {
    let server = Server::bind("h2").await;
    let (upstream, origin) = (server.upstream(), server.origin());
    drop(server);
    let get = request(Method::GET, "/").body(Body::empty()).unwrap();
    let mut outgoing = Outgoing::new(get, origin, Credential::Injected);
    let failure = upstream.send(&mut outgoing, None).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::Connect(_)), "{failure:?}");
}

#[tokio::test]
async fn s3_bodies_stream_both_ways() {
    for alpn in ["http/1.1", "h2"] {
        let server = Server::bind(alpn).await;
        let (upstream, origin) = (server.upstream(), server.origin());
        server.echo();
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        let post = request(Method::POST, "/")
            .body(Body::adapted(body))
            .unwrap();
        let mut outgoing = Outgoing::new(post, origin, Credential::Injected);
        let ours = ours();
        let send = upstream.send(&mut outgoing, Some(&ours));
        let (response, sent) = tokio::join!(send, sender.send_data(Bytes::from("first")));
        sent.unwrap();
        let mut answer = response.unwrap().into_body();
        let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "first", "arrives before the second is sent");
        sender.send_data(Bytes::from("second")).await.unwrap();
        drop(sender);
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "second");
    }
}

#[tokio::test]
async fn own_requests_have_a_size_and_a_deadline() {
    let server = Server::bind("http/1.1").await;
    let (upstream, origin) = (server.upstream(), server.origin());
    server.echo();
    let call = |body: Bytes| {
        let request = Request::post(format!("{origin}/oauth/tokens")).body(body);
        upstream.call(request.unwrap(), Duration::from_secs(20))
    };
    let answer = call(Bytes::from("{}")).await.unwrap();
    assert_eq!(answer.into_body(), "{}");
    let failure = call(Bytes::from(vec![0; ANSWER_MAX + 1]))
        .await
        .unwrap_err();
    assert!(matches!(failure, UpstreamError::TooLarge(_)), "{failure:?}");

    let silent = Server::bind("http/1.1").await;
    let request = Request::get(silent.origin().to_string()).body(Bytes::new());
    let failure = silent
        .upstream()
        .call(request.unwrap(), Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(
        matches!(failure, UpstreamError::TimedOut { .. }),
        "{failure:?}"
    );
}

/// A port with a certificate of its own authority.
struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    ca: PathBuf,
    _dir: tempfile::TempDir,
}

impl Server {
    async fn bind(alpn: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, signed.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
        let mut config = rustls::ServerConfig::builder_with_provider(roots::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            ca,
            _dir: dir,
        }
    }

    fn origin(&self) -> Origin {
        let port = self.listener.local_addr().unwrap().port();
        format!("https://localhost:{port}").parse().unwrap()
    }

    fn upstream(&self) -> Upstream {
        let account = samples::account_trusting(&self.origin().to_string(), &self.ca);
        let conditions = samples::conditions();
        Upstream::new(&account, Egress::direct(), Network::still(), &conditions).unwrap()
    }

    async fn tcp(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    async fn accept(&self) -> TlsStream<TcpStream> {
        self.acceptor.accept(self.tcp().await).await.unwrap()
    }

    /// Answers every request with 200 after calling `see` with it.
    fn serve(self, see: impl Fn(Request<Incoming>) + Send + Sync + 'static) {
        self.answer(move |request| {
            see(request);
            Response::new(Body::empty())
        });
    }

    /// Sends every body back while it arrives.
    fn echo(self) {
        self.answer(|request| Response::new(request.into_body().into()));
    }

    fn answer(self, with: impl Fn(Request<Incoming>) -> Response<Body> + Send + Sync + 'static) {
        let with = Arc::new(with);
        tokio::spawn(async move {
            loop {
                let io = TokioIo::new(self.accept().await);
                let with = Arc::clone(&with);
                let service = service_fn(move |request| {
                    let response = with(request);
                    async { Ok::<_, Infallible>(response) }
                });
                if self.alpn_is_h2() {
                    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    tokio::spawn(server.serve_connection(io, service));
                } else {
                    let server = hyper::server::conn::http1::Builder::new();
                    tokio::spawn(server.serve_connection(io, service));
                }
            }
        });
    }

    fn alpn_is_h2(&self) -> bool {
        self.acceptor.config().alpn_protocols == [b"h2".to_vec()]
    }
}

/// How a server reports that it hasn't read a request.
#[derive(Clone, Copy)]
enum Turn {
    Refused,
    GoneAway,
}

/// The frames of HTTP/2 (RFC 9113 section 4.1), without a library, which would behave too well.
struct Frames(TlsStream<TcpStream>);

impl Frames {
    async fn of(mut stream: TlsStream<TcpStream>) -> Self {
        stream.read_exact(&mut [0; 24]).await.unwrap();
        let mut frames = Self(stream);
        frames.write(SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// The next request's stream and body.
    async fn request(&mut self) -> (u32, Vec<u8>) {
        let mut body = Vec::new();
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.unwrap();
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if head[3] == DATA {
                body.extend(payload);
            }
            if matches!(head[3], DATA | HEADERS) && head[4] & END_STREAM != 0 {
                return (stream, body);
            }
        }
    }

    /// `:status: 200`, which is entry 8 of HPACK's static table, and nothing else.
    async fn answer(&mut self, stream: u32) {
        let flags = END_STREAM | END_HEADERS;
        self.write(HEADERS, flags, stream, &[0x88]).await;
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What hyper's server reads from `raw`, letter case and body included.
async fn one_request(raw: &'static str) -> Request<Incoming> {
    let (mut script, daemon) = tokio::io::duplex(4096);
    let (requests, mut request) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let service = service_fn(move |request: Request<Incoming>| {
            requests.send(request).unwrap();
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
        });
        hyper::server::conn::http1::Builder::new()
            .preserve_header_case(true)
            .serve_connection(TokioIo::new(daemon), service)
            .await
    });
    script.write_all(raw.as_bytes()).await.unwrap();
    tokio::spawn(async move {
        let _script = script;
        std::future::pending::<()>().await;
    });
    request.recv().await.unwrap()
}

async fn read_until(stream: &mut TlsStream<TcpStream>, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.unwrap();
        assert_ne!(n, 0, "ended after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    text
}

fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path)
}

fn ours() -> HeaderValue {
    HeaderValue::from_static("Bearer ours")
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
