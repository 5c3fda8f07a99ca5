//! Logins on real sockets, against a scripted Zendesk (R8, R9, and W8 of tests/attacks.md).

use std::net::SocketAddr;

use loopdesk_protocol::status::State as Shown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::session::testing::{Bench, person};

#[tokio::test]
async fn a_login_is_stored_in_use_and_explained() {
    let bench = Bench::signed_out(3600).await;
    let mut login = Attempt::start(&bench, false).await;
    assert!(
        login
            .authorize
            .url
            .starts_with("https://acme.zendesk.com/oauth/authorizations/new?")
    );
    let (status, page) = login.visit(&login.callback("code=good")).await;
    assert_eq!(status, 200);
    assert!(page.contains("Logged in") && page.contains("Person 42 &lt;p42@example.com&gt;"));
    let done = login.done().await;
    assert_eq!((done.person.id, done.account.as_str()), (42, "acme"));
    assert_eq!(done.scopes, ["read", "write"]);
    assert!(done.missing_scopes.is_empty());
    assert_eq!(done.base_urls, ["http://localhost:8484"]);
    assert_eq!(bench.session.view().state, Shown::Active);
    assert_eq!(bench.durable(), Some(1));
    let bench = bench.restarted().await;
    assert!(bench.is_ready());
}

#[tokio::test]
async fn w8_whoever_does_not_know_the_state_gets_404_and_the_login_waits_on() {
    let bench = Bench::signed_out(3600).await;
    let mut login = Attempt::start(&bench, false).await;
    let state = &login.state;
    let (start, _) = state.split_at(state.len() - 1);
    let targets = [
        "/callback".to_owned(),
        "/callback?code=good".to_owned(),
        "/callback?code=good&state=".to_owned(),
        "/callback?code=good&state=guess".to_owned(),
        format!("/callback?code=good&state={start}"),
        format!("/callback?code=good&state={state}x"),
        format!("/callback/?code=good&state={state}"),
        format!("/Callback?code=good&state={state}"),
        format!("/?code=good&state={state}"),
        "/favicon.ico".to_owned(),
        "/callback?error=access_denied".to_owned(),
        "/callback?error_description=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
    ];
    for target in targets {
        let (status, page) = login.visit(&target).await;
        assert_eq!(status, 404, "{target}");
        assert!(!page.contains("<script"));
    }
    let twice = format!("/callback?code=good&code=bad&state={state}");
    assert_eq!(login.visit(&twice).await.0, 400);
    assert_eq!(login.visit(&login.callback("nothing=1")).await.0, 400);
    assert_eq!(
        login.send("POST", &login.callback("code=good")).await.0,
        405
    );
    assert_eq!(
        login.send("HEAD", &login.callback("code=good")).await.0,
        405
    );
    assert!(bench.zendesk.calls().is_empty());
    assert_eq!(login.visit(&login.callback("code=good")).await.0, 200);
    login.done().await;
}

#[tokio::test]
async fn w8_a_second_callback_is_410_and_changes_nothing() {
    let bench = Bench::signed_out(3600).await;
    let mut login = Attempt::start(&bench, false).await;
    let callback = login.callback("code=good");
    assert_eq!(login.visit(&callback).await.0, 200);
    login.done().await;
    assert_eq!(login.visit(&callback).await.0, 410);
    assert_eq!(bench.zendesk.count("exchange"), 1);
}

/// A login that has ended is still known, in case its callback comes twice.
#[tokio::test]
async fn o2_a_new_program_waits_for_logins_under_way_and_for_no_others() {
    let bench = Bench::signed_out(3600).await;
    assert!(!bench.session.is_logging_in());
    let mut login = Attempt::start(&bench, false).await;
    assert!(bench.session.is_logging_in());
    let callback = login.callback("code=good");
    assert_eq!(login.visit(&callback).await.0, 200);
    login.done().await;
    (&mut login.task).await.unwrap();
    assert!(!bench.session.is_logging_in());
    assert_eq!(login.visit(&callback).await.0, 410);

    let abandoned = Attempt::start(&bench, false).await;
    assert!(bench.session.is_logging_in());
    drop(abandoned.events);
    abandoned.task.await.unwrap();
    assert!(!bench.session.is_logging_in());
}

