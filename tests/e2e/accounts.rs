//! Several accounts on one daemon (S6).

use loopdesk_tests::zendesk::{Answer, Credential, Fault, Record, Standing, Zendesk, users};
use loopdesk_tests::{Daemon, Raw, Stage, ports};

use super::binary;
use loopdesk_tests::zendesk::OTHER_PRODUCTS_CREDENTIAL;

/// Account `acme` as in every test environment, and a sandbox with its own port; both logged in.
struct Two {
    stage: Stage,
    sandbox: Zendesk,
    sandbox_port: u16,
    _daemon: Daemon,
}

impl Two {
    async fn new(top: &str) -> Self {
        let sandbox_port = ports::free();
        let sandbox = Zendesk::builder()
            .consenting_user(users::AGENT)
            .start()
            .await
            .unwrap();
        let account = format!("port = {sandbox_port}\n");
        let account = sandbox_account(&sandbox, &account);
        let stage = Stage::with_config(binary(), Zendesk::builder(), top, &account).await;
        for uri in stage.zendesk.redirect_uris() {
            sandbox.register_redirect_uri(&uri);
        }
        let daemon = stage.daemon().await;
        stage.home.loopdesk(["login", "acme"]).await.ok();
        let ca = sandbox.ca_file().display().to_string();
        let login = format!("CONSENT_CA={ca} loopdesk login sandbox");
        stage.home.run("sh", ["-c", &login]).await.ok();
        stage.zendesk.clear();
        sandbox.clear();
        Self {
            stage,
            sandbox,
            sandbox_port,
            _daemon: daemon,
        }
    }

    /// The response to `GET path` at a port, with this `Host` and these additional headers.
    async fn get(&self, port: u16, host: &str, path: &str, headers: &str) -> (u16, String) {
        let mut script = Raw::connect(port).await;
        script
            .send(format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
            ))
            .await;
        let answer = script.answer().await;
        (answer.status(), answer.text())
    }

    /// Whether a request with this `Host` reaches the sandbox; `None` if it fails.
    async fn is_sandbox(&self, port: u16, host: &str) -> Option<bool> {
        let (status, body) = self.get(port, host, ME, "").await;
        let me: serde_json::Value = serde_json::from_str(&body).unwrap();
        (status == 200).then(|| me["user"]["id"] == users::AGENT)
    }
}

fn sandbox_account(sandbox: &Zendesk, more: &str) -> String {
    format!(
        "[accounts.sandbox]\n\
         url = \"{}\"\n\
         client-id = \"{}\"\n\
         extra-ca-file = \"{}\"\n\
         {more}",
        sandbox.origin(),
        sandbox.client_id(),
        sandbox.ca_file().display()
    )
}

fn is_live(record: &Record) -> bool {
    let standing = Standing::Live;
    matches!(record.credential, Credential::Bearer { standing: found, .. } if found == standing)
}

#[tokio::test]
async fn s6_an_account_is_named_by_its_port_its_host_or_nothing() {
    let two = Two::new("default-account = \"acme\"").await;
    let (port, own) = (two.stage.port, two.sandbox_port);
    for (at, host, expected) in [
        (port, format!("localhost:{port}"), false),
        (port, format!("127.0.0.1:{port}"), false),
        (port, format!("acme.localhost:{port}"), false),
        (port, format!("sandbox.localhost:{port}"), true),
        (port, format!("SANDBOX.localhost:{port}"), true),
        (own, format!("localhost:{own}"), true),
        (own, format!("127.0.0.1:{own}"), true),
        (own, format!("sandbox.localhost:{own}"), true),
    ] {
        let found = two.is_sandbox(at, &host).await;
        assert_eq!(found, Some(expected), "{host} at {at}");
    }
    // Links lead back to the port and name that were used.
    let host = format!("sandbox.localhost:{port}");
    let (_, body) = two.get(port, &host, "/api/v2/tickets.json", "").await;
    assert!(
        body.contains(&format!("\"http://{host}/api/v2/tickets.json?")),
        "{body}"
    );
    assert!(!body.contains(&format!("\"next_page\":\"{}", two.sandbox.origin())));
    let host = format!("localhost:{own}");
    let (_, body) = two.get(own, &host, "/api/v2/tickets.json", "").await;
    assert!(
        body.contains(&format!("\"http://{host}/api/v2/tickets.json?")),
        "{body}"
    );
}

