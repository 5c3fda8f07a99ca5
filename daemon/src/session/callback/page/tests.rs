use loopdesk_protocol::Kind;
use loopdesk_protocol::account::Person;

use super::*;

#[test]
fn w8_nothing_from_outside_becomes_markup() {
    let evil = "<script>alert(1)</script>\" onload='x' & `<b>`";
    let done = Done {
        account: evil.to_owned(),
        person: Person {
            id: 1,
            name: evil.to_owned(),
            email: Some(evil.to_owned()),
            role: Some(evil.to_owned()),
        },
        scopes: vec![evil.to_owned()],
        warning: None,
        pairs: Vec::new(),
        new_person: true,
        missing_scopes: vec![evil.to_owned()],
        access_expires_at: jiff::Timestamp::UNIX_EPOCH,
        refresh_expires_at: None,
        base_urls: vec![evil.to_owned()],
    };
    let problem = Problem::new(Kind::Login, evil).hint(evil);
    for page in [
        Page::done(&done),
        Page::failed(&problem),
        Page::denied(&problem),
    ] {
        let page = html::render(&page);
        assert_eq!(page.matches("<script").count(), 0, "{page}");
        assert!(!page.contains("<b>"), "{page}");
        assert!(!page.contains("\" onload='"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }
}

#[test]
fn a_successful_login_s_page_shows_the_person_the_account_and_a_command() {
    let done = Done {
        account: "acme".to_owned(),
        person: Person {
            id: 1,
            name: "Ada Lovelace".to_owned(),
            email: Some("ada@example.com".to_owned()),
            role: Some("admin".to_owned()),
        },
        scopes: vec!["read".to_owned(), "write".to_owned()],
        warning: None,
        pairs: Vec::new(),
        new_person: true,
        missing_scopes: vec!["hc:read".to_owned()],
        access_expires_at: jiff::Timestamp::UNIX_EPOCH,
        refresh_expires_at: None,
        base_urls: ["http://localhost:8484", "http://acme.localhost:8484"]
            .map(str::to_owned)
            .into(),
    };
    let page = html::render(&Page::done(&done));
    for expected in [
        "<title>Logged in to acme \u{b7} loopdesk</title>",
        "<h1>Logged in to acme</h1>",
        "<dt>Person</dt><dd>Ada Lovelace &lt;ada@example.com&gt;</dd>",
        "<dt>Role</dt><dd>admin</dd>",
        "<dt>Scopes</dt><dd><code>read write</code></dd>",
        "<dt>Base URL</dt><dd><code>http://localhost:8484</code></dd>",
        "Zendesk has not granted <code>hc:read</code>.",
        "If that isn&#39;t you, run <code>loopdesk logout acme</code>",
        "<pre><code>curl http://localhost:8484/api/v2/users/me.json</code></pre>",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
}

#[test]
fn a_failed_login_s_page_says_what_happened_and_what_to_do() {
    let problem = Problem::new(Kind::Login, "the login of account `acme` was not allowed")
        .hint("run `loopdesk login acme` again");
    let page = html::render(&Page::failed(&problem));
    assert!(page.contains("<h1>Not logged in</h1>"), "{page}");
    assert!(page.contains(">The login of account <code>acme</code> was not allowed.</p>"));
    assert!(page.contains("<li>Run <code>loopdesk login acme</code> again.</li>"));
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
