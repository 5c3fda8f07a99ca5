//! Who else gets something from a helper, and what it certifies. `tests/attacks.md` lists these.

use std::net::IpAddr;

use loopdesk_tests::Raw;
use loopdesk_tests::other_user;
use tokio::io::AsyncWriteExt;

use super::held::{Held, helpers};
use super::{named, reader};

const GET: &str = "GET /api/v2/users/me.json HTTP/1.1\r\nHost: acme.zendesk.com\r\n\r\n";

#[tokio::test]
async fn s9_e1_another_user_gets_nothing_even_with_the_password() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    let program = "
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
try:
    s.sendall(sys.stdin.buffer.read())
    s.shutdown(socket.SHUT_WR)
    print(len(s.recv(4096)))
except OSError:
    print(0)";
    let Some(mut python) = other_user::python(program, &[&held.port().to_string()]).await else {
        return;
    };
    let mut child = python.spawn().unwrap();
    let connect = format!(
        "CONNECT acme.zendesk.com:443 HTTP/1.1\r\nHost: acme.zendesk.com:443\r\n\
         Proxy-Authorization: {}\r\n\r\n",
        held.login()
    );
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(connect.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "0",
        "{output:?}"
    );
    let (_, status) = held.connect("acme.zendesk.com:443").await;
    assert_eq!(status, 200, "the person's own programs are served");
    held.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_e2_without_the_password_nothing_is_passed_on() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    let asked = named.proxy.asked().len();
    let wrong = format!("{}x", held.login());
    let authorization = |value: &str| format!("Proxy-Authorization: {value}\r\n");
    for line in [
        String::new(),
        authorization(&wrong),
        authorization(&held.login().to_ascii_lowercase()),
        authorization("Basic"),
        authorization("Bearer x"),
        format!("Authorization: {}\r\n", held.login()),
    ] {
        for request in [
            format!(
                "CONNECT acme.zendesk.com:443 HTTP/1.1\r\nHost: acme.zendesk.com:443\r\n{line}\r\n"
            ),
            format!("CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n{line}\r\n"),
            format!(
                "GET https://acme.zendesk.com/ HTTP/1.1\r\nHost: acme.zendesk.com\r\n{line}\r\n"
            ),
            format!("GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n{line}\r\n"),
        ] {
            let mut raw = Raw::connect(held.port()).await;
            raw.send(&request).await;
            let head = raw.answer().await.head;
            assert_eq!(head.status(), 407, "{request}");
            assert!(head.get("proxy-authenticate").is_some());
        }
    }
    assert_eq!(named.proxy.asked().len(), asked);
    held.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_e3_look_alikes_are_others_and_this_machine_is_out_of_bounds() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    for authority in [
        "acme.zendesk.com.evil.example:443",
        "xacme.zendesk.com:443",
        "zendesk.com:443",
        "acme.zendesk.com:8443",
    ] {
        let (_, status) = held.connect(authority).await;
        assert_eq!(
            status, 502,
            "the test's proxy knows none of them: {authority}"
        );
        let expected = format!("CONNECT {authority} HTTP/1.1");
        let asked = named.proxy.asked();
        assert!(
            asked.iter().any(|head| head.line == expected),
            "{authority}"
        );
    }
    let asked = named.proxy.asked().len();
    let (daemons, own) = (named.stage.port, held.port());
    for authority in [
        format!("127.0.0.1:{daemons}"),
        format!("localhost:{daemons}"),
        format!("acme.localhost:{daemons}"),
        format!("[::1]:{daemons}"),
        format!("[::ffff:127.0.0.1]:{daemons}"),
        format!("0.0.0.0:{daemons}"),
        format!("127.1:{daemons}"),
        format!("2130706433:{own}"),
        "169.254.169.254:80".to_owned(),
    ] {
        let (_, status) = held.connect(&authority).await;
        assert_eq!(status, 403, "{authority}");
    }
    assert_eq!(named.proxy.asked().len(), asked, "nobody was asked");
    for authority in ["user@acme.zendesk.com:443", "acme.zendesk.com:0"] {
        let (_, status) = held.connect(authority).await;
        assert_eq!(status, 400, "{authority}");
    }
    held.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_e7_no_address_of_this_machine_leads_to_loopdesks_own_ports() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    let mut hosts = Vec::new();
    for (local, remote) in [
        ("0.0.0.0:0", "198.51.100.7:9"),
        ("[::]:0", "[2001:db8::7]:9"),
    ] {
        // Nothing is sent: it tells by which address others reach this machine.
        let socket = std::net::UdpSocket::bind(local);
        let address = socket.and_then(|socket| {
            socket.connect(remote)?;
            socket.local_addr()
        });
        match address.map(|address| address.ip()) {
            Ok(IpAddr::V4(ip)) => {
                hosts.extend([ip.to_string(), format!("[{}]", ip.to_ipv6_mapped())]);
            }
            Ok(IpAddr::V6(ip)) => hosts.push(format!("[{ip}]")),
            Err(_) => {}
        }
    }
    let asked = named.proxy.asked().len();
    for host in &hosts {
        let (_, status) = held.connect(&format!("{host}:{}", named.stage.port)).await;
        assert_eq!(status, 403, "{host}");
        let head = format!(
            "GET http://{host}:{}/ HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: {}\r\n\r\n",
            named.stage.port,
            held.login()
        );
        let mut raw = Raw::connect(held.port()).await;
        raw.send(head).await;
        assert_eq!(raw.answer().await.head.status(), 403, "{host}");
    }
    assert_eq!(named.proxy.asked().len(), asked, "nobody was asked");
    for host in &hosts {
        let (_, status) = held.connect(&format!("{host}:9")).await;
        assert_eq!(
            status, 502,
            "a server of this machine, to the test's proxy: {host}"
        );
    }
    held.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_e4_a_connection_serves_one_host_whatever_is_said_on_it() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    named.stage.zendesk.clear();
    for host in ["evil.example", "localhost", "acme.zendesk.com:444", ""] {
        let mut tls = held.acme().await;
        tls.send(format!(
            "GET /api/v2/users/me.json HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ))
        .await;
        let answer = tls.answer().await;
        assert_eq!(answer.head.status(), 421, "{host}: {answer:?}");
    }
    for head in ["", "Host: acme.zendesk.com\r\nHost: evil.example\r\n"] {
        let mut tls = held.acme().await;
        tls.send(format!("GET / HTTP/1.1\r\n{head}\r\n")).await;
        assert!(
            matches!(tls.answer().await.head.status(), 400 | 421),
            "{head}"
        );
    }
    let both = "POST /api/v2/tickets.json HTTP/1.1\r\nHost: acme.zendesk.com\r\nContent-Length: 3\r\n\
                Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut tls = held.acme().await;
    tls.send(both).await;
    assert_eq!(tls.answer().await.head.status(), 400);
    // A program that checks nothing gets no certificate to check.
    let (proxy, password) = (
        format!("127.0.0.1:{}", held.port()),
        format!("pass:{}", held.password()),
    );
    let login = ["-proxy_user", "loopdesk", "-proxy_pass", &password];
    for (name, is_shown) in [("evil.example", false), ("acme.zendesk.com", true)] {
        let client = [
            "s_client",
            "-proxy",
            &proxy,
            "-connect",
            "acme.zendesk.com:443",
        ];
        let all = [&client[..], &login, &["-servername", name]].concat();
        let output = named.stage.home.run("openssl", all).await;
        let is_hidden = output.stdout.contains("no peer certificate available");
        assert_eq!(is_hidden, !is_shown, "{name}: {output:?}");
    }
    assert_eq!(named.stage.zendesk.requests().len(), 0);
    held.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_e5_the_certificate_is_for_the_accounts_hosts_and_no_key_is_left_for_another() {
    let (named, daemon) = named().await;
    let held = Held::start(&named, &[]).await;
    let print = ["x509", "-noout", "-text", "-in"].map(str::to_owned);
    let file = held.authority().display().to_string();
    let text = named
        .stage
        .home
        .run("openssl", print.into_iter().chain([file]))
        .await
        .ok()
        .stdout;
    let (_, constraints) = text
        .split_once("X509v3 Name Constraints: critical")
        .unwrap();
    let (constraints, _) = constraints.split_once("X509v3 ").unwrap();
    let lines: Vec<_> = constraints
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(lines[..2], ["Permitted:", "DNS:acme.zendesk.com"]);
    assert_eq!(lines[2], "Excluded:");
    assert_eq!(lines.len(), 5, "both families of addresses: {lines:?}");
    assert!(text.contains("CA:TRUE, pathlen:0"), "{text}");
    // Only the helper is left of the two processes, and the authority's key was never its.
    assert_eq!(helpers(&named).len(), 1);
    held.end().await;
    daemon.stop().await;
}

#[tokio::test]
async fn s9_e6_a_canary_scan_finds_no_secret_of_a_run_anywhere() {
    let (named, daemon) = named().await;
    let home = &named.stage.home;
    reader(&named).await;
    let held = Held::start(&named, &["--key", "reader"]).await;
    home.is_secret(
        "the login of a run",
        held.login().trim_start_matches("Basic "),
    );
    let mut tls = held.acme().await;
    tls.send(GET).await;
    assert_eq!(tls.answer().await.head.status(), 200);
    let mut old = Raw::connect(held.port()).await;
    old.send(format!(
        "GET https://acme.zendesk.com/api/v2/users/me.json HTTP/1.1\r\nHost: acme.zendesk.com\r\n\
         Proxy-Authorization: {}\r\n\r\n",
        held.login()
    ))
    .await;
    assert_eq!(old.answer().await.head.status(), 200);
    held.end().await;
    daemon.stop().await;
    let log = std::fs::read_to_string(home.paths().exec_log_file()).unwrap();
    assert!(log.contains("TRACE"), "the helper logs as much as it can");
}
