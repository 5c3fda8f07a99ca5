//! Connections that the network breaks, or that only look broken (R10).

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::clock::Clock;
use crate::upstream::connection::CutReason;
use crate::upstream::egress::Variables;

const PROTOCOLS: [&str; 2] = ["http/1.1", "h2"];

#[tokio::test]
async fn r10_a_connection_in_doubt_gets_nothing_new_and_its_gets_go_out_again() {
    for alpn in PROTOCOLS {
        let server = Server::bind(alpn).await;
        let upstream = server.upstream();
        let get = send(&upstream, &server, Method::GET);
        let mut first = Side::accept(&server).await;
        first.request().await;
        upstream.each_connection(ConnectionState::mistrust);
        let mut second = Side::accept(&server).await;
        let stream = second.request().await;
        second.answer(stream).await;
        assert_eq!(get.await.unwrap().unwrap(), 200, "{alpn}");

        // Over HTTP/1.1 the second one may not be back in the pool yet.
        if alpn == "h2" {
            let post = send(&upstream, &server, Method::POST);
            let stream = second.request().await;
            second.answer(stream).await;
            assert_eq!(post.await.unwrap().unwrap(), 200);
        }
    }
}

#[tokio::test]
async fn r10_the_first_answer_wins_also_if_it_comes_from_where_nobody_expected_it() {
    for alpn in PROTOCOLS {
        let server = Server::bind(alpn).await;
        let upstream = server.upstream();
        let get = send(&upstream, &server, Method::GET);
        let mut first = Side::accept(&server).await;
        let stream = first.request().await;
        upstream.each_connection(ConnectionState::mistrust);
        let mut second = Side::accept(&server).await;
        second.request().await;
        first.answer(stream).await;
        assert_eq!(get.await.unwrap().unwrap(), 200, "{alpn}");
    }
}

#[tokio::test]
async fn r10_a_post_whose_address_is_gone_fails_at_once_and_a_get_goes_out_again() {
    for alpn in PROTOCOLS {
        let server = Server::bind(alpn).await;
        let upstream = server.upstream();
        for method in [Method::POST, Method::GET] {
            let sent = send(&upstream, &server, method.clone());
            let mut first = Side::accept(&server).await;
            first.request().await;
            upstream.each_connection(|connection| connection.cut(CutReason::Moved));
            if method == Method::POST {
                let failure = sent.await.unwrap().unwrap_err();
                assert!(failure.may_have_acted(), "{failure:?}");
                let refusal = failure.refusal(&server.origin());
                assert_eq!(refusal.status(), 502);
                assert!(
                    failure.to_string().contains("network has changed"),
                    "{failure}"
                );
                assert!(!comes(&server, 300).await, "{alpn}: a POST is sent once");
            } else {
                let mut second = Side::accept(&server).await;
                let stream = second.request().await;
                second.answer(stream).await;
                assert_eq!(sent.await.unwrap().unwrap(), 200, "{alpn}");
                upstream.each_connection(|connection| connection.cut(CutReason::Moved));
            }
        }
    }
}

#[tokio::test]
async fn r10_a_slow_answer_is_waited_for_and_asked_for_once() {
    for alpn in PROTOCOLS {
        let server = Server::bind(alpn).await;
        let upstream = server.upstream();
        let get = send(&upstream, &server, Method::GET);
        let mut first = Side::accept(&server).await;
        let stream = first.request().await;
        // Everything is acknowledged: the other end's kernel does that by itself.
        assert!(!comes(&server, 2500).await, "{alpn}");
        first.answer(stream).await;
        assert_eq!(get.await.unwrap().unwrap(), 200, "{alpn}");
        assert_eq!(upstream.connections(), 1, "{alpn}");
    }
}

