//! D3: no form of a write in the head of a request gets past a read-only key.

use super::{head, judge, rights};
use crate::rights::Rights;

/// Keys that only read, including one that gets there by denying everything else.
fn readers() -> [Rights; 3] {
    [
        rights(&["read"], &[], &[]),
        rights(
            &["tickets:read", "users:read"],
            &["GET /api/v2/search"],
            &[],
        ),
        rights(
            &["read", "write"],
            &["* /**"],
            &[
                "POST /**",
                "PUT /**",
                "PATCH /**",
                "DELETE /**",
                "HEAD /api/v2/users/me/session/*",
                "GET /api/v2/users/me/session/*",
            ],
        ),
    ]
}

#[test]
fn d3_p10_a_key_that_reads_can_not_write() {
    for (method, target) in [
        ("POST", "/api/v2/tickets"),
        ("POST", "/api/v2/tickets.json"),
        ("PUT", "/api/v2/tickets/1"),
        ("PATCH", "/api/v2/tickets/1"),
        ("DELETE", "/api/v2/tickets/1.json"),
        ("POST", "/api/v2/tickets/create_many"),
        ("PUT", "/api/v2/tickets/update_many.json?ids=1,2"),
        ("DELETE", "/api/v2/tickets/destroy_many?ids=1"),
        ("PUT", "/api/v2/tickets/1/mark_as_spam"),
        ("PUT", "/api/v2/suspended_tickets/1/recover"),
        ("POST", "/api/v2/users/create_or_update_many"),
        ("POST", "/api/v2/users/1/password"),
        ("DELETE", "/api/v2/users/me/logout"),
        ("GET", "/api/v2/users/me/session/renew"),
        ("HEAD", "/api/v2/users/me/session/renew.json"),
        ("OPTIONS", "/api/v2/users/me/session/renew/"),
        ("POST", "/api/v2/uploads?filename=x"),
        ("POST", "/api/v2/any_channel/push"),
        ("POST", "/api/v2/channels/voice/tickets"),
        ("PUT", "/api/v2/help_center/articles/1"),
        ("POST", "/api/v2/oauth/tokens"),
        // What these do isn't known.
        ("GET", "/api/v2/unheard_of"),
        ("POST", "/api/v2/unheard_of"),
        ("DELETE", "/"),
        // Nor what these methods do.
        ("get", "/api/v2/unheard_of"),
        ("PURGE", "/api/v2/unheard_of"),
    ] {
        for reader in &readers() {
            assert!(
                judge(reader, method, target).is_err(),
                "{method} {target}: {reader:?}"
            );
        }
    }
    for (method, target) in [
        ("GET", "/api/v2/tickets"),
        ("GET", "/api/v2/tickets/1.json"),
        ("HEAD", "/api/v2/tickets/1/comments"),
        ("OPTIONS", "/api/v2/tickets/1"),
        ("GET", "/api/v2/users/me"),
        ("GET", "/api/v2/tickets/1/audits"),
        ("GET", "/attachments/token/x/?name=a.png"),
    ] {
        for reader in &readers() {
            assert_eq!(judge(reader, method, target), Ok(()), "{method} {target}");
        }
    }
    // Unreadable records could be in the results of a search or an export.
    for target in [
        "/api/v2/search.json?query=type:ticket",
        "/api/v2/incremental/tickets/cursor.json?start_time=1",
    ] {
        assert!(judge(&readers()[2], "GET", target).is_err(), "{target}");
        for reader in &readers()[..1] {
            assert_eq!(judge(reader, "GET", target), Ok(()), "{target}");
        }
    }
    for target in [
        "/api/v2/views/preview",
        "/api/v2/problems/autocomplete?name=x",
    ] {
        assert_eq!(judge(&readers()[0], "POST", target), Ok(()), "{target}");
    }
}

