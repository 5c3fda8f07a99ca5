//! The program `zendesk-sim`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use loopdesk_tests::zendesk::{Caller, Decision};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::parameter;

fn start(arguments: &[&str]) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_zendesk-sim"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

fn caller(facts: &Value) -> Caller {
    let ca_file = Path::new(facts["ca_file"].as_str().unwrap());
    Caller::new(facts["origin"].as_str().unwrap(), ca_file).unwrap()
}

#[tokio::test]
async fn it_says_where_it_is_and_stops_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (mut child, facts) = start(&["--dir", path, "--any-loopback-port", "--access-ttl", "3"]);
    assert_eq!(facts["client_id"], "loopdesk");
    assert_eq!(facts["ca_file"], format!("{path}/ca.pem"));
    let url = format!(
        "{}/oauth/authorizations/new?response_type=code&client_id=loopdesk&scope=read&state=s\
         &redirect_uri=http://127.0.0.1:1/callback&code_challenge_method=S256\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        facts["origin"].as_str().unwrap()
    );
    let location = caller(&facts).consent(&url, Decision::Allow).await.unwrap();
    assert_eq!(parameter(&location, "state").unwrap(), "s");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn it_can_stop_with_its_standard_input() {
    let (mut child, facts) = start(&["--stop-with-stdin"]);
    let reply = caller(&facts).get("/api/v2/users/me").await.unwrap();
    assert_eq!(reply.status(), 200);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_refuses_what_it_cannot_do() {
    for arguments in [
        ["--token-status", "500"],
        ["--confidential-client", "id"],
        ["--access-ttl", "-1"],
    ] {
        let out = Command::new(env!("CARGO_BIN_EXE_zendesk-sim"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(!out.status.success(), "{arguments:?}");
        assert!(out.stdout.is_empty());
    }
}
