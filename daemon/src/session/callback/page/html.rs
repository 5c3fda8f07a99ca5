//! Renders a page as HTML.

use std::fmt::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{Next, Page, Tone};
use crate::html::escape;

pub(in crate::session) fn render(page: &Page) -> String {
    let (class, sign) = match page.tone {
        Tone::Good => ("good", GOOD),
        Tone::Plain => ("plain", PLAIN),
        Tone::Bad => ("bad", BAD),
    };
    let title = escape(&page.title);
    let body = body(page);
    // No script, so the policy needn't allow any. The delay lets the person see what is going on.
    let refresh = match &page.next {
        Next::Page(url) => format!(
            "<meta http-equiv=\"refresh\" content=\"{PAUSE}; url={}\">\n",
            escape(url)
        ),
        Next::Nothing | Next::Try(_) | Next::Steps(_) => String::new(),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} \u{b7} loopdesk</title>\n{refresh}\
         <link rel=\"icon\" href=\"{ICON}\">\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main class=\"{class}\">\n{sign}\n<h1>{title}</h1>\n{body}</main>\n\
         <footer>{MARK}<strong>loopdesk</strong> on this computer</footer>\n</body>\n</html>\n"
    )
}

fn body(page: &Page) -> String {
    let mut html = String::new();
    for (number, text) in page.paragraphs.iter().enumerate() {
        let class = if number == 0 { " class=\"lead\"" } else { "" };
        push(
            &mut html,
            format_args!("<p{class}>{}</p>\n", marked_up(text)),
        );
    }
    if !page.facts.is_empty() {
        html += "<dl>\n";
        for (name, value) in &page.facts {
            let value = marked_up(value);
            push(
                &mut html,
                format_args!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"),
            );
        }
        html += "</dl>\n";
    }
    for warning in &page.warnings {
        push(
            &mut html,
            format_args!("<p class=\"warning\">{}</p>\n", marked_up(warning)),
        );
    }
    match &page.next {
        Next::Nothing => {}
        Next::Page(url) => push(
            &mut html,
            format_args!(
                "<p><a href=\"{}\">Continue to Zendesk</a> if that doesn&#39;t happen by itself.</p>\n",
                escape(url)
            ),
        ),
        Next::Try(command) => push(
            &mut html,
            format_args!(
                "<h2>Try it in your terminal</h2>\n<pre><code>{}</code></pre>\n",
                escape(command)
            ),
        ),
        Next::Steps(steps) => {
            html += "<h2>What to do next</h2>\n<ul>\n";
            for step in steps {
                push(&mut html, format_args!("<li>{}</li>\n", marked_up(step)));
            }
            html += "</ul>\n";
        }
    }
    if page.is_over {
        html += "<p class=\"end\">You can close this tab.</p>\n";
    }
    html
}

fn push(html: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    _ = html.write_fmt(text);
}

/// Escapes the text, then marks up text in backticks as code.
fn marked_up(text: &str) -> String {
    let escaped = escape(text);
    let mut parts = escaped.split('`');
    let mut html = parts.next().unwrap_or_default().to_owned();
    while let Some(code) = parts.next() {
        match parts.next() {
            Some(after) => push(&mut html, format_args!("<code>{code}</code>{after}")),
            None => push(&mut html, format_args!("`{code}")),
        }
    }
    html
}

/// Nothing may be loaded, run, sent or framed. The one style sheet is allowed by its hash. The
/// tab's icon is in the page, or the browser would ask for `/favicon.ico`.
pub(in crate::session) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
});

/// Seconds.
const PAUSE: u32 = 2;
const STYLE: &str = include_str!("../page.css");
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' \
    viewBox='0 0 24 24'%3E%3Crect width='24' height='24' rx='6' fill='%230b6b57'/%3E%3Cpath \
    d='M12 6.5a5.5 5.5 0 1 0 5.5 5.5' fill='none' stroke='%23fff' stroke-width='2.4' \
    stroke-linecap='round'/%3E%3Ccircle cx='16' cy='8' r='1.7' fill='%23fff'/%3E%3C/svg%3E";
const MARK: &str = "<svg class=\"mark\" viewBox=\"0 0 24 24\" aria-hidden=\"true\">\
    <rect width=\"24\" height=\"24\" rx=\"6\"/><path d=\"M12 6.5a5.5 5.5 0 1 0 5.5 5.5\"/>\
    <circle cx=\"16\" cy=\"8\" r=\"1.7\"/></svg>";
const GOOD: &str = "<svg class=\"sign\" viewBox=\"0 0 48 48\" aria-hidden=\"true\">\
    <circle cx=\"24\" cy=\"24\" r=\"24\"/><path d=\"m15.5 24.5 6 6 11.5-12\"/></svg>";
const PLAIN: &str = "<svg class=\"sign\" viewBox=\"0 0 48 48\" aria-hidden=\"true\">\
    <circle cx=\"24\" cy=\"24\" r=\"24\"/><path d=\"M15.5 24h17\"/></svg>";
const BAD: &str = "<svg class=\"sign\" viewBox=\"0 0 48 48\" aria-hidden=\"true\">\
    <circle cx=\"24\" cy=\"24\" r=\"24\"/><path d=\"M24 14.5v11.5M24 33.2v.1\"/></svg>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_backtick_is_kept() {
        assert_eq!(marked_up("a ` b"), "a ` b");
        assert_eq!(marked_up("`a` ` b"), "<code>a</code> ` b");
    }

    #[test]
    fn the_policy_allows_the_style_that_is_sent() {
        let page = render(&Page::used());
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        assert!(POLICY.contains(&format!("style-src 'sha256-{hash}'")));
    }
}
