//! The routes of the table, by their paths and methods.

use super::*;

fn found(method: &str, path: &str) -> Option<String> {
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".json").unwrap_or(path);
    let names: Vec<&str> = path.split('/').collect();
    let entry = TABLE.find(&method.parse().unwrap(), &names)?;
    let verb = entry.verb.name();
    Some(format!("{verb} {} {}", entry.path, entry.effect.verb()))
}

#[test]
fn d3_every_line_can_be_read() {
    let wrong: Vec<_> = read::lines(ROUTES).filter_map(Result::err).collect();
    assert_eq!(wrong, Vec::<String>::new());
    assert!(TABLE.entries().len() > 700, "{}", TABLE.entries().len());
}

#[test]
fn d3_a_route_is_found_by_its_path_and_method() {
    for (method, path, expected) in [
        ("GET", "/api/v2/tickets", "GET /api/v2/tickets reads"),
        (
            "GET",
            "/api/v2/tickets/35436.json",
            "GET /api/v2/tickets/{id} reads",
        ),
        (
            "HEAD",
            "/api/v2/tickets/35436",
            "GET /api/v2/tickets/{id} reads",
        ),
        (
            "OPTIONS",
            "/api/v2/tickets/35436",
            "GET /api/v2/tickets/{id} reads",
        ),
        (
            "PUT",
            "/api/v2/tickets/update_many",
            "PUT /api/v2/tickets/update_many writes",
        ),
        ("GET", "/api/v2/users/me", "GET /api/v2/users/me reads"),
        ("PUT", "/api/v2/users/me", "PUT /api/v2/users/{user} writes"),
        (
            "GET",
            "/api/v2/users/me/identities",
            "GET /api/v2/users/{user}/identities reads",
        ),
        (
            "GET",
            "/api/v2/users/me/session/renew",
            "GET /api/v2/users/me/session/renew writes",
        ),
        (
            "POST",
            "/api/v2/views/preview",
            "POST /api/v2/views/preview reads",
        ),
        (
            "GET",
            "/api/v2/job_statuses/8b726e606741012ffc2d782bcb7848fe",
            "GET /api/v2/job_statuses/{code} reads",
        ),
        (
            "GET",
            "/api/v2/webhooks/01EJFTSCC78X5V07NPY2MHR00M",
            "GET /api/v2/webhooks/{code} reads",
        ),
        (
            "GET",
            "/api/v2/routing/attributes/15821cba-7326-11e8-b07e-950ba849aa27",
            "GET /api/v2/routing/attributes/{code} reads",
        ),
        (
            "GET",
            "/api/v2/help_center/en-us/articles/1",
            "GET /api/v2/help_center/** reads",
        ),
        (
            "GET",
            "/api/v2/help_center",
            "GET /api/v2/help_center/** reads",
        ),
        (
            "GET",
            "/api/v2/help_center/en-us/integration/token",
            "GET /api/v2/help_center/integration/** writes",
        ),
        (
            "GET",
            "/api/v2/help_center/articles/integration",
            "GET /api/v2/help_center/** reads",
        ),
        (
            "GET",
            "/api/v2/help_center/integration/token",
            "GET /api/v2/help_center/integration/** writes",
        ),
        (
            "POST",
            "/api/v2/help_center/integration/token",
            "POST /api/v2/help_center/integration/** writes",
        ),
        (
            "DELETE",
            "/api/v2/channels/voice/phone_numbers/1",
            "DELETE /api/v2/channels/voice/** writes",
        ),
        (
            "GET",
            "/api/v2/zen:custom_object:car/1/relationship_fields/2/zen:ticket",
            "GET /api/v2/{type}/{key}/relationship_fields/{key}/{type} reads",
        ),
        (
            "GET",
            "/attachments/token/x/",
            "GET /attachments/token/{key} reads",
        ),
        (
            "GET",
            "/api/v2/custom_objects/limits/object_limit",
            "GET /api/v2/custom_objects/limits/object_limit reads",
        ),
        (
            "PATCH",
            "/api/v2/custom_objects/limits",
            "PATCH /api/v2/custom_objects/{key} writes",
        ),
    ] {
        assert_eq!(
            found(method, path).as_deref(),
            Some(expected),
            "{method} {path}"
        );
    }
}

#[test]
fn d3_what_is_not_in_the_table_is_unknown() {
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/api/v2"),
        ("GET", "/api/v2/unheard_of"),
        ("GET", "/api/v2/Tickets"),
        ("GET", "/API/v2/tickets"),
        ("GET", "/api/v1/tickets"),
        ("GET", "/api/tickets"),
        ("GET", "/tickets"),
        ("POST", "/api/v2/tickets/count"),
        ("PATCH", "/api/v2/tickets/1"),
        ("MERGE", "/api/v2/tickets/1"),
        ("get", "/api/v2/tickets"),
        ("GET", "/api/v2/tickets/1/unheard_of"),
        // Something other than an id where an id is expected.
        ("GET", "/api/v2/tickets/purge"),
        ("GET", "/api/v2/tickets/create_many"),
        ("GET", "/api/v2/users/someone"),
        ("GET", "/api/v2/users/me2"),
        ("GET", "/api/v2/webhooks/restart_all_of_them"),
        ("GET", "/api/v2/job_statuses/cancel"),
        ("GET", "/api/v2/user/1/relationship_fields/2/zen:ticket"),
        ("POST", "/api/v2/views/preview/count/x"),
        ("GET", "/api/v2/users/1/password"),
        ("GET", "/api/v2/chat/chats"),
        ("GET", "/sc/v2/apps"),
        ("GET", "/hc/en-us/articles/1"),
        ("POST", "/attachments/token/x"),
        ("GET", "/attachments/token/x/y"),
        // A name that restricts, in another letter case than Zendesk's.
        ("GET", "/api/v2/help_center/Integration/token"),
        ("GET", "/api/v2/help_center/en-us/INTEGRATION/token"),
        ("GET", "/api/v2/channels/voice/Call_Console/token"),
        ("GET", "/api/v2/custom_objects/Limits/fields"),
    ] {
        assert_eq!(found(method, path), None, "{method} {path}");
    }
}
