//! The vault of the data key, against real keyrings in every state that a person meets (R9).

use std::process::Stdio;

use loopdesk_protocol::status::{State, Vault, VaultState};
use loopdesk_tests::Stage;
use loopdesk_tests::home::Output;
use loopdesk_tests::needs::needs;
use loopdesk_tests::secret_service::{Bus, Keyring, Person, eventually};
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;

use super::stage;

const ME: &str = "/api/v2/users/me.json";
const GNOME: &[&str] = &["dbus-daemon", "gnome-keyring-daemon", "python3"];
const KEEPASSXC: &[&str] = &["dbus-daemon", "keepassxc", "keepassxc-cli"];

/// A stage whose vault is this one.
async fn stage_with(vault: &str) -> Stage {
    let stage = stage().await;
    configure(&stage, vault);
    stage
}

/// Changes the vault in the file, as an editor would.
fn configure(stage: &Stage, vault: &str) {
    let file = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("vault = \"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    std::fs::write(&file, format!("{before}vault = \"{vault}\"{after}")).unwrap();
}

/// A stage with GNOME Keyring, and with a session whose key is in it.
struct Desktop {
    stage: Stage,
    bus: Bus,
    person: Person,
    keyring: Keyring,
}

async fn desktop() -> Desktop {
    let stage = stage_with("keyring").await;
    let bus = Bus::start(&stage.home).await;
    let person = Person::sits_down(&stage.home, &bus).await;
    let keyring = Keyring::gnome(&stage.home, &bus, &person, true).await;
    Desktop {
        stage,
        bus,
        person,
        keyring,
    }
}

async fn vault(stage: &Stage) -> Vault {
    stage.status().await.vault
}

async fn until_vault_is(stage: &Stage, state: VaultState) -> Vault {
    let what = format!("the vault is {state:?}");
    eventually(&what, async || vault(stage).await.state == state).await;
    vault(stage).await
}

async fn until_served(stage: &Stage) {
    let is_active = async || stage.acme().await.state == State::Active;
    eventually("the session is active", is_active).await;
    assert_eq!(stage.get(ME).await.0, 200);
}

/// Everything that a person is told.
fn words(vault: &Vault) -> String {
    let problem = vault.problem.as_ref().unwrap();
    format!("{} {:?}", problem.message, problem.hints)
}

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
async fn r9_gnome_keyring_keeps_the_key_over_restarts() {
    if !needs(GNOME) {
        return;
    }
    let desktop = desktop().await;
    let stage = &desktop.stage;
    let daemon = stage.logged_in().await;
    assert_eq!(vault(stage).await.state, VaultState::Available);
    assert_eq!(desktop.bus.entries().await, 1);
    assert!(!stage.home.paths().key_file().exists());
    daemon.kill().await;
    desktop.keyring.kill(&desktop.bus).await;

    let _keyring = Keyring::gnome(&stage.home, &desktop.bus, &desktop.person, true).await;
    let _daemon = stage.daemon().await;
    until_served(stage).await;
}

#[tokio::test]
async fn r9_keepassxc_keeps_the_key_and_is_waited_for_while_locked() {
    if !needs(KEEPASSXC) {
        return;
    }
    let stage = stage_with("keyring").await;
    let bus = Bus::start(&stage.home).await;
    let keyring = Keyring::keepassxc(&stage.home, &bus, true).await;
    let daemon = stage.logged_in().await;
    assert_eq!(bus.entries().await, 1);
    daemon.stop().await;
    keyring.kill(&bus).await;

    let locked = Keyring::keepassxc(&stage.home, &bus, false).await;
    let _daemon = stage.daemon().await;
    let shown = until_vault_is(&stage, VaultState::Locked).await;
    assert!(words(&shown).contains("`loopdesk unlock`"), "{shown:?}");
    locked.kill(&bus).await;
    let _open = Keyring::keepassxc(&stage.home, &bus, true).await;
    until_served(&stage).await;
}

#[tokio::test]
async fn r9_a_keyring_that_is_locked_at_start_is_waited_for_without_a_prompt() {
    if !needs(GNOME) {
        return;
    }
    let mut desktop = desktop().await;
    let stage = &desktop.stage;
    stage.logged_in().await.stop().await;
    desktop.bus.lock().await;
    desktop.person.will_type_the_password().await;

    let _daemon = stage.daemon().await;
    let shown = until_vault_is(stage, VaultState::Locked).await;
    assert!(words(&shown).contains("`loopdesk unlock`"), "{shown:?}");
    assert_eq!(stage.acme().await.state, State::KeyMissing);
    let (status, body) = stage.get_json(ME).await;
    assert_eq!(status, 503, "{body}");
    assert!(body.to_string().contains("loopdesk unlock"), "{body}");
    let login = stage.home.loopdesk(["login"]).await.failed(7);
    assert!(login.stderr.contains("loopdesk unlock"), "{login:?}");
    assert!(desktop.person.still_waits().await, "no prompt so far");

    desktop.bus.unlock().await;
    until_served(stage).await;
    assert_eq!(vault(stage).await.state, VaultState::Available);
}

