//! The daemon as a service, in a real systemd user manager.

mod hardening;
mod lifecycle;
mod missing;
mod network;
mod rollout;
mod uninstall;
pub(crate) mod upgrade;
mod users;
mod vaults;

use loopdesk_tests::Stage;
use loopdesk_tests::home::Output;
use loopdesk_tests::user_manager::{Network, UserManager};
use serde_json::Value;

use super::binary;

/// A test environment whose home has a user manager; `user` is a number that no other user has.
async fn stage(user: u32) -> Option<(Stage, UserManager)> {
    let mut stage = super::stage().await;
    let manager = UserManager::start(&mut stage.home, user, Network::Shared, None).await?;
    Some((stage, manager))
}

/// The same with the service installed and a person logged in.
async fn installed(user: u32) -> Option<(Stage, UserManager)> {
    let (stage, manager) = stage(user).await?;
    stage.home.loopdesk(["service", "install"]).await.ok();
    stage.home.loopdesk(["login"]).await.ok();
    Some((stage, manager))
}

/// Calls `systemctl --user` with these arguments.
pub(crate) async fn systemctl<const N: usize>(stage: &Stage, arguments: [&str; N]) -> Output {
    let all = std::iter::once("--user").chain(arguments);
    stage.home.run("systemctl", all).await
}

/// A property of the daemon's unit.
async fn property(stage: &Stage, name: &str) -> String {
    let said = systemctl(
        stage,
        ["show", "loopdesk.service", "--value", "--property", name],
    )
    .await;
    said.ok().stdout.trim().to_owned()
}

/// `loopdesk service status --json`, whatever its exit code.
async fn status(stage: &Stage) -> Value {
    stage
        .home
        .loopdesk(["service", "status", "--json"])
        .await
        .json()
}

/// Additional settings of the test for the daemon's unit.
async fn drop_in(stage: &Stage, text: &str) {
    let dir = stage
        .home
        .path()
        .join(".config/systemd/user/loopdesk.service.d");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("test.conf"), text).unwrap();
    systemctl(stage, ["daemon-reload"]).await.ok();
}