#[test]
fn d3_p10_unknown_methods_need_all_that_writes_need() {
    let writer = rights(&["write"], &[], &[]);
    let tickets = rights(&["tickets:write", "tickets:read"], &[], &[]);
    for method in ["PURGE", "get", "Post", "MERGE"] {
        assert_eq!(
            judge(&writer, method, "/api/v2/tickets/1"),
            Ok(()),
            "{method}"
        );
        let denial = judge(&tickets, method, "/api/v2/tickets/1").unwrap_err();
        assert_eq!(denial.needs, ["write"], "{method}");
    }
}

#[test]
fn d3_p9_no_header_names_another_method() {
    let limited = [
        rights(&["read"], &[], &[]),
        rights(&["tickets:write"], &[], &[]),
        rights(&[], &["* /**"], &[]),
        rights(&["read", "write"], &[], &["DELETE /**"]),
    ];
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X_HTTP_METHOD_OVERRIDE",
    ] {
        for rights in &limited {
            for (method, value) in [("POST", "DELETE"), ("GET", "POST"), ("POST", "")] {
                let head = head(method, "/api/v2/tickets", &[(name, value)]);
                let denial = rights.judge(&head).unwrap_err();
                let expected = format!("header `{}`", name.to_ascii_lowercase());
                assert_eq!(denial.line, expected, "{rights:?}");
            }
        }
        // A key that may do everything may also use these forms.
        let head = head("POST", "/api/v2/tickets", &[(name, "DELETE")]);
        assert_eq!(rights(&["read", "write"], &[], &[]).judge(&head), Ok(()));
    }
}

#[test]
fn d3_p9_no_query_names_another_method() {
    let rights = rights(&["tickets:write", "read"], &["* /api/v2/tickets/**"], &[]);
    for query in [
        "_method=DELETE",
        "a=1&%5Fmethod=put",
        "a;_METHOD=x",
        "a=%2526_method=x",
    ] {
        for method in ["GET", "POST"] {
            let denial = judge(&rights, method, &format!("/api/v2/tickets?{query}")).unwrap_err();
            assert_eq!(denial.line, "`_method` in the query", "{query}");
        }
    }
    assert_eq!(
        judge(&rights, "POST", "/api/v2/tickets?payment_method=x"),
        Ok(())
    );
}

#[test]
fn d3_p8_no_path_that_can_be_read_two_ways() {
    let everything_but = rights(
        &["read", "write"],
        &["* /**"],
        &["DELETE /api/v2/tickets/**"],
    );
    let reader = rights(&["read"], &[], &[]);
    for target in [
        "/api/v2//tickets",
        "/api/v2/./tickets",
        "/api/v2/users/../tickets",
        "/api/v2/users/%2e%2e/tickets",
        "/api/v2/users%2Ftickets",
        "/api/v2/users%5Ctickets",
        "/api/v2/%74ickets",
        "/api/v2/%2574ickets",
        "/api/v2/tickets;x",
        "/api/v2/tickets%3Bx",
        "/api/v2/tickets%00",
        "/api/v2/tickets%23",
        "/api/v2/tickets%3F",
        "/api/v2/tickets%20",
        "/api/v2/tickets.",
        "/api/v2/tickets.xml",
        "/api/v2/tickets.JSON",
        "/api%c0%afv2/tickets",
    ] {
        for rights in [&reader, &everything_but] {
            let denial = judge(rights, "GET", target).unwrap_err();
            assert_eq!(denial.line, "the path can be read two ways", "{target}");
            assert_eq!(denial.needs, Vec::<String>::new());
        }
    }
    // Spelled like no route.
    for target in ["/api/v2/Tickets", "/API/v2/tickets", "/api/V2/TICKETS.json"] {
        assert_eq!(
            judge(&reader, "GET", target).unwrap_err().needs,
            ["write"],
            "{target}"
        );
        // And like nothing that would be denied if it were one.
        let denial = judge(&everything_but, "DELETE", target).unwrap_err();
        assert_eq!(denial.line, "deny `DELETE /api/v2/tickets/**`");
    }
}

