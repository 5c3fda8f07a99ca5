//! The proxy on the way to Zendesk: which one, its exceptions, and its last failure.

use loopdesk_protocol::status::EgressStatus;

use crate::ui::time::Clock;

/// The value of the row "proxy", if one is set.
pub(super) fn lines(egress: &EgressStatus, clock: &Clock) -> Option<String> {
    let variable = egress.variable.as_deref()?;
    let login = if egress.has_login {
        ", with a login"
    } else {
        ""
    };
    let mut lines = vec![match &egress.proxy {
        Some(proxy) => format!("{proxy} ({variable}{login})"),
        None => format!("{variable} can't be used, see below"),
    }];
    if let Some(no_proxy) = &egress.no_proxy {
        lines.push(format!(
            "except for {} ({})",
            no_proxy.hosts, no_proxy.variable
        ));
    }
    for origin in &egress.direct {
        lines.push(format!("so {origin} is reached directly"));
    }
    if let Some(error) = &egress.last_error {
        let when = clock.relative(error.at);
        lines.push(format!("failed {when}: {}", error.message));
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use loopdesk_protocol::status::{LastError, NoProxyStatus};

    use super::*;

    #[test]
    fn o3_a_proxy_is_shown_with_its_exceptions_and_its_last_failure() {
        let clock = Clock::fixed("2026-11-23T17:00:00Z");
        let mut egress = EgressStatus::default();
        assert_eq!(lines(&egress, &clock), None);
        egress.proxy = Some("http://proxy.corp:3128".to_owned());
        egress.variable = Some("HTTPS_PROXY".to_owned());
        assert_eq!(
            lines(&egress, &clock).unwrap(),
            "http://proxy.corp:3128 (HTTPS_PROXY)"
        );
        egress.has_login = true;
        egress.no_proxy = Some(NoProxyStatus {
            variable: "no_proxy".to_owned(),
            hosts: "localhost, .example.com".to_owned(),
        });
        egress.direct = vec!["https://help.example.com".to_owned()];
        egress.last_error = Some(LastError {
            at: "2026-11-23T16:30:00Z".parse().unwrap(),
            message: "the proxy at proxy.corp:3128 hung up".to_owned(),
        });
        assert_eq!(
            lines(&egress, &clock).unwrap(),
            "http://proxy.corp:3128 (HTTPS_PROXY, with a login)\n\
             except for localhost, .example.com (no_proxy)\n\
             so https://help.example.com is reached directly\n\
             failed 30 min ago: the proxy at proxy.corp:3128 hung up"
        );
        egress.proxy = None;
        assert!(
            lines(&egress, &clock)
                .unwrap()
                .starts_with("HTTPS_PROXY can't be used, see below")
        );
    }
}
