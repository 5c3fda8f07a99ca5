//! Configuration files as people, editors and machines leave them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use loopdesk_tests::Failpoints;
use rustix::fs::{CWD, Mode, mkfifoat};

use super::stage;

const PROMPT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn d1_a_file_that_others_may_change_is_refused_with_the_chmod_that_mends_it() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let file = stage.home.paths().config_file();
    let folder = file.parent().unwrap().to_owned();
    for (path, mode) in [(&file, 0o666), (&folder, 0o777)] {
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let fix = format!("chmod go-w {}", path.display());
        let check = stage.home.loopdesk(["config", "check"]).await.failed(3);
        assert!(check.stdout.contains(&fix), "{check:?}");
        assert!(check.stdout.contains("it can name a command"), "{check:?}");
        let set = ["config", "set", "vault", "keyfile"];
        let set = stage.home.loopdesk(set).await.failed(3);
        assert!(
            !set.stderr.contains("config.toml."),
            "the draft's name: {set:?}"
        );
        let reload = stage.home.loopdesk(["config", "reload"]).await.failed(3);
        assert!(reload.stderr.contains(&fix), "{reload:?}");
        let said = stage
            .home
            .loopdesk(["status", "--json"])
            .await
            .failed(1)
            .stdout;
        assert!(said.contains("\"code\":\"config-unusable\""), "{said}");
        fs::set_permissions(path, before).unwrap();
        stage.home.loopdesk(["config", "reload"]).await.ok();
        stage.home.loopdesk(["status"]).await.ok();
    }
}

#[tokio::test]
async fn o3_what_is_no_text_file_is_named_at_once() {
    let stage = stage().await;
    let file = stage.home.paths().config_file();
    let good = fs::read(&file).unwrap();
    let commands = [
        &["config", "check"][..],
        &["config", "set", "vault", "keyfile"],
        &["status"],
    ];
    let refused = async |words: &str| {
        for command in &commands[..2] {
            let ran = tokio::time::timeout(PROMPT, stage.home.loopdesk(*command)).await;
            let ran = ran.unwrap_or_else(|_| panic!("{words}: {command:?} waits"));
            let ran = ran.failed(3);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(said.contains(words), "{command:?}: {said}");
        }
        let start = tokio::time::timeout(PROMPT, stage.home.loopdesk(["wait"])).await;
        let start = start.unwrap_or_else(|_| panic!("{words}: the daemon waits"));
        assert!(start.failed(3).stderr.contains(words), "{words}");
    };
    fs::remove_file(&file).unwrap();
    mkfifoat(CWD, &file, Mode::RUSR | Mode::WUSR).unwrap();
    refused("is a pipe, not a file").await;
    fs::remove_file(&file).unwrap();
    fs::write(&file, [&good[..], b"# caf\xe9\n"].concat()).unwrap();
    let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
    refused(&format!("line {line} has the byte 0xE9")).await;
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    refused("is larger than 1024 KiB").await;
}

#[tokio::test]
async fn o3_line_ends_and_a_byte_order_mark_survive_config_set() {
    let stage = stage().await;
    let file = stage.home.paths().config_file();
    let text = fs::read_to_string(&file).unwrap();
    let dressed = format!("\u{feff}# by hand\n{text}").replace('\n', "\r\n");
    fs::write(&file, &dressed).unwrap();
    let _daemon = stage.logged_in().await;
    let set = ["config", "set", "accounts.acme.access-token-ttl", "1h"];
    stage.home.loopdesk(set).await.ok();
    let after = fs::read_to_string(&file).unwrap();
    assert!(after.starts_with("\u{feff}# by hand\r\n"), "{after:?}");
    assert_eq!(
        after.matches('\n').count(),
        after.matches("\r\n").count(),
        "{after:?}"
    );
    assert!(after.contains("access-token-ttl = \"1h\"\r\n"), "{after:?}");
    let added = after.replace("access-token-ttl = \"1h\"\r\n", "");
    assert_eq!(added, dressed, "nothing else has changed");
    stage.home.loopdesk(["status"]).await.ok();
}

#[tokio::test]
async fn o3_a_key_of_another_version_in_the_machines_file_is_a_warning() {
    let mut stage = stage().await;
    if Failpoints::of(&mut stage.home).is_none() {
        return;
    }
    let etc = stage.home.path().join("failpoints/etc");
    fs::create_dir(&etc).unwrap();
    let machines = etc.join("config.toml");
    let known = "hooks.session-event = [\"true\"]\n";
    let text = format!("rate-limit = 5\nlocked = [\"watch\"]\n{known}[accounts.acme]\nshade = 1\n");
    fs::write(&machines, text).unwrap();
    let check = stage.home.loopdesk(["config", "check"]).await.ok();
    assert!(check.stdout.contains("Warning:"), "{check:?}");
    let _daemon = stage.logged_in().await;
    let status = stage.home.loopdesk(["status"]).await.ok();
    let path = machines.display().to_string();
    for (line, key) in [(1, "`rate-limit`"), (2, "`watch`"), (5, "`shade`")] {
        let place = format!("Warning: `{path}`, line {line}: ");
        let told = status.stdout.lines().find(|told| told.starts_with(&place));
        assert!(
            told.is_some_and(|told| told.contains(key)),
            "{key}: {status:?}"
        );
    }
    let json = stage.home.loopdesk(["status", "--json"]).await.ok().stdout;
    assert_eq!(
        json.matches("\"code\":\"config-unknown-key\"").count(),
        3,
        "{json}"
    );
    // Keys that this version knows must be correct.
    fs::write(&machines, "vault = \"attic\"\n").unwrap();
    stage.home.loopdesk(["config", "check"]).await.failed(3);
    // In a user's own file, an unknown key is a mistake.
    fs::remove_file(&machines).unwrap();
    let file = stage.home.paths().config_file();
    let own = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("rate-limit = 5\n{own}")).unwrap();
    stage.home.loopdesk(["config", "check"]).await.failed(3);
}
