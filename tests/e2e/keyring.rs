//! The data key in a real keyring, in every state of it that people meet (R9).

use loopdesk_protocol::status::{State, VaultState, VaultStatus};
use loopdesk_tests::Stage;
use loopdesk_tests::needs::needs;
use loopdesk_tests::secret_service::{Bus, Keyring, Person};
use loopdesk_tests::wait::eventually;
use rustix::process::Signal;

use super::stage;

pub(super) const ME: &str = "/api/v2/users/me.json";
pub(super) const GNOME: &[&str] = &["dbus-daemon", "gnome-keyring-daemon", "python3"];
const KEEPASSXC: &[&str] = &["dbus-daemon", "keepassxc", "keepassxc-cli"];

/// A test environment with this vault.
pub(super) async fn stage_with(vault: &str) -> Stage {
    let stage = stage().await;
    configure(&stage, vault);
    stage
}

/// Changes the vault in the file, as an editor would.
pub(super) fn configure(stage: &Stage, vault: &str) {
    let file = stage.home.paths().config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("vault = \"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    std::fs::write(&file, format!("{before}vault = \"{vault}\"{after}")).unwrap();
}

/// A test environment with GNOME Keyring, and with a session whose key is in it.
pub(super) struct Desktop {
    pub(super) stage: Stage,
    pub(super) bus: Bus,
    pub(super) person: Person,
    pub(super) keyring: Keyring,
}

pub(super) async fn desktop() -> Desktop {
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

pub(super) async fn vault(stage: &Stage) -> VaultStatus {
    stage.status().await.vault
}

pub(super) async fn until_vault_is(stage: &Stage, state: VaultState) -> VaultStatus {
    let what = format!("the vault is {state:?}");
    eventually(&what, async || vault(stage).await.state == state).await;
    vault(stage).await
}

pub(super) async fn until_served(stage: &Stage) {
    let is_active = async || stage.acme().await.state == State::Active;
    eventually("the session is active", is_active).await;
    assert_eq!(stage.get(ME).await.0, 200);
}

/// Everything that a person is shown.
pub(super) fn words(vault: &VaultStatus) -> String {
    let problem = vault.problem.as_ref().unwrap();
    format!("{} {:?}", problem.message, problem.hints)
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
    desktop.keyring.end(&desktop.bus).await;

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
    daemon.kill().await;
    keyring.end(&bus).await;

    let locked = Keyring::keepassxc(&stage.home, &bus, false).await;
    let _daemon = stage.daemon().await;
    let shown = until_vault_is(&stage, VaultState::Locked).await;
    assert!(words(&shown).contains("`loopdesk unlock`"), "{shown:?}");
    assert!(!bus.has_keepassxc_prompt().await);
    locked.end(&bus).await;
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
    stage.logged_in().await.kill().await;
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
    stage.logged_in().await.kill().await;
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
    stage.logged_in().await.kill().await;
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
    eventually("the prompt closes", is_gone).await;
}

#[tokio::test]
async fn r9_no_bus_and_no_keyring_are_told_apart_and_waited_for() {
    if !needs(GNOME) {
        return;
    }
    let desktop = desktop().await;
    let stage = &desktop.stage;
    stage.logged_in().await.kill().await;
    desktop.keyring.end(&desktop.bus).await;
    drop(desktop.person);
    desktop.bus.kill().await;

    let _daemon = stage.daemon().await;
    let shown = until_vault_is(stage, VaultState::Absent).await;
    assert!(words(&shown).contains("no D-Bus session bus"), "{shown:?}");
    assert_eq!(stage.get(ME).await.0, 503);

    let bus = Bus::start(&stage.home).await;
    let knows = async || words(&vault(stage).await).contains("provides");
    eventually("the missing keyring is reported", knows).await;
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
    stage.logged_in().await.kill().await;
    desktop.keyring.signal(Signal::STOP);
    let _daemon = stage.daemon().await;
    let shown = until_vault_is(stage, VaultState::Slow).await;
    assert!(words(&shown).contains("hasn't answered"), "{shown:?}");
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
    desktop.keyring.end(&desktop.bus).await;
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
    stage.logged_in().await.kill().await;
    desktop.keyring.end(bus).await;
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

    other.end(bus).await;
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
async fn r9_a_keyring_without_a_collection_gets_one_by_unlock_alone() {
    if !needs(GNOME) {
        return;
    }
    let stage = stage_with("keyring").await;
    let bus = Bus::start(&stage.home).await;
    let mut person = Person::sits_down(&stage.home, &bus).await;
    let _keyring = Keyring::gnome(&stage.home, &bus, &person, false).await;
    person.will_type_the_password().await;
    let _daemon = stage.daemon().await;
    let login = stage.home.loopdesk(["login"]).await.failed(7);
    assert!(login.stderr.contains("no collection"), "{login:?}");
    assert!(login.stderr.contains("loopdesk unlock"), "{login:?}");
    assert!(person.still_waits().await, "no prompt");

    stage.home.loopdesk(["unlock"]).await.ok();
    assert!(!person.still_waits().await);
    stage.home.loopdesk(["login"]).await.ok();
    assert_eq!(bus.entries().await, 1);
}

#[tokio::test]
async fn r9_keepassxc_asks_only_when_it_is_told_to() {
    if !needs(KEEPASSXC) {
        return;
    }
    let stage = stage_with("keyring").await;
    let bus = Bus::start(&stage.home).await;
    let keyring = Keyring::keepassxc(&stage.home, &bus, false).await;
    let _daemon = stage.daemon().await;
    let login = stage.home.loopdesk(["login"]).await.failed(7);
    assert!(login.stderr.contains("is locked"), "{login:?}");

    assert!(!bus.has_keepassxc_prompt().await);

    // Its dialog is on an invisible screen.
    let mut unlock = stage
        .home
        .command("loopdesk")
        .arg("unlock")
        .spawn()
        .unwrap();
    let is_there = async || bus.has_keepassxc_prompt().await;
    eventually("the prompt appears", is_there).await;
    assert_eq!(vault(&stage).await.state, VaultState::Locked);
    keyring.end(&bus).await;
    let ended = unlock.wait().await.unwrap();
    assert_eq!(ended.code(), Some(7), "it does not wait for who has gone");
}
