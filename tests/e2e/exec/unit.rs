//! As the main process of a systemd unit, in a real user manager.

use std::time::{Duration, Instant};

use loopdesk_tests::by_name::ByName;
use loopdesk_tests::user_manager::{Network, UserManager};
use loopdesk_tests::zendesk::Zendesk;

use super::super::service::systemctl;
use super::held::{helpers, no_helper};
use super::{ME, binary};

/// A user manager with loopdesk's own service, and the account logged in.
async fn managed(user: u32) -> Option<(ByName, UserManager)> {
    let mut named = ByName::set(binary(), Zendesk::builder(), "", "").await;
    let manager = UserManager::start(&mut named.stage.home, user, Network::Shared, None).await?;
    let home = &named.stage.home;
    home.loopdesk(["service", "install"]).await.ok();
    home.loopdesk(["login"]).await.ok();
    Some((named, manager))
}

/// Writes a unit `NAME.service` that runs `loopdesk exec` with this command.
async fn unit(named: &ByName, name: &str, kind: &str, command: &str) {
    let home = named.stage.home.path();
    let dir = home.join(".config/systemd/user");
    std::fs::create_dir_all(&dir).unwrap();
    let text = format!(
        "[Service]\nType={kind}\nExecStart=%h/bin/loopdesk exec -- {command}\n\
         Environment=XDG_CONFIG_HOME=%h/config XDG_STATE_HOME=%h/state HTTPS_PROXY={}\n",
        named.proxy.url()
    );
    std::fs::write(dir.join(format!("{name}.service")), text).unwrap();
    systemctl(&named.stage, ["daemon-reload"]).await.ok();
}

/// Some properties of a unit, in the order of their names.
async fn properties(named: &ByName, unit: &str, names: &str) -> Vec<String> {
    let shown = systemctl(&named.stage, ["show", unit, "--property", names]).await;
    let mut lines: Vec<_> = shown.ok().stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn s9_a_unit_is_ready_stopped_and_over_as_its_command_says() {
    let Some((named, manager)) = managed(61_213).await else {
        return;
    };
    let program = REPORT.replace("URL", ME);
    std::fs::write(named.stage.home.path().join("report.py"), program).unwrap();
    unit(&named, "report", "notify", "/usr/bin/python3 %h/report.py").await;
    // Returns once the command, as the main process, has told that it is ready.
    systemctl(&named.stage, ["start", "report"]).await.ok();
    let told = "ActiveState,StatusText";
    let shown = properties(&named, "report", told).await;
    assert_eq!(shown, ["ActiveState=active", "StatusText=first 200"]);
    let main = properties(&named, "report", "MainPID").await.remove(0);
    let pid = std::fs::read_to_string(named.stage.home.path().join("pid")).unwrap();
    assert_eq!(main, format!("MainPID={pid}"));
    assert_eq!(helpers(&named).len(), 1);

    // The signal reaches all processes of the unit, and the helper still serves the last request.
    let begun = Instant::now();
    systemctl(&named.stage, ["stop", "report"]).await.ok();
    let took = begun.elapsed();
    assert!(took < STOP_MAX, "nothing had to be killed: {took:?}");
    let last = std::fs::read_to_string(named.stage.home.path().join("last"));
    assert_eq!(last.unwrap(), "200");
    let ended = "ActiveState,ExecMainCode,ExecMainStatus,Result";
    assert_eq!(
        properties(&named, "report", ended).await,
        [
            "ActiveState=failed",
            "ExecMainCode=1",
            "ExecMainStatus=7",
            "Result=exit-code"
        ]
    );
    no_helper(&named).await;
    let left = manager
        .as_root(&[
            "find",
            "/run/user/61213/loopdesk/exec",
            "-mindepth",
            "1",
            "-type",
            "d",
        ])
        .await
        .ok();
    assert_eq!(left.stdout, "");
    manager.stop().await;
}

#[tokio::test]
async fn s9_a_units_result_is_its_commands() {
    let Some((named, manager)) = managed(61_214).await else {
        return;
    };
    for (name, command, result) in [
        (
            "done",
            "/usr/bin/curl -sSf -o /dev/null URL",
            ["1", "0", "success"],
        ),
        ("three", "/bin/sh -c 'exit 3'", ["1", "3", "exit-code"]),
        (
            "killed",
            "/bin/sh -c 'kill -KILL $$$$'",
            ["2", "9", "signal"],
        ),
        ("absent", "/no/such/command", ["1", "127", "exit-code"]),
    ] {
        // With the second line, systemd keeps what it knows of a unit that has succeeded.
        let kind = "oneshot\nRemainAfterExit=yes";
        unit(&named, name, kind, &command.replace("URL", ME)).await;
        let started = systemctl(&named.stage, ["start", name]).await;
        assert_eq!(started.code == Some(0), name == "done", "{started:?}");
        let ended = "ExecMainCode,ExecMainStatus,Result";
        let [code, status, result] = result;
        assert_eq!(
            properties(&named, name, ended).await,
            [
                format!("ExecMainCode={code}"),
                format!("ExecMainStatus={status}"),
                format!("Result={result}")
            ],
            "{name}"
        );
    }
    no_helper(&named).await;
    manager.stop().await;
}

/// Says by the manager's socket when it is ready, and asks once more when it is to end.
const REPORT: &str = "
import os, signal, socket, sys, urllib.request
def status():
    return urllib.request.urlopen('URL', timeout=30).status
def tell(text):
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(text.encode(), os.environ['NOTIFY_SOCKET'])
def end(*_):
    with open('last', 'w') as file:
        file.write(str(status()))
    sys.exit(7)
os.chdir(os.environ['HOME'])
with open('pid', 'w') as file:
    file.write(str(os.getpid()))
signal.signal(signal.SIGTERM, end)
tell(f'READY=1\\nSTATUS=first {status()}')
while True:
    signal.pause()
";

/// Less than the time after which systemd kills what is left.
const STOP_MAX: Duration = Duration::from_secs(30);
