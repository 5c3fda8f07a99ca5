//! The commands with a scripted `systemctl`.

use std::path::PathBuf;

use loopdesk_protocol::session::{LOGOUT, LoggedOut};
use loopdesk_protocol::status;
use loopdesk_protocol::vault::{self, Forgotten};

use crate::testing::{self, Daemon, Home, Ran, script};

/// A home with a `systemctl` that records its calls.
struct ServiceHome {
    home: Home,
}

impl ServiceHome {
    fn new() -> Self {
        let mut report = testing::report();
        let config = report.config.as_mut().unwrap();
        // A port that no other program can use.
        config.listen = vec!["127.0.0.1:0".to_owned(), "[::1]:0".to_owned()];
        config.accounts.clear();
        let home = Home::new().with_report(&report);
        std::fs::create_dir(home.path("tools")).unwrap();
        std::fs::write(home.path("says"), "").unwrap();
        std::fs::write(home.path("calls"), "").unwrap();
        let tools = home.path("tools");
        let home = home.with_var("PATH", tools.display().to_string());
        let systemctl = format!(
            "shift 2
             PATH=/usr/bin:/bin
             echo \"$*\" >> {calls}
             case $* in
                 *UnitPath*) echo Version=252.1; echo UnitPath=/x/systemd/user.control {units} /etc/systemd/user ;;
                 show*) cat {says} ;;
             esac",
            calls = home.path("calls").display(),
            says = home.path("says").display(),
            units = home.path("config/systemd/user").display(),
        );
        script(&tools.join("systemctl"), &systemctl);
        let loginctl = "case $1 in show-user) echo no ;; enable-linger) exit 0 ;; esac";
        script(&tools.join("loginctl"), loginctl);
        let home = Self { home };
        home.says("not-found", "inactive", "");
        home
    }

    fn unit(&self, name: &str) -> PathBuf {
        self.home.path("config/systemd/user").join(name)
    }

    /// Sets what `systemctl show` prints for all units.
    fn says(&self, load: &str, active: &str, more: &str) {
        let mut text = String::new();
        for name in ["loopdesk.socket", "loopdesk-v6.socket", "loopdesk.service"] {
            let path = match load {
                "loaded" => self.unit(name).display().to_string(),
                _ => String::new(),
            };
            text.push_str(&format!(
                "Id={name}\nLoadState={load}\nActiveState={active}\nUnitFileState=enabled\n\
                 FragmentPath={path}\n{more}\n"
            ));
        }
        std::fs::write(self.home.path("says"), text).unwrap();
    }

    /// The calls of `systemctl` since the last time, except `show`.
    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.home.path("calls")).unwrap();
        std::fs::write(self.home.path("calls"), "").unwrap();
        let calls = calls.lines().filter(|line| !line.starts_with("show"));
        calls.map(str::to_owned).collect()
    }

    async fn run(&self, line: &str) -> Ran {
        self.home.run(line).await
    }
}

