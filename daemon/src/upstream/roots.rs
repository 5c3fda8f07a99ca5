//! Whom we believe to be Zendesk: the system's certificate authorities, and an account's own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::egress::is_unknown_issuer;

/// The cipher suites and key exchanges in use. Named explicitly everywhere: the process default
/// panics as soon as a second provider is compiled in.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Reads an account's own authorities.
///
/// # Errors
/// Where the file can't be read or holds no usable certificate.
pub(super) fn extra(file: &Path) -> Result<Arc<WebPkiServerVerifier>, ConfigError> {
    let fail = |reason: Reason| ConfigError {
        file: file.to_owned(),
        reason,
    };
    let pem = std::fs::read(file).map_err(|e| fail(Reason::Read(e)))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| fail(Reason::Pem(e.to_string())))?;
        roots
            .add(certificate)
            .map_err(|e| fail(Reason::Certificate(e)))?;
    }
    if roots.is_empty() {
        return Err(fail(Reason::Empty));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|e| fail(Reason::Pem(e.to_string())))
}

/// Whoever the system trusts, and `extra` where there are any. Reads files: not for async threads.
///
/// # Errors
/// Where the system trusts nobody and there is no `extra`.
pub(super) fn verifier(
    extra: Option<Arc<WebPkiServerVerifier>>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    match (extra, platform()) {
        (None, platform) => Ok(platform?),
        (Some(extra), platform) => Ok(Arc::new(Either {
            extra,
            platform: platform.ok(),
        })),
    }
}

/// Why an account has no way to Zendesk.
#[derive(Debug, thiserror::Error)]
#[error("`extra-ca-file` `{}` {reason}", .file.display())]
pub struct ConfigError {
    file: PathBuf,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("can't be read: {0}")]
    Read(std::io::Error),
    #[error("is no PEM file: {0}")]
    Pem(String),
    #[error("holds a certificate that can't be used: {0}")]
    Certificate(rustls::Error),
    #[error("holds no certificate: it must have a line `-----BEGIN CERTIFICATE-----`")]
    Empty,
}

/// The system's authorities, parsed once for all accounts: the bundle costs milliseconds and
/// memory. A failure isn't remembered, since the bundle may be installed later.
fn platform() -> Result<Arc<Verifier>, rustls::Error> {
    static LOADED: Mutex<Option<Arc<Verifier>>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(verifier) = &*loaded {
        return Ok(Arc::clone(verifier));
    }
    let verifier = Arc::new(Verifier::new(provider())?);
    *loaded = Some(Arc::clone(&verifier));
    Ok(verifier)
}

/// Trusts an account's own authorities, then the system's.
#[derive(Debug)]
struct Either {
    extra: Arc<WebPkiServerVerifier>,
    platform: Option<Arc<Verifier>>,
}

impl ServerCertVerifier for Either {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let extra =
            self.extra
                .verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        match (extra, &self.platform) {
            (Err(ours), Some(platform)) => {
                let verdict =
                    platform.verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
                // Who knows the authority says better what is wrong with its certificate.
                verdict.map_err(|theirs| {
                    if is_unknown_issuer(&ours) {
                        theirs
                    } else {
                        ours
                    }
                })
            }
            (verdict, _) => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.extra
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.extra
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.extra.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_file_is_named_with_its_fault() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = dir.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let table = [
            (dir.path().join("absent.pem"), "can't be read"),
            (
                write("empty.pem", "no certificate here\n"),
                "holds no certificate",
            ),
            (
                write(
                    "broken.pem",
                    "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
                ),
                "is no PEM file",
            ),
            (
                write(
                    "other.pem",
                    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                ),
                "can't be used",
            ),
        ];
        for (file, fault) in table {
            let error = extra(&file).unwrap_err().to_string();
            assert!(error.contains(file.to_str().unwrap()), "{error}");
            assert!(error.contains(fault), "{error}");
        }
    }
}
