//! The daemon behind a company's proxy: all its traffic goes through the proxy, and nothing that
//! the proxy does costs a session.

mod alone;
mod authorities;
mod broken;
mod itself;
mod others;

use http::Version;
use loopdesk_tests::proxy::Proxy;
use loopdesk_tests::{Daemon, Stage};

use super::{binary, stage};

/// A test environment whose programs use `proxy`.
async fn behind(proxy: &Proxy) -> Stage {
    let mut stage = stage().await;
    stage.home.set("HTTPS_PROXY", proxy.url());
    stage
}

/// `127.0.0.1:PORT` of the simulated Zendesk.
fn zendesk(stage: &Stage) -> String {
    format!("127.0.0.1:{}", stage.zendesk.port())
}

/// The status of a GET and the words of our own error, on a new connection to Zendesk.
async fn anew(stage: &Stage) -> (u16, String) {
    let (status, body) = stage.get(ME).await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    let words = json["description"].as_str().unwrap_or_default();
    (status, words.to_owned())
}

#[tokio::test]
async fn s1_login_requests_uploads_and_refreshes_go_through_the_proxy() {
    let proxy = Proxy::start().await.unwrap();
    proxy.want_login("ada:p@ss/w\u{f6}rd-0123456789");
    let mut stage = stage().await;
    let url = proxy.url_as("ada:p%40ss%2Fw%C3%B6rd-0123456789");
    stage.home.set("https_proxy", url);
    stage.home.set("HTTPS_PROXY", "http://127.0.0.1:1");
    let daemon = stage.logged_in().await;
    stage.zendesk.clear();
    assert_eq!(stage.get(ME).await.0, 200);
    let upload = stage.home.path().join("upload.bin");
    std::fs::write(&upload, vec![b'x'; 5 << 20]).unwrap();
    let data = format!("@{}", upload.display());
    let arguments = [
        "-X",
        "POST",
        "-H",
        "Content-Type: application/binary",
        "--data-binary",
        &data,
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
    ];
    let path = "/api/v2/uploads.json?filename=a.bin";
    assert_eq!(stage.curl(path, &arguments).await.ok().stdout, "201");
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(stage.get(ME).await.0, 200);

    let seen = stage.zendesk.requests();
    assert!(
        seen.iter().all(|r| r.version == Version::HTTP_2),
        "{seen:?}"
    );
    assert!(seen.iter().any(|r| r.body_length == 5 << 20));
    let asked = proxy.asked();
    let expected = format!("CONNECT {} HTTP/1.1", zendesk(&stage));
    assert!(asked.iter().all(|head| head.line == expected), "{asked:?}");
    // The browser doesn't use the proxy: two pages, each on its own connection.
    assert_eq!(asked.len() + 2, stage.zendesk.connections_made());

    let shown = stage.home.loopdesk(["status"]).await.ok().stdout;
    let row = format!(
        "proxy           {} (https_proxy, with a login)",
        proxy.url()
    );
    assert!(shown.contains(&row), "{shown}");
    let json = stage.home.loopdesk(["status", "--json"]).await.ok().stdout;
    let way = format!("through {} (https_proxy)", proxy.url());
    let log = Daemon::logged(&stage.home, &way).await;
    let basic = asked[0].get("proxy-authorization").unwrap();
    for text in [&shown, &json, &log] {
        for secret in ["p%40ss", "p@ss", "rd-0123456789", basic] {
            assert!(!text.contains(secret), "D4: {secret} in {text}");
        }
    }
    daemon.stop().await;
}

#[tokio::test]
async fn who_is_exempt_is_reached_directly() {
    let proxy = Proxy::start().await.unwrap();
    for (exempt, is_direct) in [
        ("localhost, 127.0.0.0/8", true),
        ("*", true),
        ("127.0.0.1:443", false),
        ("zendesk.com", false),
    ] {
        let mut stage = behind(&proxy).await;
        stage.home.set("NO_PROXY", exempt);
        let before = proxy.asked().len();
        let daemon = stage.logged_in().await;
        assert_eq!(stage.get(ME).await.0, 200);
        assert_eq!(proxy.asked().len() == before, is_direct, "{exempt}");
        let egress = stage.status().await.egress;
        assert_eq!(egress.no_proxy.unwrap().hosts, exempt);
        let origin = stage.zendesk.origin().to_owned();
        assert_eq!(egress.direct.contains(&origin), is_direct, "{exempt}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn d6_a_proxy_that_can_t_be_used_is_told_and_nothing_leaves() {
    let mut stage = stage().await;
    stage
        .home
        .set("HTTPS_PROXY", "ftp://ada:hunter2-hunter2@proxy.corp");
    let daemon = stage.daemon().await;
    let login = stage.home.loopdesk(["login"]).await;
    assert_ne!(login.code, Some(0));
    let why = "HTTPS_PROXY begins with `ftp://`";
    assert!(login.stderr.contains(why), "{login:?}");
    let own = stage
        .zendesk
        .count(|r| !r.path.starts_with("/oauth/authorizations"));
    assert_eq!(own, 0, "the browser was there, and nobody else");
    let said = stage.home.loopdesk(["status"]).await.failed(1);
    assert!(
        said.stdout
            .contains("proxy           HTTPS_PROXY can't be used"),
        "{said:?}"
    );
    assert!(said.stdout.contains(&format!("error: {why}")), "{said:?}");
    assert!(
        said.stdout
            .contains("Hint: correct HTTPS_PROXY or unset it, then stop loopdesk with `kill "),
        "{said:?}"
    );
    let log = Daemon::logged(&stage.home, why).await;
    assert!(!log.contains("hunter2"), "{log}");
    daemon.stop().await;
}

const ME: &str = "/api/v2/users/me.json";
