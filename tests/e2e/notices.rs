//! Notifications, on the desktop and by the user's own command, once for each cause (R7, O3).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopdesk_protocol::event::{SessionEvent, SessionEventKind};
use loopdesk_protocol::status::State;
use loopdesk_tests::needs::needs;
use loopdesk_tests::notifications::Notifications;
use loopdesk_tests::secret_service::Bus;
use loopdesk_tests::secrets::Scanner;
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Builder, Zendesk, users};
use loopdesk_tests::{Daemon, Stage};

use super::binary;

const ME: &str = "/api/v2/users/me.json";
const BUS: &[&str] = &["dbus-daemon"];

/// A test environment with a command that writes down what it receives.
struct Hooked {
    stage: Stage,
    folder: PathBuf,
}

impl Hooked {
    async fn new(builder: Builder) -> Self {
        let stage = Stage::set(binary(), builder).await;
        let folder = stage.home.path().to_owned();
        let hooked = Self { stage, folder };
        let script = "#!/bin/sh\ncat >> \"$1/told\"\nenv >> \"$1/env\"\n";
        hooked.write("hook", script);
        hooked.configure(&hooked.path("hook"));
        hooked
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&path, mode).unwrap();
    }

    /// Sets the command in the file, as an editor would.
    fn configure(&self, program: &Path) {
        let file = self.stage.home.paths().config_file();
        let text = std::fs::read_to_string(&file).unwrap();
        let rest = text.lines().filter(|line| !line.starts_with("hooks."));
        let rest: Vec<_> = rest.collect();
        let (program, folder) = (program.display(), self.folder.display());
        let hook = format!("hooks.session-event = [\"{program}\", \"{folder}\"]");
        std::fs::write(&file, format!("{hook}\n{}\n", rest.join("\n"))).unwrap();
    }

    fn told(&self) -> Vec<SessionEvent> {
        let text = std::fs::read_to_string(self.path("told")).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
        whole
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn until_told(&self, count: usize) -> Vec<SessionEvent> {
        let what = format!("the command is told {count} times");
        eventually(&what, async || self.told().len() >= count).await;
        self.told()
    }

    fn events(&self) -> Vec<SessionEventKind> {
        self.told().iter().map(|told| told.event).collect()
    }
}

#[tokio::test]
async fn r4_an_end_is_told_once_over_restarts_and_so_is_the_next_login() {
    if !needs(BUS) {
        return;
    }
    let hooked = Hooked::new(Zendesk::builder()).await;
    let stage = &hooked.stage;
    let bus = Bus::start(&stage.home).await;
    let desktop = Notifications::start(&bus).await;
    let mut daemon = stage.logged_in().await;
    stage.zendesk.revoke_tokens();
    assert_eq!(stage.get(ME).await.0, 401);
    let told = hooked.until_told(1).await.remove(0);
    assert_eq!(
        (told.event, told.state),
        (SessionEventKind::Ended, State::Ended)
    );
    assert_eq!(told.account, "acme");
    assert!(told.message.contains("an admin has revoked it"), "{told:?}");
    assert!(told.fix[0].contains("loopdesk login acme"), "{told:?}");
    let notice = desktop.until(1).await.remove(0);
    assert_eq!(notice.application, "loopdesk");
    assert_eq!(notice.title, "Zendesk login needed (acme)");
    assert!(notice.body.contains("loopdesk login acme"), "{notice:?}");
    assert_eq!(notice.urgency, Some(2));

    for _ in 0..3 {
        daemon.kill().await;
        daemon = stage.daemon().await;
        assert_eq!(stage.acme_loaded().await.state, State::Ended);
    }
    stage.home.loopdesk(["login"]).await.ok();
    hooked.until_told(2).await;
    assert_eq!(
        hooked.events(),
        [SessionEventKind::Ended, SessionEventKind::Restored]
    );
    let shown = desktop.until(2).await;
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert_eq!(shown[1].title, "Zendesk works again (acme)");
    daemon.stop().await;
}

#[tokio::test]
async fn r4_a_block_is_told_with_who_must_act_and_without_a_desktop_the_command_runs() {
    let hooked = Hooked::new(Zendesk::builder()).await;
    let stage = &hooked.stage;
    let daemon = stage.logged_in().await;
    stage.zendesk.tell_suspension(true);
    stage.zendesk.suspend_user(users::ADMIN);
    for _ in 0..3 {
        stage.home.loopdesk(["refresh"]).await.failed(5);
    }
    let told = hooked.until_told(1).await.remove(0);
    assert_eq!(
        (told.event, told.state),
        (SessionEventKind::Blocked, State::Blocked)
    );
    assert!(told.fix[0].contains("lift the suspension"), "{told:?}");
    daemon.kill().await;
    let daemon = stage.daemon().await;
    stage.home.loopdesk(["refresh"]).await.failed(5);
    stage.zendesk.unsuspend_user(users::ADMIN);
    stage.home.loopdesk(["refresh"]).await.ok();
    hooked.until_told(2).await;
    assert_eq!(
        hooked.events(),
        [SessionEventKind::Blocked, SessionEventKind::Restored]
    );
    assert!(!Daemon::log(&stage.home).contains("panicked"));
    daemon.stop().await;
}

