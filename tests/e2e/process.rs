//! The daemon as a process: what the system shows of it, which user it runs as, whom it talks to.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;
use std::time::Duration;

use loopdesk_tests::needs::needs;
use loopdesk_tests::zendesk::Zendesk;
use loopdesk_tests::{Home, Stage};
use tokio::io::AsyncWriteExt;

use super::{binary, stage, stage_with_ttl};

#[tokio::test]
async fn d4_no_core_dump_and_no_look_into_the_daemons_memory() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    assert_eq!(core_limit(&limits), ["0", "0", "bytes"]);
    daemon.stop().await;
}

#[tokio::test]
async fn d4_proc_shows_root_what_it_hides_from_the_user() {
    // In a place where every user can read the certificate.
    let open = tempfile::tempdir().unwrap();
    std::fs::set_permissions(open.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let builder = Zendesk::builder().directory(open.path());
    let mut stage = Stage::set(binary(), builder).await;
    // Root's own processes belong to root in any case.
    if rustix::process::geteuid().is_root() {
        stage.home.belongs_to(PLAIN_USER);
    }
    let daemon = stage.logged_in().await;
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    let owner = |name: &str| {
        let path = format!("/proc/{}/{name}", daemon.pid());
        std::fs::metadata(path).unwrap().uid()
    };
    for name in ["environ", "mem", "maps"] {
        assert_eq!(owner(name), 0, "{name}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn d4_a_command_that_reads_a_secret_hides_its_memory_first() {
    let mut stage = Stage::with_config(
        binary(),
        Zendesk::builder(),
        "",
        "grant = \"client-credentials\"",
    )
    .await;
    if rustix::process::geteuid().is_root() {
        stage.home.belongs_to(PLAIN_USER);
    }
    let mut command = stage.home.command("loopdesk");
    command
        .args(["login", "--client-secret-stdin"])
        .stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let process = format!("/proc/{}", child.id().unwrap());
    // It asks for the secret first, and waits for it.
    let hidden = async {
        let owner = || std::fs::metadata(format!("{process}/mem")).unwrap().uid();
        while owner() != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let hidden = tokio::time::timeout(Duration::from_secs(20), hidden).await;
    hidden.expect("its memory is root's, who may look anywhere");
    let limits = std::fs::read_to_string(format!("{process}/limits")).unwrap();
    assert_eq!(core_limit(&limits), ["0", "0", "bytes"]);
    // The secret had not been given yet.
    assert!(child.try_wait().unwrap().is_none());
    child.kill().await.unwrap();
}

fn core_limit(limits: &str) -> Vec<&str> {
    let mut lines = limits.lines();
    let core = lines.find(|line| line.starts_with("Max core file size"));
    core.unwrap().split_whitespace().skip(4).collect()
}

#[tokio::test]
async fn d1_the_daemon_refuses_to_run_as_everybody() {
    if !needs(&["unshare"]) {
        return;
    }
    let home = Home::new(binary()).unwrap();
    let mut command = home.command("unshare");
    let output = command
        .args(["--user", "--", "true"])
        .output()
        .await
        .unwrap();
    if !output.status.success() {
        needs(&["user namespaces for this user"]);
        return;
    }
    let daemon = home.bin().join("loopdeskd");
    let daemon = daemon.to_str().unwrap();
    let said = home.run("unshare", ["--user", "--", daemon]).await;
    let said = said.failed(6).stderr;
    assert!(said.contains("runs as user 65534"), "{said}");
    assert!(said.contains("Hint: run it as yourself"), "{said}");
}

/// The system's own counters of a network that contains only this machine.
#[tokio::test]
async fn d6_nobody_is_talked_to_but_zendesk() {
    if std::env::var_os(ALONE).is_none() {
        let test = "process::d6_nobody_is_talked_to_but_zendesk";
        return in_a_world_of_its_own(test, &["--net"]).await;
    }
    let up = std::process::Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.unwrap().success());
    let before = Outbound::now();
    let stage = stage_with_ttl(4).await;
    let daemon = stage.logged_in().await;
    for path in ["/api/v2/users/me.json", "/api/v2/tickets.json"] {
        assert_eq!(stage.get(path).await.0, 200);
    }
    let first = stage.acme().await.generation;
    stage.home.loopdesk(["refresh"]).await.ok();
    // Idle: the session refreshes itself, and every timer runs.
    let idle = tokio::time::Instant::now() + IDLE;
    while stage.acme().await.generation < first.map(|n| n + 3) || tokio::time::Instant::now() < idle
    {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stage.home.loopdesk(["status"]).await.ok();
    stage.home.loopdesk(["logout"]).await.ok();
    daemon.stop().await;
    assert_eq!(
        Outbound::now(),
        before,
        "attempts to leave, and names asked for"
    );

    // The counters do count: one name and one address, each looked up as a program would.
    drop(
        std::net::UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .send_to(b"?", "127.0.0.53:53"),
    );
    assert!(Outbound::now().datagrams > before.datagrams);
    for address in ["192.0.2.1:443", "[2001:db8::1]:443"] {
        std::net::TcpStream::connect(address).unwrap_err();
        std::net::UdpSocket::bind(if address.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        })
        .unwrap()
        .send_to(b"?", address)
        .unwrap_err();
    }
    assert!(Outbound::now().without_route >= before.without_route + 4);
}

/// How often something has tried to leave this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outbound {
    /// TCP and UDP to an address without a route; only this machine's addresses have one.
    pub(super) without_route: u64,
    /// Any UDP: name lookups use it.
    pub(super) datagrams: u64,
}

impl Outbound {
    pub(super) fn now() -> Self {
        let v4 = std::fs::read_to_string("/proc/self/net/snmp").unwrap();
        let v6 = std::fs::read_to_string("/proc/self/net/snmp6").unwrap_or_default();
        let of_v4 = |protocol: &str, name: &str| {
            let mut lines = v4.lines().filter(|line| line.starts_with(protocol));
            let names = lines.next().unwrap().split_whitespace();
            let values = lines.next().unwrap().split_whitespace();
            let mut pairs = names.zip(values);
            let value = pairs.find(|(known, _)| *known == name).unwrap().1;
            value.parse::<u64>().unwrap()
        };
        let of_v6 = |name: &str| {
            let line = v6.lines().find(|line| line.starts_with(name));
            line.map_or(0, |line| {
                line.split_whitespace().nth(1).unwrap().parse().unwrap()
            })
        };
        Self {
            without_route: of_v4("Ip:", "OutNoRoutes") + of_v6("Ip6OutNoRoutes"),
            datagrams: of_v4("Udp:", "OutDatagrams") + of_v6("Udp6OutDatagrams"),
        }
    }
}

#[tokio::test]
async fn d1_p16_zendesks_name_on_this_machine_is_not_talked_to_unless_spelled_out() {
    if std::env::var_os(ALONE).is_none() {
        let test =
            "process::d1_p16_zendesks_name_on_this_machine_is_not_talked_to_unless_spelled_out";
        return in_a_world_of_its_own(test, &["--net", "--mount"]).await;
    }
    let run = |program: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(program);
        assert!(command.args(arguments).status().unwrap().success());
    };
    run("ip", &["link", "set", "lo", "up"]);
    // What a hostile resolver returns; the system reads this file first.
    let names = tempfile::NamedTempFile::new().unwrap();
    let lines = "127.0.0.1 localhost captured.zendesk.com\n::1 localhost captured.zendesk.com\n";
    std::fs::write(names.path(), lines).unwrap();
    std::fs::set_permissions(names.path(), PermissionsExt::from_mode(0o644)).unwrap();
    run(
        "mount",
        &["--bind", names.path().to_str().unwrap(), "/etc/hosts"],
    );
    let there = tokio::net::TcpListener::bind("127.0.0.1:443")
        .await
        .unwrap();
    let there_too = tokio::net::TcpListener::bind("[::1]:443").await.unwrap();

    for (named, is_asked) in [
        ("subdomain = \"captured\"", false),
        ("url = \"https://captured.zendesk.com\"", true),
    ] {
        let stage = Stage::with_config(
            binary(),
            Zendesk::builder(),
            "",
            &format!(
                "[accounts.captured]\n{named}\nclient-id = \"c\"\ngrant = \"client-credentials\""
            ),
        )
        .await;
        let daemon = stage.daemon().await;
        let mut command = stage.home.command("loopdesk");
        command
            .args(["login", "captured", "--client-secret-stdin"])
            .stdin(Stdio::piped());
        let mut login = command.spawn().unwrap();
        let mut stdin = login.stdin.take().unwrap();
        stdin.write_all(b"secret-of-the-client\n").await.unwrap();
        drop(stdin);
        if is_asked {
            // The name does lead here, and the listener does receive connections.
            tokio::select! {
                asked = there.accept() => drop(asked.unwrap()),
                asked = there_too.accept() => drop(asked.unwrap()),
                ended = login.wait() => panic!("nobody is asked: {ended:?}"),
            }
            login.kill().await.unwrap();
        } else {
            let said = login.wait_with_output().await.unwrap();
            let error = String::from_utf8_lossy(&said.stderr);
            assert!(!said.status.success(), "{error}");
            assert!(error.contains("isn't a public address"), "{error}");
            for listener in [&there, &there_too] {
                let waiting = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
                assert!(waiting.is_err(), "it was asked");
            }
        }
        daemon.stop().await;
    }
}

/// Runs one test of this program again in its own namespaces: without a network other than
/// loopback, and with other files mounted.
pub(super) async fn in_a_world_of_its_own(test: &str, namespaces: &[&str]) {
    if !needs(&["unshare", "ip"]) {
        return;
    }
    let alone = [namespaces, &["--map-root-user"]].concat();
    let may = tokio::process::Command::new("unshare")
        .args(&alone)
        .arg("true")
        .output()
        .await;
    if !may.unwrap().status.success() {
        needs(&["namespaces for this user"]);
        return;
    }
    let again = tokio::process::Command::new("unshare")
        .args(alone)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(
        again.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&again.stderr)
    );
}

/// Set when a test runs again by [`in_a_world_of_its_own`].
pub(super) const ALONE: &str = "LOOPDESK_TEST_ALONE";
const IDLE: Duration = Duration::from_secs(4);
const PLAIN_USER: u32 = 54_321;
