//! The user's configuration on top of the machine's, as an organisation rolls it out.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use loopdesk_tests::{Daemon, Failpoints, Stage};

use super::stage;

/// A test environment whose account and settings are in the machine's file; the user's file is
/// missing.
async fn rolled_out(locked: &str) -> Option<(Stage, Etc)> {
    let mut stage = stage().await;
    let etc = Etc::of(&mut stage)?;
    let user = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&user).unwrap();
    std::fs::remove_file(&user).unwrap();
    etc.configure(&format!("{locked}\n{text}"));
    Some((stage, etc))
}

/// The folder that stands in for `/etc/loopdesk`.
struct Etc(PathBuf);

impl Etc {
    fn of(stage: &mut Stage) -> Option<Self> {
        Failpoints::of(&mut stage.home)?;
        let folder = stage.home.path().join("failpoints/etc");
        std::fs::create_dir(&folder).unwrap();
        Some(Self(folder))
    }

    fn file(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.file(), text).unwrap();
    }
}

const ME: &str = "/api/v2/users/me.json";

#[tokio::test]
async fn o1_where_the_machine_is_configured_a_login_is_all_that_is_left() {
    let Some((stage, etc)) = rolled_out("locked = [\"accounts.acme\", \"vault\"]").await else {
        return;
    };
    let check = stage.home.loopdesk(["config", "check"]).await.ok();
    assert!(check.stdout.starts_with("No errors"), "{check:?}");
    let login = stage.home.loopdesk(["login"]).await.ok();
    assert!(login.stdout.contains("Logged in to acme"), "{login:?}");
    assert_eq!(stage.get(ME).await.0, 200);
    assert!(!stage.home.paths().config_file().exists());
    let status = stage.home.loopdesk(["status"]).await.ok();
    let file = etc.file().display().to_string();
    assert!(status.stdout.contains(&file), "{status:?}");
    let pid = stage.status().await.daemon.pid;
    loopdesk_tests::daemon::terminate(pid).await;
}

#[tokio::test]
async fn o1_a_locked_key_is_refused_wherever_a_user_sets_it() {
    let locked = "locked = [\n  \"accounts.acme.client-id\",\n  \"vault\",\n]";
    let Some((stage, etc)) = rolled_out(locked).await else {
        return;
    };
    let _daemon = stage.logged_in().await;
    let file = etc.file().display().to_string();
    // By command: nothing is written.
    for (command, line) in [
        (["config", "set", "vault", "passphrase"], 3),
        (["config", "set", "accounts.acme.client-id", "mine"], 2),
    ] {
        let refused = stage.home.loopdesk(command).await.failed(3);
        let place = format!("locked by line {line} of `{file}`");
        assert!(refused.stderr.contains(&place), "{refused:?}");
    }
    let command = ["account", "set", "acme", "client-id", "mine"];
    let refused = stage.home.loopdesk(command).await.failed(3);
    assert!(refused.stderr.contains("locked by line 2"), "{refused:?}");
    let user = stage.home.paths().config_file();
    assert!(!user.exists());

    // By hand: mistakes in both files are reported together, and the daemon continues.
    stage
        .home
        .configure("\n  vault = \"passphrase\"\nvolt = 1\n");
    let refused = stage.home.loopdesk(["config", "reload"]).await.failed(3);
    let check = stage.home.loopdesk(["config", "check"]).await.failed(3);
    let status = stage.home.loopdesk(["status"]).await.failed(1);
    for said in [
        refused.stderr,
        check.stdout,
        status.stdout,
        Daemon::logged(&stage.home, "unknown key `volt`").await,
    ] {
        let place = format!(
            "{}:2:3: `vault` is locked by line 3 of `{file}`",
            user.display()
        );
        assert!(said.contains(&place), "{said}");
        assert!(said.contains("2 |   vault = \"passphrase\""), "{said}");
        assert!(said.contains("  |   ^^^^^"), "{said}");
        assert!(said.contains("unknown key `volt`"), "{said}");
    }
    assert_eq!(stage.get(ME).await.0, 200);
    let said = Daemon::start(&stage.home).await.unwrap_err();
    assert!(said.contains("locked by line 3"), "{said}");
}