#[tokio::test]
async fn o1_install_writes_starts_and_asks_the_daemon_and_once_more_does_nothing() {
    let home = ServiceHome::new();
    let _daemon = Daemon::new(&home.home).supervised().serve();
    let ran = home.run("service install --json").await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let said = ran.json();
    assert_eq!(said["changed"], true);
    assert_eq!(said["daemon"]["pid"], 4711);
    assert_eq!(said["linger"], false);
    let calls = home.calls();
    let all = "loopdesk.socket loopdesk.service loopdesk-v6.socket";
    assert_eq!(
        calls
            .iter()
            .filter(|call| !call.starts_with("reset-failed"))
            .collect::<Vec<_>>(),
        [
            "daemon-reload",
            &format!("stop {all}"),
            &format!("enable {all}"),
            "start loopdesk.socket",
            "start loopdesk-v6.socket",
            "start loopdesk.service",
        ]
    );
    let service = std::fs::read_to_string(home.unit("loopdesk.service")).unwrap();
    let program = home.home.path("loopdeskd").display().to_string();
    assert!(
        service.contains(&format!("ExecStart={program}\n")),
        "{service}"
    );

    home.says("loaded", "active", "");
    let ran = home.run("service install --json").await;
    assert_eq!(ran.json()["changed"], false);
    let calls = home.calls();
    assert!(
        !calls
            .iter()
            .any(|call| call.starts_with("stop") || call.starts_with("restart"))
    );

    // Another environment changes the service, and the sockets stay.
    let home = ServiceHome {
        home: home.home.with_var("NO_PROXY", "localhost"),
    };
    let ran = home.run("service install --json").await;
    assert_eq!(ran.json()["environment"], serde_json::json!(["NO_PROXY"]));
    let calls = home.calls();
    assert!(
        !calls.iter().any(|call| call.starts_with("stop")),
        "{calls:?}"
    );
    assert_eq!(calls.last().unwrap(), "restart loopdesk.service");
}

#[tokio::test]
async fn d4_a_proxys_password_is_in_no_file_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let home = ServiceHome::new();
    let _daemon = Daemon::new(&home.home).supervised().serve();
    let proxy = "http://ada:hunter2@proxy.corp:3128";
    let home = ServiceHome {
        home: home.home.with_var("HTTPS_PROXY", proxy),
    };
    let ran = home.run("service install").await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!ran.out.contains("hunter2"), "{}", ran.out);
    let secrets = home.home.paths.state_dir().join("service.env");
    assert!(
        std::fs::read_to_string(&secrets)
            .unwrap()
            .contains("hunter2")
    );
    let mode = std::fs::metadata(&secrets).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for name in ["loopdesk.service", "loopdesk.socket"] {
        let unit = std::fs::read_to_string(home.unit(name)).unwrap();
        assert!(!unit.contains("hunter2"), "{unit}");
    }
    // Without a proxy, the file is removed.
    let home = ServiceHome {
        home: home.home.with_var("HTTPS_PROXY", ""),
    };
    assert_eq!(home.run("service install").await.code, 0);
    assert!(!secrets.exists());
}

#[tokio::test]
async fn o3_status_says_what_is_wrong() {
    let home = ServiceHome::new();
    let ran = home.run("service status --json").await;
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert_eq!(ran.json()["state"], "not-installed");
    let ran = home.run("service start").await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("`loopdesk service install`"),
        "{}",
        ran.err
    );

    let daemon = Daemon::new(&home.home).json(status::CALL, &testing::status());
    let _daemon = daemon.serve();
    std::fs::create_dir_all(home.home.path("config/systemd/user")).unwrap();
    let socket = "[Socket]\nListenStream=127.0.0.1:8484\n";
    std::fs::write(home.unit("loopdesk.socket"), socket).unwrap();
    home.says("loaded", "active", "Result=success\nNeedDaemonReload=no\n");
    let ran = home.run("service status").await;
    assert_eq!(ran.code, 1);
    for expected in [
        "service of systemd: running",
        "when you log in to this machine",
        "isn't the service's",
        "the configuration has 127.0.0.1:0, [::1]:0, but the service listens on 127.0.0.1:8484",
        "run `loopdesk service install`",
    ] {
        assert!(ran.out.contains(expected), "{expected}\n{}", ran.out);
    }
}

