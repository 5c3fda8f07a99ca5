//! What the command finds in its environment, and what commands of loopdesk find there.

use loopdesk_tests::daemon::terminate;

use super::held::{Held, helpers};
use super::{ME, named};

#[tokio::test]
async fn s9_the_persons_own_variables_stay_where_they_do_no_harm() {
    let (mut named, daemon) = named().await;
    named
        .stage
        .home
        .set("NO_PROXY", "zendesk.com,corp.internal");
    named.stage.home.set("no_proxy", "*");
    named.stage.home.set("PHP_INI_SCAN_DIR", "/etc/php.d");
    let own = named.stage.home.path().join("own.pem");
    std::fs::copy(named.stage.zendesk.ca_file(), &own).unwrap();
    named
        .stage
        .home
        .set("REQUESTS_CA_BUNDLE", own.display().to_string());
    let held = Held::start(&named, &[]).await;
    for name in ["NO_PROXY", "no_proxy"] {
        let value = held.variable(name);
        assert!(value.starts_with("localhost,"), "{value}");
        assert!(value.ends_with(",corp.internal"), "{value}");
        assert!(
            !value.contains("zendesk") && !value.contains('*'),
            "{value}"
        );
    }
    assert!(
        held.variable("PHP_INI_SCAN_DIR")
            .starts_with("/etc/php.d:/")
    );
    let bundle = std::fs::read_to_string(held.variable("SSL_CERT_FILE")).unwrap();
    let own = std::fs::read_to_string(own).unwrap();
    assert!(
        bundle.contains(own.trim()),
        "the person's own certificates are in the bundle"
    );
    let run = std::fs::read_to_string(held.authority()).unwrap();
    assert!(bundle.contains(run.trim()), "and so is this run's");
    assert!(
        bundle.matches("BEGIN CERTIFICATE").count() > 20,
        "and the system's"
    );
    held.end().await;
    daemon.stop().await;
}

/// requests, which has the public authorities beside it, must not lose them.
#[tokio::test]
async fn s9_the_bundle_keeps_the_systems_certificates_beside_those_that_variables_name() {
    let (mut named, daemon) = named().await;
    let home = &mut named.stage.home;
    let certificate = |name: &str| {
        let file = home.path().join(name);
        let content = format!("{:A<64}", name.replace(['.', '/'], "x"));
        let text = format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n");
        std::fs::write(file, &text).unwrap();
        text
    };
    std::fs::create_dir(home.path().join("folder")).unwrap();
    let own = [certificate("corp.pem"), certificate("folder/5ad8a5d6.0")];
    let path = |name: &str| home.path().join(name).display().to_string();
    let (file, folder) = (path("corp.pem"), path("folder"));
    home.set("SSL_CERT_FILE", file);
    home.set("REQUESTS_CA_BUNDLE", folder);
    let held = Held::start(&named, &[]).await;
    let bundle = std::fs::read_to_string(held.variable("REQUESTS_CA_BUNDLE")).unwrap();
    for own in own {
        assert!(bundle.contains(&own), "{own}");
    }
    let count = bundle.matches("BEGIN CERTIFICATE").count();
    assert!(count > 20, "{count}: the system's are there, too");
    held.end().await;
    daemon.stop().await;
}

/// A script may change what `loopdesk exec` has set; what it has chosen counts for loopdesk as well.
#[tokio::test]
async fn s9_what_a_command_has_changed_itself_is_not_given_back() {
    let (mut named, daemon) = named().await;
    named.stage.home.set("REQUESTS_CA_BUNDLE", "/before");
    let script = "SSL_CERT_FILE=/chosen loopdesk exec -- env";
    let within = named.exec(&["--", "sh", "-c", script]).await.ok().stdout;
    let kept = within
        .lines()
        .find_map(|line| line.strip_prefix("LOOPDESK_EXEC_ENV="))
        .unwrap();
    let kept: serde_json::Value = serde_json::from_str(kept).unwrap();
    assert_eq!(kept["SSL_CERT_FILE"]["was"], "/chosen");
    assert_eq!(kept["REQUESTS_CA_BUNDLE"]["was"], "/before");
    assert_eq!(kept["https_proxy"]["was"], serde_json::Value::Null);
    daemon.stop().await;
}

#[tokio::test]
async fn s9_exec_env_prints_what_would_be_set_and_why_and_runs_nothing() {
    let (named, daemon) = named().await;
    let shown = named.exec(&["--env"]).await.ok().stdout;
    assert!(shown.contains("HTTPS_PROXY="), "{shown}");
    assert!(shown.contains("# has Node trust the helper"), "{shown}");
    assert!(shown.contains("LOOPDESK_EXEC_ENV="), "{shown}");
    assert_eq!(helpers(&named), [0; 0]);
    let json = named
        .stage
        .home
        .loopdesk(["exec", "--env", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(json["account"], "acme");
    let variables = json["variables"].as_array().unwrap();
    assert!(variables.iter().all(|one| one["why"].is_string()), "{json}");
    daemon.stop().await;
}

#[tokio::test]
async fn s9_a_run_within_a_run_and_three_at_once_are_served() {
    let (named, daemon) = named().await;
    let code = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", ME];
    let nested = ["--", "loopdesk", "exec", "--", "loopdesk", "exec", "--"];
    let nested = named.exec(&[&nested[..], &code[..]].concat()).await.ok();
    assert_eq!(nested.stdout, "200");
    let run = || {
        named.exec(&[
            "--",
            "curl",
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            ME,
        ])
    };
    let (one, two, three) = tokio::join!(run(), run(), run());
    for output in [one, two, three] {
        assert_eq!(output.ok().stdout, "200");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn s9_a_daemon_that_a_command_starts_goes_out_as_if_there_were_no_run() {
    let (named, daemon) = named().await;
    daemon.stop().await;
    // `exec` starts a daemon for itself; the command ends it and starts another.
    let script = "loopdesk status --json
        kill $(loopdesk version --json | sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')
        while loopdesk version --json | grep -q '\"pid\"'; do sleep 0.1; done
        loopdesk wait > /dev/null 2>&1
        loopdesk status --json";
    let output = named.exec(&["--", "sh", "-c", script]).await.ok();
    let mut ways = output.stdout.lines().map(|line| {
        let status: serde_json::Value = serde_json::from_str(line).unwrap();
        (
            status["egress"]["proxy"].clone(),
            status["daemon"]["pid"].as_u64().unwrap(),
        )
    });
    let ((first, before), (second, after)) = (ways.next().unwrap(), ways.next().unwrap());
    assert_eq!(first, named.proxy.url().as_str(), "{output:?}");
    assert_eq!(second, first, "{output:?}");
    assert_ne!(before, after);
    terminate(after.try_into().unwrap()).await;
}

#[tokio::test]
async fn s9_cron_has_neither_a_runtime_folder_nor_a_terminal() {
    let (named, daemon) = named().await;
    let mut cron = named.stage.home.command("loopdesk");
    cron.env_remove("XDG_RUNTIME_DIR").env_remove("LANG");
    cron.args([
        "exec",
        "curl",
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        ME,
    ]);
    let output = cron.output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "200", "{output:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn s9_many_short_commands_start_quickly() {
    let (named, daemon) = named().await;
    let began = std::time::Instant::now();
    for _ in 0..10 {
        named.exec(&["--", "true"]).await.ok();
    }
    let each = began.elapsed() / 10;
    println!("exec -- true: {} ms", each.as_millis());
    // A build without optimisation, beside other tests.
    assert!(each < std::time::Duration::from_secs(2), "{each:?}");
    daemon.stop().await;
}
