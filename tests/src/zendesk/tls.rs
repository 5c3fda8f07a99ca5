//! The certificate authority of one simulation, and its hosts' certificates.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp, tz::Offset};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::Protocols;
use super::shared::lock;

/// The certificate that the hosts use in a TLS handshake, which may change while they run.
pub(super) struct Identity {
    protocols: Protocols,
    issuer: Mutex<Issuer<'static, KeyPair>>,
    acceptor: Mutex<TlsAcceptor>,
}

/// A certificate for the hosts, issued by the simulation's authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// As it should be.
    Good,
    /// It expired yesterday.
    Expired,
    /// It is valid from tomorrow on.
    NotYetValid,
    /// It is for a host that doesn't belong to the simulation.
    OtherName,
}

impl Identity {
    /// Creates a new CA and a certificate for all names of the simulation. Also returns the CA's
    /// certificate as PEM.
    pub(super) fn generate(now: Timestamp, protocols: Protocols) -> io::Result<(Self, String)> {
        let (ca, issuer) = authority("Simulated Zendesk", now).map_err(io::Error::other)?;
        let acceptor = acceptor(&issuer, now, Certificate::Good, protocols)?;
        let identity = Self {
            protocols,
            issuer: Mutex::new(issuer),
            acceptor: Mutex::new(acceptor),
        };
        Ok((identity, ca))
    }

    /// The acceptor for the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        lock(&self.acceptor).clone()
    }

    /// Uses another certificate from now on.
    pub(super) fn show(&self, now: Timestamp, certificate: Certificate) -> io::Result<()> {
        let acceptor = acceptor(&lock(&self.issuer), now, certificate, self.protocols)?;
        *lock(&self.acceptor) = acceptor;
        Ok(())
    }

    /// Uses a certificate by a new authority from now on, and returns that authority's as PEM.
    pub(super) fn change_authority(&self, now: Timestamp) -> io::Result<String> {
        let (ca, issuer) = authority("Simulated Zendesk", now).map_err(io::Error::other)?;
        *lock(&self.issuer) = issuer;
        self.show(now, Certificate::Good)?;
        Ok(ca)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

fn acceptor(
    issuer: &Issuer<'static, KeyPair>,
    now: Timestamp,
    certificate: Certificate,
    protocols: Protocols,
) -> io::Result<TlsAcceptor> {
    let (certificate, key) = shown(now, issuer, certificate).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .map_err(io::Error::other)?;
    server.alpn_protocols = protocols.alpn();
    // No resumption: clients must check the certificate of each connection.
    server.send_tls13_tickets = 0;
    server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// The same for a server outside this process.
pub(crate) struct Pems {
    /// The CA's certificate.
    pub(crate) ca: String,
    /// The server's.
    pub(crate) certificate: String,
    /// The server's key.
    pub(crate) key: String,
}

impl Pems {
    /// Creates a new CA of this name and a certificate issued by it.
    pub(crate) fn generate(name: &str, now: Timestamp) -> io::Result<Self> {
        let (ca, issuer) = authority(name, now).map_err(io::Error::other)?;
        let (certificate, key) = signed(now, &issuer).map_err(io::Error::other)?;
        Ok(Self {
            ca,
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn authority(
    name: &str,
    now: Timestamp,
) -> Result<(String, Issuer<'static, KeyPair>), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    limit_validity(&mut params, now, A_YEAR);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(
        DnType::CommonName,
        format!("{name}, a test authority: do not trust"),
    );
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((pem, Issuer::new(params, key)))
}

fn signed(
    now: Timestamp,
    issuer: &Issuer<'static, KeyPair>,
) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    shown(now, issuer, Certificate::Good)
}

fn shown(
    now: Timestamp,
    issuer: &Issuer<'static, KeyPair>,
    certificate: Certificate,
) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    let names = match certificate {
        Certificate::OtherName => vec!["portal.example".to_owned()],
        Certificate::Good | Certificate::Expired | Certificate::NotYetValid => {
            NAMES.iter().map(|&name| name.to_owned()).collect()
        }
    };
    let mut params = CertificateParams::new(names)?;
    match certificate {
        Certificate::Good | Certificate::OtherName => limit_validity(&mut params, now, A_YEAR),
        Certificate::Expired => limit_validity(&mut params, now, -30..-1),
        Certificate::NotYetValid => limit_validity(&mut params, now, 2..30),
    }
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
        .distinguished_name
        .push(DnType::CommonName, "simulated Zendesk");
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok((certificate, key))
}

/// In days from `now`.
fn limit_validity(params: &mut CertificateParams, now: Timestamp, days: Range<i64>) {
    let day = |days: i64| {
        let then = now + SignedDuration::from_hours(24 * days);
        let date = Offset::UTC.to_datetime(then).date();
        let month = u8::try_from(date.month()).unwrap_or(1);
        let day = u8::try_from(date.day()).unwrap_or(1);
        date_time_ymd(date.year().into(), month, day)
    };
    params.not_before = day(days.start);
    params.not_after = day(days.end);
}

/// Browsers and macOS reject certificates that are valid for more than 825 days, and the machine's
/// clock may be slightly off.
const A_YEAR: Range<i64> = -2..365;

const NAMES: [&str; 7] = [
    "127.0.0.1",
    "::1",
    "localhost",
    "*.zendesk.com",
    "*.zendesk.localhost",
    "*.zdusercontent.com",
    // `uplinks::ZENDESK`.
    "10.9.0.1",
];
