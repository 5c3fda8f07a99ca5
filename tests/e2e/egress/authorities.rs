//! Which authorities the daemon trusts: proxies within TLS, proxies that intercept TLS, and the
//! system's bundle.

use loopdesk_protocol::status::State;
use loopdesk_tests::proxy::{Manner, Proxy, join_authorities};

use super::{anew, behind, stage};

#[tokio::test]
async fn a_proxy_within_tls_is_named_until_its_authority_is_trusted() {
    let proxy = Proxy::start_tls().await.unwrap();
    let stage = behind(&proxy).await;
    let daemon = stage.daemon().await;
    let login = stage.home.loopdesk(["login"]).await;
    assert_ne!(login.code, Some(0));
    let named = format!(
        "no trusted connection to the proxy at {}",
        proxy.authority()
    );
    assert!(login.stderr.contains(&named), "{login:?}");
    assert!(
        login.stderr.contains("set `extra-ca-file` of the account"),
        "{login:?}"
    );
    assert_eq!(proxy.asked().len(), 0);

    let both = stage.home.path().join("both.pem");
    join_authorities(&[stage.zendesk.ca_file(), &proxy.ca_file()], &both);
    trust(&stage, &both).await;
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(anew(&stage).await.0, 200);
    assert!(!proxy.asked().is_empty());
    daemon.stop().await;
}

#[tokio::test]
async fn tls_that_a_proxy_opens_is_believed_by_extra_ca_file_beside_the_systems_bundle() {
    let proxy = Proxy::start().await.unwrap();
    let mut stage = behind(&proxy).await;
    let zendesk = stage.zendesk.ca_file().to_owned();
    let system = zendesk.display().to_string();
    stage.home.set("SSL_CERT_FILE", &*system);
    let daemon = stage.logged_in().await;
    let opens = Manner::OpensTls {
        trusts: zendesk.clone(),
    };
    proxy.behave(opens);
    proxy.end_tunnels();
    let (status, said) = anew(&stage).await;
    assert_eq!(status, 502);
    let named = format!(
        "no trusted connection through the proxy at {}",
        proxy.authority()
    );
    assert!(said.contains(&named), "{said}");
    assert!(
        said.contains("if your company inspects TLS, set `extra-ca-file`"),
        "{said}"
    );
    assert_eq!(stage.acme().await.state, State::Unreachable);

    trust(&stage, &proxy.ca_file()).await;
    assert_eq!(anew(&stage).await.0, 200);
    stage.home.loopdesk(["refresh"]).await.ok();
    // Without interception, the system's bundle is used.
    proxy.behave(Manner::Good);
    proxy.end_tunnels();
    assert_eq!(anew(&stage).await.0, 200);
    daemon.stop().await;
}

#[tokio::test]
async fn the_systems_bundle_is_where_the_variables_say() {
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        let mut stage = stage().await;
        let folder = stage.home.path().join("certificates");
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy(stage.zendesk.ca_file(), folder.join("0123abcd.0")).unwrap();
        let value = match variable {
            "SSL_CERT_DIR" => folder,
            _ => folder.join("0123abcd.0"),
        };
        stage.home.set(variable, value.display().to_string());
        let file = stage.home.paths().config_file();
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("extra-ca-file"));
        std::fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
        let daemon = stage.logged_in().await;
        assert_eq!(anew(&stage).await.0, 200, "{variable}");
        daemon.stop().await;
    }
}

async fn trust(stage: &loopdesk_tests::Stage, file: &std::path::Path) {
    let file = file.display().to_string();
    let set = ["account", "set", "acme", "extra-ca-file", &file];
    stage.home.loopdesk(set).await.ok();
}
