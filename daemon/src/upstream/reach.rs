//! Whether an account's servers could be reached last time, and if not, why.

use std::io;

use jiff::Timestamp;
use loopdesk_protocol::{Problem, conditions};
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use super::error::UpstreamError;
use super::error_chain::{find, root};
use super::limits::CONNECT_MAX;
use super::resolve::NotPublic;
use crate::conditions::{ConditionSlot, Conditions};
use crate::config::{Account, Origin};

/// The outcome of the last request to each of an account's origins.
#[derive(Debug)]
pub(super) struct Reach {
    /// The origin of the API first.
    origins: Vec<(Origin, ConditionSlot)>,
}

impl Reach {
    pub(super) fn new(account: &Account, conditions: &Conditions) -> Self {
        let mut origins = vec![account.api_origin.clone()];
        if account.oauth_origin != account.api_origin {
            origins.push(account.oauth_origin.clone());
        }
        let slot = |origin| (origin, conditions.slot_of(&account.name));
        Self {
            origins: origins.into_iter().map(slot).collect(),
        }
    }

    /// Whether the last request to the API was answered, or there hasn't been one.
    pub(super) fn is_open(&self) -> bool {
        !self
            .origins
            .iter()
            .take(1)
            .any(|(_, slot)| slot.is_raised())
    }

    /// Records the outcome of a request. Any answer is a success; a script that breaks off proves
    /// nothing either way.
    pub(super) fn note<T>(
        &self,
        is_meant: impl Fn(&Origin) -> bool,
        gone: &Result<T, UpstreamError>,
    ) {
        let mut meant = self.origins.iter().filter(|(origin, _)| is_meant(origin));
        let Some((origin, slot)) = meant.next() else {
            return;
        };
        match gone {
            Ok(_) => slot.clear(),
            Err(failure) => {
                if let Some(problem) = failure.condition(origin) {
                    slot.raise(problem);
                }
            }
        }
    }
}

impl UpstreamError {
    /// The problem that `status` shows; `None` if this says nothing about the way to `origin`.
    pub(super) fn condition(&self, origin: &Origin) -> Option<Problem> {
        let problem = match self {
            Self::Roots(error) => conditions::no_authorities(error),
            Self::Connect(error) => of_connection(origin, &**error),
            Self::Proxy(proxy_error) => proxy_error.condition(),
            Self::Tls(error) => match find::<rustls::Error>(&**error) {
                Some(tls) => of_tls(origin, tls),
                None => conditions::tls_failed(origin, root(&**error)),
            },
            Self::TimedOut {
                after, sent: true, ..
            } => conditions::no_answer(origin, after.as_secs()),
            Self::TimedOut { after, .. } => {
                conditions::connection_timed_out(origin, after.as_secs())
            }
            Self::Unprocessed(error) | Self::Lost(error) => {
                conditions::connection_broken(origin, root(&**error))
            }
            Self::Malformed(error) => conditions::answer_unreadable(origin, root(&**error)),
            Self::Target | Self::TooLarge(_) | Self::Script(_) => return None,
        };
        Some(problem)
    }
}

fn of_connection(origin: &Origin, error: &(dyn std::error::Error + 'static)) -> Problem {
    let why = root(error);
    if find::<NotPublic>(error).is_some() {
        return conditions::name_not_public(origin, why);
    }
    if is_of_the_name(error) {
        return conditions::name_unknown(origin, why);
    }
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => conditions::connection_refused(origin, why),
        Some(
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable,
        ) => conditions::network_unreachable(origin, why),
        Some(io::ErrorKind::TimedOut) => {
            conditions::connection_timed_out(origin, CONNECT_MAX.as_secs())
        }
        Some(
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof,
        ) => conditions::connection_broken(origin, why),
        _ => conditions::connection_failed(origin, why),
    }
}

/// hyper-util reports this only as text.
fn is_of_the_name(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.to_string() == "dns error" {
            return true;
        }
        next = error.source();
    }
    false
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other faults share one message, including those that rustls may add"
)]
fn of_tls(origin: &Origin, error: &rustls::Error) -> Problem {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return conditions::tls_failed(origin, error);
    };
    match certificate {
        CertificateError::ExpiredContext { time, not_after } => {
            conditions::certificate_expired(origin, shown(*not_after), shown(*time))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            conditions::certificate_not_yet_valid(origin, shown(*not_before), shown(*time))
        }
        CertificateError::Expired => {
            conditions::certificate_expired(origin, "an earlier day", shown(UnixTime::now()))
        }
        CertificateError::NotValidYet => {
            conditions::certificate_not_yet_valid(origin, "a later day", shown(UnixTime::now()))
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            conditions::certificate_unknown_issuer(origin, error)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            conditions::certificate_wrong_name(origin, error)
        }
        _ => conditions::certificate_unusable(origin, error),
    }
}

