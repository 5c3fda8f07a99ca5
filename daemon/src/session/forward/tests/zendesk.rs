//! A small Zendesk over TLS.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::config::Origin;

/// Rotates like Zendesk: a refresh deletes both old tokens.
pub(in crate::session) struct Zendesk {
    lifetime: i64,
    issued: AtomicUsize,
    expired: AtomicBool,
    revoked: AtomicBool,
    pub(in crate::session) broken: AtomicBool,
    /// A refresh waits while this is held.
    pub(in crate::session) turn: Semaphore,
    /// A request for `/slow` takes one of these before its token is checked.
    pub(in crate::session) slow: Semaphore,
    seen: tokio::sync::watch::Sender<Vec<String>>,
    refreshed: tokio::sync::watch::Sender<usize>,
}

impl Zendesk {
    pub(in crate::session) async fn start(
        lifetime: i64,
        dir: &std::path::Path,
    ) -> (Arc<Self>, Origin, std::path::PathBuf) {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let ca = dir.join("ca.pem");
        std::fs::write(&ca, signed.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let zendesk = Arc::new(Self {
            lifetime,
            issued: AtomicUsize::new(1),
            expired: AtomicBool::new(false),
            revoked: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            turn: Semaphore::new(1),
            slow: Semaphore::new(0),
            seen: tokio::sync::watch::Sender::default(),
            refreshed: tokio::sync::watch::Sender::new(0),
        });
        let serving = Arc::clone(&zendesk);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, zendesk) = (acceptor.clone(), Arc::clone(&serving));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request| {
                        let zendesk = Arc::clone(&zendesk);
                        async move { Ok::<_, Infallible>(zendesk.answer(request).await) }
                    });
                    let server = hyper::server::conn::http1::Builder::new();
                    drop(server.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        let origin = format!("https://localhost:{port}").parse().unwrap();
        (zendesk, origin, ca)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let token = parts.headers.get(AUTHORIZATION).map(|value| {
            let value = value.to_str().unwrap();
            value
                .strip_prefix("Bearer access-")
                .unwrap_or(value)
                .to_owned()
        });
        let token = token.unwrap_or_default();
        match parts.uri.path() {
            "/oauth/tokens" => {
                let body = body.collect().await.unwrap().to_bytes();
                return self.refresh(&body).await;
            }
            "/api/v2/oauth/tokens/current.json" if parts.method == Method::GET => {
                self.note("CHECK".to_owned());
                let body = r#"{"token":{"expires_at":null}}"#;
                return self.guarded(&token, text(200, body));
            }
            "/api/v2/oauth/tokens/current.json" => {
                let answer = self.guarded(&token, text(204, ""));
                self.revoke();
                return answer;
            }
            _ => {}
        }
        self.note(format!("{} {} {token}", parts.method, parts.uri.path()));
        if parts.uri.path() == "/on-behalf-of-nobody" {
            let mut answer = text(401, "").map(|_| Full::from(gzip(INVALID_TOKEN)));
            let headers = answer.headers_mut();
            headers.insert("content-encoding", "gzip".parse().unwrap());
            return answer;
        }
        if parts.uri.path() == "/slow" {
            self.slow.acquire().await.unwrap().forget();
        }
        if !self.is_alive(&token) {
            self.note("DEAD".to_owned());
        }
        let path = parts.uri.path().to_owned();
        self.guarded(&token, text(200, &path))
    }

    async fn refresh(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let body: BTreeMap<String, serde_json::Value> = serde_json::from_slice(body).unwrap();
        assert_eq!(body["grant_type"], "refresh_token");
        assert_eq!(
            body["expires_in"], 172_800,
            "asked for its maximum each time (R7)"
        );
        assert_eq!(body["refresh_token_expires_in"], 7_776_000);
        assert_eq!(body["client_id"], "loopdesk");
        let sent = body["refresh_token"].as_str().unwrap();
        let sent = sent.strip_prefix("refresh-").unwrap().to_owned();
        self.note(format!("REFRESH {sent}"));
        self.refreshed.send_modify(|count| *count += 1);
        drop(self.turn.acquire().await.unwrap());
        if self.broken.load(Ordering::SeqCst) {
            return text(503, "<html>maintenance</html>");
        }
        let current = self.issued.load(Ordering::SeqCst).to_string();
        if sent != current || self.revoked.load(Ordering::SeqCst) {
            return text(400, r#"{"error":"invalid_grant","error_description":"no"}"#);
        }
        let next = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        self.expired.store(false, Ordering::SeqCst);
        let answer = serde_json::json!({
            "access_token": format!("access-{next}"),
            "refresh_token": format!("refresh-{next}"),
            "token_type": "bearer",
            "scope": "read write",
            "expires_in": self.lifetime.to_string(),
            "refresh_token_expires_in": 7_776_000,
        });
        text(201, &answer.to_string())
    }

    fn guarded(&self, token: &str, answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        if self.is_alive(token) {
            answer
        } else {
            text(401, INVALID_TOKEN)
        }
    }

    fn is_alive(&self, token: &str) -> bool {
        let current = self.issued.load(Ordering::SeqCst).to_string();
        token == current
            && !self.expired.load(Ordering::SeqCst)
            && !self.revoked.load(Ordering::SeqCst)
    }

    pub(in crate::session) fn expire(&self) {
        self.expired.store(true, Ordering::SeqCst);
    }

    pub(in crate::session) fn revoke(&self) {
        self.revoked.store(true, Ordering::SeqCst);
    }

    fn note(&self, what: String) {
        self.seen.send_modify(|seen| seen.push(what));
    }

    pub(in crate::session) fn seen(&self) -> Vec<String> {
        self.seen.borrow().clone()
    }

    pub(in crate::session) fn count(&self, prefix: &str) -> usize {
        let seen = self.seen.borrow();
        seen.iter().filter(|line| line.starts_with(prefix)).count()
    }

    pub(in crate::session) async fn until_seen(&self, line: &str) {
        let mut seen = self.seen.subscribe();
        let is_there = |seen: &Vec<String>| seen.iter().any(|known| known == line);
        let there = tokio::time::timeout(PATIENCE, seen.wait_for(is_there));
        there.await.expect("never arrives").unwrap();
    }

    pub(in crate::session) fn refreshes(&self) -> usize {
        *self.refreshed.borrow()
    }

    pub(in crate::session) async fn until_refreshes(&self, count: usize) {
        let mut refreshed = self.refreshed.subscribe();
        refreshed.wait_for(|seen| *seen >= count).await.unwrap();
    }
}

fn text(status: u16, body: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body.to_owned()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

pub(in crate::session) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Longer than anything takes unless it fails.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

pub(in crate::session) const INVALID_TOKEN: &str = r#"{"error":"invalid_token","error_description":"The access token provided is expired, revoked, malformed or invalid for other reasons."}"#;