#[tokio::test]
async fn a_refused_consent_says_so_in_both_places() {
    let bench = Bench::signed_out(3600).await;
    let mut login = Attempt::start(&bench, false).await;
    let target = login.callback("error=access_denied&error_description=%3Cb%3Eno%3C%2Fb%3E");
    let (status, page) = login.visit(&target).await;
    assert_eq!(status, 400);
    assert!(
        page.contains("was not allowed") && !page.contains("<b>"),
        "{page}"
    );
    let problem = login.failed().await;
    assert!(problem.message.contains("was not allowed"), "{problem}");
    assert!(problem.hints[0].contains("loopdesk login acme"));
    assert_eq!(bench.session.view().state, Shown::SignedOut);
}

#[tokio::test]
async fn a_code_that_zendesk_no_longer_accepts_changes_nothing() {
    let bench = Bench::logged_in(3600).await;
    let mut login = Attempt::start(&bench, false).await;
    let (status, page) = login.visit(&login.callback("code=old")).await;
    assert_eq!(status, 400);
    assert!(page.contains("no longer accepts"), "{page}");
    assert_eq!(login.failed().await.kind, Kind::Login);
    assert_eq!(bench.session.view().generation, Some(1));
    assert!(bench.is_ready());
}

#[tokio::test]
async fn a_pasted_address_is_judged_like_a_callback() {
    let bench = Bench::signed_out(3600).await;
    assert!(
        bench
            .session
            .paste("http://127.0.0.1:1/callback?code=good&state=x")
            .is_err()
    );
    let mut login = Attempt::start(&bench, false).await;
    let uri = &login.authorize.redirect_uri;
    for wrong in [
        "hello".to_owned(),
        uri.clone(),
        format!("{uri}?code=good&state=other"),
        format!("{uri}/x?code=good&state={}", login.state),
        format!("{uri}?state={}", login.state),
    ] {
        let problem = bench.session.paste(&wrong).unwrap_err();
        assert!(!problem.hints.is_empty(), "{wrong}");
        assert!(!problem.message.contains(&login.state));
    }
    let address = format!("  {uri}?state={}&code=good#top\n", login.state);
    bench.session.paste(&address).unwrap();
    assert_eq!(login.done().await.person.id, 42);
    let problem = bench.session.paste(&address).unwrap_err();
    assert!(problem.message.contains("used already"), "{problem}");
}

#[tokio::test]
async fn o3_a_bad_paste_is_answered_by_the_login_that_waits_and_not_by_the_last_account() {
    let waits = Bench::signed_out(3600).await;
    let other = Bench::signed_out(3600).await;
    let (first, second) = (waits.session.clone(), other.session.clone());
    let orders = [
        [first.clone(), second.clone()],
        [second.clone(), first.clone()],
    ];
    let said = |address: &str| {
        let both = orders.clone().map(|sessions| paste(&sessions, address));
        let [one, two] = both.map(Result::unwrap_err);
        assert_eq!(one, two, "{address}");
        one
    };
    let nobody = said("http://127.0.0.1:1/callback?code=good&state=x");
    assert_eq!(nobody.message, "no login is waiting for an address");
    let mut login = Attempt::start(&waits, false).await;
    let uri = &login.authorize.redirect_uri;
    for (wrong, expected) in [
        (format!("{uri}?code=good&state=other"), "another login"),
        (format!("{uri}?state={}", login.state), "no `code`"),
        (uri.clone(), "no `?`"),
    ] {
        let problem = said(&wrong);
        assert!(problem.message.contains(expected), "{wrong}: {problem}");
    }
    let address = format!("{uri}?state={}&code=good", login.state);
    paste(&orders[0], &address).unwrap();
    login.done().await;
    assert!(said(&address).message.contains("used already"));
}

