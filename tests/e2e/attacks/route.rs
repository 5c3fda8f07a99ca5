//! P: routes that create credentials.

use super::Scene;

#[tokio::test]
async fn s6_p14_no_credential_is_minted_through_the_door() {
    let scene = Scene::set().await;
    let body = "{\"token\": {\"client_id\": 1, \"scopes\": [\"read\", \"write\"]}}";
    let length = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for path in [
        "/oauth/tokens",
        "/oauth/tokens/current",
        "/oauth/authorizations/new",
        "/api/v2/oauth/tokens",
        "/api/v2/oauth/tokens.json",
        "/api/v2/oauth/tokens/1",
        "/api/v2/oauth/clients.json",
        "/api/v2/oauth/clients/1/generate_secret.json",
        "/api/v2/oauth/global_clients.json",
        "/api/lotus/oauth/tokens",
        "/api/v2/api_tokens.json",
        "/api/v2/users/1/password",
        "/api/v2/users/1/password.json",
        "/api/v2/users/me/password",
        "/api/v2/users/me/oauth/clients.json",
        "/api/v2/remote_authentications",
        "/api/v2/webhooks/01EJFTSCC78X5V07NPY2MHR00M/signing_secret",
        "/api/v2/help_center/integration/token",
        "/api/v2/help_center/en-us/integration/token",
        "/api/v2/channels/voice/call_console/token",
        "/api/services/zis/integrations/x/connections/all",
    ]
    .iter()
    .flat_map(|path| spellings(path))
    {
        for method in ["POST", "PUT", "DELETE", "PATCH", "GET", "FOO"] {
            // Every spelling once, and every method once.
            if method != "POST" && path.contains(['%', '\\', ';']) {
                continue;
            }
            let attack = scene.request(&format!("{method} {path}"), &length) + body;
            let heard = scene.hears(attack).await;
            scene.refused(&heard, 403, "route-refused", &format!("{method} {path}"));
        }
    }
    scene.nothing_arrived().await;
}

/// What some server would take for the same path.
fn spellings(path: &str) -> Vec<String> {
    let last = path.rsplit('/').next().unwrap();
    let first = &last[..1];
    let encoded = format!("%{:02x}", first.as_bytes()[0]);
    let before = &path[..path.len() - last.len()];
    vec![
        path.to_owned(),
        path.to_ascii_uppercase(),
        path.replace('/', "//"),
        path.replace('/', "/./"),
        format!("{path}/"),
        format!("{path}.xml"),
        format!("{path}."),
        format!("{path}?a=b"),
        format!("/api/v2/tickets/../../..{path}"),
        format!("/api/v2/tickets/%2e%2e/%2E%2e/..{path}"),
        format!("/api/v2/tickets/..%2f..%2f..{path}"),
        format!("/x\\..{}", path.replace('/', "\\")),
        format!("/x%5c..{}", path.replace('/', "%5C")),
        format!("{path};a=b"),
        path.replace('/', ";a=b/").replacen(";a=b", "", 1),
        format!("{before}{encoded}{}", &last[1..]),
        format!("{before}%25{}{}", &encoded[1..], &last[1..]),
        format!("{path}%00"),
        format!("{path}%00.png"),
        format!("{path}%20"),
        format!("{path}%3fa"),
        format!("{path}%23a"),
        format!("{before}%c0%af{last}"),
        // A server that routes before it resolves dots.
        format!("{path}/../../../../../api/v2/tickets"),
    ]
}
