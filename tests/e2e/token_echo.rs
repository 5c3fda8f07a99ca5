//! What Zendesk repeats of a token never reaches scripts.

use loopdesk_tests::Stage;
use loopdesk_tests::secrets::Scanner;
use loopdesk_tests::zendesk::{Fault, Gate, Protocols, TokenFormat, Zendesk};

use super::{binary, stage};

/// Everything that curl receives, including the head, and its exit code.
async fn echoed(stage: &Stage, path: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let all = [&["-i"], arguments].concat();
    let output = stage.curl(path, &all).await;
    (output.code, output.stdout)
}

fn tokens(stage: &Stage) -> Scanner {
    let mut scanner = Scanner::default();
    for secret in stage.secrets() {
        scanner.add("a token", secret.as_bytes());
    }
    assert!(!scanner.is_empty());
    scanner
}

#[tokio::test]
async fn d4_p13_an_endpoint_that_echoes_the_token_does_not_give_it_away() {
    for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
        // HTTP/2 clients give up on a response in tiny frames.
        let builder = Zendesk::builder().protocols(Protocols::Http1);
        let stage = Stage::set(binary(), builder.token_format(format)).await;
        let _daemon = stage.logged_in().await;
        let tokens = tokens(&stage);
        for size in [None, Some(1), Some(11)] {
            let pieces = size.map(|size| {
                let fault = Fault::on("GET", "/api/v2/echo").chunk(size);
                stage.zendesk.fault(fault)
            });
            for path in ["/api/v2/echo.json", "/api/v2/echo?as=html"] {
                let off = ["-H", "X-Loopdesk-Rewrite: off"];
                for arguments in [&[][..], &off, &["-r", "0-", "-H", "Accept-Encoding: br"]] {
                    let (code, said) = echoed(&stage, path, arguments).await;
                    assert_eq!(code, Some(0), "{path} {arguments:?}: {said}");
                    assert!(said.contains("Bearer ****"), "{path} {arguments:?}: {said}");
                    let found = tokens.find(said.as_bytes());
                    assert!(
                        found.is_empty(),
                        "{path} {arguments:?}: {found:?} in {said}"
                    );
                }
            }
            if let Some(pieces) = pieces {
                pieces.remove();
            };
        }
    }
}

#[tokio::test]
async fn d4_p13_a_compressed_echo_is_cut_off() {
    // HTTP/2 clients give up on a response in tiny frames.
    let builder = Zendesk::builder().protocols(Protocols::Http1);
    let stage = Stage::set(binary(), builder).await;
    let _daemon = stage.logged_in().await;
    let tokens = tokens(&stage);
    for size in [1, 1000] {
        let fault = Fault::on("GET", "/api/v2/echo").chunk(size);
        let pieces = stage.zendesk.fault(fault);
        for (path, header) in [
            ("/api/v2/echo?as=html", "X-Any: 1"),
            ("/api/v2/echo", "X-Loopdesk-Rewrite: off"),
        ] {
            let arguments = ["--compressed", "-H", header];
            let (code, said) = echoed(&stage, path, &arguments).await;
            // curl: a transfer that ended early, or before the end of the head.
            let before = said.starts_with("HTTP/1.1 502 ") && said.contains("broken-answer");
            assert!(code == Some(18) || before, "{code:?}: {said}");
            let found = tokens.find(said.as_bytes());
            assert!(found.is_empty(), "{path}: {found:?} in {said}");
        }
        pieces.remove();
    }
    // JSON that is decoded on its way needs no cut.
    let (code, said) = echoed(&stage, "/api/v2/echo", &["--compressed"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Bearer ****"), "{said}");
}

#[tokio::test]
async fn s3_what_is_no_token_does_not_wait() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let gate = Gate::closed();
    let pause = Fault::on("GET", "/api/v2/tickets").pause_body(60, &gate);
    let _pause = stage.zendesk.fault(pause);
    let mut script = stage.home.command("curl");
    script.args([
        "-sSN",
        "-H",
        "X-Loopdesk-Rewrite: off",
        &format!("{}/api/v2/tickets.json", stage.base()),
    ]);
    let mut script = script.spawn().unwrap();
    let mut first = [0; 60];
    let mut out = script.stdout.take().unwrap();
    tokio::io::AsyncReadExt::read_exact(&mut out, &mut first)
        .await
        .unwrap();
    assert_eq!(first[0], b'{');
    gate.open();
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut out, &mut rest)
        .await
        .unwrap();
    let whole = [&first[..], &rest].concat();
    assert!(serde_json::from_slice::<serde_json::Value>(&whole).is_ok());
}
