//! Third-party proxies: Squid, and microsocks for SOCKS5.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use http::Version;
use loopdesk_protocol::status::State;
use loopdesk_tests::needs::needs;
use loopdesk_tests::proxy::{Proxy, join_authorities};
use loopdesk_tests::{Stage, ports};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::{anew, stage};

#[tokio::test]
async fn s1_through_squid_with_a_password_in_the_clear_and_within_tls() {
    let Some(squid) = Squid::start("http_access allow corp").await else {
        return;
    };
    for (scheme, port) in [("http", squid.port), ("https", squid.tls_port)] {
        let mut stage = stage().await;
        let both = stage.home.path().join("both.pem");
        join_authorities(&[stage.zendesk.ca_file(), &squid.ca_file()], &both);
        trust(&stage, &both);
        let url = format!("{scheme}://ada:s%40cret@127.0.0.1:{port}");
        stage.home.set("HTTPS_PROXY", url);
        let daemon = stage.logged_in().await;
        assert_eq!(anew(&stage).await.0, 200);
        stage.home.loopdesk(["refresh"]).await.ok();
        let seen = stage.zendesk.requests();
        let of_api = seen
            .iter()
            .filter(|record| record.path.starts_with("/api/"));
        assert!(of_api.clone().count() > 0);
        assert!(
            of_api
                .clone()
                .all(|record| record.version == Version::HTTP_2)
        );
        // An idle tunnel that the proxy has closed costs nothing.
        stage.zendesk.reset_connections();
        assert_eq!(anew(&stage).await.0, 200);
        stage.zendesk.set_reachable(false).await;
        let (status, said) = anew(&stage).await;
        assert_eq!(status, 502);
        assert!(
            said.contains("503 Service Unavailable, ERR_CONNECT_FAIL"),
            "{said}"
        );
        assert_eq!(stage.acme().await.state, State::Unreachable);
        daemon.stop().await;
    }
}

#[tokio::test]
async fn r4_what_squid_refuses_is_told_in_its_words() {
    let Some(squid) = Squid::start("http_access deny !corp\nhttp_access deny CONNECT").await else {
        return;
    };
    let cases = [
        (
            "",
            "requires a user and a password; set HTTPS_PROXY to http://USER:PASSWORD@",
        ),
        ("ada:wrong@", "rejects the user and password in HTTPS_PROXY"),
        (
            "ada:s%40cret@",
            "403 Forbidden, ERR_ACCESS_DENIED 0, ERROR: The requested URL",
        ),
    ];
    for (login, words) in cases {
        let mut stage = stage().await;
        let url = format!("http://{login}127.0.0.1:{}", squid.port);
        stage.home.set("HTTPS_PROXY", url);
        let daemon = stage.daemon().await;
        let said = stage.home.loopdesk(["login"]).await;
        assert_ne!(said.code, Some(0));
        assert!(said.stderr.contains(words), "{said:?}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn s1_through_microsocks_with_and_without_a_password() {
    if !needs(&["microsocks"]) {
        return;
    }
    for login in [None, Some(("ada", "s@cret"))] {
        let port = ports::free();
        let mut socks = Command::new("microsocks");
        socks.args(["-i", "127.0.0.1", "-p", &port.to_string()]);
        if let Some((user, password)) = login {
            socks.args(["-u", user, "-P", password]);
        }
        let _socks = spawn(socks, port).await;
        let mut stage = stage().await;
        let as_whom = login.map_or("", |_| "ada:s%40cret@");
        let url = format!("socks5h://{as_whom}127.0.0.1:{port}");
        stage.home.set("ALL_PROXY", url);
        // curl would use the variable, too.
        stage.home.set("NO_PROXY", "localhost");
        let daemon = stage.daemon().await;
        stage.home.loopdesk(["login"]).await.ok();
        stage.home.loopdesk(["refresh"]).await.ok();
        let egress = stage.status().await.egress;
        assert_eq!(egress.proxy, Some(format!("socks5h://127.0.0.1:{port}")));
        assert_eq!(egress.has_login, login.is_some());
        let me = format!("http://localhost:{}/api/v2/users/me.json", stage.port);
        let arguments = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", &me];
        assert_eq!(stage.home.run("curl", arguments).await.ok().stdout, "200");
        stage.zendesk.set_reachable(false).await;
        let failed = stage.home.loopdesk(["refresh"]).await.failed(5);
        assert!(failed.stderr.contains("connection refused"), "{failed:?}");
        stage.zendesk.set_reachable(true).await;
        if login.is_some() {
            daemon.stop().await;
            let url = format!("socks5://ada:wrong@127.0.0.1:{port}");
            stage.home.set("ALL_PROXY", url);
            let daemon = stage.daemon().await;
            let failed = stage.home.loopdesk(["refresh"]).await.failed(5);
            let words = "rejects the user and password in ALL_PROXY";
            assert!(failed.stderr.contains(words), "{failed:?}");
            daemon.stop().await;
        }
    }
}

fn trust(stage: &Stage, file: &Path) {
    let config = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&config).unwrap();
    let before = stage.zendesk.ca_file().display().to_string();
    std::fs::write(&config, text.replace(&before, &file.display().to_string())).unwrap();
}

/// Squid in front of this machine's ports, for `ada` alone. Stops when dropped.
struct Squid {
    _child: Child,
    port: u16,
    tls_port: u16,
    directory: tempfile::TempDir,
}

impl Squid {
    /// Starts it with this rule, in which `corp` matches a user who has authenticated; `None` if it
    /// isn't installed.
    async fn start(rule: &str) -> Option<Self> {
        const HELPER: &str = "/usr/lib/squid/basic_ncsa_auth";
        if !needs(&["squid", HELPER, "openssl"]) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        // Started by root, it switches to a user of its own.
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let (port, tls_port) = (ports::free(), ports::free());
        Proxy::write_pems(directory.path()).unwrap();
        let hash = Command::new("openssl")
            .args(["passwd", "-apr1", "s@cret"])
            .output()
            .await
            .unwrap();
        let hash = String::from_utf8(hash.stdout).unwrap();
        std::fs::write(path("users"), format!("ada:{hash}")).unwrap();
        let config = format!(
            "http_port 127.0.0.1:{port}\n\
             https_port 127.0.0.1:{tls_port} tls-cert={certificate} tls-key={key}\n\
             auth_param basic program {HELPER} {users}\n\
             auth_param basic realm corp\n\
             acl corp proxy_auth REQUIRED\n\
             {rule}\n\
             http_access deny all\n\
             visible_hostname squid.invalid\n\
             pid_filename none\naccess_log none\ncache_log /dev/null\n\
             netdb_filename none\ncache deny all\ncoredump_dir none\n\
             shutdown_lifetime 0 seconds\n",
            certificate = path("certificate.pem").display(),
            key = path("key.pem").display(),
            users = path("users").display(),
        );
        let file = path("squid.conf");
        std::fs::write(&file, config).unwrap();
        let mut squid = Command::new("squid");
        squid.args(["-N", "-f"]).arg(&file);
        Some(Self {
            _child: spawn(squid, tls_port).await,
            port,
            tls_port,
            directory,
        })
    }

    fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }
}

/// Starts it and waits until it listens.
async fn spawn(mut command: Command, port: u16) -> Child {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let listens = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let listens = tokio::time::timeout(Duration::from_secs(30), listens).await;
    listens.unwrap();
    child
}
