//! Whether a proxy variable diverts requests to a base URL.

use crate::base_url::host;
use crate::context::Environment;

/// The variable whose proxy would get requests to `base`, and the current exemptions.
pub(super) fn proxied_by(base: &str, env: &Environment) -> Option<(&'static str, String)> {
    let text = |name: &str| {
        let value = env(name).and_then(|value| value.into_string().ok());
        value.filter(|value| !value.trim().is_empty())
    };
    // curl reads only the lower-case name; others prefer it.
    let name = ["http_proxy", "HTTP_PROXY"]
        .into_iter()
        .find(|name| text(name).is_some())?;
    let no_proxy = text("no_proxy")
        .or_else(|| text("NO_PROXY"))
        .unwrap_or_default();
    let host = host(base);
    let is_exempt = no_proxy.split([',', ' ']).any(|entry| {
        let entry = entry.trim_start_matches('.');
        let entry = entry.trim_start_matches('[').trim_end_matches(']');
        entry == "*"
            || entry.eq_ignore_ascii_case(host)
            || (!entry.is_empty() && host.ends_with(&format!(".{entry}")))
    });
    (!is_exempt).then_some((name, no_proxy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_would_get_the_requests_is_noticed() {
        let proxied_by = |vars: &'static [(&str, &str)], base: &str| {
            let env: Environment = Box::new(|name| {
                let found = vars.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).into())
            });
            proxied_by(base, &env)
        };
        let (v4, v6) = ("http://127.0.0.1:8484", "http://[::1]:8484");
        assert_eq!(proxied_by(&[], v4), None);
        assert_eq!(proxied_by(&[("http_proxy", "")], v4), None);
        let found = proxied_by(&[("HTTP_PROXY", "http://p:3128"), ("NO_PROXY", "corp")], v4);
        assert_eq!(found, Some(("HTTP_PROXY", "corp".to_owned())));
        for (list, base) in [
            ("localhost, 127.0.0.1", v4),
            ("*", v4),
            ("::1", v6),
            ("[::1]", v6),
            ("LOCALHOST", "http://localhost:8484"),
            (".localhost", "http://acme.localhost:8484"),
        ] {
            let list: &'static str = list;
            let env: Environment = Box::new(move |name| match name {
                "http_proxy" => Some("http://p:3128".into()),
                "no_proxy" => Some(list.into()),
                _ => None,
            });
            assert_eq!(super::proxied_by(base, &env), None, "{list}");
        }
    }
}
