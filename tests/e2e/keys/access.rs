//! Who needs a key: everyone if the account requires it, strangers, and those who use another name
//! for this machine.

use loopdesk_protocol::key::{self, Callers, OfAccount};
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::Zendesk;
use loopdesk_tests::{Stage, other_user};

use super::{ME, Scene, bearer};

#[tokio::test]
async fn d2_an_account_that_wants_a_key_answers_nobody_without_one() {
    let scene = Scene::locked().await;
    let key = scene.key("nightly", &["read"]).await;
    for headers in [
        "",
        "Authorization: Bearer token-of-old\r\n",
        "Authorization: Basic bWVAZXhhbXBsZS5jb20vdG9rZW46eA==\r\n",
        "X-Loopdesk-Key: secret\r\n",
        "X-Loopdesk-Key:\r\n",
    ] {
        let answer = scene.asks(&format!("GET {ME}"), headers, "").await;
        assert_eq!(answer.status, 401, "{headers}: {answer:?}");
        assert!(!answer.challenges.is_empty(), "{answer:?}");
    }
    let answer = scene.asks(&format!("GET {ME}"), "", "").await;
    answer.is(401, "key-needed");
    assert!(
        answer.description().contains("loopdesk key create"),
        "{answer:?}"
    );
    assert_eq!(scene.seen(), Vec::<String>::new());
    scene.gets(ME, &key).await.is(200, "");
    // By the socket too.
    let socket = scene
        .stage
        .home
        .paths()
        .proxy_socket()
        .display()
        .to_string();
    let curl = [
        "-sS",
        "--unix-socket",
        &socket,
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
    ];
    let url = format!("http://localhost{ME}");
    let without = scene
        .stage
        .home
        .run("curl", curl.iter().copied().chain([&*url]))
        .await;
    assert_eq!(without.ok().stdout, "401");
}

#[tokio::test]
async fn d2_who_was_served_without_a_key_is_known_before_that_ends() {
    let scene = Scene::set().await;
    let asked = OfAccount::default();
    let (callers, served) = scene
        .meanwhile(scene.stage.get(ME), async || {
            let callers = scene.stage.control().post(key::CALLERS, &asked).await;
            let callers: Callers = callers.unwrap();
            let is_known = callers.callers.iter().any(|c| c.last.process.is_some());
            is_known.then_some(callers)
        })
        .await;
    assert_eq!(served.0, 200);
    assert_eq!(callers.account, "acme");
    let curl = &callers.callers[0];
    assert!(
        curl.last.process.as_ref().unwrap().starts_with("curl"),
        "{curl:?}"
    );
    assert_eq!(curl.requests, 1);
}

