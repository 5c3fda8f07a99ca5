//! Shows that each directive of the unit has an effect, and systemd's own figure.

use std::path::Path;

use loopdesk_tests::Stage;
use loopdesk_tests::needs::needs;
use serde_json::Value;

use super::{property, stage};

#[tokio::test]
async fn o1_each_hardening_directive_bites() {
    // The probe makes its system calls by number.
    if !cfg!(target_arch = "x86_64") || !needs(&["python3"]) {
        return;
    }
    let Some((stage, manager)) = stage(61_210).await else {
        return;
    };
    stage.home.loopdesk(["service", "install"]).await.ok();
    manager
        .as_root(&["cp", "/usr/bin/id", "/run/probe-id"])
        .await
        .ok();
    manager
        .as_root(&["chmod", "4755", "/run/probe-id"])
        .await
        .ok();
    let installed = hardening(&stage);
    let all: Vec<_> = installed.iter().map(String::as_str).collect();
    // For each directive there is an act that it must prevent.
    let proved: Vec<_> = DIRECTIVES
        .iter()
        .flat_map(|(lines, _)| *lines)
        .copied()
        .collect();
    for line in &all {
        assert!(proved.contains(line), "{line} is proved by nothing");
    }

    probe(&stage, &[], &["seed"]).await;
    let free = outcome(&stage, &[]).await;
    let hardened = outcome(&stage, &all).await;
    for (lines, act) in DIRECTIVES {
        assert_eq!(
            free[act], true,
            "`{act}` is possible without a directive: {free}"
        );
        assert_eq!(hardened[act], false, "`{act}` is prevented: {hardened}");
        let alone = outcome(&stage, lines).await;
        assert_eq!(alone[act], false, "{lines:?} alone prevents it: {alone}");
    }
    manager.stop().await;
}

#[tokio::test]
async fn o1_systemds_own_figure_of_the_exposure() {
    let Some((stage, manager)) = stage(61_211).await else {
        return;
    };
    stage.home.loopdesk(["service", "install"]).await.ok();
    let arguments = ["--user", "--no-pager", "security", "loopdesk.service"];
    let said = stage
        .home
        .run("systemd-analyze", arguments)
        .await
        .ok()
        .stdout;
    let figure = said
        .lines()
        .rfind(|line| line.contains("Overall exposure"))
        .unwrap()
        .to_owned();
    loopdesk_tests::demo::say(figure.trim());
    let number = figure
        .split(": ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let number: f64 = number.parse().unwrap();
    assert!(number <= EXPOSURE_MAX, "{said}");
    manager.stop().await;
}

#[tokio::test]
async fn d1_the_hardened_daemon_tells_users_apart() {
    let Some((stage, manager)) = super::installed(61_212).await else {
        return;
    };
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    let url = format!("{}/api/v2/users/me.json", stage.base());
    let curl = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", &url];
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let other = manager
        .as_root(&[&nobody[..], &curl[..]].concat())
        .await
        .ok();
    assert_eq!(other.stdout, "403");
    assert_eq!(property(&stage, "NRestarts").await, "0");
    manager.stop().await;
}

/// The lines of the installed unit below the comment that introduces them.
fn hardening(stage: &Stage) -> Vec<String> {
    let unit = stage
        .home
        .path()
        .join(".config/systemd/user/loopdesk.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let (_, below) = unit
        .split_once("# Only what a user manager honours")
        .unwrap();
    let (below, _) = below.split_once("[Install]").unwrap();
    let lines = below
        .lines()
        .skip(1)
        .filter(|line| line.contains('=') && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

async fn outcome(stage: &Stage, lines: &[&str]) -> Value {
    let said = probe(stage, lines, &[]).await;
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Runs the probe as a service with these directives.
async fn probe(stage: &Stage, lines: &[&str], arguments: &[&str]) -> String {
    let probe = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/probe.py");
    let copy = stage.home.path().join("probe.py");
    std::fs::copy(probe, &copy).unwrap();
    let copy = copy.display().to_string();
    let mut all = vec!["--user", "--quiet", "--wait", "--pipe"];
    for line in lines {
        all.extend(["-p", line]);
    }
    all.extend(["python3", &copy]);
    all.extend(arguments);
    stage.home.run("systemd-run", all).await.ok().stdout
}

/// Lines of the unit, and the act that they prevent.
const DIRECTIVES: [(&[&str], &str); 13] = [
    (&["KeyringMode=private"], "keyring"),
    (&["LimitCORE=0"], "core"),
    (&["LockPersonality=yes"], "personality"),
    (&["MemoryDenyWriteExecute=yes"], "write-execute"),
    (&["NoNewPrivileges=yes"], "privileges"),
    (
        &["RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"],
        "family",
    ),
    (&["RestrictNamespaces=yes"], "namespace"),
    (&["RestrictRealtime=yes"], "realtime"),
    (&["RestrictSUIDSGID=yes"], "set-user-id"),
    (&["SystemCallArchitectures=native"], "foreign"),
    (
        &[
            "SystemCallErrorNumber=EPERM",
            "SystemCallFilter=@system-service",
        ],
        "ptrace",
    ),
    (
        &[
            "SystemCallErrorNumber=EPERM",
            "SystemCallFilter=@system-service",
            "SystemCallFilter=~@privileged @resources",
        ],
        "owner",
    ),
    (&["UMask=0077"], "umask"),
];

/// It is 6.2 with systemd 252. What remains are capabilities, which a user's process doesn't have,
/// and directives that a user manager doesn't honour. Later versions may check more.
const EXPOSURE_MAX: f64 = 6.5;
