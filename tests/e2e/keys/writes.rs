//! D3: a key that may only read can't write, however the request is written.

use loopdesk_tests::Raw;

use super::{Scene, TICKETS, basic, bearer, told};

const JSON: &str = "Content-Type: application/json\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const TICKET: &str = "{\"ticket\":{\"comment\":{\"body\":\"b\"}}}";

/// Asserts that one request is refused because of its key, and that Zendesk sees nothing of it.
async fn refused(scene: &Scene, line: &str, headers: &str, body: &str) {
    let answer = scene.asks(line, headers, body).await;
    let expected = answer.status == 403 && answer.code == "key-denied"
        || matches!(answer.status, 400 | 405) && !answer.code.is_empty();
    assert!(expected, "{line} {headers} {body}: {answer:?}");
    let seen = scene.seen();
    assert_eq!(seen, Vec::<String>::new(), "{line} {headers} {body}");
}

#[tokio::test]
async fn d3_no_method_that_writes() {
    let scene = Scene::set().await;
    let key = scene.key("reader", &["read"]).await;
    let headers = format!("{}{JSON}", bearer(&key));
    for line in [
        "POST /api/v2/tickets.json",
        "PUT /api/v2/tickets/1.json",
        "PATCH /api/v2/tickets/1",
        "DELETE /api/v2/tickets/1.json",
        "POST /api/v2/tickets/create_many.json",
        "PUT /api/v2/tickets/update_many.json?ids=1,2",
        "DELETE /api/v2/tickets/destroy_many.json?ids=1,2",
        "POST /api/v2/uploads.json?filename=a",
        "POST /api/v2/help_center/articles/1/votes",
        "PROPFIND /api/v2/tickets",
        "MERGE /api/v2/tickets/1",
        "get /api/v2/tickets.json",
        "POST /api/v2/unknown/route",
        "GET /api/v2/unknown_route_that_may_do_anything",
        "GET /api/v2/chat/chats",
        "GET /sc/v2/apps",
        "GET /nothing/of/the/api",
        "GET /",
    ] {
        refused(&scene, line, &headers, TICKET).await;
    }
    let answer = scene
        .asks(&format!("POST {TICKETS}"), &headers, TICKET)
        .await;
    let said = answer.description();
    assert!(
        said.starts_with("You are missing the following required scopes: "),
        "{said}"
    );
    assert!(
        said.contains("tickets:write") && said.contains("`reader`"),
        "{said}"
    );
    let scope = answer
        .challenges
        .iter()
        .any(|c| c.contains("insufficient_scope"));
    assert!(scope, "{answer:?}");
}

#[tokio::test]
async fn d3_p9_no_other_method_by_header_query_or_body() {
    let scene = Scene::set().await;
    let key = scene
        .create("reader", &["read"], &["POST /api/v2/tickets/*/tags"], &[])
        .await;
    let own = bearer(&key);
    for name in [
        "X-HTTP-Method-Override",
        "X-Http-Method",
        "X-Method-Override",
        "X_HTTP_Method_Override",
        "x-http_method-override",
    ] {
        for method in ["DELETE", "put", "GET"] {
            let headers = format!("{own}{name}: {method}\r\n");
            refused(&scene, "GET /api/v2/tickets/1.json", &headers, "").await;
        }
    }
    for query in [
        "_method=delete",
        "a=b&%5fmethod=PUT",
        "%5Fm%65thod=delete",
        "x=1;_method=put",
    ] {
        let line = format!("GET /api/v2/tickets/1.json?{query}");
        refused(&scene, &line, &own, "").await;
    }
    let allowed = "POST /api/v2/tickets/1/tags";
    let multipart = "Content-Type: multipart/form-data; boundary=x\r\n";
    for (kind, body) in [
        (FORM, "_method=delete&tags=a"),
        (FORM, "tags=a&%5Fmethod=put"),
        ("", "_method=delete"),
        (JSON, "{\"tags\":[\"a\"],\"_method\":\"delete\"}"),
        (JSON, "{\"\\u005fmethod\":\"put\"}"),
        (
            multipart,
            "--x\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nput\r\n--x--\r\n",
        ),
    ] {
        refused(&scene, allowed, &format!("{own}{kind}"), body).await;
    }
    // The same words as a value don't override a method.
    let text = "{\"tags\":[\"_method\"],\"note\":\"set _method=delete\"}";
    let answer = scene.asks(allowed, &format!("{own}{JSON}"), text).await;
    assert_eq!(answer.code, "", "{answer:?}");
    assert_eq!(scene.seen().len(), 1);
}

#[tokio::test]
async fn d3_p8_no_path_that_could_be_read_two_ways() {
    let scene = Scene::set().await;
    let key = scene.key("reader", &["tickets:read"]).await;
    let own = bearer(&key);
    for path in [
        "/api/v2/tickets/../users/1",
        "/api/v2/tickets/%2e%2e/users/1",
        "/api/v2/tickets/..%2fusers",
        "/api/v2/tickets%2f..%2fusers",
        "/api/v2/./tickets",
        "/api/v2/tickets/.//users",
        "/api/v2//users/1",
        "/api/v2/tickets/1;x=y",
        "/api/v2/tickets;/../users",
        "/api/v2/tickets%00/users",
        "/api/v2/tickets%5c..%5cusers",
        "/api/v2/tickets%252e",
        "/api/v2/%74ickets",
        "/api/v2/tickets%23",
        "/api/v2/tickets%3f",
        "/api/v2/tickets./1",
        "/api/v2/tickets%20",
        "/API/v2/tickets",
        "/api/v2/Tickets",
        "/api/v2/tickets/%c0%ae%c0%ae/users",
        "/api/v2/users/1",
        "/api/v2/search?query=type:user",
        "/api/v1/tickets",
        "/api/v2/tickets.xml",
    ] {
        refused(&scene, &format!("GET {path}"), &own, "").await;
    }
    // The daemon sends exactly what it has judged.
    for path in [
        "/api/v2//tickets",
        "//api/v2/tickets.json",
        "/api//v2///tickets/",
    ] {
        let answer = scene.asks(&format!("GET {path}"), &own, "").await;
        answer.is(200, "");
        let sent = scene.stage.zendesk.requests().remove(0).target();
        assert!(!sent.contains("//"), "{path} as {sent}");
        scene.stage.zendesk.clear();
    }
    for path in [
        "/api/v2/tickets",
        "/api/v2/tickets.json",
        "/api/v2/tickets/1.json",
        "/api/v2/tickets/1/comments.json",
    ] {
        let answer = scene.asks(&format!("GET {path}"), &own, "").await;
        assert_eq!(answer.code, "", "{path}: {answer:?}");
        assert_eq!(scene.seen().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn d3_p23_each_request_on_a_connection_is_judged_by_its_own_key() {
    let scene = Scene::set().await;
    let port = scene.stage.port;
    let reader = scene.key("reader", &["tickets:read"]).await;
    let writer = scene.key("writer", &["tickets:write"]).await;
    let mut open = Raw::connect(port).await;
    let post = format!("POST {TICKETS}");
    let get = format!("GET {TICKETS}");
    let with = |key: &str| format!("{}{JSON}", bearer(key));
    told(&mut open, port, &get, &bearer(&reader), "")
        .await
        .is(200, "");
    told(&mut open, port, &post, &with(&writer), TICKET)
        .await
        .is(201, "");
    // A write scope doesn't include reading.
    told(&mut open, port, &get, &bearer(&writer), "")
        .await
        .is(403, "key-denied");
    told(&mut open, port, &post, &with(&writer), TICKET)
        .await
        .is(201, "");
    // Its body is no longer read, so the connection is closed.
    told(&mut open, port, &post, &with(&reader), TICKET)
        .await
        .is(403, "key-denied");
    assert!(open.all().await.is_empty());
    assert_eq!(scene.seen().len(), 3);

    // Pipelined, in one write.
    let one = |key: &str| {
        format!(
            "{get} HTTP/1.1\r\nHost: localhost:{port}\r\n{}\r\n",
            bearer(key)
        )
    };
    let mut open = Raw::connect(port).await;
    open.send(format!("{}{}{}", one(&writer), one(&reader), one(&writer)))
        .await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(open.answer().await.head.status());
    }
    assert_eq!(statuses, [403, 200, 403]);
    assert_eq!(scene.seen().len(), 1);

    // HTTP/1.0, with and without Host.
    for host in ["", "Host: localhost\r\n"] {
        let mut old = Raw::connect(port).await;
        let host = host.replace("localhost", &format!("localhost:{port}"));
        let key = basic("a@b.c/token", &reader);
        let length = TICKET.len();
        old.send(format!(
            "{post} HTTP/1.0\r\n{host}{key}{JSON}Content-Length: {length}\r\n\r\n{TICKET}"
        ))
        .await;
        assert_eq!(old.answer().await.head.status(), 403);
    }
    assert_eq!(scene.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn d3_rules_allow_exactly_what_they_name_and_deny_wins() {
    let scene = Scene::set().await;
    let allow = ["GET /api/v2/tickets/**", "POST /api/v2/tickets"];
    let deny = ["* /api/v2/tickets/*/comments"];
    let key = scene.create("rules", &[], &allow, &deny).await;
    let own = bearer(&key);
    let json = format!("{own}{JSON}");
    for (line, headers, body) in [
        ("GET /api/v2/tickets/1.json", &own, ""),
        ("GET /api/v2/tickets/1", &own, ""),
        ("POST /api/v2/tickets.json", &json, TICKET),
    ] {
        let answer = scene.asks(line, headers, body).await;
        assert_eq!(answer.code, "", "{line}: {answer:?}");
        assert_eq!(scene.seen().len(), 1, "{line}");
    }
    for line in [
        "GET /api/v2/tickets/1/comments.json",
        "GET /api/v2/users/me.json",
        "PUT /api/v2/tickets/1.json",
        "POST /api/v2/tickets/create_many.json",
        "GET /api/v2/tickets_of_others",
    ] {
        refused(&scene, line, &json, TICKET).await;
    }
}

#[tokio::test]
async fn d3_an_endless_body_that_names_another_method_never_becomes_a_request() {
    let scene = Scene::set().await;
    let allow = ["POST /api/v2/tickets/*/tags"];
    let key = scene.create("tagger", &[], &allow, &[]).await;
    let port = scene.stage.port;
    let mut raw = Raw::connect(port).await;
    let head = format!(
        "POST /api/v2/tickets/1/tags HTTP/1.1\r\nHost: localhost:{port}\r\n{}{JSON}\
         Transfer-Encoding: chunked\r\n\r\n",
        bearer(&key)
    );
    raw.send(head).await;
    let filler = "x".repeat(65_536);
    raw.send(format!("b\r\n{{\"a\":\"start\r\n10000\r\n{filler}\r\n"))
        .await;
    drop(
        raw.try_send("19\r\n\",\"_method\":\"delete\"}      \r\n0\r\n\r\n")
            .await,
    );
    let all = String::from_utf8_lossy(&raw.all().await).into_owned();
    assert!(all.starts_with("HTTP/1.1 403 "), "{all}");
    assert!(
        all.contains("key-denied") && all.contains("`_method`"),
        "{all}"
    );
    let whole = scene.stage.zendesk.requests();
    let whole: Vec<_> = whole
        .iter()
        .filter(|record| record.status().is_some())
        .collect();
    assert!(whole.is_empty(), "{whole:?}");
    drop(scene.seen());
}
