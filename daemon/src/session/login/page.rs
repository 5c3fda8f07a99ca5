//! The page that ends a login in the browser: says what happened and what to do next.
//!
//! Self-contained, and escaped throughout: what Zendesk or an attacker puts into the address never
//! becomes markup. The address that brought it carries a code, so nothing may learn of it.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use loopdesk_protocol::Problem;
use loopdesk_protocol::login::Done;
use sha2::{Digest, Sha256};

use crate::session::refresher::named;

/// One page.
#[derive(Debug)]
pub(super) struct Page {
    status: StatusCode,
    title: String,
    paragraphs: Vec<String>,
}

impl Page {
    /// The login has succeeded.
    pub(super) fn done(done: &Done) -> Self {
        let mut paragraphs = vec![format!(
            "You are logged in as {} for account `{}`. Your scripts can use loopdesk now.",
            named(&done.person),
            done.account
        )];
        if !done.missing_scopes.is_empty() {
            paragraphs.push(format!(
                "Zendesk did not grant everything that was asked for. Missing: {}.",
                done.missing_scopes.join(", ")
            ));
        }
        paragraphs.push("You can close this tab.".to_owned());
        Self {
            status: StatusCode::OK,
            title: "Logged in".to_owned(),
            paragraphs,
        }
    }

    /// The login has failed.
    pub(super) fn failed(problem: &Problem) -> Self {
        let message = std::iter::once(&problem.message);
        let texts = message.chain(&problem.hints).map(|text| sentence(text));
        Self::new(StatusCode::BAD_REQUEST, "Not logged in", texts.collect())
    }

    /// The login ended without a result.
    pub(super) fn lost() -> Self {
        let text = "The login was interrupted. Start it again in your terminal.";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "Not logged in", vec![text.to_owned()])
    }

    /// The address was used before.
    pub(super) fn used() -> Self {
        let text = "This login was completed before; its address is good for one visit. Your \
                    terminal shows how it went. You can close this tab.";
        Self::new(StatusCode::GONE, "Already used", vec![text.to_owned()])
    }

    /// The address is of no login that waits.
    pub(super) fn not_ours() -> Self {
        let text = "No login is waiting for this address. Start one in your terminal.";
        Self::new(StatusCode::NOT_FOUND, "Nothing here", vec![text.to_owned()])
    }

    /// The address makes no sense.
    pub(super) fn malformed() -> Self {
        let text = "Zendesk's answer is incomplete. Go back and try again.";
        let status = StatusCode::BAD_REQUEST;
        Self::new(status, "Incomplete address", vec![text.to_owned()])
    }

    /// Browsers come back with GET.
    pub(super) fn method() -> Self {
        let text = "This address is for a browser that comes back from Zendesk.";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, "Not like this", vec![text.to_owned()])
    }

    /// The page as it is sent.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.html())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let fixed = HeaderValue::from_static;
        headers.insert(CONTENT_TYPE, fixed("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, fixed("no-store"));
        headers.insert(REFERRER_POLICY, fixed("no-referrer"));
        headers.insert(X_FRAME_OPTIONS, fixed("DENY"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
        headers.insert(CONNECTION, fixed("close"));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, fixed("GET"));
        }
        if let Ok(policy) = HeaderValue::from_str(&POLICY) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        response
    }

    fn new(status: StatusCode, title: &str, paragraphs: Vec<String>) -> Self {
        Self {
            status,
            title: title.to_owned(),
            paragraphs,
        }
    }

    fn html(&self) -> String {
        let title = escape(&self.title);
        let text: String = self
            .paragraphs
            .iter()
            .map(|text| format!("<p>{}</p>\n", marked_up(text)))
            .collect();
        let (class, sign) = if self.status.is_success() {
            ("good", "&#10003;")
        } else {
            ("bad", "!")
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title} \u{b7} loopdesk</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <main>\n<div class=\"sign {class}\" aria-hidden=\"true\">{sign}</div>\n\
             <h1>{title}</h1>\n{text}<footer>loopdesk</footer>\n</main>\n</body>\n</html>\n"
        )
    }
}

/// A fragment of ours as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    sentence.push_str(letters.as_str());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// Escapes, then shows what stands in backticks as code.
fn marked_up(text: &str) -> String {
    let escaped = escape(text);
    let mut parts = escaped.split('`');
    let mut html = parts.next().unwrap_or_default().to_owned();
    while let Some(code) = parts.next() {
        match parts.next() {
            Some(after) => html += &format!("<code>{code}</code>{after}"),
            None => html += &format!("`{code}"),
        }
    }
    html
}

fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

/// Nothing may be loaded, run, sent or framed; the one style is known by its hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

const STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests {
    use loopdesk_protocol::Kind;

    use super::*;

    #[test]
    fn w8_nothing_from_outside_becomes_markup() {
        let evil = "<script>alert(1)</script>\" onload='x' & `<b>`";
        let page = Page::failed(&Problem::new(Kind::Login, evil)).html();
        let (_, body) = page.split_once("<body>").unwrap();
        assert!(!body.contains("<script") && !body.contains("<b>"), "{body}");
        assert!(!body.contains("\" onload='"), "{body}");
        assert!(body.contains("&lt;script&gt;") && body.contains("<code>&lt;b&gt;</code>"));
    }

    #[test]
    fn the_page_says_what_happened_and_what_next() {
        let problem = Problem::new(Kind::Login, "the login of account `acme` was not allowed")
            .hint("run `loopdesk login acme` again");
        let page = Page::failed(&problem).html();
        assert!(page.contains("<h1>Not logged in</h1>"), "{page}");
        assert!(page.contains("<p>The login of account <code>acme</code> was not allowed.</p>"));
        assert!(page.contains("<p>Run <code>loopdesk login acme</code> again.</p>"));
        assert_eq!(marked_up("a ` b"), "a ` b");
    }

    #[test]
    fn w8_the_answer_keeps_the_address_to_itself() {
        let response = Page::used().into_response();
        assert_eq!(response.status(), 410);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-frame-options"), "DENY");
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
    }
}
