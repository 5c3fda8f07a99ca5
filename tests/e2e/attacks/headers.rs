//! P: what a script's headers do to the request that carries the token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loopdesk_tests::zendesk::{Answer, Fault};

use super::{LOCAL, ME, Scene, basic};

#[tokio::test]
async fn d1_p1_the_injected_header_can_not_be_taken_away() {
    let scene = Scene::set().await;
    for connection in [
        "Connection: Authorization\r\n",
        "Connection: authorization\r\n",
        "Connection: close, authorization\r\n",
        "Connection: AUTHORIZATION ,close\r\n",
        "Connection: close\r\nConnection: Authorization\r\n",
        "connection: x-any\r\nConnection: x-any, Authorization, , te\r\n",
        "Connection: Host, Content-Length, Authorization\r\n",
        "Proxy-Connection: Authorization\r\n",
        "Keep-Alive: Authorization\r\nConnection: keep-alive, Keep-Alive, Authorization\r\n",
        "Connection: \"Authorization\"\r\n",
        "Connection: :authority, :path, Authorization\r\n",
    ] {
        for own in [String::new(), format!("Authorization: Bearer {LOCAL}\r\n")] {
            let attack = scene.request(
                &format!("GET {ME}"),
                &format!("{own}{connection}X-Any: 1\r\n"),
            );
            assert_eq!(
                scene.hears(attack).await.statuses(),
                [200],
                "{connection:?}"
            );
            scene.one_clean(connection);
        }
    }
}

#[tokio::test]
async fn d1_p2_the_local_credential_ends_here() {
    let scene = Scene::set().await;
    let get = format!("GET {ME}");
    for carried in [
        format!("Authorization: Bearer {LOCAL}\r\n"),
        format!("authorization: bearer {LOCAL}\r\n"),
        format!("Authorization: {}\r\n", basic("me@example.com/token")),
        format!(
            "Authorization: Basic {}\r\n",
            STANDARD.encode(format!("{LOCAL}:x"))
        ),
        format!("Authorization: {LOCAL}\r\n"),
        format!("Authorization: Bearer {LOCAL}, Bearer x\r\n"),
        format!("Proxy-Authorization: {}\r\n", basic("x")),
        format!("x-loopdesk-anything: {LOCAL}\r\n"),
        format!("Cookie: key={LOCAL}\r\nCookie: b={LOCAL}\r\n"),
        format!("Cookie2: {LOCAL}\r\n"),
        format!("Connection: {LOCAL}\r\n"),
        format!(
            "Referer: http://localhost:{}/?key={LOCAL}\r\n",
            scene.port()
        ),
    ] {
        assert_eq!(
            scene.hears(scene.request(&get, &carried)).await.statuses(),
            [200],
            "{carried}"
        );
        scene.one_clean(&carried);
    }
    // A value that looks like a local key is checked as one.
    for claimed in ["X-Loopdesk-Key", "X_Loopdesk_Key", "x-loopdesk_key"] {
        let asked = scene.request(&get, &format!("{claimed}: {LOCAL}\r\n"));
        let heard = scene.hears(asked).await;
        scene.refused(&heard, 401, "key-wrong", claimed);
    }
    for query in [
        format!("access_token={LOCAL}"),
        format!("a=1&access_token={LOCAL}&b=2"),
        format!("access%5Ftoken={LOCAL}"),
        format!("%61ccess_token={LOCAL}&access_token={LOCAL}"),
    ] {
        let asked = scene.request(&format!("GET {ME}?{query}"), "");
        assert_eq!(scene.hears(asked).await.statuses(), [200], "{query}");
        scene.one_clean(&query);
    }
}

#[tokio::test]
async fn d1_p3_spellings_with_an_underscore_end_here() {
    let scene = Scene::set().await;
    for name in [
        "X_Forwarded-User",
        "x-forwarded_user",
        "Proxy_Authorization",
        "Transfer_Encoding",
        "Forwarded_",
        "access_token",
    ] {
        let asked = scene.request(&format!("GET {ME}"), &format!("{name}: {LOCAL}\r\n"));
        assert_eq!(scene.hears(asked).await.statuses(), [200], "{name}");
        let mut records = scene.stage.zendesk.requests();
        // `Forwarded_` is not special to anyone: it reads `forwarded-`, and is passed on.
        let record = &mut records[0];
        if name == "Forwarded_" {
            record.headers.remove("forwarded_").unwrap();
        }
        assert!(
            !record
                .headers
                .keys()
                .any(|known| known.as_str().contains('_')),
            "{name}"
        );
        scene.stage.zendesk.clear();
    }
}

