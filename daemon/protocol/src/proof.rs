//! `POST /v1/proof`, and the same question over TCP: does this daemon own this port?
//!
//! Another program may have the port, or the same port of the other address family, to which
//! `localhost` may resolve as well. So the command line sends a fresh nonce both to the daemon's
//! control socket, which is known to be ours, and to the address, with `GET` [`WELL_KNOWN`]. Only
//! the daemon can answer both alike: the answer is a hash of a secret of the process, the nonce,
//! and the address that was asked, so it can't be relayed from another port. It reveals nothing
//! else.

use std::net::SocketAddr;
use std::time::Duration;

use http::header::{CONNECTION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::call::Call;

/// Proves ownership of a port, on the control socket.
pub const CALL: Call<ProofRequest, Proof> = Call::post("/v1/proof");

/// Answers `?nonce=…` with a [`Proof`] on the ports for scripts. RFC 8615 reserves such paths, and
/// Zendesk doesn't use this one.
pub const WELL_KNOWN: &str = "/.well-known/loopdesk";

/// Asks for the answer to a nonce at an address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProofRequest {
    /// [`NONCE_LENGTH`] hexadecimal digits, never used before.
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

/// What answered at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// A proof, right or wrong.
    Proof(Proof),
    /// A refusal such as loopdesk's own.
    Refused,
    /// Something else, no answer in time, or not HTTP.
    Else,
    /// Nothing listens there.
    Nobody,
}

/// Asks the program that listens at `address`. Sends nothing secret.
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

/// Generous for a program on this machine.
const PATIENCE: Duration = Duration::from_secs(2);

const ANSWER_MAX: usize = 4096;
