//! L: what the attacks leave behind in logs and errors.

use loopdesk_protocol::text::is_invisible;
use loopdesk_tests::secrets::{ProcessWatch, Scanner};
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::users;
use loopdesk_tests::{Daemon, Raw};

use super::{LOCAL, ME, Scene, basic};

/// Treat a script's credential like a secret: it may be one.
#[tokio::test]
async fn d4_l1_no_attack_leaves_a_secret_at_trace() {
    let mut stage = super::super::stage().await;
    stage.home.set("LOOPDESK_LOG", "trace");
    let watch = ProcessWatch::start(stage.home.bin());
    let scene = Scene::on(stage).await;
    let get = format!("GET {ME}");
    let bearer = format!("Authorization: Bearer {LOCAL}\r\n");
    let basic = format!("Authorization: {}\r\n", basic("me@example.com/token"));
    let mut heard = Vec::new();
    for attack in [
        scene.request(&get, &bearer),
        scene.request(&get, &basic),
        scene.request(&get, &format!("{bearer}{basic}")),
        scene.request(&get, &format!("{bearer}Connection: authorization\r\n")),
        scene.request(&get, &format!("{bearer}Origin: https://evil.example\r\n")),
        scene.request(
            &get,
            &format!("{bearer}Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        ),
        scene.request(
            &get,
            &format!("{bearer}Content-Length: 1\r\nContent-Length: 2\r\n"),
        ),
        scene.request(&get, &format!("{bearer}X: a\0b\r\n")),
        scene.request(
            &get,
            &format!("X-Loopdesk-Key: {LOCAL}\r\nCookie: a={LOCAL}\r\n"),
        ),
        scene.request(&format!("{get}?access_token={LOCAL}"), ""),
        scene.request(&format!("GET /oauth/tokens?access_token={LOCAL}"), &bearer),
        scene.request(
            "POST /oauth/tokens",
            &format!("{bearer}Content-Length: 36\r\n"),
        ) + LOCAL,
        scene.request("TRACE /", &bearer),
        format!("GET {ME} HTTP/1.1\r\nHost: evil.example\r\n{bearer}\r\n"),
        format!("GET http://user:{LOCAL}@evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        scene.post("Transfer-Encoding: chunked\r\n", &format!("zz\r\n{LOCAL}")),
    ] {
        heard.push(scene.hears(attack).await.0);
    }
    let mut socket = Raw::connect(scene.port()).await;
    socket.send(scene.request(&get, &bearer)).await;
    socket.answer().await;
    heard.push(scene.stage.home.loopdesk(["status", "--json"]).await.stdout);

    let mut scanner = Scanner::default();
    scanner.add("the script's credential", LOCAL.as_bytes());
    for secret in scene.stage.secrets() {
        scanner.add("a token", secret.as_bytes());
    }
    let (home, bin) = (scene.stage.home.path(), scene.stage.home.bin());
    let key = scene.stage.home.paths().key_file().to_owned();
    let is_said = || {
        let log = Daemon::log(&scene.stage.home);
        log.contains("TRACE") && log.contains("refused")
    };
    eventually("the log is at its most verbose", async || is_said()).await;
    let found = scanner.find_below(home, &[bin, key]);
    assert!(found.is_empty(), "{found:#?}");
    let seen = watch.stop();
    let texts = seen.values().flatten().cloned();
    for text in texts.chain(heard.into_iter().map(String::into_bytes)) {
        let found = scanner.find(&text);
        assert!(
            found.is_empty(),
            "{found:?} in {}",
            String::from_utf8_lossy(&text)
        );
    }
}

#[tokio::test]
async fn d4_l2_l3_no_attack_writes_lines_or_people_into_the_log() {
    let scene = Scene::set().await;
    let before = Daemon::log(&scene.stage.home).len();
    let person = "jane.doe@example.com";
    for attack in [
        scene.request(&format!("GET /api/v2/search.json?query={person}"), ""),
        scene.request("GET /oauth/tokens%0d%0aERROR%20forged%1b[2J", ""),
        scene.request(
            "GET /oauth/tokens?a=\u{1b}[2J\u{9b}",
            &format!("User-Agent: {person}\r\n"),
        ),
        format!("GET {ME} HTTP/1.1\r\nHost: evil\u{9b}2J\u{85}ERROR forged\r\n\r\n"),
        scene.request(&format!("F\u{1b}O {ME}"), ""),
        scene.request("FORGED /oauth/tokens", "Origin: \u{9b}\r\n"),
    ] {
        let heard = scene.hears(attack).await;
        let control = |c: char| c.is_control() && !['\r', '\n'].contains(&c);
        assert!(!heard.0.contains(control), "{heard:?}");
    }
    let log = || Daemon::log(&scene.stage.home)[before..].to_owned();
    eventually("it is logged", async || log().contains("web-page-refused")).await;
    let log = log();
    assert!(log.contains("route-refused"), "{log}");
    for forbidden in [
        person,
        "forged",
        "FORGED",
        "search.json",
        "\u{1b}",
        "\u{9b}",
        "\u{85}",
    ] {
        assert!(!log.contains(forbidden), "{forbidden:?} in {log}");
    }
}

#[tokio::test]
async fn d7_l2_a_name_in_zendesk_forges_no_line_and_moves_no_cursor() {
    let stage = super::super::stage().await;
    let name = "Ada\nforged active 2030\u{1b}[2J\u{9b}1m\u{61c}\u{200b}\u{202e}\u{2028}Admin\r";
    stage.zendesk.rename_user(users::ADMIN, name);
    let daemon = stage.daemon().await;
    let mut said = Vec::new();
    let key = ["key", "create", "nightly", "--scope", "tickets:read"];
    for command in [
        &["login"][..],
        &["login", "--json"],
        &["status"],
        &["status", "--json"],
        &["account", "list"],
        &["account", "list", "--json"],
        &["account", "show", "acme"],
        &key,
        &["key", "list"],
        &["key", "show", "nightly"],
    ] {
        let output = stage.home.loopdesk(command).await.ok();
        said.push((command.join(" "), output.stdout));
        said.push((command.join(" "), output.stderr));
    }
    daemon.stop().await;
    said.push(("the log".to_owned(), Daemon::log(&stage.home)));
    let mut shown = 0;
    for (what, text) in said {
        let is_obeyed = |c: char| c != '\n' && is_invisible(c);
        assert!(!text.contains(is_obeyed), "{what}: {text:?}");
        let forged = text.lines().find(|line| line.starts_with("forged"));
        assert!(forged.is_none(), "{what}: {text}");
        shown += text.matches("Ada forged active 2030").count();
    }
    assert!(shown > 5, "it is shown on one line, {shown} times");
}
