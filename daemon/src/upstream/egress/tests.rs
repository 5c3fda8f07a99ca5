//! Which route is chosen, and what is shown of it.

mod answers;

use super::*;
use crate::samples;
use crate::telemetry::Foreign;

/// The route to Zendesk with these variables and the standard ports.
fn egress(variables: &[(&str, &str)]) -> Egress {
    let env = |name: &str| {
        let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
        Some((*value).into())
    };
    let variables = Variables::read(env, Clock::system());
    let acme = samples::account("acme", "https://acme.zendesk.com");
    let account = crate::config::Account {
        port: Some(8490),
        ..acme
    };
    Egress::new(&variables, &samples::config(vec![account]))
}

fn way(variables: &[(&str, &str)]) -> String {
    let target = "https://acme.zendesk.com".parse().unwrap();
    match egress(variables).proxy(&target) {
        Ok(None) => "directly".to_owned(),
        Ok(Some(proxy)) => format!("{}={}", proxy.variable, proxy.url),
        Err(proxy_error) => format!("error: {}", proxy_error.what()),
    }
}

#[test]
fn the_variable_that_counts_is_the_one_that_counts_for_curl() {
    let (one, two) = ("http://one:1", "http://two:2");
    let table: [(&[(&str, &str)], &str); 12] = [
        (&[], "directly"),
        (&[("HTTP_PROXY", one), ("http_proxy", one)], "directly"),
        (&[("HTTPS_PROXY", one)], "HTTPS_PROXY=http://one:1"),
        (
            &[("HTTPS_PROXY", one), ("https_proxy", two)],
            "https_proxy=http://two:2",
        ),
        (
            &[("all_proxy", one), ("HTTPS_PROXY", two)],
            "HTTPS_PROXY=http://two:2",
        ),
        (
            &[("ALL_PROXY", one), ("all_proxy", two)],
            "all_proxy=http://two:2",
        ),
        (
            &[("https_proxy", ""), ("HTTPS_PROXY", ""), ("ALL_PROXY", one)],
            "ALL_PROXY=http://one:1",
        ),
        (&[("https_proxy", "")], "directly"),
        (
            &[("HTTPS_PROXY", one), ("NO_PROXY", "corp, .zendesk.com")],
            "directly",
        ),
        (
            &[
                ("HTTPS_PROXY", one),
                ("NO_PROXY", "*"),
                ("no_proxy", "corp"),
            ],
            "HTTPS_PROXY=http://one:1",
        ),
        (
            &[("HTTPS_PROXY", one), ("NO_PROXY", "*"), ("no_proxy", "")],
            "directly",
        ),
        (
            &[("HTTPS_PROXY", one), ("NO_PROXY", "acme.zendesk.com:8443")],
            "HTTPS_PROXY=http://one:1",
        ),
    ];
    for (variables, expected) in table {
        assert_eq!(way(variables), expected, "{variables:?}");
    }
}

#[test]
fn d6_a_proxy_that_can_t_be_used_is_an_error_and_no_way_around_it() {
    let unusable = [
        ("https_proxy", "ftp://one"),
        ("HTTPS_PROXY", "http://two:2"),
    ];
    assert_eq!(
        way(&unusable),
        "error: https_proxy begins with `ftp://`, but loopdesk supports only `http`, `https`, \
         `socks5` and `socks5h`"
    );
    let status = egress(&unusable).status(std::iter::empty());
    let problem = status.problem.unwrap();
    assert!(problem.message.starts_with("https_proxy begins"));
    assert!(problem.hints[0].contains("correct https_proxy or unset it"));
    assert_eq!(
        (status.proxy, status.variable.unwrap()),
        (None, "https_proxy".to_owned())
    );
    assert!(
        way(&[("ALL_PROXY", "http://:3128")]).starts_with("error: ALL_PROXY has no valid host")
    );
}

