//! Logins in a real Chromium: what a person sees, and where each choice leads.

use std::process::Stdio;
use std::time::Duration;

use loopdesk_protocol::status::State;
use loopdesk_tests::chromium::{self, Visit};
use loopdesk_tests::fake_browser::FakeBrowser;
use loopdesk_tests::zendesk::{Malformed, Record, Zendesk, users};
use loopdesk_tests::{Daemon, Output, Stage, ports};
use tokio::process::Child;
use url::form_urlencoded;

use super::{binary, stage};

#[tokio::test]
async fn whoever_allows_reads_who_they_are_and_what_to_try() {
    let Some(scene) = Scene::set(stage().await).await else {
        return;
    };
    let login = scene.login(&[]).await;
    let visit = scene.look("done", &login.url, &["allow"]).await;
    let page = visit.last();
    assert_eq!(page.status, 200);
    assert_eq!(page.title, "Logged in to acme · loopdesk");
    let person = scene.stage.acme().await.person.unwrap();
    for said in [
        person.name.as_str(),
        person.email.as_deref().unwrap(),
        person.role.as_deref().unwrap(),
        &format!(
            "curl http://localhost:{}/api/v2/users/me.json",
            scene.stage.port
        ),
        "You can close this tab",
    ] {
        assert!(page.text.contains(said), "{said} in {page:#?}");
    }
    login.ended().await.ok();
    assert_eq!(scene.stage.get("/api/v2/users/me.json").await.0, 200);
}

#[tokio::test]
async fn whoever_is_granted_less_reads_what_is_missing() {
    let Some(scene) = Scene::set(stage().await).await else {
        return;
    };
    scene
        .stage
        .zendesk
        .set_malformed(Malformed::edited(|answer| {
            answer.insert("scope".to_owned(), "read".into());
        }));
    let login = scene.login(&[]).await;
    let visit = scene.look("less", &login.url, &["allow"]).await;
    let page = visit.last();
    assert_eq!(page.status, 200, "{page:#?}");
    assert!(
        page.text.contains("Zendesk has not granted write."),
        "{page:#?}"
    );
    login.ended().await.ok();
}

#[tokio::test]
async fn whoever_denies_reads_that_nothing_has_changed_and_how_to_start_again() {
    let Some(scene) = Scene::set(stage().await).await else {
        return;
    };
    let login = scene.login(&[]).await;
    let visit = scene.look("denied", &login.url, &["deny"]).await;
    let page = visit.last();
    assert_eq!(
        (page.status, page.title.as_str()),
        (400, "Not allowed · loopdesk")
    );
    assert!(page.text.contains("Nothing has changed."), "{page:#?}");
    assert!(page.text.contains("loopdesk login acme"), "{page:#?}");
    login.ended().await.failed(4);
    assert_eq!(scene.stage.acme().await.state, State::SignedOut);
}

#[tokio::test]
async fn d1_a_callback_with_a_wrong_state_is_turned_away_and_the_right_one_still_taken() {
    let Some(scene) = Scene::set(stage().await).await else {
        return;
    };
    let login = scene.login(&[]).await;
    let steps = ["allow-tampered", "callback"];
    let visit = scene.visit(&login.url, &steps).await;
    let [_, forged, right] = &visit.pages[..] else {
        panic!("{visit:#?}");
    };
    assert_eq!(
        (forged.status, forged.title.as_str()),
        (404, "No login waits here · loopdesk")
    );
    assert!(
        !forged.text.contains("acme"),
        "it says nothing to strangers: {forged:#?}"
    );
    assert_eq!(right.status, 200, "{right:#?}");
    login.ended().await.ok();
}