#[tokio::test]
async fn s5_no_token_of_one_account_reaches_the_other_and_rotations_stay_apart() {
    let two = Two::new("default-account = \"acme\"").await;
    let (port, own) = (two.stage.port, two.sandbox_port);
    let here = format!("localhost:{port}");
    let there = format!("sandbox.localhost:{port}");
    let generation = |account: &str, status: &loopdesk_protocol::status::Status| {
        let mut accounts = status.accounts.iter();
        accounts.find(|a| a.name == account).unwrap().generation
    };
    let before = two.stage.status().await;
    for round in 0..3 {
        // Alternating on one connection: no state of one request carries over to the next.
        let mut script = Raw::connect(port).await;
        for host in [&here, &there, &here, &there] {
            script
                .send(format!("GET {ME} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
                .await;
            assert_eq!(script.answer().await.status(), 200, "{host}");
        }
        if round == 1 {
            two.sandbox.expire_access_tokens();
        }
        assert_eq!(
            two.is_sandbox(own, &format!("localhost:{own}")).await,
            Some(true)
        );
    }
    let after = two.stage.status().await;
    assert_eq!(generation("acme", &before), generation("acme", &after));
    let rotated = generation("sandbox", &before).map(|generation| generation + 1);
    assert_eq!(generation("sandbox", &after), rotated);
    assert_eq!(two.stage.zendesk.token_posts().len(), 0);
    assert_eq!(two.sandbox.token_posts().len(), 1);

    for (zendesk, other) in [
        (&two.stage.zendesk, &two.sandbox),
        (&two.sandbox, &two.stage.zendesk),
    ] {
        let foreign = other.tokens();
        for record in zendesk.requests() {
            let seen = format!("{:?} {} {:?}", record.headers, record.target(), record.body);
            for pair in &foreign {
                assert!(!seen.contains(&pair.access), "{record}");
                let refresh = pair.refresh.as_deref();
                assert!(
                    !refresh.is_some_and(|token| seen.contains(token)),
                    "{record}"
                );
            }
        }
    }
    assert!(two.stage.zendesk.requests().iter().all(is_live));
}

#[tokio::test]
async fn s6_each_unclear_case_is_an_error_that_lists_the_accounts() {
    let two = Two::new("").await;
    let (port, own) = (two.stage.port, two.sandbox_port);
    let addresses = [
        format!("http://acme.localhost:{port}"),
        format!("http://localhost:{own} for `sandbox`"),
    ];
    // Several accounts and no default: a request that names no account learns how to name one.
    let (status, body) = two.get(port, &format!("localhost:{port}"), ME, "").await;
    assert_eq!(status, 404, "{body}");
    assert!(body.contains("\"NoAccountNamed\""), "{body}");
    for address in &addresses {
        assert!(body.contains(address), "{address} in {body}");
    }
    // A name that doesn't belong to an account.
    for at in [port] {
        let (status, body) = two.get(at, &format!("prod.localhost:{at}"), ME, "").await;
        assert_eq!(status, 404, "{body}");
        assert!(body.contains("\"UnknownAccount\""), "{body}");
        assert!(
            body.contains("`prod`") && body.contains("acme, sandbox"),
            "{body}"
        );
    }
    // A port that names one account and a host that names another.
    let (status, body) = two.get(own, &format!("acme.localhost:{own}"), ME, "").await;
    assert_eq!(status, 404, "{body}");
    assert!(
        body.contains("`acme`") && body.contains("`sandbox`"),
        "{body}"
    );
    for address in &addresses {
        assert!(body.contains(address), "{address} in {body}");
    }
    // The same on the unix socket.
    let socket = two.stage.home.paths().proxy_socket().display().to_string();
    let arguments = [
        "-sS",
        "--unix-socket",
        &socket,
        "http://x/api/v2/users/me.json",
    ];
    let said = two.stage.home.run("curl", arguments).await.ok().stdout;
    assert!(said.contains("NoAccountNamed"), "{said}");
    assert_eq!(two.stage.zendesk.requests().len(), 0);
    assert_eq!(two.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn s6_an_account_that_was_removed_is_missed_by_name_and_its_port_is_closed() {
    let two = Two::new("default-account = \"acme\"").await;
    let (port, own) = (two.stage.port, two.sandbox_port);
    // A connection that is open and in use when the account is removed.
    let mut script = Raw::connect(own).await;
    let request = format!("GET {ME} HTTP/1.1\r\nHost: localhost:{own}\r\n\r\n");
    script.send(&request).await;
    assert_eq!(script.answer().await.status(), 200);
    let file = two.stage.home.paths().config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let (kept, _) = text.split_once("[accounts.sandbox]").unwrap();
    two.stage.home.configure(kept);
    let reloaded = two.stage.home.loopdesk(["config", "reload"]).await;
    reloaded.ok();

    if script.try_send(&request).await.is_ok() {
        let said = String::from_utf8(script.all().await).unwrap();
        let told = said.contains("x-loopdesk-error: unconfigured-port");
        assert!(said.is_empty() || told, "{said}");
    }
    let (status, body) = two
        .get(port, &format!("sandbox.localhost:{port}"), ME, "")
        .await;
    assert_eq!(status, 404, "{body}");
    assert!(body.contains("the accounts are acme"), "{body}");
    assert!(
        tokio::net::TcpStream::connect(("127.0.0.1", own))
            .await
            .is_err()
    );
    assert_eq!(
        two.is_sandbox(port, &format!("localhost:{port}")).await,
        Some(false)
    );
}

#[tokio::test]
async fn s6_a_brands_own_origin_is_an_account_like_any_other() {
    // One Zendesk under two names: a brand's, and the account's own.
    let stage = Stage::set(binary(), Zendesk::builder()).await;
    let file = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let (top, acme) = text.split_once("[accounts.acme]").unwrap();
    let brand = format!("https://localhost:{}", stage.zendesk.port());
    let own = format!(
        "{}[accounts.brand]{}",
        text,
        acme.replace(stage.zendesk.origin(), &brand)
    );
    assert!(own.starts_with(top));
    stage.home.configure(&own);
    let _daemon = stage.daemon().await;
    stage.home.loopdesk(["login", "brand"]).await.ok();
    let url = format!("http://brand.localhost:{}/api/v2/users/me.json", stage.port);
    let address = format!("brand.localhost:{}:127.0.0.1", stage.port);
    let output = stage
        .home
        .run("curl", ["-sS", "--resolve", &address, &url])
        .await
        .ok();
    assert!(output.json()["user"]["id"].is_u64(), "{output:?}");
    let asked = stage.zendesk.requests();
    let asked = asked
        .iter()
        .filter(|record| record.is("GET", "/api/v2/users/me"));
    let authority = brand.strip_prefix("https://");
    assert!(asked.last().unwrap().authority.as_deref() == authority);
}

#[tokio::test]
async fn s6_other_products_paths_pass_with_the_scripts_own_credential() {
    let two = Two::new("default-account = \"acme\"").await;
    let port = two.stage.port;
    let host = format!("localhost:{port}");
    let own = format!("Authorization: Bearer {OTHER_PRODUCTS_CREDENTIAL}\r\n");
    for path in [
        "/api/v2/chat/agents",
        "/sc/v2/apps/1/users",
        "/api/v2//chat/agents",
    ] {
        let (status, body) = two.get(port, &host, path, &own).await;
        let seen = two.stage.zendesk.requests().pop().unwrap();
        assert_eq!(seen.path, path, "byte for byte");
        let sent: Vec<_> = seen.headers.get_all("authorization").iter().collect();
        assert_eq!(
            sent,
            [&format!("Bearer {OTHER_PRODUCTS_CREDENTIAL}")],
            "{path}"
        );
        if !path.contains("//") {
            assert_eq!(status, 200, "{path}: {body}");
        }
        // Without one, none is added.
        let (status, body) = two.get(port, &host, path, "").await;
        assert_ne!(status, 200, "{path}: {body}");
        let seen = two.stage.zendesk.requests().pop().unwrap();
        assert!(!seen.headers.contains_key("authorization"), "{seen}");
    }
    let stays = two.stage.zendesk.token_posts().len();
    assert_eq!(stays, 0, "their 401 says nothing of the session");
}

/// A response of acme's with links to the sandbox in its body and headers.
fn leads_to(two: &Two) {
    let url = format!("{}{ME}", two.sandbox.origin());
    let body = serde_json::json!({"next_page": url, "tickets": []});
    let answer = Answer::json(200, &body)
        .header("link", &format!("<{url}>; rel=\"next\""))
        .header("content-location", &url);
    let fault = Fault::on("GET", "/api/v2/tickets/recent").answer(answer);
    two.stage.zendesk.fault(fault);
}

/// Where that response sends a client, and whether all its links agree.
async fn led(two: &Two, port: u16, host: &str, headers: &str) -> String {
    let mut script = Raw::connect(port).await;
    let request = format!(
        "GET /api/v2/tickets/recent HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
    );
    script.send(request).await;
    let answer = script.answer().await;
    let body: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    let url = body["next_page"].as_str().unwrap().to_owned();
    let link = format!("<{url}>; rel=\"next\"");
    assert_eq!(answer.head.get("link"), Some(link.as_str()));
    assert_eq!(answer.head.get("content-location"), Some(url.as_str()));
    let origin = url.strip_suffix(ME).unwrap().to_owned();
    assert!(two.stage.zendesk.origin() != origin, "{url}");
    origin
}

#[tokio::test]
async fn s2_links_to_another_account_stay_local_where_it_can_be_called() {
    let two = Two::new("default-account = \"acme\"").await;
    let (port, own) = (two.stage.port, two.sandbox_port);
    leads_to(&two);
    for (host, expected) in [
        (format!("localhost:{port}"), format!("localhost:{own}")),
        (format!("LocalHost:{port}"), format!("LocalHost:{own}")),
        (format!("127.0.0.1:{port}"), format!("127.0.0.1:{own}")),
        (
            format!("acme.localhost:{port}"),
            format!("sandbox.localhost:{port}"),
        ),
    ] {
        let base = led(&two, port, &host, "").await;
        assert_eq!(base, format!("http://{expected}"));
        let at = expected.rsplit_once(':').unwrap().1.parse().unwrap();
        assert_eq!(two.is_sandbox(at, &expected).await, Some(true), "{base}");
        // What a script writes back leads to the same account again.
        let comment = format!("{{\"ticket\":{{\"comment\":{{\"body\":\"{base}/api/v2/x\"}}}}}}");
        let length = comment.len();
        let mut script = Raw::connect(port).await;
        let head = format!("POST /api/v2/tickets.json HTTP/1.1\r\nHost: {host}\r\n");
        let kind = "Content-Type: application/json\r\n";
        let post = format!("{head}{kind}Content-Length: {length}\r\n\r\n{comment}");
        script.send(post).await;
        assert_eq!(script.answer().await.status(), 201);
        let seen = two.stage.zendesk.requests().pop().unwrap();
        let seen = String::from_utf8_lossy(&seen.body).into_owned();
        let theirs = format!("{}/api/v2/x", two.sandbox.origin());
        assert!(seen.contains(&theirs), "{seen}");
    }
    assert!(!Daemon::log(&two.stage.home).contains("account set"));
}

#[tokio::test]
async fn s2_links_to_another_account_stay_zendesks_for_a_key_and_without_a_port() {
    let two = Two::new("default-account = \"acme\"").await;
    let (port, theirs) = (two.stage.port, two.sandbox.origin().to_owned());
    leads_to(&two);
    let create = ["key", "create", "reader", "--scope", "read", "--json"];
    let made = two
        .stage
        .home
        .loopdesk([&create[..], &["--account", "acme"]].concat());
    let made = made.await.ok().json();
    let secret = made["secret"].as_str().unwrap();
    two.stage.home.is_secret("a local key", secret);
    let key = format!("X-Loopdesk-Key: {secret}\r\n");
    for host in ["localhost", "acme.localhost"] {
        let host = format!("{host}:{port}");
        assert_eq!(led(&two, port, &host, &key).await, theirs, "{host}");
    }
    assert!(!Daemon::log(&two.stage.home).contains("account set"));

    let file = two.stage.home.paths().config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace(&format!("port = {}\n", two.sandbox_port), "");
    two.stage.home.configure(&text);
    two.stage.home.loopdesk(["config", "reload"]).await.ok();
    let host = format!("localhost:{port}");
    for _ in 0..3 {
        assert_eq!(led(&two, port, &host, "").await, theirs);
    }
    let hint = "loopdesk account set sandbox port 8490";
    let log = Daemon::logged(&two.stage.home, hint).await;
    let told = log.matches(hint).count();
    assert_eq!(told, 1, "{log}");
    let host = format!("acme.localhost:{port}");
    let base = led(&two, port, &host, "").await;
    assert_eq!(base, format!("http://sandbox.localhost:{port}"));
}

const ME: &str = "/api/v2/users/me.json";