#[test]
fn d2_deny_wins_over_rules_and_scopes() {
    let key = rights(
        &["tickets:read", "tickets:write"],
        &["* /api/v2/users/**"],
        &[
            "* /api/v2/**/destroy_many",
            "DELETE /api/v2/users/*",
            "GET /api/v2/tickets/*/audits",
        ],
    );
    for (method, target, allowed) in [
        ("GET", "/api/v2/tickets/1", true),
        ("DELETE", "/api/v2/tickets/1", true),
        ("DELETE", "/api/v2/tickets/destroy_many", false),
        ("GET", "/api/v2/tickets/1/audits", false),
        ("HEAD", "/api/v2/tickets/1/audits", false),
        ("OPTIONS", "/api/v2/tickets/1/audits", false),
        ("GET", "/api/v2/tickets/1/audits/2", true),
        ("GET", "/api/v2/users/me/unheard_of", false),
        ("DELETE", "/api/v2/users/1", false),
        ("DELETE", "/api/v2/users/1/sessions", true),
        ("DELETE", "/api/v2/users/destroy_many", false),
        ("GET", "/api/v2/organizations", false),
    ] {
        assert_eq!(
            judge(&key, method, target).is_ok(),
            allowed,
            "{method} {target}"
        );
    }
}

#[test]
fn d3_acting_for_somebody_else_takes_a_scope_of_its_own() {
    for name in ["X-On-Behalf-Of", "x_on_behalf_of"] {
        let head = head("GET", "/api/v2/tickets", &[(name, "someone@example.com")]);
        let denial = rights(&["read"], &[], &[]).judge(&head).unwrap_err();
        assert_eq!(denial.needs, ["impersonate"]);
        for scopes in [&["read", "impersonate"][..], &["read", "write"]] {
            assert_eq!(rights(scopes, &[], &[]).judge(&head), Ok(()), "{scopes:?}");
        }
    }
}

#[test]
fn d2_what_a_write_has_begun_may_be_followed() {
    let job = "/api/v2/job_statuses/8b726e606741012ffc2d782bcb7848fe";
    for (scopes, allowed) in [
        (&["tickets:write"][..], true),
        (&["users:write"], true),
        (&["read"], true),
        (&["write"], true),
        (&["tickets:read"], false),
        (&["hc:write"], false),
    ] {
        let rights = rights(scopes, &[], &[]);
        assert_eq!(judge(&rights, "GET", job).is_ok(), allowed, "{scopes:?}");
        assert_eq!(
            judge(&rights, "GET", "/api/v2/job_statuses").is_ok(),
            scopes == ["read"]
        );
    }
}

#[test]
fn d3_p9_what_can_not_be_judged_by_its_body_is_refused_by_its_head() {
    let key = rights(&["tickets:write", "tickets:read"], &[], &[]);
    let line = |method, headers: &[(&str, &str)]| {
        let verdict = key.judge(&head(method, "/api/v2/tickets", headers));
        verdict.map_err(|denial| denial.line)
    };
    for (method, headers, expected) in [
        (
            "GET",
            &[("content-length", "2")][..],
            Err("a read has a body"),
        ),
        ("HEAD", &[("content-length", "2")], Err("a read has a body")),
        (
            "GET",
            &[
                ("content-length", "0"),
                ("content-type", "application/json"),
            ],
            Ok(()),
        ),
        (
            "POST",
            &[
                ("content-length", "2"),
                ("content-type", "application/json"),
                ("content-type", "text/plain"),
            ],
            Err("the body has two types"),
        ),
        (
            "POST",
            &[
                ("content-length", "2"),
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
            ],
            Err("the body is compressed"),
        ),
        (
            "POST",
            &[("transfer-encoding", "chunked"), ("content-encoding", "br")],
            Err("the body is compressed"),
        ),
        (
            "POST",
            &[
                ("content-length", "2"),
                ("content-type", "application/json"),
                ("content-encoding", "identity"),
            ],
            Ok(()),
        ),
        (
            "POST",
            &[
                ("content-length", "2"),
                ("content-type", "application/zip"),
                ("content-encoding", "gzip"),
            ],
            Ok(()),
        ),
        ("POST", &[("content-encoding", "gzip")], Ok(())),
    ] {
        let found = line(method, headers);
        assert_eq!(
            found.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|l| *l),
            "{headers:?}"
        );
    }
}
