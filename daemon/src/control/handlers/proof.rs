//! `POST /v1/proof`.

use loopdesk_protocol::proof::{Proof, ProofRequest};
use loopdesk_protocol::{Kind, Problem};

use super::super::Control;

/// Proves that this process listens on one of its addresses, for a given nonce.
pub(in crate::control) fn proof(control: &Control, asked: &ProofRequest) -> Result<Proof, Problem> {
    let proof = control.prover.prove(&asked.nonce, asked.address);
    proof.ok_or_else(|| Problem::new(Kind::Usage, "the nonce isn't 64 hexadecimal digits"))
}
