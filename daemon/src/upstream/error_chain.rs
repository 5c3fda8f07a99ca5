//! Finds what lies within an error that other crates have wrapped.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;

use crate::telemetry::Foreign;

/// The first `E` among an error's sources, including those that `io::Error` hides.
pub(super) fn find<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let hidden = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match hidden {
            Some(hidden) => Some(hidden),
            None => error.source(),
        };
    }
    None
}

/// The innermost error. For HTTP/2 only the code: text that a peer adds to it may repeat another
/// caller's request.
pub(super) fn root(error: &(dyn StdError + 'static)) -> Foreign {
    let h2 = find::<h2::Error>(error).and_then(h2::Error::reason);
    match h2 {
        Some(reason) => Foreign::new(&format!("HTTP/2 says: {reason}")),
        None => Foreign::root(error),
    }
}

/// Whether the certificate isn't signed by an authority that we trust, which is what TLS
/// interception looks like. An authority that has changed its key under its old name produces a bad
/// signature.
pub(super) fn is_unknown_issuer(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        )
    )
}
