//! Losing and regaining the network.

use http_body_util::{BodyExt, Empty};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use loopdesk_tests::zendesk::Zendesk;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::support::signed_in;

type Pooled = Client<hyper_rustls::HttpsConnector<HttpConnector>, Empty<bytes::Bytes>>;

/// A client that keeps its connections, as loopdesk does.
fn pooled(zendesk: &Zendesk) -> Pooled {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(zendesk.ca_file()).unwrap())
        .unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_all_versions()
        .build();
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn ask(client: &Pooled, zendesk: &Zendesk) -> Option<u16> {
    let uri = format!("{}/api/v2/users/me", zendesk.origin())
        .parse()
        .unwrap();
    let reply = client.get(uri).await.ok()?;
    let status = reply.status().as_u16();
    reply.into_body().collect().await.ok()?;
    Some(status)
}

#[tokio::test]
async fn connections_are_kept_until_they_are_drained() {
    let zendesk = Zendesk::start().await.unwrap();
    let client = pooled(&zendesk);
    for _ in 0..3 {
        assert_eq!(ask(&client, &zendesk).await, Some(200));
    }
    assert_eq!(
        (zendesk.connections_made(), zendesk.open_connections()),
        (1, 1)
    );
    zendesk.drain_connections();
    zendesk.connections_closed().await;
    assert_eq!(ask(&client, &zendesk).await, Some(200));
    assert_eq!(zendesk.connections_made(), 2);
}

#[tokio::test]
async fn an_unreachable_zendesk_comes_back_under_the_same_port() {
    let (zendesk, caller) = signed_in().await;
    for _ in 0..3 {
        zendesk.set_reachable(false).await;
        let error = caller.get("/api/v2/tickets").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        zendesk.set_reachable(true).await;
        assert_eq!(caller.get("/api/v2/tickets").await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn reset_connections_are_gone_at_once() {
    let zendesk = Zendesk::start().await.unwrap();
    let client = pooled(&zendesk);
    assert_eq!(ask(&client, &zendesk).await, Some(200));
    zendesk.reset_connections();
    zendesk.connections_closed().await;
    assert_eq!(zendesk.open_connections(), 0);
}

#[tokio::test]
async fn a_dropped_simulation_is_gone() {
    let (zendesk, caller) = signed_in().await;
    let ca_file = zendesk.ca_file().to_owned();
    assert!(ca_file.exists());
    drop(zendesk);
    assert!(!ca_file.exists());
    // The listener's task ends when the runtime gets to it.
    while caller.get("/api/v2/tickets").await.is_ok() {
        tokio::task::yield_now().await;
    }
}