#[tokio::test]
async fn d1_p9_no_method_is_smuggled_past_the_refused_routes() {
    let scene = Scene::set().await;
    let current = "/api/v2/oauth/tokens/current.json";
    // Reading the session's own token is allowed; an override would revoke it.
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "x_http_method_override",
    ] {
        for (line, method) in [
            ("GET", "DELETE"),
            ("HEAD", "delete"),
            ("GET", "POST"),
            ("POST", "GET"),
            ("DELETE", "GET"),
        ] {
            let attack = scene.request(
                &format!("{line} {current}"),
                &format!("{name}: {method}\r\n"),
            );
            let heard = scene.hears(attack).await;
            scene.refused(
                &heard,
                403,
                "route-refused",
                &format!("{line} {name}: {method}"),
            );
        }
    }
    for query in ["_method=delete", "a=1&_METHOD=DELETE", "%5Fmethod=delete"] {
        let heard = scene
            .hears(scene.request(&format!("GET {current}?{query}"), ""))
            .await;
        scene.refused(&heard, 403, "route-refused", query);
    }
    for method in ["get", "GET\t", "DELETE\t", "G\u{c9}T", "DELETE,GET"] {
        let heard = scene
            .hears(scene.request(&format!("{method} {current}"), ""))
            .await;
        let statuses = heard.statuses();
        assert!(
            statuses == [400] || statuses == [403],
            "{method:?}: {heard:?}"
        );
    }
    scene.nothing_arrived().await;
    assert_eq!(
        scene
            .hears(scene.request(&format!("GET {current}"), ""))
            .await
            .statuses(),
        [200]
    );
    scene.one_clean("a look at the session's own token");
}

#[tokio::test]
async fn d1_p11_nobody_plays_the_proxy() {
    let scene = Scene::set().await;
    for header in [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Uri: /api/v2/tickets",
        "X-Forwarded-User: admin",
        "X-Forwarded-Anything: 1",
        "X_Forwarded_For: 127.0.0.1",
        "x_forwarded-host: evil.example",
        "Forwarded: for=127.0.0.1;host=evil.example",
        "X-Original-URL: /oauth/tokens",
        "X_Original_URL: /oauth/tokens",
        "X-Rewrite-URL: /oauth/tokens",
        "X_Rewrite_Url: /oauth/tokens",
    ] {
        let asked = scene.request(&format!("GET {ME}"), &format!("{header}\r\n"));
        assert_eq!(scene.hears(asked).await.statuses(), [200], "{header}");
        assert_eq!(scene.one_clean(header).target(), ME);
    }
    // Nor does anything that a script claims about itself grant access.
    for header in [
        "User-Agent: kube-probe/1.30",
        "User-Agent: GoogleHC/1.0",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: localhost",
        "Metadata-Flavor: Google",
    ] {
        let attack = format!("GET {ME} HTTP/1.1\r\nHost: evil.example\r\n{header}\r\n\r\n");
        scene.refused(&scene.hears(attack).await, 421, "unknown-host", header);
        let attack = scene.request("GET /oauth/tokens", &format!("{header}\r\n"));
        scene.refused(&scene.hears(attack).await, 403, "route-refused", header);
    }
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d1_p22_nothing_is_kept_for_the_next_who_asks() {
    let scene = Scene::set().await;
    let cacheable = Answer::text(200, "x")
        .header("cache-control", "public, max-age=3600")
        .header("vary", "Accept, Accept-Encoding")
        .header("age", "7");
    let path = "/api/v2/x";
    let _cacheable = scene
        .stage
        .zendesk
        .fault(Fault::on("GET", path).answer(cacheable));
    for _ in 0..2 {
        let heard = scene.hears(scene.request(&format!("GET {path}"), "")).await;
        assert_eq!(heard.statuses(), [200]);
        let said = heard.0.to_ascii_lowercase();
        for line in [
            "cache-control: public, max-age=3600\r\n",
            "vary: accept, accept-encoding\r\n",
            "age: 7\r\n",
        ] {
            assert_eq!(said.matches(line).count(), 1, "{line} in {heard:?}");
        }
        scene.one_clean(path);
    }
    let heard = scene.hears(scene.request("GET /oauth/tokens", "")).await;
    assert!(
        heard
            .0
            .to_ascii_lowercase()
            .contains("cache-control: no-store\r\n"),
        "{heard:?}"
    );
}
