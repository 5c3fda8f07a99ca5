//! Programs with Zendesk's address in their code, unmodified and without a credential, under
//! `loopdesk exec`: `tests/clients/exec.toml`.

mod exports;
mod runtimes;
mod tools;
mod wire;

use loopdesk_tests::by_name::ByName;
use loopdesk_tests::zendesk::{Builder, Fault, Gate};
use loopdesk_tests::{Daemon, Output, Stage};
use tokio::process::Command;

use super::binary;
use super::process::{ALONE, in_a_world_of_its_own};

/// A logged-in account `acme.zendesk.com`, and its daemon. The files' host has a certificate of an
/// authority that isn't in the system's store, as where a company opens TLS: it is the person's own.
async fn named(builder: Builder) -> (ByName, Daemon) {
    let mut named = ByName::set(binary(), builder, "", "").await;
    let ca = named.stage.zendesk.ca_file().display().to_string();
    for variable in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        named.stage.home.set(variable, ca.clone());
    }
    let daemon = named.logged_in().await;
    (named, daemon)
}

/// `loopdesk exec` with a command, in whose configuration any word is a credential.
fn exec(stage: &Stage, argv: &[&str]) -> Command {
    let mut command = stage.home.command("loopdesk");
    command.args(["exec", "--"]).args(argv);
    command
}

/// Runs a command to its end, and holds the first answer to each of these paths until the tokens have
/// rotated: the next request meets a token that didn't exist before.
async fn while_tokens_rotate(stage: &Stage, mut command: Command, paths: &[&str]) -> Output {
    let gates: Vec<_> = paths
        .iter()
        .map(|path| {
            let gate = Gate::closed();
            let held = Fault::on("GET", path).once().hold_answer(&gate);
            stage.zendesk.fault(held);
            gate
        })
        .collect();
    let running = async {
        let child = command.spawn().unwrap();
        child.wait_with_output().await.unwrap()
    };
    let rotating = async {
        for gate in &gates {
            gate.reached(1).await;
            stage.home.loopdesk(["refresh"]).await.ok();
            gate.open();
        }
        std::future::pending::<()>().await
    };
    let ended = tokio::select! {
        ended = running => ended,
        () = rotating => unreachable!("it never ends"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output {
        code: ended.status.code(),
        stdout: text(&ended.stdout),
        stderr: text(&ended.stderr),
    }
}

/// Whether `test` has run elsewhere: in a network of its own, for programs that ask a resolver for
/// Zendesk, or would even reach it. In there it goes on.
async fn without_a_network(test: &str) -> bool {
    if std::env::var_os(ALONE).is_none() {
        in_a_world_of_its_own(test, &["--net"]).await;
        return true;
    }
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()
        .await;
    assert!(up.unwrap().success());
    false
}