#[tokio::test]
async fn o1_what_a_user_sets_is_laid_over_and_nothing_is_copied_down() {
    let Some((stage, etc)) = rolled_out("").await else {
        return;
    };
    let _daemon = stage.logged_in().await;
    let port = loopdesk_tests::ports::free();
    let set = ["account", "set", "acme", "port", &port.to_string()];
    stage.home.loopdesk(set).await.ok();
    let user = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&user).unwrap();
    assert_eq!(text, format!("[accounts.acme]\nport = {port}\n"));
    let url = format!("http://127.0.0.1:{port}{ME}");
    let answer = stage.home.run("curl", ["-sSf", &url]).await.ok();
    assert!(answer.json()["user"]["id"].is_u64(), "{answer:?}");

    let shown = stage.home.loopdesk(["config", "show"]).await.ok().stdout;
    let line = |key: &str| {
        let start = format!("{key} = ");
        let found = shown.lines().find(|line| line.starts_with(&start));
        found
            .unwrap_or_else(|| panic!("{key} in {shown}"))
            .to_owned()
    };
    let (own, system) = (user.display(), etc.file().display().to_string());
    assert!(line("port").ends_with(&format!("# {own}:2")), "{shown}");
    assert!(line("vault").ends_with(&format!("# {system}:3")), "{shown}");
    assert!(line("read-only-grant").ends_with("# default"), "{shown}");
    let json = stage
        .home
        .loopdesk(["config", "show", "--json"])
        .await
        .ok()
        .json();
    let source = &json["sources"]["accounts.acme.port"];
    assert_eq!(
        (&source["layer"], &source["line"]),
        (&"user".into(), &2.into())
    );
    assert_eq!(
        json["sources"]["accounts.acme.client-id"]["layer"],
        "system"
    );
    assert!(json["sources"]["accounts.acme.read-only-grant"].is_null());
    let paths = stage.home.loopdesk(["config", "path"]).await.ok().stdout;
    assert_eq!(paths, format!("{own}\n{system}\n"));

    // The account itself belongs to all users.
    let add = [
        "account",
        "add",
        "acme",
        "--subdomain",
        "x",
        "--client-id",
        "c",
    ];
    let refused = stage.home.loopdesk(add).await.failed(2);
    assert!(refused.stderr.contains(&system), "{refused:?}");
    let refused = stage
        .home
        .loopdesk(["account", "remove", "acme"])
        .await
        .failed(2);
    assert!(
        refused.stderr.contains("loopdesk logout acme"),
        "{refused:?}"
    );
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn o1_the_machines_mistakes_name_its_file_and_nothing_goes_around_it() {
    let Some((stage, etc)) = rolled_out("vault = \"volt\"").await else {
        return;
    };
    stage.home.configure("vault = \"safe\"\n");
    let said = Daemon::start(&stage.home).await.unwrap_err();
    let (own, system) = (stage.home.paths().config_file(), etc.file());
    for place in [
        format!("{}:1:9: `safe` isn't one of", own.display()),
        format!("{}:1:9: `volt` isn't one of", system.display()),
    ] {
        assert!(said.contains(&place), "{place} in {said}");
    }
    // Other users could have written it.
    std::fs::set_permissions(&system, PermissionsExt::from_mode(0o666)).unwrap();
    let check = stage.home.loopdesk(["config", "check"]).await.failed(3);
    let fix = format!("sudo chmod go-w {}", system.display());
    assert!(check.stdout.contains(&fix), "{check:?}");
    let said = Daemon::start(&stage.home).await.unwrap_err();
    assert!(said.contains(&fix), "{said}");
}