#[tokio::test]
async fn r9_unlock_has_the_keyring_ask_and_serves_before_it_returns() {
    if !needs(GNOME) {
        return;
    }
    let mut desktop = desktop().await;
    let stage = &desktop.stage;
    stage.logged_in().await.stop().await;
    desktop.bus.lock().await;
    let _daemon = stage.daemon().await;

    desktop.person.will_dismiss().await;
    let dismissed = stage.home.loopdesk(["unlock"]).await.failed(7);
    assert!(dismissed.stderr.contains("dismissed"), "{dismissed:?}");
    assert!(desktop.bus.is_locked().await);

    desktop.person.will_type_the_password().await;
    stage.home.loopdesk(["unlock"]).await.ok();
    assert_eq!(stage.acme().await.state, State::Active);
    assert_eq!(stage.get(ME).await.0, 200);
    assert_eq!(vault(stage).await.state, VaultState::Available);
}

#[tokio::test]
async fn r9_a_prompt_that_nobody_answers_holds_nothing_up_and_goes_with_its_command() {
    if !needs(GNOME) {
        return;
    }
    let mut desktop = desktop().await;
    let stage = &desktop.stage;
    stage.logged_in().await.stop().await;
    desktop.bus.lock().await;
    let _daemon = stage.daemon().await;
    desktop.person.will_be_away().await;
    let mut unlock = stage
        .home
        .command("loopdesk")
        .arg("unlock")
        .spawn()
        .unwrap();
    while !desktop.person.sees_a_prompt().await {
        assert!(unlock.try_wait().unwrap().is_none(), "it waits");
        tokio::task::yield_now().await;
    }
    assert_eq!(vault(stage).await.state, VaultState::Locked);
    assert_eq!(stage.get(ME).await.0, 503);

    unlock.kill().await.unwrap();
    let prompt = tokio::sync::Mutex::new(desktop.person);
    let is_gone = async || !prompt.lock().await.sees_a_prompt().await;
    eventually("the prompt is gone", is_gone).await;
}

#[tokio::test]
async fn r9_no_bus_and_no_keyring_are_told_apart_and_waited_for() {
    if !needs(GNOME) {
        return;
    }
    let desktop = desktop().await;
    let stage = &desktop.stage;
    stage.logged_in().await.stop().await;
    desktop.keyring.kill(&desktop.bus).await;
    drop(desktop.person);
    desktop.bus.kill().await;

    let _daemon = stage.daemon().await;
    let shown = until_vault_is(stage, VaultState::Absent).await;
    assert!(words(&shown).contains("no D-Bus session bus"), "{shown:?}");
    assert_eq!(stage.get(ME).await.0, 503);

    let bus = Bus::start(&stage.home).await;
    let knows = async || words(&vault(stage).await).contains("provides");
    eventually("the missing keyring is named", knows).await;
    let login = stage.home.loopdesk(["login"]).await.failed(7);
    assert!(login.stderr.contains("KeePassXC"), "{login:?}");

    let person = Person::sits_down(&stage.home, &bus).await;
    let _keyring = Keyring::gnome(&stage.home, &bus, &person, true).await;
    until_served(stage).await;
}

#[tokio::test]
async fn r9_a_keyring_that_does_not_answer_is_slow_and_waited_for() {
    if !needs(GNOME) {
        return;
    }
    let desktop = desktop().await;
    let stage = &desktop.stage;
    stage.logged_in().await.stop().await;
    desktop.keyring.signal(Signal::STOP);
    let _daemon = stage.daemon().await;
    let shown = until_vault_is(stage, VaultState::Slow).await;
    assert!(words(&shown).contains("not answered"), "{shown:?}");
    desktop.keyring.signal(Signal::CONT);
    until_served(stage).await;
}

#[tokio::test]
async fn r9_a_keyring_that_goes_and_comes_back_disturbs_nobody() {
    if !needs(GNOME) {
        return;
    }
    let desktop = desktop().await;
    let stage = &desktop.stage;
    let _daemon = stage.logged_in().await;
    desktop.keyring.kill(&desktop.bus).await;
    stage.home.loopdesk(["refresh"]).await.ok();
    assert_eq!(stage.get(ME).await.0, 200);
    assert_eq!(stage.acme().await.generation, Some(2));
    let login = stage.home.loopdesk(["login"]).await.failed(7);
    assert!(login.stderr.contains("keyring"), "{login:?}");
    assert_eq!(stage.get(ME).await.0, 200);

    let (home, bus) = (&stage.home, &desktop.bus);
    let _keyring = Keyring::gnome(home, bus, &desktop.person, true).await;
    until_vault_is(stage, VaultState::Available).await;
    assert_eq!(bus.entries().await, 1);
}

