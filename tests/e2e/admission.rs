//! Who is let in, and what the others are told.

use super::stage;

#[tokio::test]
async fn d1_web_pages_and_strange_hosts_reach_nothing() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let before = stage.zendesk.requests().len();
    let evil = format!("Host: evil.example:{}", stage.port);
    let refused: [(&[&str], &str); 9] = [
        (&["-H", "Host: evil.example"], "421"),
        (&["-H", &evil], "421"),
        (&["-H", "Host: 127.0.0.1:1"], "421"),
        (&["-H", "Origin: https://evil.example"], "403"),
        (&["-H", "Origin: null"], "403"),
        (&["-H", "Sec-Fetch-Site: cross-site"], "403"),
        (&["-H", "Referer: https://evil.example/"], "403"),
        (
            &["-X", "OPTIONS", "-H", "Access-Control-Request-Method: GET"],
            "403",
        ),
        (
            &["-H", "Connection: Upgrade", "-H", "Upgrade: websocket"],
            "403",
        ),
    ];
    for (arguments, status) in refused {
        let all = [arguments, &["-i", "-w", "\n%{http_code}"]].concat();
        let said = stage.curl("/api/v2/tickets.json", &all).await.ok().stdout;
        assert!(said.ends_with(status), "{arguments:?}: {said}");
        let said = said.to_ascii_lowercase();
        assert!(said.contains("x-loopdesk-error:"), "{arguments:?}: {said}");
        assert!(
            !said.contains("access-control-allow"),
            "{arguments:?}: {said}"
        );
    }
    let proxied = stage
        .home
        .run(
            "curl",
            [
                "-sS",
                "-x",
                &stage.base(),
                "http://acme.zendesk.com/api/v2/tickets.json",
            ],
        )
        .await
        .ok();
    assert!(proxied.stdout.contains("HTTP_PROXY"), "{proxied:?}");
    assert_eq!(stage.zendesk.requests().len(), before);
}

#[tokio::test]
async fn d1_zendesks_cors_and_cookies_stop_here() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let said = stage
        .curl("/api/v2/users/me.json", &["-i"])
        .await
        .ok()
        .stdout
        .to_ascii_lowercase();
    for header in [
        "access-control-",
        "set-cookie:",
        "strict-transport-security:",
        "alt-svc:",
    ] {
        assert!(!said.contains(header), "{header} in {said}");
    }
    assert!(said.contains("x-content-type-options: nosniff"), "{said}");
}

#[tokio::test]
async fn s6_scripts_can_not_mint_credentials() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let before = stage.zendesk.requests().len();
    for path in [
        "/oauth/tokens",
        "/oauth/authorizations/new",
        "/api/v2/oauth/tokens.json",
        "/api/v2//oauth/tokens",
        "/api/v2/%6Fauth/clients",
        "/api/v2/users/../oauth/tokens",
    ] {
        let output = stage
            .curl(
                path,
                &[
                    "--path-as-is",
                    "-d",
                    "{}",
                    "-o",
                    "/dev/null",
                    "-w",
                    "%{http_code}",
                ],
            )
            .await
            .ok();
        assert_eq!(output.stdout, "403", "{path}");
    }
    assert_eq!(stage.zendesk.requests().len(), before);
}

#[tokio::test]
async fn d5_the_control_api_is_not_on_tcp() {
    let stage = stage().await;
    let _daemon = stage.daemon().await;
    for path in [
        "/v1/status",
        "/v1/version",
        "/v1/logout",
        "/v1/config/reload",
    ] {
        let (status, body) = stage.get(path).await;
        assert_eq!(
            status, 401,
            "it is a request for Zendesk like any other: {body}"
        );
    }
}

#[tokio::test]
async fn d4_files_and_sockets_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let paths = stage.home.paths();
    let mode = |path: &std::path::Path| {
        std::fs::symlink_metadata(path)
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    for folder in [
        paths.state_dir(),
        paths.runtime_dir(),
        &paths.sessions_dir(),
    ] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    for file in [
        paths.key_file(),
        paths.sessions_dir().join("acme.session"),
        paths.lock_file(),
    ] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    for socket in [paths.control_socket(), paths.proxy_socket()] {
        assert_eq!(mode(&socket) & 0o077, 0, "{}", socket.display());
    }
    let output = stage
        .home
        .run(
            "curl",
            [
                "-sS",
                "--unix-socket",
                &paths.proxy_socket().display().to_string(),
                "http://localhost/api/v2/users/me.json",
            ],
        )
        .await
        .ok();
    assert!(output.json()["user"]["id"].is_u64(), "{output:?}");
}
