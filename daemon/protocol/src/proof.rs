//! `POST /v1/proof`, and the same question over TCP: does this port answer for this daemon?
//!
//! Another program may hold the port, or the same port of the other address family, to which
//! `localhost` may lead as well. The command line therefore asks twice about a number that it has
//! just made up: the daemon on the control socket, which is known to be ours, and whoever answers
//! at the address, by `GET` [`WELL_KNOWN`]. Only the daemon can give the same answer to both: it
//! is a hash over a secret that the process was born with, the number, and the address at which the
//! question arrived, so that nobody can hand it on to another port. It reveals nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use http::header::{CONNECTION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

/// Where [`ProofRequest`] is answered by [`Proof`] on the control socket.
pub const PATH: &str = "/v1/proof";

/// Where `?nonce=…` is answered by [`Proof`] on the ports for scripts. RFC 8615 keeps such paths
/// apart from an origin's own; Zendesk has none of this name.
pub const WELL_KNOWN: &str = "/.well-known/loopdesk";

/// What the answer to a number would be at an address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProofRequest {
    /// [`NONCE_LENGTH`] hexadecimal digits that nobody has used before.
    pub nonce: String,
    /// The address of a listener, as in the status.
    pub address: SocketAddr,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Hexadecimal digits.
    pub proof: String,
}

/// 32 bytes.
pub const NONCE_LENGTH: usize = 64;

/// What somebody said at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// A proof, right or wrong.
    Proof(Proof),
    /// A refusal such as loopdesk's own.
    Refused,
    /// Something else, or nothing in time, or nothing that is HTTP.
    Else,
    /// Nobody listens there.
    Nobody,
}

/// Asks whoever listens at `address`. Sends nothing that anybody could use.
pub async fn ask(address: SocketAddr, nonce: &str) -> ProbeAnswer {
    let stream = match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) => return ProbeAnswer::Nobody,
        Err(_) => return ProbeAnswer::Else,
    };
    let answer = tokio::time::timeout(PATIENCE, exchange(stream, address, nonce)).await;
    answer.ok().flatten().unwrap_or(ProbeAnswer::Else)
}

async fn exchange(stream: TcpStream, address: SocketAddr, nonce: &str) -> Option<ProbeAnswer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::get(format!("{WELL_KNOWN}?nonce={nonce}"))
        .header(HOST, address.to_string())
        .header(CONNECTION, "close")
        .body(Empty::<bytes::Bytes>::new())
        .ok()?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await.ok()?;
        let is_refusal = response.status() == StatusCode::FORBIDDEN
            && response.headers().contains_key("x-loopdesk-error");
        if is_refusal {
            return Some(ProbeAnswer::Refused);
        }
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect();
        let body = body.await.ok()?.to_bytes();
        serde_json::from_slice(&body).ok().map(ProbeAnswer::Proof)
    };
    let answer = answer.await;
    driver.abort();
    answer
}

/// On this machine; whoever needs longer is not well.
const PATIENCE: Duration = Duration::from_secs(2);

const ANSWER_MAX: usize = 4096;
