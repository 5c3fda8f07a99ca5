//! What leaves a machine behind a proxy, by the system's own counters.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use loopdesk_tests::Stage;
use loopdesk_tests::proxy::Proxy;
use loopdesk_tests::zendesk::{Client, Zendesk};
use tokio::io::AsyncWriteExt;

use super::{ME, binary};
use crate::process::{ALONE, Outbound, in_a_world_of_its_own};

const SECRET: &str = "5ecret-of-the-client-behind-a-proxy";

/// Zendesk's own name, which only the proxy can resolve: this machine has no network but loopback.
/// P16, which demands that the name leads to the Internet, applies only to lookups by loopdesk
/// itself.
#[tokio::test]
async fn d6_behind_a_proxy_no_packet_goes_anywhere_but_to_the_proxy() {
    if std::env::var_os(ALONE).is_none() {
        let test = "egress::alone::d6_behind_a_proxy_no_packet_goes_anywhere_but_to_the_proxy";
        return in_a_world_of_its_own(test, &["--net"]).await;
    }
    let up = std::process::Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.unwrap().success());
    let proxy = Proxy::start().await.unwrap();
    let client = Client::confidential("loopdesk", SECRET);
    let builder = Zendesk::builder()
        .client(client)
        .public_origin("https://acme.zendesk.com")
        .granted_access_ttl(Duration::from_secs(4));
    let mut stage = Stage::set(binary(), builder).await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, stage.zendesk.port()));
    proxy.knows("acme.zendesk.com:443", address);
    by_name(&stage);
    stage.home.set("HTTPS_PROXY", proxy.url());

    let before = Outbound::now();
    let daemon = stage.daemon().await;
    log_in(&stage).await;
    let first = stage.acme().await.generation;
    while stage.acme().await.generation < first.map(|n| n + 2) {
        assert_eq!(stage.get(ME).await.0, 200);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stage.home.loopdesk(["status"]).await.ok();
    proxy.die();
    assert_eq!(stage.get(ME).await.0, 502);
    stage.home.loopdesk(["refresh"]).await.failed(5);
    daemon.stop().await;
    assert_eq!(
        Outbound::now(),
        before,
        "attempts to leave, and names asked for"
    );
    let asked = proxy.asked();
    assert!(!asked.is_empty());
    assert!(
        asked
            .iter()
            .all(|head| head.line == "CONNECT acme.zendesk.com:443 HTTP/1.1")
    );

    // The counters do count what bypasses the proxy.
    stage.home.set("NO_PROXY", "*");
    let daemon = stage.daemon().await;
    assert_eq!(stage.get(ME).await.0, 502);
    daemon.stop().await;
    assert_ne!(Outbound::now(), before, "the name is asked for");
}

/// Makes the account known by its subdomain.
fn by_name(stage: &Stage) {
    let file = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let url = format!("url = \"{}\"", stage.zendesk.origin());
    let named = "subdomain = \"acme\"\ngrant = \"client-credentials\"";
    assert!(text.contains(&url), "{text}");
    std::fs::write(&file, text.replace(&url, named)).unwrap();
}

async fn log_in(stage: &Stage) {
    let mut login = stage.home.command("loopdesk");
    let mut login = login
        .args(["login", "--client-secret-stdin"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = login.stdin.take().unwrap();
    stdin.write_all(SECRET.as_bytes()).await.unwrap();
    drop(stdin);
    let output = login.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
}
