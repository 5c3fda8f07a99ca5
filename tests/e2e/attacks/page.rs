//! W: a web page in the person's browser.

use loopdesk_protocol::status::State;
use loopdesk_tests::zendesk::{Answer, Fault};
use loopdesk_tests::{Home, Raw};
use tokio::net::{TcpStream, UdpSocket, UnixStream};

use super::{ME, Scene};

#[tokio::test]
async fn d1_w1_a_rebound_name_reaches_nothing() {
    let scene = Scene::set().await;
    let port = scene.port();
    for name in [
        "rebound.example",
        "a.rebound.example.",
        "localhost.rebound.example",
        "rebound.localhost.example",
        "127.0.0.1.nip.io",
        "xn--lcalhost-54a",
    ] {
        // Requests of a page with a rebound name are same-origin: a GET has no `Origin`, and older
        // browsers send no `Sec-Fetch-Site` over http.
        for (line, headers) in [
            ("GET /api/v2/tickets.json", ""),
            ("HEAD /api/v2/tickets.json", ""),
            ("DELETE /api/v2/tickets/1.json", ""),
            ("POST /api/v2/tickets.json", "Content-Length: 2\r\n"),
        ] {
            for host in [format!("{name}:{port}"), name.to_owned()] {
                let body = if line.starts_with("POST") { "{}" } else { "" };
                let attack = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{body}");
                let heard = scene.hears(attack).await;
                scene.refused(&heard, 421, "unknown-host", &host);
            }
        }
    }
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d1_w2_host_table() {
    let scene = Scene::set().await;
    let port = scene.port();
    for host in [
        "evil.com".to_owned(),
        format!("evil.com:{port}"),
        format!("localhost.evil.com:{port}"),
        format!("127.0.0.1.nip.io:{port}"),
        format!("127.0.0.1:{port}.evil.com"),
        "127.0.0.1:evil.com".to_owned(),
        format!("[::1]:{port}.evil"),
        format!("127.0.0.1:{port:#x}"),
        format!("127.0.0.1:+{port}"),
        format!("127.0.0.1:-{port}"),
        "127.0.0.1:8e3".to_owned(),
        format!("127.0.0.1:0{port}"),
        "127.0.0.1:".to_owned(),
        "localhost:".to_owned(),
        format!("localhost\u{ff1a}{port}"),
        "localhost:\u{668}\u{664}\u{668}\u{664}".to_owned(),
        format!("evil@127.0.0.1:{port}"),
        "127.0.0.1@evil.com".to_owned(),
        format!("127.0.0.1:{port}@evil.com"),
        format!("[[::1]]:{port}"),
        format!("[::1]x:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("::1:{port}"),
        format!("0177.0.0.1:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("127.1:{port}"),
        format!("127.0.0.2:{port}"),
        format!("0.0.0.0:{port}"),
        format!("[::]:{port}"),
        format!("localhost:{}", port + 1),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        format!("localhost:{port},evil.com"),
        format!("localhost:{port}/"),
        format!("localhost..:{port}"),
        format!("http://localhost:{port}"),
        String::new(),
    ] {
        let heard = scene
            .hears(format!("GET {ME} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        scene.refused(&heard, 421, "unknown-host", &host);
    }
    let heard = scene.hears(format!("GET {ME} HTTP/1.1\r\n\r\n")).await;
    scene.refused(&heard, 421, "unknown-host", "no Host");
    for second in [format!("localhost:{port}"), "evil.com".to_owned()] {
        let two = scene.request(&format!("GET {ME}"), &format!("Host: {second}\r\n"));
        let heard = scene.hears(two).await;
        scene.refused(&heard, 400, "bad-request", &second);
    }
    for name in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1",
        "[::1]",
        "acme.localhost",
    ] {
        let ours = format!("GET {ME} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n");
        assert_eq!(scene.hears(ours).await.statuses(), [200], "{name}");
        scene.one_clean(name);
    }
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d1_w3_simple_requests_of_a_page() {
    let scene = Scene::set().await;
    let port = scene.port();
    let signs = [
        "Origin: https://evil.example".to_owned(),
        "Origin: null".to_owned(),
        format!("Origin: http://localhost:{port}"),
        "Origin:".to_owned(),
        "Origin: https://evil.example\r\nOrigin: https://other.example".to_owned(),
        "Referer: https://evil.example/page".to_owned(),
        format!("Referer: http://localhost:{port}.evil.example/"),
        format!("Referer: http://localhost:{port}@evil.example/"),
        format!("Referer: http://localhost:{}/", port + 1),
        format!("Referer: http://localhost:{port}/\r\nReferer: https://evil.example/"),
        "Sec-Fetch-Site: cross-site".to_owned(),
        "Sec-Fetch-Site: same-site".to_owned(),
        "Sec-Fetch-Site: same-origin".to_owned(),
        // An address that a person was tricked into typing or clicking.
        "Sec-Fetch-Site: none".to_owned(),
        "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1".to_owned(),
    ];
    let kinds = [
        // An image or a script.
        ("GET /api/v2/tickets.json", "Accept: image/*\r\n", ""),
        // A form, in each of the three encodings that need no preflight.
        (
            "POST /api/v2/tickets.json",
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n",
            "a=b",
        ),
        (
            "POST /api/v2/tickets.json",
            "Content-Type: text/plain\r\nContent-Length: 3\r\n",
            "{}\n",
        ),
        (
            "POST /api/v2/tickets.json",
            "Content-Type: multipart/form-data; boundary=a\r\nContent-Length: 5\r\n",
            "--a--",
        ),
    ];
    for sign in &signs {
        for (line, headers, body) in kinds {
            let heard = scene
                .hears(scene.request(line, &format!("{sign}\r\n{headers}")) + body)
                .await;
            scene.refused(&heard, 403, "web-page-refused", sign);
            let told = heard.0.contains("comes from a web page");
            assert!(
                told && heard.0.contains("leave that header out"),
                "{heard:?}"
            );
        }
    }
    scene.nothing_arrived().await;
    // Go's client sends our address as the referrer when it follows our redirect.
    let own = scene.request(
        &format!("GET {ME}"),
        &format!("Referer: http://localhost:{port}/x\r\n"),
    );
    assert_eq!(scene.hears(own).await.statuses(), [200]);
    scene.one_clean("a referrer of ours");
}

#[tokio::test]
async fn d1_w4_preflights_and_zendesks_cors() {
    let scene = Scene::set().await;
    for headers in [
        "Access-Control-Request-Method: PUT\r\n",
        "Access-Control-Request-Headers: authorization\r\n",
        "Access-Control-Request-Private-Network: true\r\n",
        "Access-Control-Request-Local-Network: true\r\n",
        "Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n",
    ] {
        let heard = scene
            .hears(scene.request("OPTIONS /api/v2/tickets.json", headers))
            .await;
        scene.refused(&heard, 403, "web-page-refused", headers);
    }
    scene.nothing_arrived().await;

    let mut generous = Answer::text(200, "x");
    for (name, value) in CORS {
        generous = generous.header(name, value);
    }
    let _generous = scene
        .stage
        .zendesk
        .fault(Fault::on("OPTIONS", "/api/v2/x").answer(generous.clone()));
    let _generous = scene
        .stage
        .zendesk
        .fault(Fault::on("GET", "/api/v2/x").answer(generous));
    for line in ["OPTIONS /api/v2/x", "GET /api/v2/x"] {
        let heard = scene.hears(scene.request(line, "")).await;
        assert_eq!(heard.statuses(), [200], "{heard:?}");
        let said = heard.0.to_ascii_lowercase();
        assert!(!said.contains("access-control-"), "{heard:?}");
        scene.one_clean(line);
    }
}

#[tokio::test]
async fn d1_w5_no_other_address_of_this_machine_answers() {
    let scene = Scene::set().await;
    let port = scene.port();
    // On Linux and macOS 0.0.0.0 leads to loopback, and a browser may go there.
    let stream = TcpStream::connect(("0.0.0.0", port)).await.unwrap();
    let mut page = Raw::new(stream);
    page.send(format!(
        "GET {ME} HTTP/1.1\r\nHost: 0.0.0.0:{port}\r\nConnection: close\r\n\r\n"
    ))
    .await;
    let answer = page.answer().await;
    assert_eq!(
        answer.head.get("x-loopdesk-error"),
        Some("unknown-host"),
        "{answer:?}"
    );
    scene.nothing_arrived().await;

    // The address by which other machines would reach this one; nothing is sent to find it.
    let outward = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    if outward.connect("192.0.2.1:9").await.is_ok() {
        let address = outward.local_addr().unwrap().ip();
        let reached = TcpStream::connect((address, port)).await;
        assert!(address.is_loopback() || reached.is_err(), "{address}");
    }
    #[cfg(target_os = "linux")]
    {
        let mut listening = Vec::new();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let table = std::fs::read_to_string(table).unwrap_or_default();
            let rows = table
                .lines()
                .skip(1)
                .map(|row| row.split_whitespace().collect::<Vec<_>>());
            let here =
                rows.filter(|row| row[3] == "0A" && row[1].ends_with(&format!(":{port:04X}")));
            listening.extend(here.map(|row| row[1].split(':').next().unwrap().to_owned()));
        }
        // 127.0.0.1 and ::1 as the kernel writes them.
        let (v4, v6) = ("0100007F", "00000000000000000000000001000000");
        assert!(
            listening.iter().any(|address| address == v4),
            "{listening:?}"
        );
        assert!(
            listening
                .iter()
                .all(|address| address == v4 || address == v6),
            "{listening:?}"
        );
    }
}

#[tokio::test]
async fn d1_w6_websockets() {
    let scene = Scene::set().await;
    for upgrade in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: keep-alive, upgrade\r\nUpgrade: WebSocket/13\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
    ] {
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
        let attack = scene.request("GET /api/v2/tickets.json", &format!("{upgrade}{key}"));
        scene.refused(&scene.hears(attack).await, 403, "upgrade-refused", upgrade);
    }
    scene.nothing_arrived().await;
}

#[tokio::test]
async fn d5_w7_control_is_not_on_tcp_and_get_changes_nothing() {
    let scene = Scene::set().await;
    let generation = scene.stage.acme().await.generation;
    let calls = loopdeskd::control::calls();
    let others = [
        "/stop",
        "/quitquitquit",
        "/agent/v1/quit",
        "/metrics",
        "/debug/pprof/",
    ];
    let paths = calls.iter().map(|(_, path)| *path).chain(others);
    for path in paths {
        for (method, headers, body) in [
            ("GET", "", ""),
            (
                "POST",
                "Content-Type: application/json\r\nContent-Length: 18\r\n",
                "{\"account\":\"acme\"}",
            ),
        ] {
            let asked = scene.request(&format!("{method} {path}"), headers) + body;
            let heard = scene.hears(asked).await;
            // It is a path at Zendesk like any other, and Zendesk knows none of these.
            assert_eq!(heard.statuses(), [404], "{method} {path}: {heard:?}");
            assert_eq!(scene.one_clean(path).target(), path);
        }
    }
    // On the socket itself, GET only reads.
    for (_, path) in calls.iter().filter(|(method, _)| method == "POST") {
        let heard = on_the_socket(&scene.stage.home, &format!("GET {path}")).await;
        assert!(!heard.starts_with("HTTP/1.1 2"), "{path}: {heard}");
    }
    let acme = scene.stage.acme().await;
    assert_eq!((acme.state, acme.generation), (State::Active, generation));
    scene.nothing_arrived().await;
}

async fn on_the_socket(home: &Home, line: &str) -> String {
    let stream = UnixStream::connect(home.paths().control_socket())
        .await
        .unwrap();
    let mut socket = Raw::new(stream);
    socket
        .send(format!(
            "{line} HTTP/1.1\r\nHost: loopdesk\r\nConnection: close\r\n\r\n"
        ))
        .await;
    String::from_utf8(socket.all().await).unwrap()
}

#[tokio::test]
async fn d1_w11_a_browser_that_got_hold_of_an_answer_makes_nothing_of_it() {
    let scene = Scene::set().await;
    let page = Answer::html(200, "<script>1</script>")
        .header("set-cookie", "_zendesk_session=1")
        .header("set-cookie", "b=2")
        .header("strict-transport-security", "max-age=31536000")
        .header("alt-svc", "h3=\":443\"")
        .header("cross-origin-resource-policy", "cross-origin")
        .header("x-content-type-options", "none")
        .header("x-frame-options", "DENY")
        .header("content-security-policy", "default-src 'none'");
    let _page = scene
        .stage
        .zendesk
        .fault(Fault::on("GET", "/api/v2/x").answer(page));
    let heard = scene.hears(scene.request("GET /api/v2/x", "")).await;
    let said = heard.0.to_ascii_lowercase();
    for gone in [
        "set-cookie",
        "strict-transport-security",
        "alt-svc",
        "cross-origin\r\n",
        ": none\r\n",
    ] {
        assert!(!said.contains(gone), "{gone} in {heard:?}");
    }
    for there in [
        "x-content-type-options: nosniff\r\n",
        "cross-origin-resource-policy: same-origin\r\n",
        "x-frame-options: deny\r\n",
        "content-security-policy: default-src 'none'\r\n",
        "content-security-policy: sandbox\r\n",
    ] {
        assert_eq!(said.matches(there).count(), 1, "{there} in {heard:?}");
    }
    scene.one_clean("a page");
}

const CORS: [(&str, &str); 5] = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-credentials", "true"),
    ("access-control-allow-methods", "GET, POST, PUT"),
    ("access-control-allow-private-network", "true"),
    ("access-control-expose-headers", "*"),
];

#[tokio::test]
async fn d1_a_person_who_opens_a_page_of_zendesks_here_sees_where_it_is_and_no_data() {
    let scene = Scene::set().await;
    let opened = "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let origin = scene.stage.zendesk.origin();
    for (target, shown) in [
        ("/agent/tickets/1", "/agent/tickets/1"),
        (
            "/hc/en-us/articles/7?a=%22%3E&b='",
            "/hc/en-us/articles/7?a=%22%3E&amp;b=&#39;",
        ),
    ] {
        let request = scene.request(&format!("GET {target}"), opened);
        let heard = scene.hears(request).await;
        scene.refused(&heard, 403, "web-page-refused", target);
        let link = format!("<a href=\"{origin}{shown}\"");
        assert!(heard.0.contains(&link), "{link} in {heard:?}");
        let head = heard.0.to_ascii_lowercase();
        assert!(
            head.contains("content-security-policy: default-src 'none'"),
            "{heard:?}"
        );
    }
    for target in ["/api/v2/users/me.json", "/"] {
        let heard = scene
            .hears(scene.request(&format!("GET {target}"), opened))
            .await;
        scene.refused(&heard, 403, "web-page-refused", target);
        assert!(heard.0.contains("leave that header out"), "{heard:?}");
        assert!(!heard.0.contains(origin), "{heard:?}");
    }
    scene.nothing_arrived().await;
}
