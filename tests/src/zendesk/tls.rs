//! The certificate authority of one simulation, and the certificate it made for its hosts.

use std::io;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::Offset};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Protocols;

/// What TLS needs: the CA for clients, the configuration for servers.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) ca_pem: String,
    pub(super) server: Arc<ServerConfig>,
}

impl Identity {
    /// Makes a new CA and a certificate for all names that the simulation may be called by.
    pub(super) fn generate(now: Timestamp, protocols: Protocols) -> io::Result<Self> {
        let (ca, issuer) = authority("Simulated Zendesk", now).map_err(io::Error::other)?;
        let (leaf, key) = leaf(now, &issuer).map_err(io::Error::other)?;
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .map_err(io::Error::other)?;
        server.alpn_protocols = protocols.alpn();
        Ok(Self {
            ca_pem: ca,
            server: Arc::new(server),
        })
    }
}

/// The same for a server that is no part of this process.
pub(crate) struct Pems {
    /// The CA's certificate.
    pub(crate) ca: String,
    /// The server's.
    pub(crate) certificate: String,
    /// The server's key.
    pub(crate) key: String,
}

impl Pems {
    /// Makes a new CA of this name and a certificate by it.
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

type Certificate = rustls_pki_types::CertificateDer<'static>;

fn authority(
    name: &str,
    now: Timestamp,
) -> Result<(String, Issuer<'static, KeyPair>), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    limit_validity(&mut params, now);
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

fn leaf(
    now: Timestamp,
    issuer: &Issuer<'static, KeyPair>,
) -> Result<(Certificate, PrivateKeyDer<'static>), rcgen::Error> {
    let (certificate, key) = signed(now, issuer)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((certificate.der().clone(), key.into()))
}

fn signed(
    now: Timestamp,
    issuer: &Issuer<'static, KeyPair>,
) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    let names = NAMES
        .iter()
        .map(|&name| name.to_owned())
        .collect::<Vec<_>>();
    let mut params = CertificateParams::new(names)?;
    limit_validity(&mut params, now);
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

/// From two days ago for a year: browsers and macOS refuse certificates that live longer than 825
/// days, and the machine's clock may be a little off.
fn limit_validity(params: &mut CertificateParams, now: Timestamp) {
    let day = |days: i64| {
        let then = now + SignedDuration::from_hours(24 * days);
        let date = Offset::UTC.to_datetime(then).date();
        let month = u8::try_from(date.month()).unwrap_or(1);
        let day = u8::try_from(date.day()).unwrap_or(1);
        date_time_ymd(date.year().into(), month, day)
    };
    params.not_before = day(-2);
    params.not_after = day(365);
}

const NAMES: [&str; 6] = [
    "127.0.0.1",
    "::1",
    "localhost",
    "*.zendesk.com",
    "*.zendesk.localhost",
    "*.zdusercontent.com",
];