#[cfg(unix)]
#[test]
fn d6_a_value_that_is_no_text_is_an_error() {
    use std::os::unix::ffi::OsStringExt;
    let env = |name: &str| (name == "HTTPS_PROXY").then(|| OsString::from_vec(vec![b'h', 0xff]));
    let variables = Variables::read(env, Clock::system());
    let egress = Egress::new(&variables, &samples::config(Vec::new()));
    let target = "https://acme.zendesk.com".parse().unwrap();
    let error = egress.proxy(&target).unwrap_err().to_string();
    assert!(error.contains("HTTPS_PROXY isn't plain text"), "{error}");
}

#[test]
fn o1_a_proxy_that_is_the_daemon_is_passed_over_and_told() {
    let own = ("https_proxy", "http://127.1:8484");
    let too = ("HTTPS_PROXY", "http://[::1]:8490/");
    assert_eq!(way(&[own]), "directly");
    assert_eq!(way(&[own, too]), "directly");
    let last = ("ALL_PROXY", "http://proxy.corp:3128");
    assert_eq!(way(&[own, too, last]), "ALL_PROXY=http://proxy.corp:3128");
    assert_eq!(way(&[too, last]), "ALL_PROXY=http://proxy.corp:3128");
    let status = egress(&[own, too, last]).status(std::iter::empty());
    let ignored: Vec<_> = status.ignored.iter().map(|one| &one.variable).collect();
    assert_eq!(ignored, ["https_proxy", "HTTPS_PROXY"]);
    assert!(status.ignored[0].fix.contains("unset it"));
    assert!(status.problem.is_none());
}

#[test]
fn o1_what_is_the_daemon_changes_with_its_ports() {
    let env = |name: &str| (name == "HTTPS_PROXY").then(|| "http://localhost:9000".into());
    let variables = Variables::read(env, Clock::system());
    let config = samples::config(Vec::new());
    let moved = Config {
        listen: vec!["127.0.0.1:9000".parse().unwrap()],
        ..config.clone()
    };
    let (before, after) = (
        Egress::new(&variables, &config),
        Egress::new(&variables, &moved),
    );
    assert_eq!(before.own, 0);
    assert_eq!(after.own, 1);
    assert!(before != after && before == Egress::new(&variables, &config));
}

#[test]
fn d4_no_password_is_shown() {
    let secret = "hunter2-of-the-proxy";
    let value = format!("http://ada:{secret}@proxy.corp:3128");
    let egress = egress(&[("HTTPS_PROXY", &value)]);
    let target = "https://acme.zendesk.com".parse().unwrap();
    let proxy = egress.proxy(&target).unwrap().unwrap();
    let failure = ProxyError::new(&proxy, proxy_error::ProxyFault::WrongLogin);
    let status = egress.status(std::iter::empty());
    assert!(status.has_login);
    assert_eq!(status.proxy.as_deref(), Some("http://proxy.corp:3128"));
    let shown = format!("{egress:?} {egress} {proxy:?} {failure:?} {failure} {status:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("ada"),
        "{shown}"
    );
    let basic = proxy.basic.as_ref().unwrap().to_str().unwrap();
    for text in [secret, &value, basic] {
        let clean = Foreign::new(text).to_string();
        assert!(!clean.contains("hunter2-of"), "{clean}");
        assert!(clean.contains("[redacted]"), "{clean}");
    }
    // A short one is found together with the name.
    let _short = self::egress(&[("HTTPS_PROXY", "http://adalovelace:pw@proxy.corp:3128")]);
    let clean = Foreign::new("Proxy-Authorization: Basic YWRhbG92ZWxhY2U6cHc=").to_string();
    assert!(!clean.contains("YWRhbG92ZWxhY2U6cH"), "{clean}");
}

#[test]
fn d6_who_is_exempt_shows() {
    let egress = egress(&[("HTTPS_PROXY", "http://one:1"), ("NO_PROXY", " a.example ")]);
    let origins: Vec<Origin> = [
        "https://b.example",
        "https://a.example",
        "https://a.example",
    ]
    .map(|origin| origin.parse().unwrap())
    .into();
    let status = egress.status(origins.iter());
    assert_eq!(status.direct, ["https://a.example"]);
    assert_eq!(status.no_proxy.unwrap().hosts, "a.example");
}
