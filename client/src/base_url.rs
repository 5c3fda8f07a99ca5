//! Base URLs: which one to show, and whether programs can resolve its host.

/// The base URL that works for most programs: `127.0.0.1` needs no resolver, and doesn't slow down
/// clients that try `::1` first for `localhost`.
pub(crate) fn preferred(base_urls: &[String]) -> Option<&str> {
    let with = |host: &str| {
        base_urls
            .iter()
            .find(|url| authority(url).starts_with(host))
    };
    with("127.")
        .or_else(|| with("localhost"))
        .or_else(|| with("[::1]"))
        .or_else(|| base_urls.first())
        .map(String::as_str)
}

pub(crate) fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// The host, without port and brackets.
pub(crate) fn host(url: &str) -> &str {
    let authority = authority(url);
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

/// Browsers and curl resolve `acme.localhost`; glibc and Python don't.
pub(crate) fn is_unresolved(url: &str) -> bool {
    host(url).ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_most_programs_can_use_wins() {
        let preferred_of = |urls: &[&str]| {
            let urls: Vec<_> = urls.iter().map(|&url| url.to_owned()).collect();
            preferred(&urls).map(ToOwned::to_owned)
        };
        let named = "http://acme.localhost:8484";
        assert_eq!(
            preferred_of(&["http://localhost:8484", named, "http://127.0.0.1:8484"]).as_deref(),
            Some("http://127.0.0.1:8484")
        );
        assert_eq!(preferred_of(&[named]).as_deref(), Some(named));
        assert_eq!(preferred_of(&[]), None);
        assert!(is_unresolved(named) && !is_unresolved("http://localhost:8484"));
    }
}
