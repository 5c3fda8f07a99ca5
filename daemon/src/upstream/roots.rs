//! The authorities that may vouch for Zendesk: the system's, and an account's own.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use loopdesk_protocol::conditions;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio::runtime::RuntimeFlavor;

use super::error_chain::is_unknown_issuer;
use crate::conditions::ConditionSlot;

/// The cipher suites and key exchanges in use. Passed explicitly everywhere: the process default
/// panics as soon as a second provider is compiled in.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// An account's own authorities, from a file that is read again when it changes.
#[derive(Debug)]
pub(super) struct ExtraRoots {
    file: PathBuf,
    read: ArcSwap<ReadRoots>,
    /// Raised while the present file can't be used.
    unusable: ConditionSlot,
}

#[derive(Debug)]
struct ReadRoots {
    stamp: Option<RootsStamp>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl ExtraRoots {
    /// Reads `file`. If it can't be used later on, `unusable` says why.
    ///
    /// # Errors
    /// If the file can't be read or holds no usable certificate.
    pub(super) fn new(file: &Path, unusable: ConditionSlot) -> Result<Self, ConfigError> {
        let read = ReadRoots::of(file)?;
        Ok(Self {
            file: file.to_owned(),
            read: ArcSwap::from_pointee(read),
            unusable,
        })
    }

    /// The authorities as they are now; the previous ones while the file can't be used.
    fn now(&self) -> Arc<WebPkiServerVerifier> {
        let before = self.read.load_full();
        if RootsStamp::of(&self.file) == before.stamp {
            self.unusable.clear();
            return Arc::clone(&before.verifier);
        }
        match ReadRoots::of(&self.file) {
            Ok(read) => {
                tracing::info!(file = %self.file.display(), "loaded the changed authorities");
                let verifier = Arc::clone(&read.verifier);
                self.read.store(Arc::new(read));
                self.unusable.clear();
                verifier
            }
            Err(error) => {
                self.unusable.raise(conditions::ca_file_unusable(error));
                Arc::clone(&before.verifier)
            }
        }
    }
}

impl ReadRoots {
    fn of(file: &Path) -> Result<Self, ConfigError> {
        // Taken before the file is read, so that a write during the read changes it.
        let stamp = RootsStamp::of(file);
        let fail = |reason: CaFileFault| ConfigError {
            file: file.to_owned(),
            reason,
        };
        let pem = std::fs::read(file).map_err(|e| fail(CaFileFault::Read(e)))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|e| fail(CaFileFault::Pem(e.to_string())))?;
            roots
                .add(certificate)
                .map_err(|e| fail(CaFileFault::Certificate(e)))?;
        }
        if roots.is_empty() {
            return Err(fail(CaFileFault::Empty));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|e| fail(CaFileFault::Pem(e.to_string())))?;
        Ok(Self { stamp, verifier })
    }
}

/// Trusts the system's authorities, and `extra` if there are any, as they are whenever a connection
/// is made. Reads files: not for async threads.
///
/// # Errors
/// If the system has no authorities and there is no `extra`.
pub(super) fn verifier(
    extra: Option<Arc<ExtraRoots>>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    if extra.is_none() {
        platform()?;
    }
    Ok(Arc::new(Either {
        extra,
        provider: provider(),
    }))
}

/// Why an account can't connect to Zendesk.
#[derive(Debug, thiserror::Error)]
#[error("`extra-ca-file` `{}` {reason}", .file.display())]
pub struct ConfigError {
    file: PathBuf,
    reason: CaFileFault,
}

#[derive(Debug, thiserror::Error)]
enum CaFileFault {
    #[error("can't be read: {0}")]
    Read(std::io::Error),
    #[error("isn't a PEM file: {0}")]
    Pem(String),
    #[error("holds a certificate that can't be used: {0}")]
    Certificate(rustls::Error),
    #[error("holds no certificate: it must have a line `-----BEGIN CERTIFICATE-----`")]
    Empty,
}