#[tokio::test]
async fn a_code_that_has_expired_says_so_on_the_page_and_in_the_terminal() {
    let builder = Zendesk::builder().code_ttl(Duration::ZERO);
    let Some(scene) = Scene::set(Stage::set(binary(), builder).await).await else {
        return;
    };
    let login = scene.login(&[]).await;
    let visit = scene.look("failed", &login.url, &["allow"]).await;
    let page = visit.last();
    assert_eq!(
        (page.status, page.title.as_str()),
        (400, "Not logged in · loopdesk")
    );
    let why = "no longer accepts this login's code";
    assert!(page.text.contains(why), "{page:#?}");
    let output = login.ended().await.failed(4);
    assert!(output.stderr.contains(why), "{output:?}");
}

#[tokio::test]
async fn d1_a_reload_of_the_last_page_exchanges_nothing_again() {
    let Some(scene) = Scene::set(stage().await).await else {
        return;
    };
    let login = scene.login(&[]).await;
    let visit = scene.look("used", &login.url, &["allow", "reload"]).await;
    let page = visit.last();
    assert_eq!(
        (page.status, page.title.as_str()),
        (410, "Already used · loopdesk")
    );
    login.ended().await.ok();
    assert_eq!(scene.exchanges(), 1);
    assert_eq!(scene.stage.live_pairs(), 1);
}

#[tokio::test]
async fn d1_going_back_and_allowing_again_changes_nothing() {
    let Some(scene) = Scene::set(stage().await).await else {
        return;
    };
    let login = scene.login(&[]).await;
    let steps = ["allow", "back", "allow"];
    let visit = scene.visit(&login.url, &steps).await;
    let statuses: Vec<_> = visit.pages.iter().map(|page| page.status).collect();
    assert_eq!(statuses, [200, 200, 200, 410], "{visit:#?}");
    login.ended().await.ok();
    assert_eq!(scene.exchanges(), 1);
    assert_eq!(scene.stage.live_pairs(), 1);
}

#[tokio::test]
async fn two_accounts_can_log_in_at_once_each_as_its_own_person() {
    let stage = stage().await;
    with_a_second_account(&stage);
    let Some(scene) = Scene::set(stage).await else {
        return;
    };
    let acme = scene.login(&["acme"]).await;
    let other = scene.login(&["other"]).await;
    scene.stage.zendesk.set_consenting_user(users::AGENT);
    let second = scene.visit(&other.url, &["allow"]).await;
    assert_eq!(second.last().title, "Logged in to other · loopdesk");
    assert!(second.last().text.contains("Ben Agent"), "{second:#?}");
    other.ended().await.ok();

    scene.stage.zendesk.set_consenting_user(users::ADMIN);
    let first = scene.visit(&acme.url, &["allow"]).await;
    assert_eq!(first.last().title, "Logged in to acme · loopdesk");
    acme.ended().await.ok();

    let accounts = scene.stage.status().await.accounts;
    let people = accounts
        .iter()
        .map(|account| account.person.as_ref().unwrap().id);
    assert_eq!(people.collect::<Vec<_>>(), [users::ADMIN, users::AGENT]);
}

#[tokio::test]
async fn the_newer_of_two_logins_of_an_account_goes_on_and_the_older_one_s_tab_says_so() {
    let Some(scene) = Scene::set(stage().await).await else {
        return;
    };
    let older = scene.login(&[]).await;
    let newer = scene.login(&[]).await;
    let output = older.ended().await.failed(4);
    assert!(
        output.stderr.contains("another login of this account"),
        "{output:?}"
    );

    // Its own page was already open.
    let visit = scene
        .look("replaced", output.stdout.trim(), &["allow"])
        .await;
    let page = visit.last();
    assert_eq!(
        (page.status, page.title.as_str()),
        (404, "No login waits here · loopdesk")
    );
    assert!(
        page.text.contains("another one has taken its place"),
        "{page:#?}"
    );
    let visit = scene.visit(&newer.url, &["allow"]).await;
    assert_eq!(visit.last().status, 200, "{visit:#?}");
    newer.ended().await.ok();
    assert_eq!(scene.exchanges(), 1);
}

