//! Proves to the command line that this process listens on a port.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, header, request};
use loopdesk_protocol::proof::{NONCE_LENGTH, Proof, WELL_KNOWN};
use sha2::{Digest, Sha256};

use crate::body::Body;
use crate::error_response::ErrorResponse;
use crate::facts::{ConnFacts, Local};
use crate::hex;
use crate::telemetry::Sent;

/// A secret created at start, which never leaves this process. Clones share it.
#[derive(Clone)]
pub struct Prover(Arc<[u8; 32]>);

impl Prover {
    /// A new secret.
    ///
    /// # Errors
    /// If the system provides no random bytes.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self(Arc::new(secret)))
    }

    /// The proof for `nonce` at `address`; `None` if the nonce isn't well-formed.
    ///
    /// Secret and nonce have fixed lengths and the address comes last, so that a plain hash does
    /// what an HMAC would: nothing can be appended to an address that is still an address.
    pub fn prove(&self, nonce: &str, address: SocketAddr) -> Option<Proof> {
        if nonce.len() != NONCE_LENGTH || !nonce.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(*self.0);
        hash.update(nonce);
        hash.update(address.to_string());
        let proof = hash.finalize();
        Some(Proof {
            proof: hex::lower(&proof),
        })
    }

    /// Whether a request asks for a proof: its path isn't one of Zendesk's.
    pub fn is_asked<B>(request: &Request<B>) -> bool {
        request.uri().path() == WELL_KNOWN
    }

    /// Answers such a request after admission. It has no effect, and tells clients that may use the
    /// port nothing new.
    ///
    /// # Errors
    /// If the request isn't a valid question.
    pub fn answer(
        &self,
        facts: &ConnFacts,
        head: &request::Parts,
    ) -> Result<Response<Body>, ErrorResponse> {
        if head.method != Method::GET {
            return Err(ErrorResponse::Method(Sent::escaped(head.method.as_str())));
        }
        let nonce = head
            .uri
            .query()
            .and_then(|query| query.strip_prefix("nonce="));
        let proof = match (&facts.local, nonce) {
            (Local::Tcp { addr }, Some(nonce)) => self.prove(nonce, *addr),
            _ => None,
        };
        let wrong = || {
            ErrorResponse::BadRequest(format!(
                "`{WELL_KNOWN}` takes `?nonce=` and {NONCE_LENGTH} hexadecimal digits, over TCP"
            ))
        };
        proof.ok_or_else(wrong).map(|proof| {
            let text = serde_json::json!({ "proof": proof.proof }).to_string();
            let mut response = Response::new(Body::full(text));
            let headers = response.headers_mut();
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
            let no_store = HeaderValue::from_static("no-store");
            headers.insert(header::CACHE_CONTROL, no_store);
            response
        })
    }
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prover(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_u2_a_proof_fits_one_process_one_number_and_one_address() {
        let (one, other) = (Prover::new().unwrap(), Prover::new().unwrap());
        let (v4, v6) = (
            "127.0.0.1:8484".parse().unwrap(),
            "[::1]:8484".parse().unwrap(),
        );
        let (nonce, next) = ("a".repeat(64), "b".repeat(64));
        let proof = one.prove(&nonce, v4).unwrap();
        assert_eq!(one.clone().prove(&nonce, v4), Some(proof.clone()));
        for differs in [
            other.prove(&nonce, v4),
            one.prove(&next, v4),
            one.prove(&nonce, v6),
        ] {
            assert_ne!(differs.unwrap(), proof);
        }
        for bad in ["", "abc", &"g".repeat(64), &"a".repeat(65)] {
            assert_eq!(one.prove(bad, v4), None, "{bad}");
        }
        assert_eq!(format!("{one:?}"), "Prover(..)");
    }
}
