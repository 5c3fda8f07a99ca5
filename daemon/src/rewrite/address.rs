//! An address in a header: where it leads, and its local form.

use super::origins::OriginsView;

/// The local form of an address that a client is sent to (`Location`). `None` for foreign
/// addresses, for pages that people open, and for relative ones, which lead back to where they were
/// requested.
pub(super) fn localised(url: &[u8], view: &OriginsView) -> Option<Vec<u8>> {
    let (authority, rest) = split(url)?;
    if is_for_people(rest) {
        return None;
    }
    let base = view.base_at(authority)?;
    Some([base.as_bytes(), rest].concat())
}

/// The authority of an absolute address, and what follows it. A reference without a scheme (RFC
/// 3986 section 4.2) would take the local base's scheme, and lead to Zendesk without TLS.
pub(super) fn split(url: &[u8]) -> Option<(&[u8], &[u8])> {
    let after = match url.strip_prefix(b"//") {
        Some(after) => after,
        None => {
            let (scheme, after) = url.split_at_checked(SCHEME.len())?;
            scheme
                .eq_ignore_ascii_case(SCHEME.as_bytes())
                .then_some(after)?
        }
    };
    let end = after.iter().position(|b| matches!(b, b'/' | b'?' | b'#'));
    Some(after.split_at(end.unwrap_or(after.len())))
}

/// The agents' interface, and the help center except for its files and its own API.
fn is_for_people(path: &[u8]) -> bool {
    let path = path.split(|b| matches!(b, b'?' | b'#')).next();
    let mut segments = path.unwrap_or_default().split(|b| *b == b'/').skip(1);
    match segments.next() {
        Some(b"agent") => true,
        // A locale may come in between.
        Some(b"hc") => !segments
            .take(2)
            .any(|segment| matches!(segment, b"article_attachments" | b"api")),
        Some(_) | None => false,
    }
}

const SCHEME: &str = "https://";

#[cfg(test)]
mod tests {
    use super::super::tests::view;
    use super::*;

    #[test]
    fn s2_location_stays_local() {
        let view = view("http://localhost:8484");
        for (theirs, ours) in [
            (
                "https://acme.zendesk.com/api/v2/items/1.json",
                Some("/api/v2/items/1.json"),
            ),
            (
                "HTTPS://Acme.Zendesk.COM/a%2Fb/../c?d=%5B[#e",
                Some("/a%2Fb/../c?d=%5B[#e"),
            ),
            ("https://acme.zendesk.com:443/api", Some("/api")),
            ("https://acme.zendesk.com:/api", Some("/api")),
            ("https://acme.zendesk.com", Some("")),
            ("https://acme.zendesk.com?a", Some("?a")),
            ("https://acme.zendesk.com#a", Some("#a")),
            (
                "https://help.acme.example:8443/attachments/1",
                Some("/attachments/1"),
            ),
            ("//acme.zendesk.com/api/v2/users/1", Some("/api/v2/users/1")),
            (
                "https://acme.zendesk.com/hc/article_attachments/1",
                Some("/hc/article_attachments/1"),
            ),
            (
                "https://acme.zendesk.com/hc/en-us/article_attachments/1/a.png",
                Some("/hc/en-us/article_attachments/1/a.png"),
            ),
            (
                "https://acme.zendesk.com/hc/api/internal/theming",
                Some("/hc/api/internal/theming"),
            ),
            ("https://acme.zendesk.com/agents", Some("/agents")),
            ("https://acme.zendesk.com/agent/tickets/1", None),
            ("https://acme.zendesk.com/agent?a", None),
            ("https://acme.zendesk.com/hc", None),
            ("https://acme.zendesk.com/hc/en-us/articles/1-api", None),
            ("https://acme.zendesk.com/hc/en-us/signin?to=/hc/api/", None),
            ("//evil.example/api", None),
            ("///acme.zendesk.com/api", None),
            ("https://help.acme.example/attachments/1", None),
            ("https://acme.zendesk.com:8443/api", None),
            ("https://p27.zdusercontent.com/attachment/1?token=x", None),
            ("https://acme.zendesk.com.evil.example/", None),
            ("https://acme.zendesk.com@evil.example/", None),
            ("https://user@acme.zendesk.com/", None),
            ("https://acme.zendesk.com\\@evil.example/", None),
            ("http://acme.zendesk.com/api", None),
            ("https:/acme.zendesk.com/api", None),
            ("/api/v2/users/1.json", None),
            ("1.json", None),
            ("", None),
        ] {
            let found = localised(theirs.as_bytes(), &view);
            let expected = ours.map(|rest| format!("http://localhost:8484{rest}").into_bytes());
            assert_eq!(found, expected, "{theirs}");
        }
    }
}