#[tokio::test]
async fn d1_u11_with_allow_hosts_every_caller_by_tcp_needs_a_key_by_whatever_name() {
    let scene = Scene::configured("allow-hosts = [\"host.docker.internal:8484\"]", "").await;
    let key = scene.key("container", &["read"]).await;
    let ask = async |host: &str, headers: String| {
        let mut raw = loopdesk_tests::Raw::connect(scene.stage.port).await;
        let request = format!("GET {ME} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        raw.send(request).await;
        let answer = raw.answer().await;
        let code = answer
            .head
            .get("x-loopdesk-error")
            .unwrap_or_default()
            .to_owned();
        (answer.head.status(), code)
    };
    let docker = "host.docker.internal:8484";
    let needed = (401, "key-needed".to_owned());
    assert_eq!(ask(docker, String::new()).await, needed);
    // How a stranger behind a forwarder would call it.
    let own = format!("localhost:{}", scene.stage.port);
    assert_eq!(ask(&own, String::new()).await, needed);
    let address = format!("127.0.0.1:{}", scene.stage.port);
    assert_eq!(ask(&address, String::new()).await, needed);
    let told = scene.asks(&format!("GET {ME}"), "", "").await;
    assert!(
        told.description().contains("`allow-hosts` is set"),
        "{told:?}"
    );
    let socket = scene.stage.home.paths().proxy_socket();
    let socket = socket.display().to_string();
    let by_socket = [
        "-sS",
        "--unix-socket",
        &socket,
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
    ];
    let url = format!("http://localhost{ME}");
    let by_socket = by_socket.into_iter().chain([url.as_str()]);
    let served = scene.stage.home.run("curl", by_socket).await.ok();
    assert_eq!(served.stdout, "200");
    scene.seen();
    // The ports still belong to this daemon.
    let status = scene.stage.home.loopdesk(["status"]).await;
    for said in ["(answers)", "programs with a local key; on"] {
        assert!(status.stdout.contains(said), "{status:?}");
    }
    let explained = scene.stage.home.loopdesk(["explain", "GET", ME]).await;
    assert!(
        explained.stdout.contains("`allow-hosts` is set"),
        "{explained:?}"
    );
    let unknown = (421, "unknown-host".to_owned());
    assert_eq!(
        ask("host.docker.internal:8485", bearer(&key)).await,
        unknown
    );
    assert_eq!(
        ask("host.docker.internal.evil.com:8484", bearer(&key)).await,
        unknown
    );
    let page = format!("{}Origin: http://{docker}\r\n", bearer(&key));
    assert_eq!(
        ask(docker, page).await,
        (403, "web-page-refused".to_owned())
    );
    assert_eq!(scene.seen(), Vec::<String>::new());
    assert_eq!(ask(docker, bearer(&key)).await, (200, String::new()));
    assert_eq!(scene.seen().len(), 1);

    // Links keep the form that this script can follow.
    let mut raw = loopdesk_tests::Raw::connect(scene.stage.port).await;
    let list = "/api/v2/tickets.json?page[size]=1";
    raw.send(format!(
        "GET {list} HTTP/1.1\r\nHost: {docker}\r\n{}\r\n",
        bearer(&key)
    ))
    .await;
    let answer = String::from_utf8(raw.answer().await.body).unwrap();
    assert!(
        answer.contains("\"http://host.docker.internal:8484/api/v2/"),
        "{answer}"
    );
}

#[tokio::test]
async fn d1_u11_status_names_who_calls_without_a_key_before_the_first_refusal() {
    let scene = Scene::set().await;
    // A program that has ended before it was looked for stays unknown: this one waits for its answer.
    let asked = OfAccount::default();
    let (_, served) = scene
        .meanwhile(scene.stage.get(ME), async || {
            let callers = scene.stage.control().post(key::CALLERS, &asked).await;
            let callers: Callers = callers.unwrap();
            let is_known = callers.callers.iter().any(|c| c.last.process.is_some());
            is_known.then_some(())
        })
        .await;
    assert_eq!(served.0, 200);
    let config = scene.stage.home.paths().config_file();
    let text = std::fs::read_to_string(&config).unwrap();
    let line = "allow-hosts = [\"host.docker.internal:8484\"]\n";
    std::fs::write(&config, format!("{line}{text}")).unwrap();
    scene.stage.home.loopdesk(["config", "reload"]).await.ok();
    let told = async || {
        let status = scene.stage.status().await;
        let codes = status.conditions.iter();
        let mut found = codes.filter(|c| c.code() == "key-needed-over-tcp");
        found
            .next()
            .map(|condition| condition.problem.message.clone())
    };
    eventually("curl is listed", async || {
        told().await.is_some_and(|said| said.contains("`curl`"))
    })
    .await;
    // From now on it sends a key.
    let key = scene.key("nightly", &["read"]).await;
    let header = format!("Authorization: Bearer {key}");
    eventually("curl has a key", async || {
        scene.stage.curl(ME, &["-H", &header]).await.ok();
        told().await.is_none()
    })
    .await;
}

#[tokio::test]
async fn d1_u1_roots_connections_need_a_key_and_another_users_are_refused_with_one() {
    // A daemon of another user; the requests are root's, whose connections may carry anyone's.
    let mut stage = Stage::set(super::super::binary(), Zendesk::builder()).await;
    let Some(mut stranger) = other_user::command("curl").await else {
        return;
    };
    stage.home.belongs_to(DAEMONS_USER);
    let scene = Scene::on(stage).await;
    // The control socket isn't open to root either.
    let create = ["key", "create", "container", "--scope", "read", "--quiet"];
    let key = scene.stage.home.loopdesk(create).await.ok().stdout;
    let key = key.trim().to_owned();
    scene.stage.home.is_secret("a local key", &key);
    let answer = scene.asks(&format!("GET {ME}"), "", "").await;
    answer.is(403, "unknown-peer");
    assert_eq!(scene.seen(), Vec::<String>::new());
    scene.gets(ME, &key).await.is(200, "");
    scene.seen();

    stranger.args(["-sS", "--max-time", "30", "-H", bearer(&key).trim()]);
    stranger.arg(format!("{}{ME}", scene.stage.base()));
    let output = stranger.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("OtherUser"), "{output:?}");
    assert_eq!(scene.seen(), Vec::<String>::new());
}

/// Neither root nor the stranger.
const DAEMONS_USER: u32 = 1_717;

#[tokio::test]
async fn d7_no_key_is_shown_a_part_of_the_sessions_token() {
    const CURRENT: &str = "/api/v2/oauth/tokens/current.json";
    let scene = Scene::set().await;
    let everything = scene.key("everything", &["read", "write"]).await;
    let reader = scene.key("reader", &["read"]).await;
    for key in [&everything, &reader] {
        for path in [
            CURRENT,
            "/api/v2/OAuth/tokens/%63urrent",
            "/api/v1/oauth/tokens/current",
        ] {
            scene.gets(path, key).await.is(403, "route-refused");
        }
    }
    assert_eq!(scene.seen(), Vec::<String>::new());
    scene
        .asks(&format!("GET {CURRENT}"), "", "")
        .await
        .is(200, "");
}