#[tokio::test]
async fn r8_another_person_is_refused_with_both_names_and_the_new_pair_revoked() {
    let bench = Bench::logged_in(3600).await;
    bench.zendesk.set_person(person(7));
    let mut login = Attempt::start(&bench, false).await;
    login.visit(&login.callback("code=good")).await;
    let problem = login.failed().await;
    assert!(problem.message.contains("Person 42") && problem.message.contains("Person 7"));
    assert!(
        problem
            .hints
            .iter()
            .any(|hint| hint.contains("--switch-user"))
    );
    assert_eq!(bench.zendesk.calls().last().unwrap(), "revoke access-2");
    assert_eq!(bench.session.view().person.unwrap().id, 42);
    assert_eq!(bench.durable(), Some(1));

    let mut login = Attempt::start(&bench, true).await;
    login.visit(&login.callback("code=good")).await;
    assert_eq!(login.done().await.person.id, 7);
    assert_eq!(bench.session.view().person.unwrap().id, 7);
}

#[tokio::test]
async fn r8_a_login_revokes_the_pair_that_it_replaces() {
    let bench = Bench::logged_in(3600).await;
    let mut login = Attempt::start(&bench, false).await;
    login.visit(&login.callback("code=good")).await;
    login.done().await;
    bench.zendesk.until("revoke access-1", 1).await;
    assert_eq!(bench.session.view().generation, Some(2));
    assert_eq!(bench.durable(), Some(2));
}

#[tokio::test]
async fn r9_the_vault_is_tried_before_anybody_opens_a_browser() {
    let bench = Bench::logged_in(3600).await;
    std::fs::remove_file(bench.deps.paths.key_file()).unwrap();
    let bench = bench.restarted().await;
    let problem = Attempt::refused(&bench).await;
    assert_eq!(problem.kind, Kind::Vault);
    assert!(
        !bench.deps.paths.key_file().exists(),
        "no new key while a record exists"
    );
    assert_eq!(bench.durable(), Some(1));
    // The way out.
    bench.session.logout(true).await.unwrap();
    let mut login = Attempt::start(&bench, false).await;
    login.visit(&login.callback("code=good")).await;
    login.done().await;
}

