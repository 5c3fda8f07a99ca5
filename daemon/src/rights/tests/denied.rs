//! D2: what a rule denies isn't shown by another route.

use super::{judge, rights};

#[test]
fn d2_what_a_rule_denies_is_found_in_no_other_way() {
    let reader = rights(
        &["read", "write"],
        &[
            "* /api/v2/**",
            "GET /api/v2/unheard_of",
            "GET /api/v2/guide/search",
        ],
        &["GET /api/v2/users/**", "DELETE /api/v2/tickets/**"],
    );
    let writer = rights(&["read", "write"], &[], &["DELETE /api/v2/tickets/**"]);
    for (method, target, for_reader, for_writer) in [
        ("GET", "/api/v2/tickets", true, true),
        ("GET", "/api/v2/users", false, true),
        ("GET", "/api/v2/Users", false, false),
        // Routes that aren't in the table, and older versions of the API.
        ("GET", "/api/v1/tickets", false, false),
        ("GET", "/api/v2/unheard", false, false),
        ("POST", "/api/v2/unheard", false, false),
        ("PURGE", "/api/v2/tickets/1", false, false),
        // Except if that exact path is allowed.
        ("GET", "/api/v2/unheard_of", true, false),
        // Searches and exports.
        ("GET", "/api/v2/search?query=type:user", false, true),
        ("GET", "/api/v2/search/export", false, true),
        ("GET", "/api/v2/incremental/tickets/cursor", false, true),
        // `users/{id}/organizations` shows some of these, too.
        ("GET", "/api/v2/organizations/search", false, true),
        ("GET", "/api/v2/triggers/search?query=x", true, true),
        ("GET", "/api/v2/guide/search", true, true),
        (
            "GET",
            "/api/v2/help_center/en-us/articles/search",
            false,
            true,
        ),
        (
            "GET",
            "/api/v2/channels/voice/stats/incremental/calls",
            false,
            true,
        ),
        // Side loads.
        ("GET", "/api/v2/tickets?include=users", false, true),
        ("GET", "/api/v2/tickets?include=comment_count", false, true),
    ] {
        for (key, allowed) in [(&reader, for_reader), (&writer, for_writer)] {
            let judged = judge(key, method, target);
            assert_eq!(judged.is_ok(), allowed, "{method} {target}: {judged:?}");
        }
    }
    // Searches for denied records under another name.
    let one = rights(&["read"], &[], &["GET /api/v2/users/35436"]);
    assert!(judge(&one, "GET", "/api/v2/users/search?query=x").is_err());
    assert_eq!(
        judge(&one, "GET", "/api/v2/organizations/search?name=x"),
        Ok(())
    );
}

#[test]
fn d2_a_rule_denies_in_any_case_and_behind_a_locale() {
    let key = rights(
        &["read", "write"],
        &[],
        &["* /api/v2/help_center/articles/**"],
    );
    for target in [
        "/api/v2/help_center/articles/1",
        "/api/v2/help_center/en-us/articles/1.json",
        "/api/v2/help_center/PT-br/Articles/1",
    ] {
        for method in ["GET", "PUT"] {
            let denial = judge(&key, method, target).unwrap_err();
            assert_eq!(
                denial.line, "deny `* /api/v2/help_center/articles/**`",
                "{target}"
            );
        }
    }
    assert_eq!(
        judge(&key, "GET", "/api/v2/help_center/en-us/sections/1"),
        Ok(())
    );
}

#[test]
fn d2_what_shows_the_same_as_what_is_denied_is_listed() {
    let also = |deny: &str| rights(&["read"], &[], &[deny]).also_shown();
    let users = also("* /api/v2/users/**");
    for route in [
        "GET /api/v2/groups/{id}/users",
        "GET /api/v2/organizations/{id}/users",
        "GET /api/v2/tickets/{id}/collaborators",
        "GET /api/v2/end_users/{user}",
        "GET /api/v2/deleted_users",
    ] {
        assert!(users.iter().any(|also| also == route), "{route}: {users:?}");
    }
    for other in [
        "GET /api/v2/users",
        "GET /api/v2/search",
        "GET /api/v2/tickets",
    ] {
        assert!(!users.iter().any(|also| also == other), "{other}");
    }
    let audits = also("GET /api/v2/tickets/*/audits");
    assert!(
        audits.contains(&"GET /api/v2/ticket_audits".to_owned()),
        "{audits:?}"
    );
    assert!(
        !audits.contains(&"GET /api/v2/tickets/{id}".to_owned()),
        "{audits:?}"
    );
    let tickets = also("GET /api/v2/tickets/**");
    assert!(
        tickets.contains(&"GET /api/v2/views/{id}/tickets".to_owned()),
        "{tickets:?}"
    );
    assert!(
        tickets.contains(&"GET /api/v2/requests".to_owned()),
        "{tickets:?}"
    );
    assert_eq!(also("DELETE /api/v2/**"), Vec::<String>::new());
    // What the key can't read anyway isn't listed.
    let narrow = rights(&["tickets:read"], &[], &["GET /api/v2/tickets/1/audits"]);
    assert!(
        narrow
            .also_shown()
            .iter()
            .all(|route| !route.contains("users"))
    );
}