#[tokio::test]
async fn r8_the_page_for_somebody_else_names_both_and_both_ways_on() {
    let Some(scene) = Scene::set(stage().await).await else {
        return;
    };
    let login = scene.login(&[]).await;
    scene.visit(&login.url, &["allow"]).await;
    login.ended().await.ok();
    let first = scene.stage.acme().await.person.unwrap();
    scene.stage.zendesk.set_consenting_user(users::AGENT);

    let login = scene.login(&[]).await;
    let visit = scene.look("somebody-else", &login.url, &["allow"]).await;
    let page = visit.last();
    assert_eq!(
        (page.status, page.title.as_str()),
        (400, "Not logged in · loopdesk")
    );
    for said in [
        &first.name,
        "Ben Agent",
        "loopdesk login acme --switch-user",
    ] {
        assert!(page.text.contains(said), "{said} in {page:#?}");
    }
    login.ended().await.failed(4);
    assert_eq!(scene.stage.acme().await.person.unwrap().id, first.id);
    assert_eq!(scene.stage.live_pairs(), 1);
}

#[tokio::test]
async fn d1_what_an_address_brings_along_is_text_and_nothing_else() {
    let Some(scene) = Scene::set(stage().await).await else {
        return;
    };
    let login = scene.login(&[]).await;
    let callback = callback_of(&scene.entered(&login.url).await);
    let visit = scene.look("incomplete", &callback, &[]).await;
    assert_eq!(visit.last().title, "Incomplete answer · loopdesk");

    let evil = "%3Cimg%20src%3Dhttps%3A%2F%2Fexample.com%2Fx%20onerror%3Dalert(1)%3E\
                %3Cscript%3Ealert(1)%3C%2Fscript%3E%3Cstyle%3E*%7Bdisplay%3Anone%7D%3C%2Fstyle%3E";
    let address = format!("{callback}&error=server_error&error_description={evil}");
    let visit = scene.look("evil", &address, &[]).await;
    let page = visit.last();
    assert!(page.text.contains("<script>alert(1)</script>"), "{page:#?}");
    login.ended().await.failed(4);
}

#[tokio::test]
async fn w9_the_browser_is_started_by_arguments_and_gets_the_address_as_one() {
    let mut stage = stage().await;
    let fake_browser = FakeBrowser::of(&mut stage.home);
    let program = stage.home.bin().join("fake-browser");
    let bait = stage.home.path().join("bait");
    // Words that would matter to a shell, if one were involved.
    let words = ["$(touch", "bait)", ";touch", "bait", "&", "`touch", "bait`"];
    let browser = format!("{} {}", program.display(), words.join(" "));
    stage.home.set("BROWSER", browser);
    let _daemon = stage.daemon().await;
    let mut login = Login::start(&stage, &[]);
    let noted = fake_browser.next().await;
    let (address, before) = noted.split_last().unwrap();
    assert_eq!(before, words);
    // All users of the machine can read the arguments of a browser.
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    for known in ["state", "challenge", stage.zendesk.origin()] {
        assert!(!address.contains(known), "{known} in {address}");
    }
    assert!(!bait.exists());
    login.kill().await.unwrap();
    let output = login.wait_with_output().await.unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.starts_with(stage.zendesk.origin()), "{shown}");
}

/// A daemon, and a person whose clicks are scripted.
struct Scene {
    stage: Stage,
    browser: FakeBrowser,
    _daemon: Daemon,
}

impl Scene {
    /// `None` if Chromium isn't installed.
    async fn set(mut stage: Stage) -> Option<Self> {
        if !chromium::is_there() {
            return None;
        }
        let browser = FakeBrowser::of(&mut stage.home);
        Some(Self {
            _daemon: stage.daemon().await,
            stage,
            browser,
        })
    }

