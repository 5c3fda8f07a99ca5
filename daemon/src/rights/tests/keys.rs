//! Parsing what is requested for keys, and comparing keys.

use super::{asked, judge, rights};
use crate::rights::{Explanation, Rights};

fn mistakes(scopes: &[&str], allow: &[&str], deny: &[&str]) -> String {
    Rights::parse(&asked(scopes, allow, deny)).unwrap_err()
}

#[test]
fn d2_every_mistake_is_told_at_once() {
    let text = mistakes(
        &["ticket:read", "users:write", "read"],
        &["get /api/v2/tickets", "GET /api/v2/tickets"],
        &["DELETE /tickets/**"],
    );
    for expected in [
        "`ticket:read` isn't a scope. Did you mean `tickets:read`?",
        "say `GET`",
        "as in `DELETE /api/v2/tickets/**`",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(!text.contains("users:write` is"), "{text}");
}

#[test]
fn d2_a_key_must_allow_something_and_mean_what_it_says() {
    for (scopes, allow, deny, expected) in [
        (&[][..], &[][..], &[][..], "would allow nothing"),
        (&[], &[], &["GET /**"], "would allow nothing"),
        (&["impersonate"], &[], &[], "would allow nothing"),
        (
            &["read", "tickets:read"],
            &[],
            &[],
            "`tickets:read` is within `read`",
        ),
        (
            &["write", "hc:write"],
            &[],
            &[],
            "`hc:write` is within `read` or `write`",
        ),
    ] {
        let text = mistakes(scopes, allow, deny);
        assert!(text.contains(expected), "{text}");
    }
    let many = vec!["GET /api/v2/tickets"; 65];
    assert!(mistakes(&[], &many, &[]).contains("at most 64 `allow` rules, not 65"));
    assert!(mistakes(&["read"], &[], &many).contains("at most 64 `deny` rules"));
    for (scopes, allow) in [
        (&["read", "tickets:write"][..], &[][..]),
        (&["tickets:read", "tickets:read"], &[]),
        (&["impersonate"], &["GET /api/v2/tickets"]),
        (&["read", "write", "impersonate"], &[]),
    ] {
        assert!(
            Rights::parse(&asked(scopes, allow, &[])).is_ok(),
            "{scopes:?}"
        );
    }
}

#[test]
fn d2_rights_read_back() {
    let given = rights(
        &["write", "users:read", "tickets:read", "tickets:read"],
        &["GET  /api/v2/search.json", "* /api/v2/**/**/x/"],
        &["DELETE /api/v2/tickets/*"],
    );
    let text = given.text();
    assert_eq!(text.scopes, ["tickets:read", "users:read", "write"]);
    assert_eq!(text.allow, ["GET /api/v2/search", "* /api/v2/**/x"]);
    assert_eq!(text.deny, ["DELETE /api/v2/tickets/*"]);
    assert_eq!(Rights::parse(&text), Ok(given));
}

#[test]
fn d2_what_only_reads_and_what_is_everything() {
    for (scopes, allow, deny, only_reads, is_full) in [
        (&["read"][..], &[][..], &[][..], true, false),
        (&["read", "impersonate"], &[], &[], true, false),
        (&["tickets:read", "hc:read"], &[], &[], true, false),
        (&[], &["GET /api/v2/**", "HEAD /**"], &[], true, false),
        (
            &["read"],
            &["POST /api/v2/views/preview"],
            &[],
            false,
            false,
        ),
        (&["read"], &["* /api/v2/tickets"], &[], false, false),
        (&["tickets:read", "users:write"], &[], &[], false, false),
        (&["any_channel:write"], &[], &[], false, false),
        (&["write"], &[], &[], false, false),
        (&["read", "write"], &[], &[], false, true),
        (
            &["read", "write", "impersonate"],
            &["GET /x"],
            &[],
            false,
            true,
        ),
        (&["read", "write"], &[], &["DELETE /**"], false, false),
        (&[], &["* /**"], &[], false, false),
    ] {
        let rights = rights(scopes, allow, deny);
        assert_eq!(rights.is_read_only(), only_reads, "{rights:?}");
        assert_eq!(rights.is_full(), is_full, "{rights:?}");
    }
}

#[test]
fn d2_what_is_beyond_a_limit() {
    for (scopes, allow, limit, beyond) in [
        (&["read"][..], &[][..], &["read"][..], &[][..]),
        (&["tickets:read", "hc:read"], &[], &["read"], &[]),
        (
            &["read", "tickets:write"],
            &[],
            &["read"],
            &["tickets:write"],
        ),
        (
            &["read", "write"],
            &[],
            &["read", "tickets:write"],
            &["write"],
        ),
        (
            &["read", "write", "impersonate"],
            &[],
            &["read", "write"],
            &[],
        ),
        (&["read"], &[], &["tickets:read"], &["read"]),
        (
            &["read", "impersonate"],
            &[],
            &["read", "tickets:write"],
            &["impersonate"],
        ),
        // A rule for one known route is compared with that route's scope.
        (&[], &["GET /api/v2/tickets"], &["tickets:read"], &[]),
        (
            &[],
            &["GET /api/v2/search"],
            &["tickets:read"],
            &["GET /api/v2/search"],
        ),
        (&[], &["POST /api/v2/views/preview"], &["read"], &[]),
        (
            &[],
            &["GET /api/v2/unheard_of"],
            &["read"],
            &["GET /api/v2/unheard_of"],
        ),
        // A rule for many may match routes that aren't in the table.
        (
            &[],
            &["GET /api/v2/tickets/*"],
            &["read"],
            &["GET /api/v2/tickets/*"],
        ),
        (&[], &["PUT /api/v2/tickets/*"], &["write"], &[]),
        (
            &[],
            &["* /api/v2/tickets"],
            &["read", "tickets:write"],
            &["* /api/v2/tickets"],
        ),
        (&[], &["* /api/v2/tickets"], &["read", "write"], &[]),
    ] {
        let found = rights(scopes, allow, &[]).beyond(&rights(limit, &[], &[]));
        assert_eq!(found, beyond, "{scopes:?} {allow:?} under {limit:?}");
    }
    let limit = rights(&["read", "write"], &[], &["DELETE /**"]);
    assert_eq!(
        rights(&[], &["DELETE /api/v2/**", "DELETE /api/v2/tickets/1"], &[]).beyond(&limit),
        ["DELETE /api/v2/**", "DELETE /api/v2/tickets/1"]
    );
    let limit = rights(&["read"], &["PUT /api/v2/tickets/*"], &[]);
    let asked = rights(
        &[],
        &["PUT /api/v2/tickets/*", "PUT /api/v2/tickets/7"],
        &[],
    );
    assert_eq!(asked.beyond(&limit), Vec::<String>::new());
}

#[test]
fn d2_explain_names_the_line_that_decides() {
    let key = rights(
        &["tickets:read", "users:read"],
        &["POST /api/v2/tickets"],
        &[],
    );
    let explain_by = |key: &Rights, method: &str, target: &str| {
        let explanation = key.explain(&method.parse().unwrap(), &target.parse().unwrap());
        assert_eq!(judge(key, method, target).is_ok(), explanation.allowed);
        explanation
    };
    let explain = |method: &str, target: &str| explain_by(&key, method, target);
    for (method, target, allowed, needs, line, why) in [
        (
            "GET",
            "/api/v2/tickets.json?page=2",
            true,
            &["tickets:read", "read"][..],
            "scope `tickets:read`",
            "This route reads, which `tickets:read` allows.",
        ),
        (
            "POST",
            "/api/v2/problems/autocomplete",
            true,
            &["tickets:read", "read"],
            "scope `tickets:read`",
            "This route reads (searches), which `tickets:read` allows.",
        ),
        (
            "POST",
            "/api/v2/tickets",
            true,
            &[],
            "allow `POST /api/v2/tickets`",
            "A rule of the key allows it.",
        ),
        (
            "POST",
            "/api/v2/tickets/create_many",
            false,
            &["tickets:write", "write"],
            "route table: `POST /api/v2/tickets/create_many` writes, scope `tickets`",
            "This route writes: this key needs `tickets:write` or `write`, or a rule that allows it.",
        ),
        (
            "GET",
            "/api/v2/users/me/session/renew",
            false,
            &["users:write", "write"],
            "route table: `GET /api/v2/users/me/session/renew` writes, scope `users`",
            "This route writes (renews a session in a browser): this key needs `users:write` or \
             `write`, or a rule that allows it.",
        ),
        (
            "GET",
            "/api/v2/search",
            false,
            &["read"],
            "route table: `GET /api/v2/search` reads, no scope of its own",
            "This route reads: this key needs `read`, or a rule that allows it.",
        ),
        (
            "POST",
            "/api/v2/uploads",
            false,
            &[
                "tickets:write",
                "requests:write",
                "ticket_attachments:write",
                "write",
            ],
            "route table: `POST /api/v2/uploads` writes, scopes `tickets`, `requests`, \
             `ticket_attachments`",
            "This route writes: this key needs `tickets:write` or `requests:write` or \
             `ticket_attachments:write` or `write`, or a rule that allows it.",
        ),
        (
            "GET",
            "/api/v2/unheard_of",
            false,
            &["write"],
            "route table: `GET /api/v2/unheard_of` isn't known",
            "This route isn't known, so it is treated as a write to everything: this key needs \
             `write`, or a rule that allows it.",
        ),
        (
            "GET",
            "/api/v2//tickets",
            false,
            &[],
            "the path can be read two ways",
            "The path can be read two ways, and this key is limited to some paths: some servers \
             read `//` as one slash, others as an empty name.",
        ),
        (
            "GET",
            "/api/v2/tickets?_method=DELETE",
            false,
            &[],
            "`_method` in the query",
            "The query has a parameter `_method`, which some servers use instead of the request's \
             own method, and this key is limited to what that one may do.",
        ),
        (
            "GET",
            "/api/v2/tickets?include=users,groups",
            false,
            &["groups:read", "read"],
            "`include` in the query, side load `groups`",
            "The request side-loads `groups`, for which this key needs `groups:read` or `read`.",
        ),
    ] {
        let expected = Explanation {
            allowed,
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
            line: line.to_owned(),
            why: why.to_owned(),
        };
        assert_eq!(explain(method, target), expected);
    }
    let denied = rights(
        &["read"],
        &["GET /api/v2/search/count"],
        &["GET /api/v2/tickets/*/audits/**"],
    );
    for (target, line, why) in [
        (
            "/api/v2/tickets/1/audits",
            "deny `GET /api/v2/tickets/*/audits/**`",
            "A rule of the key denies `GET /api/v2/tickets/1/audits`, whatever else it allows.",
        ),
        (
            "/api/v2/unheard_of",
            "route table: `GET /api/v2/unheard_of` isn't known, and deny \
             `GET /api/v2/tickets/*/audits/**`",
            "This route isn't known, so it may show or do what the rule `GET \
             /api/v2/tickets/*/audits/**` of this key denies: only an `allow` rule for `GET \
             /api/v2/unheard_of` itself lets it through.",
        ),
        (
            "/api/v2/search",
            "route table: `GET /api/v2/search` searches or exports, and deny \
             `GET /api/v2/tickets/*/audits/**`",
            "This route searches or exports, which may find what the rule `GET \
             /api/v2/tickets/*/audits/**` of this key denies: only an `allow` rule for `GET \
             /api/v2/search` itself lets it through.",
        ),
        (
            "/api/v2/tickets?include=comment_count",
            "`include` in the query, side load `comment_count`",
            "The request side-loads `comment_count`, which may contain what a `deny` rule of this \
             key denies.",
        ),
    ] {
        let explanation = explain_by(&denied, "GET", target);
        assert_eq!(
            (explanation.allowed, explanation.line.as_str()),
            (false, line)
        );
        assert_eq!(explanation.why, why);
        assert_eq!(explanation.needs, Vec::<String>::new());
    }
    assert!(explain_by(&denied, "GET", "/api/v2/search/count").allowed);
    let full = rights(&["read", "write"], &[], &[]);
    let explanation = full.explain(&"PURGE".parse().unwrap(), &"/x;y".parse().unwrap());
    assert_eq!(explanation.line, "scopes `read` and `write`");
    let writer = rights(&["write"], &[], &[]);
    let explanation = writer.explain(&"GET".parse().unwrap(), &"/x".parse().unwrap());
    assert_eq!(explanation.line, "scope `write`");
    assert!(
        explanation.why.contains("isn't known"),
        "{}",
        explanation.why
    );
}
