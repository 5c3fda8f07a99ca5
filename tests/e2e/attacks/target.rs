//! P: the request's target. The daemon sends exactly what it has judged.

use loopdesk_tests::zendesk::{Answer, Fault};

use super::{ME, Scene};

#[tokio::test]
async fn d1_p7_targets_that_are_no_path() {
    let scene = Scene::set().await;
    let port = scene.port();
    let origin = scene.stage.zendesk.origin().to_owned();
    for target in [
        format!("http://evil.example{ME}"),
        format!("http://localhost:{port}{ME}"),
        format!("https://localhost:{port}{ME}"),
        format!("{origin}{ME}"),
        format!("{origin}@evil.example/"),
        "https://acme.zendesk.com@evil.example/".to_owned(),
        "https://user:password@acme.zendesk.com/".to_owned(),
        format!("HTTP://LOCALHOST:{port}{ME}"),
        format!("file://localhost{ME}"),
        format!("http://localhost:{port}/oauth/tokens"),
    ] {
        for method in ["GET", "POST"] {
            let heard = scene
                .hears(scene.request(&format!("{method} {target}"), ""))
                .await;
            let statuses = heard.statuses();
            assert_eq!(statuses, [400], "{method} {target}: {heard:?}");
            assert_eq!(scene.seen(), Vec::<String>::new(), "{target}");
        }
    }
    for line in [
        "CONNECT evil.example:443".to_owned(),
        format!("CONNECT localhost:{port}"),
        format!("connect {ME}"),
    ] {
        let heard = scene.hears(scene.request(&line, "")).await;
        scene.refused(&heard, 405, "method-refused", &line);
    }
    for line in [
        "OPTIONS *",
        "GET *",
        "GET evil.example:443",
        "GET api/v2/users/me.json",
        "GET ?a",
        "GET #a",
    ] {
        let heard = scene.hears(scene.request(line, "")).await;
        assert_eq!(heard.statuses(), [400], "{line}: {heard:?}");
        assert!(heard.0.contains("x-loopdesk-error: "), "{line}: {heard:?}");
    }
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d1_p8_path_table() {
    let scene = Scene::set().await;
    // Sent unchanged: the server that routes it reads what was judged.
    for target in [
        "/api/v2/tickets/1.json",
        "/api/v2/tickets/1",
        "/api/v2//tickets",
        "//api/v2/tickets",
        "//evil.example/api/v2/tickets",
        "/api/v2/./tickets",
        "/api/v2/x/../tickets",
        "/api/v2/x/%2e%2e/tickets",
        "/api/v2/x/..%2ftickets",
        "/api/v2%2Ftickets",
        "/api%5Cv2%5Ctickets",
        "/api/v2/tickets;x=y",
        "/api/v2/tickets%00",
        "/api/v2/tickets%3Fa=b",
        "/api/v2/tickets%23a",
        "/api/v2/tickets.",
        "/api/v2/tickets%20",
        "/API/V2/Tickets",
        "/api/v2/%c0%ae%c0%ae/tickets",
        "/api/v2/%zz/%",
        "/api/v2/%2525252e",
        "/api/v2/search.json?query=a%2Fb..%2F&x=/oauth/tokens",
        "/?",
        "/@evil.example/",
        "/http://evil.example/",
    ] {
        let heard = scene
            .hears(scene.request(&format!("GET {target}"), ""))
            .await;
        assert_eq!(heard.statuses().len(), 1, "{target}: {heard:?}");
        assert!(
            !heard.0.to_ascii_lowercase().contains("x-loopdesk-error"),
            "{target}: {heard:?}"
        );
        let record = scene.one_clean(target);
        // A `?` with nothing after it is still a query.
        assert_eq!(record.target(), target);
    }
    // A client never sends a fragment, and servers disagree on what to make of one.
    for target in ["/api/v2/tickets#/oauth/tokens", "/api/v2/x#"] {
        let heard = scene
            .hears(scene.request(&format!("GET {target}"), ""))
            .await;
        scene.refused(&heard, 400, "bad-request", target);
    }
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d1_p12_redirects_are_not_followed() {
    let scene = Scene::set().await;
    let zendesk = &scene.stage.zendesk;
    let base = format!("http://localhost:{}", scene.port());
    let cases = [
        (
            format!("{}/api/v2/y?a=%2F", zendesk.origin()),
            Some(format!("{base}/api/v2/y?a=%2F")),
        ),
        (format!("{}/files/1", zendesk.second_origin()), None),
        ("https://evil.example/api/v2/y".to_owned(), None),
        (format!("{}.evil.example/", zendesk.origin()), None),
        (format!("{}@evil.example/", zendesk.origin()), None),
        ("//evil.example/".to_owned(), None),
        ("/oauth/tokens".to_owned(), None),
    ];
    for (location, local) in cases {
        for status in [301, 302, 303, 307, 308] {
            let redirect = Answer::redirect(status, &location);
            let fault = zendesk.fault(Fault::on("POST", "/api/v2/x").answer(redirect));
            let heard = scene
                .hears(scene.request("POST /api/v2/x", "Content-Length: 2\r\n") + "{}")
                .await;
            fault.remove();
            assert_eq!(heard.statuses(), [status], "{location}");
            let expected = local.as_deref().unwrap_or(&location);
            assert!(
                heard.0.contains(&format!("ocation: {expected}\r\n")),
                "{location}: {heard:?}"
            );
            scene.one_clean(&location);
        }
    }
}

#[tokio::test]
async fn d1_p13_what_sends_a_head_back_is_not_asked() {
    let scene = Scene::set().await;
    for method in ["TRACE", "TRACK", "trace", "Track", "CONNECT"] {
        let heard = scene
            .hears(scene.request(&format!("{method} {ME}"), "Max-Forwards: 0\r\n"))
            .await;
        scene.refused(&heard, 405, "method-refused", method);
    }
    scene.nothing_arrived().await;
}