fn shown(time: UnixTime) -> String {
    let time = i64::try_from(time.as_secs()).ok();
    let time = time.and_then(|secs| Timestamp::from_second(secs).ok());
    time.map_or_else(
        || "a day that is out of reach".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};

    use super::*;
    use crate::body::Body;
    use crate::error_response::ErrorResponse;
    use crate::samples;
    use crate::upstream::egress::Egress;
    use crate::upstream::{Credential, Outgoing, Upstream};

    fn codes(conditions: &Conditions) -> Vec<String> {
        let all = conditions.all().into_iter();
        all.map(|condition| condition.code().to_owned()).collect()
    }

    #[test]
    fn o3_a_condition_lasts_until_a_request_to_the_same_origin_succeeds() {
        let conditions = samples::conditions();
        let mut account = samples::account("acme", "https://help.example.com");
        account.oauth_origin = "https://acme.zendesk.com".parse().unwrap();
        let reach = Reach::new(&account, &conditions);
        let at = |origin: &Origin| {
            let origin = origin.clone();
            move |asked: &Origin| *asked == origin
        };
        let (api, oauth) = (at(&account.api_origin), at(&account.oauth_origin));
        let refused = || {
            let error = io::Error::from(io::ErrorKind::ConnectionRefused);
            Err::<(), _>(UpstreamError::Connect(error.into()))
        };
        reach.note(&oauth, &refused());
        assert_eq!(codes(&conditions), ["connection-refused"]);
        assert!(reach.is_open(), "requests are served while the token lives");
        reach.note(&api, &refused());
        reach.note(&oauth, &Ok(()));
        assert!(!reach.is_open());
        // Neither says anything about the way.
        reach.note(
            &api,
            &Err::<(), _>(UpstreamError::Script(ErrorResponse::Stopping)),
        );
        reach.note(&api, &Err::<(), _>(UpstreamError::TooLarge(1)));
        assert_eq!(codes(&conditions), ["connection-refused"]);
        reach.note(&api, &Ok(()));
        assert!(codes(&conditions).is_empty() && reach.is_open());
        reach.note(&api, &refused());
        drop(reach);
        assert!(
            codes(&conditions).is_empty(),
            "the account has another way now"
        );
    }

    #[tokio::test]
    async fn o3_a_name_that_nobody_knows_has_a_code_of_its_own() {
        let conditions = samples::conditions();
        // RFC 6761: names under `.invalid` don't exist.
        let account = samples::account("acme", "https://acme.invalid");
        let upstream = Upstream::new(
            &account,
            Egress::direct(),
            crate::network::Network::still(),
            &conditions,
        )
        .unwrap();
        let get = Request::builder().method(Method::GET).uri("/");
        let get = get.body(Body::empty()).unwrap();
        let mut outgoing = Outgoing::new(get, account.api_origin, Credential::Injected);
        let failure = upstream.send(&mut outgoing, None).await.unwrap_err();
        assert_eq!(codes(&conditions), ["name-unknown"], "{failure}");
    }

    #[test]
    fn o3_what_is_wrong_with_a_certificate_is_told_by_its_dates() {
        let origin: Origin = "https://acme.zendesk.com".parse().unwrap();
        let at = |secs| UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs));
        let (time, day) = (at(1_800_000_000), at(1_799_000_000));
        let expired = CertificateError::ExpiredContext {
            time,
            not_after: day,
        };
        let early = CertificateError::NotValidYetContext {
            time: day,
            not_before: time,
        };
        for (certificate, code, words) in [
            (
                expired,
                "certificate-expired",
                "expired on 2027-01-03 18:13 UTC, and this machine's clock says 2027-01-15 08:00 UTC",
            ),
            (
                early,
                "certificate-not-yet-valid",
                "isn't valid before 2027-01-15 08:00 UTC, and this machine's clock says 2027-01-03",
            ),
            (
                CertificateError::UnknownIssuer,
                "certificate-unknown-issuer",
                "UnknownIssuer",
            ),
            (
                CertificateError::NotValidForName,
                "certificate-wrong-name",
                "NotValidForName",
            ),
            (CertificateError::Revoked, "certificate-unusable", "Revoked"),
        ] {
            let problem = of_tls(&origin, &rustls::Error::InvalidCertificate(certificate));
            assert_eq!(problem.code.as_deref(), Some(code));
            assert!(problem.message.contains(words), "{problem}");
        }
    }
}
