//! Proxy variables that lead back to the daemon.

use loopdesk_protocol::status::State;
use loopdesk_tests::proxy::Proxy;
use loopdesk_tests::{Stage, ports};

use super::{anew, stage};

#[tokio::test]
async fn o1_a_proxy_that_is_the_daemon_is_passed_over_in_every_spelling() {
    for host in [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "0.0.0.0",
        "LOCALHOST",
        "[::ffff:127.0.0.1]",
    ] {
        let mut stage = stage().await;
        let own = format!("http://{host}:{}/", stage.port);
        stage.home.set("HTTPS_PROXY", own);
        let daemon = stage.logged_in().await;
        assert_eq!(anew(&stage).await.0, 200, "{host}");
        let shown = stage.home.loopdesk(["status"]).await.ok().stdout;
        let warning = "Warning: HTTPS_PROXY is ignored: it points at loopdesk itself";
        assert!(shown.contains(warning), "{host}: {shown}");
        assert!(
            shown.contains("Hint: unset it, or set it to your network's proxy"),
            "{shown}"
        );
        daemon.stop().await;
    }
}

#[tokio::test]
async fn o1_the_next_variable_counts_where_one_is_passed_over() {
    let proxy = Proxy::start().await.unwrap();
    let mut stage = stage().await;
    let own = format!("localhost:{}", stage.port);
    stage.home.set("https_proxy", own);
    stage.home.set("HTTPS_PROXY", proxy.url());
    let daemon = stage.logged_in().await;
    assert!(!proxy.asked().is_empty());
    daemon.stop().await;
}

#[tokio::test]
async fn o1_a_reload_that_moves_a_port_changes_who_is_the_daemon() {
    let mut stage = stage().await;
    let port = ports::free();
    stage
        .home
        .set("HTTPS_PROXY", format!("http://localhost:{port}"));
    let daemon = stage.daemon().await;
    let login = stage.home.loopdesk(["login"]).await;
    let named = format!("the proxy at localhost:{port} can't be reached");
    assert!(login.stderr.contains(&named), "{login:?}");

    listen_at(&stage, Some(port)).await;
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(anew(&stage).await.0, 200);
    let egress = stage.status().await.egress;
    assert_eq!((egress.proxy, egress.ignored.len()), (None, 1));

    // And back: not even a connection that is already open bypasses the proxy.
    listen_at(&stage, None).await;
    let (status, said) = anew(&stage).await;
    assert_eq!(status, 502);
    assert!(said.contains(&named), "{said}");
    assert_eq!(stage.acme().await.state, State::Unreachable);
    daemon.stop().await;
}

#[tokio::test]
async fn o1_a_proxy_that_is_another_loopdesk_is_named() {
    let other = stage().await;
    let other_daemon = other.daemon().await;
    let mut stage = stage().await;
    stage.home.set("HTTPS_PROXY", other.base());
    let daemon = stage.daemon().await;
    let login = stage.home.loopdesk(["login"]).await;
    assert_ne!(login.code, Some(0));
    let named = format!("the proxy at 127.0.0.1:{} is a loopdesk", other.port);
    assert!(login.stderr.contains(&named), "{login:?}");
    daemon.stop().await;
    other_daemon.stop().await;
}

/// Makes the daemon listen on this port as well, or on its own alone. No account changes.
async fn listen_at(stage: &Stage, port: Option<u16>) {
    let own = format!("\"127.0.0.1:{}\"", stage.port);
    let more = port.map(|port| format!(", \"127.0.0.1:{port}\""));
    let listen = format!("listen = [{own}{}]", more.unwrap_or_default());
    let file = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(&file, format!("{listen}\n{rest}")).unwrap();
    stage.home.loopdesk(["config", "reload"]).await.ok();
}