#[tokio::test]
async fn a_record_of_a_newer_release_is_moved_aside_by_a_login() {
    let bench = Bench::signed_out(3600).await;
    let newer = b"{\"loopdesk-session\":4}\nAAAA\n";
    bench
        .store
        .prepare(&bench.name())
        .unwrap()
        .commit(newer)
        .unwrap();
    std::fs::write(
        bench.deps.paths.key_file(),
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(bench.deps.paths.key_file(), mode).unwrap();
    let bench = bench.restarted().await;
    assert_eq!(bench.session.view().state, Shown::SignedOut);
    let problem = bench.session.view().problem.unwrap();
    assert!(problem.message.contains("newer loopdesk"), "{problem}");
    let mut login = Attempt::start(&bench, false).await;
    login.visit(&login.callback("code=good")).await;
    login.done().await;
    let aside = bench.deps.paths.sessions_dir().join("acme.session.old");
    assert_eq!(std::fs::read(aside).unwrap(), newer);
    assert_eq!(bench.durable(), Some(1));
}

#[tokio::test]
async fn hanging_up_abandons_the_login_and_frees_the_port() {
    let bench = Bench::signed_out(3600).await;
    let login = Attempt::start(&bench, false).await;
    let address = login.address;
    drop(login.events);
    login.task.await.unwrap();
    // Nothing listens once the listener's task has ended.
    while TcpListener::bind(address).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_login_that_waits_does_not_keep_the_daemon_from_stopping() {
    let bench = Bench::signed_out(3600).await;
    let mut login = Attempt::start(&bench, false).await;
    bench.session.stop().await;
    assert_eq!(login.failed().await.kind, Kind::Daemon);
    assert!(
        Attempt::refused(&bench)
            .await
            .message
            .contains("shutting down")
    );
    bench.deps.tracker.close();
    bench.deps.tracker.wait().await;
}

#[tokio::test]
async fn the_first_free_port_is_taken_and_none_is_a_problem_that_names_them() {
    let bench = Bench::signed_out(3600).await;
    let in_use = free_uri().await;
    let _other_listener = TcpListener::bind(in_use.address()).await.unwrap();
    let uris = [in_use, free_uri().await];
    let problem = Attempt::with(&bench, false, &uris[..1]).await.unwrap_err();
    let address = uris[0].address().to_string();
    assert!(problem.message.contains(&address), "{problem}");
    let login = Attempt::with(&bench, false, &uris).await.unwrap();
    assert_eq!(login.authorize.redirect_uri, uris[1].as_str());
}

#[tokio::test]
async fn a_login_takes_the_place_of_the_account_s_older_one() {
    let bench = Bench::signed_out(3600).await;
    let uris = [free_uri().await];
    let mut one = Attempt::with(&bench, false, &uris).await.unwrap();
    let mut two = Attempt::with(&bench, false, &uris).await.unwrap();
    assert!(one.failed().await.message.contains("another login"));
    assert_eq!(two.visit(&one.callback("code=good")).await.0, 404);
    assert_eq!(two.visit(&two.callback("code=good")).await.0, 200);
    two.done().await;
}

#[tokio::test]
async fn the_page_comes_with_headers_that_keep_the_code_to_itself() {
    let bench = Bench::signed_out(3600).await;
    let login = Attempt::start(&bench, false).await;
    let head = login
        .raw("GET", &login.callback("code=good"))
        .await
        .to_ascii_lowercase();
    for header in [
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "content-security-policy: default-src 'none'",
        "x-frame-options: deny",
        "connection: close",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
}

/// A login that has reached the page the user has to open.
#[derive(Debug)]
struct Attempt {
    authorize: Authorize,
    state: String,
    address: SocketAddr,
    events: mpsc::Receiver<LoginEvent>,
    task: JoinHandle<()>,
}

impl Attempt {
    async fn start(bench: &Bench, switch_user: bool) -> Self {
        let uri = free_uri().await;
        Self::with(bench, switch_user, &[uri]).await.unwrap()
    }

    async fn refused(bench: &Bench) -> Problem {
        let uri = free_uri().await;
        match Self::with(bench, false, &[uri]).await {
            Ok(_) => panic!("a person was sent to the browser"),
            Err(problem) => problem,
        }
    }

    async fn with(bench: &Bench, switch_user: bool, uris: &[RedirectUri]) -> Result<Self, Problem> {
        let (sender, mut events) = mpsc::channel(4);
        let (session, uris) = (bench.session.clone(), uris.to_vec());
        let base_urls = vec!["http://localhost:8484".to_owned()];
        let options = LoginOptions {
            switch_user,
            ..LoginOptions::default()
        };
        let task = tokio::spawn(async move {
            session.login(options, &uris, base_urls, sender).await;
        });
        let authorize = match events.recv().await.unwrap() {
            LoginEvent::Authorize(authorize) => authorize,
            LoginEvent::Failed(problem) => return Err(problem),
            other @ (LoginEvent::Obtained(_) | LoginEvent::Done(_)) => panic!("{other:?}"),
        };
        let (_, query) = authorize.url.split_once('?').unwrap();
        let mut parameters = url::form_urlencoded::parse(query.as_bytes());
        let state = parameters.find(|(name, _)| name == "state").unwrap().1;
        let uri: RedirectUri = authorize.redirect_uri.parse().unwrap();
        Ok(Self {
            state: state.into_owned(),
            address: uri.address(),
            authorize,
            events,
            task,
        })
    }

    fn callback(&self, parameters: &str) -> String {
        format!("/callback?{parameters}&state={}", self.state)
    }

    async fn visit(&self, target: &str) -> (u16, String) {
        self.send("GET", target).await
    }

    async fn send(&self, method: &str, target: &str) -> (u16, String) {
        let answer = self.raw(method, target).await;
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, body.to_owned())
    }

    async fn raw(&self, method: &str, target: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn done(&mut self) -> Done {
        match self.events.recv().await.unwrap() {
            LoginEvent::Done(done) => done,
            other
            @ (LoginEvent::Authorize(_) | LoginEvent::Obtained(_) | LoginEvent::Failed(_)) => {
                panic!("{other:?}")
            }
        }
    }

    async fn failed(&mut self) -> Problem {
        match self.events.recv().await.unwrap() {
            LoginEvent::Failed(problem) => problem,
            other @ (LoginEvent::Authorize(_) | LoginEvent::Obtained(_) | LoginEvent::Done(_)) => {
                panic!("{other:?}")
            }
        }
    }
}

async fn free_uri() -> RedirectUri {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}/callback").parse().unwrap()
}