#[tokio::test]
async fn r10_a_request_whose_connection_takes_too_long_gets_another_one_and_is_sent_on_one() {
    for (alpn, method) in [("http/1.1", Method::GET), ("h2", Method::POST)] {
        for first_wins in [true, false] {
            let server = Server::bind(alpn).await;
            let upstream = server.upstream();
            let sent = send(&upstream, &server, method.clone());
            let (first, second) = (server.tcp().await, server.tcp().await);
            let (winner, loser) = if first_wins {
                (first, second)
            } else {
                (second, first)
            };
            let mut winner = Side::of(&server.acceptor, winner).await;
            let stream = winner.request().await;
            // Whatever happens to the other connection, nothing is sent on it.
            let acceptor = server.acceptor.clone();
            let late = tokio::spawn(async move {
                let mut side = Side::of(&acceptor, loser).await;
                side.request().await
            });
            // It ends without a request, or never receives one.
            let late = timeout(Duration::from_millis(500), late).await;
            assert!(!late.is_ok_and(|heard| heard.is_ok()), "{alpn}: sent twice");
            winner.answer(stream).await;
            assert_eq!(sent.await.unwrap().unwrap(), 200, "{alpn}");
        }
    }
}

#[tokio::test]
async fn r10_the_connection_to_a_proxy_is_what_counts() {
    let server = Server::bind("http/1.1").await;
    let address = server.listener.local_addr().unwrap();
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = proxy.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut script, _) = proxy.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                script.read_buf(&mut head).await.unwrap();
            }
            script.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(address).await.unwrap();
            tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut script, &mut server).await },
            );
        }
    });
    let account = samples::account_trusting(&server.origin().to_string(), &server.ca);
    let env = |name: &str| (name == "HTTPS_PROXY").then(|| at.clone().into());
    let variables = Variables::read(env, Clock::system());
    let egress = Egress::new(&variables, &samples::config(Vec::new()));
    let conditions = samples::conditions();
    let upstream = Upstream::new(&account, egress, Network::still(), &conditions).unwrap();

    let get = send(&upstream, &server, Method::GET);
    let mut first = Side::accept(&server).await;
    first.request().await;
    assert_eq!(upstream.connections(), 1, "the one to the proxy");
    upstream.each_connection(|connection| connection.cut(CutReason::Moved));
    let mut second = Side::accept(&server).await;
    let stream = second.request().await;
    second.answer(stream).await;
    assert_eq!(get.await.unwrap().unwrap(), 200);
}

impl Upstream {
    fn each_connection(&self, act: impl Fn(&ConnectionState)) {
        for connection in self.0.connections.open() {
            act(&connection);
        }
    }

    fn connections(&self) -> usize {
        self.0.connections.open().len()
    }
}

/// A request in flight; the status of its answer.
fn send(
    upstream: &Upstream,
    server: &Server,
    method: Method,
) -> JoinHandle<Result<u16, UpstreamError>> {
    let request = request(method, "/a").body(Body::empty()).unwrap();
    let mut outgoing = Outgoing::new(request, server.origin(), Credential::Injected);
    let upstream = upstream.clone();
    tokio::spawn(async move {
        let response = upstream.send(&mut outgoing, Some(&ours())).await;
        response.map(|response| response.status().as_u16())
    })
}

/// Whether another connection is opened within this many milliseconds.
async fn comes(server: &Server, millis: u64) -> bool {
    timeout(Duration::from_millis(millis), server.tcp())
        .await
        .is_ok()
}

/// The server's side of a connection.
enum Side {
    Http1(TlsStream<TcpStream>),
    Http2(Frames),
}

impl Side {
    async fn accept(server: &Server) -> Self {
        Self::of(&server.acceptor, server.tcp().await).await
    }

    async fn of(acceptor: &TlsAcceptor, stream: TcpStream) -> Self {
        let stream = acceptor.accept(stream).await.unwrap();
        if acceptor.config().alpn_protocols == [b"h2".to_vec()] {
            Self::Http2(Frames::of(stream).await)
        } else {
            Self::Http1(stream)
        }
    }

    async fn request(&mut self) -> u32 {
        match self {
            Self::Http1(stream) => {
                read_until(stream, "\r\n\r\n").await;
                0
            }
            Self::Http2(frames) => frames.request().await.0,
        }
    }

    async fn answer(&mut self, stream: u32) {
        match self {
            Self::Http1(first) => first.write_all(OK).await.unwrap(),
            Self::Http2(frames) => frames.answer(stream).await,
        }
    }
}