#[tokio::test]
async fn r7_a_session_that_can_t_be_refreshed_is_counted_down_and_the_day_is_shown() {
    let ttl = Duration::from_secs(12);
    let hooked = Hooked::new(Zendesk::builder().granted_refresh_ttl(ttl)).await;
    let stage = &hooked.stage;
    let _daemon = stage.logged_in().await;
    stage.zendesk.set_reachable(false).await;
    stage.home.loopdesk(["refresh"]).await.failed(5);
    let told = hooked.until_told(1).await.remove(0);
    assert_eq!(told.event, SessionEventKind::ExpiresSoon);
    let account = stage.acme().await;
    assert_eq!(told.until, account.refresh_expires_at);
    let problem = account.problem.unwrap();
    let said = problem.hints.join(" ");
    assert!(said.contains("loopdesk login acme"), "{problem:?}");
    stage.home.loopdesk(["status"]).await.failed(1);
    assert_eq!(hooked.events(), [SessionEventKind::ExpiresSoon]);
}

#[tokio::test]
async fn d4_the_command_learns_no_secret() {
    let mut hooked = Hooked::new(Zendesk::builder()).await;
    let home = &mut hooked.stage.home;
    home.set("ANOTHER_PROGRAMS_PASSWORD", "correct horse");
    home.set("LOOPDESK_LOG", "trace");
    let stage = &hooked.stage;
    let daemon = stage.logged_in().await;
    stage.zendesk.revoke_tokens();
    stage.get(ME).await;
    hooked.until_told(1).await;
    let env = || std::fs::read_to_string(hooked.path("env")).unwrap_or_default();
    eventually("the command has ended", async || env().contains("PATH=")).await;
    let mut scanner = Scanner::default();
    for secret in stage.secrets() {
        scanner.add("a token", secret.as_bytes());
    }
    assert!(!scanner.is_empty());
    scanner.add("a password", b"correct horse");
    let memory = stage.home.paths().notices_file();
    for path in [hooked.path("told"), hooked.path("env"), memory] {
        let text = std::fs::read(&path).unwrap();
        assert!(scanner.find(&text).is_empty(), "{}", path.display());
    }
    for name in ["NOTIFY_SOCKET", "LOOPDESK_LOG", "ANOTHER"] {
        assert!(!env().contains(name), "{}", env());
    }
    daemon.stop().await;
}

#[tokio::test]
async fn o3_a_command_that_isn_t_there_is_shown_before_it_is_needed() {
    let hooked = Hooked::new(Zendesk::builder()).await;
    let stage = &hooked.stage;
    hooked.configure(&hooked.path("nothing"));
    let _daemon = stage.logged_in().await;
    let problem = async || stage.status().await.hooks.problem;
    let is_shown = async || problem().await.is_some();
    eventually("the mistake is reported", is_shown).await;
    let page = stage.home.loopdesk(["status"]).await.failed(1);
    let said = format!("{}{}", page.stdout, page.stderr);
    for words in [
        "hooks.session-event",
        "isn't there",
        "`loopdesk config edit`",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }

    // A change takes effect at once.
    let script = "#!/bin/sh\necho 'no mail today' >&2\nexit 7\n";
    hooked.write("other", script);
    hooked.configure(&hooked.path("other"));
    stage.home.loopdesk(["config", "reload"]).await.ok();
    let is_mended = async || problem().await.is_none();
    eventually("the mistake is fixed", is_mended).await;
    stage.zendesk.revoke_tokens();
    stage.get(ME).await;
    let has_failed = async || {
        let problem = problem().await;
        problem.is_some_and(|problem| problem.message.contains("no mail today"))
    };
    eventually("its failure is reported", has_failed).await;
    let is_logged = async || Daemon::log(&stage.home).contains("hooks.session-event");
    eventually("it is logged", is_logged).await;
    let shown = stage.home.loopdesk(["config", "show"]).await.ok();
    let line = "hooks.session-event = [";
    assert!(shown.stdout.contains(line), "{shown:?}");
}
