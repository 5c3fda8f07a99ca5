//! The certificates of one run: an authority that may vouch for the account's hosts and nothing else,
//! and one certificate with exactly those hosts.
//!
//! The authority's key signs that one certificate. It is never stored or passed on, and the process
//! that made it ends before the command starts, so nothing in memory can certify another host. The
//! constraints in the authority's certificate are a second lock. Java is known to ignore them.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::tz::Offset;
use loopdesk_protocol::{Problem, SecretText};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, Error, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::failed;
use crate::config::Origin;

/// What the helper shows to the command.
#[derive(Serialize, Deserialize)]
pub(super) struct Identity {
    /// The authority's certificate, as PEM.
    pub(super) authority: String,
    /// The hosts' certificate, as DER.
    pub(super) certificate: Vec<u8>,
    /// Its key, as PKCS #8 in base64.
    pub(super) key: SecretText,
}

impl Identity {
    /// Makes an authority for the hosts of `origins`, and has it sign their certificate.
    ///
    /// # Errors
    /// If the system provides no random bytes.
    pub(super) fn make(origins: &[Origin], now: Timestamp) -> Result<Self, Problem> {
        let made = sign(origins, now);
        made.map_err(|error| failed("the certificates can't be made", &error))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

fn sign(origins: &[Origin], now: Timestamp) -> Result<Identity, Error> {
    let mut hosts: Vec<String> = origins.iter().map(|origin| bare(origin.host())).collect();
    hosts.sort();
    hosts.dedup();
    let authority = authority(&hosts, now)?;
    let key = KeyPair::generate()?;
    let certificate = authority.self_signed(&key)?.pem();
    let issuer = Issuer::new(authority, key);
    let leaf_key = KeyPair::generate()?;
    let leaf = leaf(hosts, now)?.signed_by(&leaf_key, &issuer)?;
    Ok(Identity {
        authority: certificate,
        certificate: leaf.der().to_vec(),
        key: SecretText::new(BASE64_STANDARD.encode(Zeroizing::new(leaf_key.serialize_der()))),
    })
}

fn authority(hosts: &[String], now: Timestamp) -> Result<CertificateParams, Error> {
    let mut authority = valid(CertificateParams::new(Vec::new())?, now);
    authority.distinguished_name.push(DnType::CommonName, NAME);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.name_constraints = Some(constraints(hosts));
    Ok(authority)
}

fn leaf(hosts: Vec<String>, now: Timestamp) -> Result<CertificateParams, Error> {
    let mut leaf = valid(CertificateParams::new(hosts)?, now);
    leaf.distinguished_name.push(DnType::CommonName, LEAF);
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Python's strict checks want it (RFC 5280 section 4.2.1.1).
    leaf.use_authority_key_identifier_extension = true;
    Ok(leaf)
}

/// These hosts, and no address unless it is one of them. rcgen marks constraints as critical.
fn constraints(hosts: &[String]) -> NameConstraints {
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    for host in hosts {
        match host.parse::<IpAddr>() {
            Ok(ip) => addresses.push(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                ip,
                if ip.is_ipv4() { 32 } else { 128 },
            ))),
            Err(_) => names.push(GeneralSubtree::DnsName(host.clone())),
        }
    }
    let no_address = [IpAddr::from([0; 4]), IpAddr::from([0_u16; 8])];
    let no_address =
        no_address.map(|ip| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip, 0)));
    let excluded_subtrees = match addresses[..] {
        [] => no_address.to_vec(),
        // An exclusion would win over the permission.
        [..] => Vec::new(),
    };
    if names.is_empty() {
        // A kind of name that isn't mentioned would be permitted.
        names.push(GeneralSubtree::DnsName(NOBODY.to_owned()));
    }
    names.extend(addresses);
    NameConstraints {
        permitted_subtrees: names,
        excluded_subtrees,
    }
}

/// From a day ago, since clocks differ, for as long as platforms accept at most.
fn valid(mut params: CertificateParams, now: Timestamp) -> CertificateParams {
    let day = |days: i64| {
        let at = now + jiff::SignedDuration::from_hours(24 * days);
        let date = Offset::UTC.to_datetime(at).date();
        let number = |part: i8| u8::try_from(part).unwrap_or(1);
        rcgen::date_time_ymd(date.year().into(), number(date.month()), number(date.day()))
    };
    params.not_before = day(-1);
    params.not_after = day(DAYS);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> String {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned()
}

/// What people see if a program shows them the certificate.
const NAME: &str = "loopdesk exec, this run only";
const LEAF: &str = "loopdesk exec";

/// A name that nobody can have (RFC 6761 section 6.4).
const NOBODY: &str = "nobody.invalid";

/// Apple's limit is 825 days. A command that runs for longer has to be restarted.
const DAYS: i64 = 820;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;
    use crate::clock::Clock;
    use crate::upstream::crypto_provider;

    fn origins(texts: &[&str]) -> Vec<Origin> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// Whether a program that trusts `authority` takes `certificate` for `host`.
    fn is_taken(authority: &str, certificate: &[u8], host: &str) -> bool {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto_provider());
        let verifier = verifier.build().unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let certificate = CertificateDer::from(certificate.to_vec());
        verifier
            .verify_server_cert(&certificate, &[], &name, &[], UnixTime::now())
            .is_ok()
    }

    #[test]
    fn s9_the_certificate_is_for_every_host_of_the_account_and_no_other() {
        let origins = origins(&[
            "https://acme.zendesk.com",
            "https://support.example.com:8443",
        ]);
        let made = Identity::make(&origins, Clock::system().now()).unwrap();
        let is_taken = |host| is_taken(&made.authority, &made.certificate, host);
        assert!(is_taken("acme.zendesk.com") && is_taken("support.example.com"));
        for host in [
            "x.acme.zendesk.com",
            "zendesk.com",
            "evil.example",
            "127.0.0.1",
        ] {
            assert!(!is_taken(host), "{host}");
        }
        let shown = format!("{made:?}");
        assert!(!shown.contains(made.key.expose()), "{shown}");
    }

    #[test]
    fn s9_an_address_is_certified_if_the_account_has_one() {
        for (origin, host, other) in [
            ("https://10.1.2.3:8443", "10.1.2.3", "10.1.2.4"),
            ("https://[fd00::1]", "fd00::1", "fd00::2"),
        ] {
            let made = Identity::make(&origins(&[origin]), Clock::system().now()).unwrap();
            assert!(
                is_taken(&made.authority, &made.certificate, host),
                "{origin}"
            );
            assert!(
                !is_taken(&made.authority, &made.certificate, other),
                "{origin}"
            );
        }
    }

    /// As if its key had leaked.
    #[test]
    fn s9_the_authority_can_vouch_for_no_other_host() {
        let now = Clock::system().now();
        let hosts = ["acme.zendesk.com".to_owned()];
        let key = KeyPair::generate().unwrap();
        let authority = authority(&hosts, now).unwrap();
        let pem = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        for (host, expected) in [
            ("acme.zendesk.com", true),
            ("other.zendesk.com", false),
            ("evil.example", false),
            ("127.0.0.1", false),
            ("::1", false),
        ] {
            let leaf_key = KeyPair::generate().unwrap();
            let leaf = leaf(vec![host.to_owned()], now).unwrap();
            let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
            assert_eq!(is_taken(&pem, leaf.der(), host), expected, "{host}");
        }
    }
}