    /// Starts a login and waits until its page is opened.
    async fn login(&self, arguments: &[&str]) -> Login {
        let child = Login::start(&self.stage, arguments);
        let mut noted = self.browser.next().await;
        assert_eq!(noted.len(), 1, "one argument, the address: {noted:?}");
        Login {
            child,
            url: noted.remove(0),
        }
    }

    /// Where the address that a browser is started with leads.
    async fn entered(&self, url: &str) -> String {
        let asked = ["-sS", "-o", "/dev/null", "-w", "%{redirect_url}", url];
        self.stage.home.run("curl", asked).await.ok().stdout
    }

    async fn visit(&self, url: &str, steps: &[&str]) -> Visit {
        chromium::visit(self.stage.home.path(), url, steps, None).await
    }

    /// The same, with a close look at the last page.
    async fn look(&self, name: &str, url: &str, steps: &[&str]) -> Visit {
        let visit = chromium::visit(self.stage.home.path(), url, steps, Some(name)).await;
        is_well_made(&visit);
        visit
    }

    fn exchanges(&self) -> usize {
        let is_exchange = |record: &&Record| record.is("POST", "/oauth/tokens");
        self.stage
            .zendesk
            .requests()
            .iter()
            .filter(is_exchange)
            .count()
    }
}

/// A `loopdesk login` that waits for its browser.
struct Login {
    child: Child,
    url: String,
}

impl Login {
    fn start(stage: &Stage, arguments: &[&str]) -> Child {
        let mut command = stage.home.command("loopdesk");
        command.arg("login").args(arguments).stdin(Stdio::null());
        command.spawn().unwrap()
    }

    async fn ended(self) -> Output {
        let output = self.child.wait_with_output().await.unwrap();
        Output {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The page at the end of a login: it loads nothing else, and is readable for everyone, in light
/// and dark mode, on a desktop and on a phone.
#[track_caller]
fn is_well_made(visit: &Visit) {
    let page = visit.last();
    assert!(
        page.requests.iter().all(|kind| kind == "document"),
        "{page:#?}"
    );
    assert!(page.complaints.is_empty(), "{page:#?}");
    assert_eq!(
        (page.lang.as_str(), page.mains, page.scripts),
        ("en", 1, 0),
        "{page:#?}"
    );
    let (first, rest) = page.headings.split_first().unwrap();
    assert!(first.starts_with("h1 "), "{page:#?}");
    assert!(
        rest.iter().all(|heading| heading.starts_with("h2 ")),
        "{page:#?}"
    );
    assert_eq!(visit.looks.len(), 4);
    for (window, look) in &visit.looks {
        // WCAG 2.2, 1.4.3 at level AA.
        assert!(look.contrast >= 4.5, "{window}: {look:?}");
        assert!(!look.scrolls_sideways, "{window}: {look:?}");
    }
    assert_ne!(
        visit.looks["desk-light"].ground,
        visit.looks["desk-dark"].ground
    );
}

/// Where Zendesk would send the browser back to, with only the login's state.
fn callback_of(url: &str) -> String {
    let (_, query) = url.split_once('?').unwrap();
    let value = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(name, _)| name == wanted)
            .unwrap()
            .1
            .into_owned()
    };
    format!("{}?state={}", value("redirect_uri"), value("state"))
}

fn with_a_second_account(stage: &Stage) {
    let config = stage.home.paths().config_file();
    let text = std::fs::read_to_string(config).unwrap();
    let second = format!("http://127.0.0.1:{}/callback", ports::free());
    stage.zendesk.register_redirect_uri(&second);
    let uris = "redirect-uris = [";
    let (before, acme) = text.split_once("[accounts.acme]\n").unwrap();
    let text = before.replace(uris, &format!("{uris}\"{second}\", "));
    stage.home.configure(&format!(
        "default-account = \"acme\"\n{text}[accounts.acme]\n{acme}\n[accounts.other]\n{acme}"
    ));
}
