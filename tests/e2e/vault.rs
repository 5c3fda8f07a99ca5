//! The other vaults of the data key, and moving it from one to another (R9).

use std::process::Stdio;

use loopdesk_protocol::call::Empty;
use loopdesk_protocol::status::VaultState;
use loopdesk_protocol::vault::{FORGET, Forgotten};
use loopdesk_tests::Stage;
use loopdesk_tests::home::Output;
use loopdesk_tests::needs::needs;
use loopdesk_tests::wait::eventually;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;

use super::keyring::{
    GNOME, ME, configure, desktop, stage_with, until_served, until_vault_is, vault, words,
};

async fn unlock_with(stage: &Stage, passphrase: &str) -> Output {
    let mut child = stage
        .home
        .command("loopdesk")
        .args(["unlock", "--passphrase-stdin"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(passphrase.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn r9_a_passphrase_is_chosen_before_the_browser_opens_and_asked_for_after_a_start() {
    let stage = stage_with("passphrase").await;
    let daemon = stage.daemon().await;
    let login = stage.home.loopdesk(["login"]).await.failed(7);
    let way = "loopdesk unlock --passphrase-stdin";
    assert!(login.stderr.contains(way), "{login:?}");
    assert_eq!(stage.zendesk.requests().len(), 0);
    assert_eq!(vault(&stage).await.state, VaultState::NoEntry);
    unlock_with(&stage, "").await.failed(2);
    unlock_with(&stage, "one two three\n").await.ok();
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(stage.get(ME).await.0, 200);
    daemon.kill().await;

    let _daemon = stage.daemon().await;
    let shown = until_vault_is(&stage, VaultState::NeedsPassphrase).await;
    assert!(words(&shown).contains(way), "{shown:?}");
    let (status, body) = stage.get_json(ME).await;
    assert_eq!(status, 503);
    assert!(body.to_string().contains("loopdesk unlock"), "{body}");
    let wrong = unlock_with(&stage, "two one three\n").await.failed(7);
    assert!(wrong.stderr.contains("not the passphrase"), "{wrong:?}");
    assert_eq!(vault(&stage).await.state, VaultState::NeedsPassphrase);
    unlock_with(&stage, "one two three\n").await.ok();
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r9_a_credential_of_systemd_seals_the_key_and_its_absence_is_explained() {
    let mut stage = stage_with("credential").await;
    let daemon = stage.daemon().await;
    let login = stage.home.loopdesk(["login"]).await.failed(7);
    assert!(
        login.stderr.contains("LoadCredential=loopdesk-key"),
        "{login:?}"
    );
    daemon.kill().await;

    let folder = stage.home.path().join("credentials");
    std::fs::create_dir(&folder).unwrap();
    let credential = folder.join("loopdesk-key");
    std::fs::write(&credential, "0123456789abcdef0123456789abcdef\n").unwrap();
    stage
        .home
        .set("CREDENTIALS_DIRECTORY", folder.display().to_string());
    stage.logged_in().await.kill().await;
    let daemon = stage.daemon().await;
    until_served(&stage).await;
    daemon.kill().await;

    std::fs::write(&credential, "another0another0another0another0\n").unwrap();
    let _daemon = stage.daemon().await;
    let shown = until_vault_is(&stage, VaultState::Failed).await;
    assert!(words(&shown).contains("isn't the one"), "{shown:?}");
    std::fs::write(&credential, "0123456789abcdef0123456789abcdef\n").unwrap();
    until_served(&stage).await;
}

#[tokio::test]
async fn r9_the_key_moves_with_every_change_of_the_vault_and_leaves_no_copy_behind() {
    if !needs(GNOME) {
        return;
    }
    let mut desktop = desktop().await;
    let folder = desktop.stage.home.path().join("credentials");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("loopdesk-key"), "x".repeat(40)).unwrap();
    let folder = folder.display().to_string();
    desktop.stage.home.set("CREDENTIALS_DIRECTORY", folder);
    let (stage, bus) = (&desktop.stage, &desktop.bus);
    let daemon = stage.logged_in().await;
    // Every ordered pair of the four, once.
    for to in [
        "keyfile",
        "keyring",
        "passphrase",
        "keyring",
        "credential",
        "keyfile",
        "passphrase",
        "keyfile",
        "credential",
        "passphrase",
        "credential",
        "keyring",
    ] {
        let from = vault(stage).await.kind;
        let set = stage.home.loopdesk(["config", "set", "vault", to]).await;
        if to == "passphrase" {
            unlock_with(stage, "one two three").await.ok();
        }
        let now = vault(stage).await;
        assert_eq!(
            (now.kind.as_str(), now.state),
            (to, VaultState::Available),
            "{set:?}"
        );
        let state = stage.home.paths().state_dir().to_owned();
        let copies = [
            ("keyfile", state.join("key").exists()),
            ("passphrase", state.join("key.passphrase").exists()),
            ("credential", state.join("key.credential").exists()),
            ("keyring", bus.entries().await == 1),
        ];
        for (place, is_there) in copies {
            assert_eq!(is_there, place == to, "{place}, from {from} to {to}");
        }
        assert_eq!(stage.get(ME).await.0, 200);
    }
    daemon.kill().await;
    let _daemon = stage.daemon().await;
    until_served(stage).await;
}

#[tokio::test]
async fn r9_a_vault_that_can_t_take_the_key_is_not_changed_to_until_it_can() {
    if !needs(GNOME) {
        return;
    }
    let mut desktop = desktop().await;
    let (stage, bus) = (&desktop.stage, &desktop.bus);
    configure(stage, "keyfile");
    let _daemon = stage.logged_in().await;
    bus.lock().await;
    let _set = stage
        .home
        .loopdesk(["config", "set", "vault", "keyring"])
        .await;
    let moving = async || vault(stage).await.problem.is_some();
    eventually("the refusal is reported", moving).await;
    let shown = vault(stage).await;
    assert_eq!(
        (shown.kind.as_str(), shown.state),
        ("keyfile", VaultState::Available)
    );
    assert!(
        words(&shown).contains("can't move the data key"),
        "{shown:?}"
    );
    assert!(
        words(&shown).contains("config set vault keyfile"),
        "{shown:?}"
    );
    assert_eq!(stage.get(ME).await.0, 200);
    assert!(stage.home.paths().key_file().exists());

    desktop.person.will_type_the_password().await;
    bus.unlock().await;
    let moved = async || vault(stage).await.kind == "keyring";
    eventually("the key has moved", moved).await;
    assert!(vault(stage).await.problem.is_none());
    let copy = async || !stage.home.paths().key_file().exists();
    eventually("the old copy is deleted", copy).await;
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r9_a_vault_changed_while_no_daemon_ran_takes_the_key_at_the_next_start() {
    if !needs(GNOME) {
        return;
    }
    let desktop = desktop().await;
    let (stage, bus) = (&desktop.stage, &desktop.bus);
    stage.logged_in().await.kill().await;
    configure(stage, "keyfile");
    let _daemon = stage.daemon().await;
    until_served(stage).await;
    let moved = async || vault(stage).await.kind == "keyfile";
    eventually("the key has moved", moved).await;
    assert!(stage.home.paths().key_file().exists());
    eventually("the old copy is deleted", async || bus.entries().await == 0).await;
}

#[tokio::test]
async fn r3_a_kill_while_the_key_moves_loses_nothing() {
    if !needs(GNOME) {
        return;
    }
    let desktop = desktop().await;
    let stage = &desktop.stage;
    let daemon = stage.logged_in().await;
    // The keyring hangs in the middle of the move, and the daemon is killed there.
    configure(stage, "keyfile");
    desktop.keyring.signal(Signal::STOP);
    let written = async || stage.home.paths().key_file().exists();
    eventually("the new copy is written", written).await;
    daemon.kill().await;
    desktop.keyring.signal(Signal::CONT);

    let _daemon = stage.daemon().await;
    until_served(stage).await;
    let moved = async || vault(stage).await.kind == "keyfile";
    eventually("the key has moved", moved).await;
}

#[tokio::test]
async fn r9_the_key_leaves_the_keyring_only_once_no_session_needs_it() {
    if !needs(GNOME) {
        return;
    }
    let desktop = desktop().await;
    let stage = &desktop.stage;
    let _daemon = stage.logged_in().await;
    let forget = async || -> Result<Forgotten, _> { stage.control().post(FORGET, &Empty {}).await };
    let refused = forget().await.unwrap_err().to_string();
    assert!(refused.contains("still needs"), "{refused}");
    assert_eq!(desktop.bus.entries().await, 1);
    assert_eq!(stage.get(ME).await.0, 200);

    stage.home.loopdesk(["logout"]).await.ok();
    assert!(forget().await.unwrap().removed);
    assert_eq!(desktop.bus.entries().await, 0);
    assert!(!forget().await.unwrap().removed);
    // A login makes a new one.
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(desktop.bus.entries().await, 1);
}