/// The system's authorities, parsed once for all accounts, and again when they change: the bundle
/// costs milliseconds and memory. A failure isn't cached, since the bundle may be installed later.
fn platform() -> Result<Arc<Verifier>, rustls::Error> {
    static LOADED: Mutex<Option<SystemRoots>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let stamps: Vec<_> = bundles().iter().map(|path| RootsStamp::of(path)).collect();
    if let Some((then, verifier)) = &*loaded
        && *then == stamps
    {
        return Ok(Arc::clone(verifier));
    }
    match (Verifier::new(provider()), &*loaded) {
        (Ok(verifier), _) => {
            let verifier = Arc::new(verifier);
            *loaded = Some((stamps, Arc::clone(&verifier)));
            Ok(verifier)
        }
        // The bundle is being rewritten.
        (Err(_), Some((_, before))) => Ok(Arc::clone(before)),
        (Err(error), None) => Err(error),
    }
}

/// The files' stamps, and what they held.
type SystemRoots = (Vec<Option<RootsStamp>>, Arc<Verifier>);

/// The files and folders that the system's authorities are read from, as `rustls-native-certs`
/// finds them: those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the distribution's.
#[cfg(not(target_os = "macos"))]
fn bundles() -> Vec<PathBuf> {
    let file = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let folders = std::env::var_os("SSL_CERT_DIR");
    let folders = folders.iter().flat_map(std::env::split_paths);
    let named: Vec<_> = file.into_iter().chain(folders).collect();
    if !named.is_empty() {
        return named;
    }
    let found = openssl_probe::probe();
    found.cert_file.into_iter().chain(found.cert_dir).collect()
}

/// The system's own service is asked each time.
#[cfg(target_os = "macos")]
fn bundles() -> Vec<PathBuf> {
    Vec::new()
}

/// What changes when a file does: device, inode, length, and the times of its content and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RootsStamp(u64, u64, u64, [i64; 4]);

impl RootsStamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        let times = [
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec(),
        ];
        Some(Self(meta.dev(), meta.ino(), meta.len(), times))
    }
}

/// Handshakes are verified on a runtime thread, and the disk may be slow or remote.
fn off_the_runtime<T>(work: impl FnOnce() -> T) -> T {
    let handle = tokio::runtime::Handle::try_current();
    match handle.map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Trusts an account's own authorities, then the system's.
#[derive(Debug)]
struct Either {
    extra: Option<Arc<ExtraRoots>>,
    provider: Arc<CryptoProvider>,
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
        let extra = self.extra.as_deref();
        let (extra, platform) = off_the_runtime(|| (extra.map(ExtraRoots::now), platform()));
        let Some(extra) = extra else {
            let platform = platform?;
            return platform.verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        };
        let ours = extra.verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        match (ours, platform) {
            (Err(ours), Ok(platform)) => {
                let verdict =
                    platform.verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
                // The verifier that knows the authority describes better what is wrong with its
                // certificate.
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
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_a_replaced_file_counts_at_once_and_a_bad_one_leaves_the_old_one_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let authority = || {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec!["ca.example".to_owned()]).unwrap();
            params.self_signed(&key).unwrap().pem()
        };
        let conditions = crate::samples::conditions();
        std::fs::write(&file, authority()).unwrap();
        let extra = ExtraRoots::new(&file, conditions.slot()).unwrap();
        let first = extra.now();
        assert!(Arc::ptr_eq(&first, &extra.now()), "read once");

        // As editors and tools write: in place, or by renaming another file over it.
        std::fs::write(&file, authority()).unwrap();
        let second = extra.now();
        assert!(!Arc::ptr_eq(&first, &second));
        let beside = dir.path().join("new.pem");
        std::fs::write(&beside, authority()).unwrap();
        std::fs::rename(&beside, &file).unwrap();
        let third = extra.now();
        assert!(!Arc::ptr_eq(&second, &third));

        for bad in [
            "",
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(&file, bad).unwrap();
            assert!(Arc::ptr_eq(&third, &extra.now()));
            let told = conditions.all().remove(0);
            assert_eq!(told.code(), "ca-file-unusable", "{told:?}");
            assert!(
                told.problem.message.contains(file.to_str().unwrap()),
                "{told:?}"
            );
        }
        std::fs::remove_file(&file).unwrap();
        assert!(Arc::ptr_eq(&third, &extra.now()));
        std::fs::write(&file, authority()).unwrap();
        assert!(!Arc::ptr_eq(&third, &extra.now()));
        assert!(conditions.all().is_empty());
    }

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
                "isn't a PEM file",
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
            let error = ReadRoots::of(&file).unwrap_err().to_string();
            assert!(error.contains(file.to_str().unwrap()), "{error}");
            assert!(error.contains(fault), "{error}");
        }
    }
}
