//! What a command gets, and how it ends.

use super::held::{folders, no_helper};
use super::{ME, named};

#[tokio::test]
async fn s9_curl_with_zendesks_own_address_is_answered_as_the_person() {
    let (named, daemon) = named().await;
    let output = named.exec(&["--", "curl", "-sS", ME]).await.ok();
    assert!(output.json()["user"]["id"].is_u64(), "{output:?}");
    assert_eq!(output.stderr, "", "nothing is said beside the command");
    let seen = named.stage.zendesk.requests();
    let me = seen
        .iter()
        .rfind(|seen| seen.path == "/api/v2/users/me.json");
    assert!(me.is_some(), "{seen:?}");
    // The alias, and a command that begins with the first word that isn't an option.
    let arguments = [
        "run",
        "--account",
        "acme",
        "curl",
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        ME,
    ];
    let output = named.stage.home.loopdesk(arguments).await.ok();
    assert_eq!(output.stdout, "200");
    no_helper(&named).await;
    assert_eq!(folders(&named).len(), 0);
    daemon.stop().await;
}

#[tokio::test]
async fn s9_links_bodies_and_heads_are_zendesks_own() {
    let (named, daemon) = named().await;
    let url = "https://acme.zendesk.com/api/v2/tickets.json?page[size]=2";
    let output = named.exec(&["--", "curl", "-sSg", "-i", url]).await.ok();
    let (head, body) = output.stdout.rsplit_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let next = body["links"]["next"].as_str().unwrap();
    assert!(
        next.starts_with("https://acme.zendesk.com/api/v2/"),
        "{next}"
    );
    let head = head.to_ascii_lowercase();
    for own in [
        "x-content-type-options: nosniff",
        "cross-origin-resource-policy",
        "x-loopdesk",
    ] {
        assert!(!head.contains(own), "{own}: {head}");
    }
    // What a program writes stays, too: a local address in it is text like any other.
    let text = format!("http://localhost:{}/api/v2/tickets/1", named.stage.port);
    let ticket = serde_json::json!({"ticket": {"comment": {"body": text}}}).to_string();
    let post = [
        "--",
        "curl",
        "-sS",
        "-H",
        "Content-Type: application/json",
        "-d",
        &ticket,
    ];
    let url = "https://acme.zendesk.com/api/v2/tickets.json";
    let made = named.exec(&[&post[..], &[url]].concat()).await.ok().json();
    let id = &made["ticket"]["id"];
    let url = format!("https://acme.zendesk.com/api/v2/tickets/{id}/comments.json");
    let comments = named.exec(&["--", "curl", "-sS", &url]).await.ok().json();
    assert_eq!(comments["comments"][0]["body"], text, "{comments}");
    daemon.stop().await;
}

#[tokio::test]
async fn s9_a_command_ends_as_it_would_without_exec() {
    let (named, daemon) = named().await;
    for code in [0, 3, 126, 127] {
        let script = format!("exit {code}");
        named.exec(&["--", "sh", "-c", &script]).await.failed(code);
    }
    let killed = named.exec(&["--", "sh", "-c", "kill -9 $$"]).await;
    assert_eq!(
        killed.code, None,
        "a signal ends it, not an exit code: {killed:?}"
    );
    let absent = named
        .exec(&["--", "no-such-command", "-x"])
        .await
        .failed(127);
    assert!(absent.stderr.contains("`no-such-command`"), "{absent:?}");
    let config = named.stage.home.paths().config_file().display().to_string();
    let plain = named.exec(&["--", &config]).await.failed(126);
    assert!(plain.stderr.contains("isn't executable"), "{plain:?}");
    let json = ["--json", "exec", "--", "no-such-command"];
    let json = named.stage.home.loopdesk(json).await.failed(127);
    let error: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(error["error"]["exit_code"], 127, "{json:?}");
    no_helper(&named).await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_pipes_files_and_children_are_the_commands_own() {
    let (named, daemon) = named().await;
    let script = "exec 9> nine
        printf 'in' | loopdesk exec -- sh -c 'cat; printf err >&2; printf nine >&9' 2> error | tr a-z A-Z
        loopdesk exec -- sh -c 'read -r children < /proc/$$/task/$$/children; echo \"[$children]\"'
        loopdesk exec -- sh -c 'ls -l /proc/$$/fd' | grep -c 'socket:\\|exec.log'";
    let output = named.stage.home.run("sh", ["-c", script]).await;
    // `grep -c` counts none, and says so by its code.
    assert_eq!(output.stdout, "IN[]\n0\n", "{output:?}");
    let read = |name| std::fs::read_to_string(named.stage.home.path().join(name)).unwrap();
    assert_eq!(
        (read("error").as_str(), read("nine").as_str()),
        ("err", "nine")
    );
    daemon.stop().await;
}

#[tokio::test]
async fn s9_what_can_not_begin_is_named_before_the_command_runs() {
    let (named, daemon) = named().await;
    let home = &named.stage.home;
    let ran = home.path().join("ran");
    let touch = ["--", "touch", ran.to_str().unwrap()];
    let exec = async |options: &[&str], code: i32, words: &str| {
        let output = named
            .exec(&[options, &touch[..]].concat())
            .await
            .failed(code);
        assert!(output.stderr.contains(words), "{words}: {output:?}");
        assert!(!ran.exists(), "{words}");
    };
    exec(&["--account", "other"], 2, "there is no account `other`").await;
    exec(&["--key", "other"], 2, "there is no key `other`").await;
    exec(&["--no-such-option"], 2, "--no-such-option").await;

    let mut broken = home.command("loopdesk");
    broken
        .args(["exec", "--"])
        .args(&touch[1..])
        .env("HTTPS_PROXY", "ftp://proxy.corp:21");
    let broken = broken.output().await.unwrap();
    let text = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert!(
        !broken.status.success() && text.contains("HTTPS_PROXY"),
        "{text}"
    );
    assert!(!ran.exists());

    home.loopdesk(["logout"]).await.ok();
    exec(&[], 4, "`loopdesk login acme").await;
    home.loopdesk(["config", "set", "exec", "false"]).await.ok();
    exec(&[], 3, "`exec = false`").await;
    no_helper(&named).await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_switching_exec_off_ends_what_runs() {
    let (named, daemon) = named().await;
    let held = super::held::Held::start(&named, &[]).await;
    let status = async || {
        let mut tls = held.acme().await;
        tls.send("GET /api/v2/users/me.json HTTP/1.1\r\nHost: acme.zendesk.com\r\n\r\n")
            .await;
        tls.answer().await.head
    };
    assert_eq!(status().await.status(), 200);
    named
        .stage
        .home
        .loopdesk(["config", "set", "exec", "false"])
        .await
        .ok();
    let head = status().await;
    let code = head.get("x-loopdesk-error");
    assert_eq!((head.status(), code), (403, Some("exec-off")));
    held.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_a_command_that_can_not_work_is_recognised() {
    let (named, daemon) = named().await;
    let java = named.stage.home.bin().join("java");
    std::fs::write(&java, "#!/bin/sh\nexit 5\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&java, executable).unwrap();
    let output = named.exec(&["java", "-jar", "x.jar"]).await.failed(5);
    assert!(
        output.stderr.starts_with("Warning: `java` won't reach"),
        "{output:?}"
    );
    daemon.stop().await;
}