#[tokio::test]
async fn o1_uninstall_removes_its_own_files_and_purge_asks_first() {
    let home = ServiceHome::new();
    let answer = LoggedOut {
        account: "acme".to_owned(),
        person: Some(testing::ada()),
        revoked: true,
    };
    let daemon = Daemon::new(&home.home)
        .supervised()
        .json(status::CALL, &testing::status())
        .json(LOGOUT, &answer)
        .json(vault::FORGET, &Forgotten { removed: true });
    let daemon = daemon.serve();
    assert_eq!(home.run("service install").await.code, 0);
    let drop_in = home.unit("loopdesk.service.d/mine.conf");
    std::fs::create_dir(drop_in.parent().unwrap()).unwrap();
    std::fs::write(&drop_in, "").unwrap();
    home.calls();

    let ran = home.run("service uninstall --purge").await;
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--purge --yes"), "{}", ran.err);
    let ran = home
        .home
        .run_typing("service uninstall --purge", "\n")
        .await;
    assert_eq!(ran.code, 2);
    assert!(home.unit("loopdesk.service").exists());
    assert!(daemon.asked(LOGOUT).is_empty());

    let ran = home.run("service uninstall --json").await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.json()["removed"].as_array().unwrap().len(), 3);
    let left: Vec<_> = std::fs::read_dir(home.home.path("config/systemd/user"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1, "other files stay");
    assert!(drop_in.exists());
    assert!(daemon.asked(LOGOUT).is_empty());
    let calls = home.calls();
    assert!(calls[0].starts_with("stop loopdesk.socket"), "{calls:?}");
    assert!(calls[1].starts_with("disable loopdesk.socket"), "{calls:?}");
}

#[tokio::test]
async fn o3_what_is_missing_is_named() {
    let home = ServiceHome::new();
    let none = ServiceHome {
        home: home.home.with_var("PATH", "/nowhere"),
    };
    let ran = none.run("service install").await;
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("no `systemctl`"), "{}", ran.err);

    let home = ServiceHome::new();
    script(
        &home.home.path("tools/systemctl"),
        "echo 'Failed to connect to bus: No medium found' >&2; exit 1",
    );
    let ran = home.run("service status").await;
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("No medium found"), "{}", ran.err);
    assert!(ran.err.contains("user manager"), "{}", ran.err);
}

#[tokio::test]
async fn linger_is_offered_on_headless_machines() {
    let home = ServiceHome::new();
    let _daemon = Daemon::new(&home.home).supervised().serve();
    let ran = home.run("service install").await;
    assert!(ran.err.contains("--linger"), "{}", ran.err);
    let ran = home.home.run_typing("service install", "y\n").await;
    assert!(ran.err.contains("loginctl enable-linger"), "{}", ran.err);
    assert_eq!(ran.code, 0);
    let ran = home.run("service install --linger --json").await;
    assert_eq!(ran.json()["linger"], true);
    let home = ServiceHome {
        home: home.home.with_var("DISPLAY", ":0"),
    };
    let ran = home.run("service install").await;
    assert!(!ran.err.contains("linger"), "{}", ran.err);
}

#[tokio::test]
async fn a_credential_is_named_once_and_kept() {
    let home = ServiceHome::new();
    let _daemon = Daemon::new(&home.home).supervised().serve();
    let ran = home.run("service install --credential /dev/null").await;
    assert_eq!(ran.code, 2, "the vault is another one");
    let mut report = testing::report();
    let config = report.config.as_mut().unwrap();
    config.listen = vec!["127.0.0.1:0".to_owned()];
    config.accounts.clear();
    config.vault = "credential".to_owned();
    let home = ServiceHome {
        home: home.home.with_report(&report),
    };
    let ran = home.run("service install").await;
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--credential FILE"), "{}", ran.err);
    let key = home.home.path("key");
    let line = format!("service install --credential {}", key.display());
    assert_eq!(home.run(&line).await.code, 2, "there is no such file");
    std::fs::write(&key, "x".repeat(32)).unwrap();
    for line in [line.as_str(), "service install"] {
        let ran = home.run(line).await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        let service = std::fs::read_to_string(home.unit("loopdesk.service")).unwrap();
        let expected = format!("LoadCredential=loopdesk-key:{}\n", key.display());
        assert!(service.contains(&expected), "{service}");
        assert!(!home.unit("loopdesk-v6.socket").exists());
    }
}