#[tokio::test]
async fn r9_a_keyring_without_the_key_is_not_given_another_one() {
    if !needs(GNOME) || !needs(KEEPASSXC) {
        return;
    }
    let desktop = desktop().await;
    let (stage, bus) = (&desktop.stage, &desktop.bus);
    stage.logged_in().await.stop().await;
    desktop.keyring.kill(bus).await;
    let other = Keyring::keepassxc(&stage.home, bus, true).await;

    let _daemon = stage.daemon().await;
    let shown = until_vault_is(stage, VaultState::NoEntry).await;
    assert!(words(&shown).contains("no data key"), "{shown:?}");
    let acme = stage.acme().await;
    assert_eq!(acme.state, State::KeyMissing);
    let hints = format!("{:?}", acme.problem.unwrap().hints);
    assert!(hints.contains("loopdesk logout acme --forget"), "{hints}");
    stage.home.loopdesk(["login"]).await.failed(7);
    assert_eq!(bus.entries().await, 0, "nothing was put there");

    other.kill(bus).await;
    let _keyring = Keyring::gnome(&stage.home, bus, &desktop.person, true).await;
    until_served(stage).await;
}

#[tokio::test]
async fn r9_a_first_login_tells_the_ways_out_of_a_locked_keyring() {
    if !needs(GNOME) {
        return;
    }
    let mut desktop = desktop().await;
    let stage = &desktop.stage;
    desktop.bus.lock().await;
    desktop.person.will_type_the_password().await;
    let _daemon = stage.daemon().await;
    let login = stage.home.loopdesk(["login"]).await.failed(7);
    for way in [
        "loopdesk unlock",
        "loopdesk config set vault keyfile",
        "loopdesk config set vault passphrase",
    ] {
        assert!(login.stderr.contains(way), "{way}: {login:?}");
    }
    assert_eq!(stage.zendesk.requests().len(), 0);
    assert!(desktop.person.still_waits().await, "no prompt");

    stage
        .home
        .loopdesk(["config", "set", "vault", "keyfile"])
        .await
        .ok();
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(stage.get(ME).await.0, 200);
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
    daemon.stop().await;

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
    daemon.stop().await;

    let folder = stage.home.path().join("credentials");
    std::fs::create_dir(&folder).unwrap();
    let credential = folder.join("loopdesk-key");
    std::fs::write(&credential, "0123456789abcdef0123456789abcdef\n").unwrap();
    stage
        .home
        .set("CREDENTIALS_DIRECTORY", folder.display().to_string());
    stage.logged_in().await.stop().await;
    let daemon = stage.daemon().await;
    until_served(&stage).await;
    daemon.stop().await;

    std::fs::write(&credential, "another0another0another0another0\n").unwrap();
    let _daemon = stage.daemon().await;
    let shown = until_vault_is(&stage, VaultState::Failed).await;
    assert!(words(&shown).contains("not the one"), "{shown:?}");
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
    let _daemon = stage.logged_in().await;
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
    _daemon.stop().await;
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
    eventually("the refusal is told", moving).await;
    let shown = vault(stage).await;
    assert_eq!(
        (shown.kind.as_str(), shown.state),
        ("keyfile", VaultState::Available)
    );
    assert!(words(&shown).contains("can't be moved"), "{shown:?}");
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
    eventually("the old copy is gone", copy).await;
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn r9_a_vault_changed_while_no_daemon_ran_takes_the_key_at_the_next_start() {
    if !needs(GNOME) {
        return;
    }
    let desktop = desktop().await;
    let (stage, bus) = (&desktop.stage, &desktop.bus);
    stage.logged_in().await.stop().await;
    configure(stage, "keyfile");
    let _daemon = stage.daemon().await;
    until_served(stage).await;
    let moved = async || vault(stage).await.kind == "keyfile";
    eventually("the key has moved", moved).await;
    assert!(stage.home.paths().key_file().exists());
    eventually("the old copy is gone", async || bus.entries().await == 0).await;
}

#[tokio::test]
async fn r3_a_kill_while_the_key_moves_loses_nothing() {
    if !needs(GNOME) {
        return;
    }
    let desktop = desktop().await;
    let stage = &desktop.stage;
    let daemon = stage.logged_in().await;
    // The keyring holds still in the middle of the move, and the daemon dies there.
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
