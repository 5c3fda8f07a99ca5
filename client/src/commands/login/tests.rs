use super::*;
use loopdesk_protocol::call::Empty;

use crate::testing::{self, Daemon, Home, Lines, Ran, Serving, Streams};
use tokio::io::{AsyncWriteExt, DuplexStream};

const URL: &str = "https://acme.zendesk.com/oauth/authorizations/new?state=s";

fn authorize() -> LoginEvent {
    LoginEvent::Authorize(Authorize {
        account: "acme".to_owned(),
        url: URL.to_owned(),
        redirect_uri: "http://127.0.0.1:18484/callback".to_owned(),
        entrance: None,
        listens: true,
        waits_until: "2026-11-23T17:02:00Z".parse().unwrap(),
        role: Role::Primary,
        page: 1,
        pages: 1,
    })
}

fn done() -> LoginEvent {
    LoginEvent::Done(Done {
        account: "acme".to_owned(),
        person: testing::ada(),
        scopes: vec!["read".to_owned()],
        missing_scopes: vec!["write".to_owned()],
        access_expires_at: "2026-11-25T17:00:00Z".parse().unwrap(),
        refresh_expires_at: Some("2027-02-21T17:00:00Z".parse().unwrap()),
        base_urls: vec!["http://127.0.0.1:8484".to_owned()],
        warning: None,
        pairs: Vec::new(),
        new_person: false,
    })
}

fn serve(home: &Home, make: impl FnOnce(Daemon) -> Daemon) -> (Serving, Lines) {
    let daemon = make(Daemon::new(home).json(status::CALL, &testing::status()));
    let (daemon, lines) = daemon.lines(login::CALL);
    (daemon.serve(), lines)
}

/// A login that runs beside the test.
fn start(home: Home, line: &'static str) -> (tokio::task::JoinHandle<Ran>, DuplexStream, Streams) {
    start_with(home, line, |_| Ok(()))
}

fn start_with(
    home: Home,
    line: &'static str,
    browser: Browser,
) -> (tokio::task::JoinHandle<Ran>, DuplexStream, Streams) {
    let (keyboard, input) = tokio::io::duplex(1024);
    let streams = Streams::default();
    let copy = streams.clone();
    let run = async move {
        {
            let keyboard = Keyboard::new(Box::new(input));
            home.run_with(line, keyboard, browser, copy).await
        }
    };
    (tokio::spawn(run), keyboard, streams)
}

#[tokio::test]
async fn the_browser_opens_and_the_address_is_shown_all_the_same() {
    let home = Home::new();
    let (daemon, events) = serve(&home, |daemon| daemon);
    events.send(&authorize());
    events.send(&done());
    let (run, _keyboard, _) = start(home, "login acme --switch-user");
    let ran = run.await.unwrap();
    assert_eq!(ran.code, 0);
    insta::assert_snapshot!(ran.out, @"
    https://acme.zendesk.com/oauth/authorizations/new?state=s
    Logged in to acme as Ada Lovelace <ada@example.com>, admin.
      scopes          read
      access token    expires in 48 h (2026-11-25 18:00); loopdesk renews it before
      login lasts     until Sun 2027-02-21 (in 90 days) if this computer stays off
      base URL        http://127.0.0.1:8484
      try it          curl http://127.0.0.1:8484/api/v2/users/me.json
    ");
    insta::assert_snapshot!(ran.err, @"
    Opening Zendesk's page in your browser: allow loopdesk to use acme within 2 min (until 18:02).
    If no page opens, open this address:

    Warning: Zendesk didn't grant write. Ask an admin to add it to the OAuth client's allowed scopes in Admin Center, then run `loopdesk login acme` again.
    ");
    let (_, body) = daemon.asked(login::CALL).remove(0);
    let request: LoginRequest = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (request.account.as_deref(), request.switch_user),
        (Some("acme"), true)
    );
}

#[tokio::test]
async fn without_a_browser_a_pasted_address_is_passed_on_until_one_is_right() {
    let home = Home::new();
    let wrong = Problem::new(Kind::Usage, "that address has no `code`");
    let (daemon, events) = serve(&home, |daemon| daemon.problem(CALLBACK, &wrong));
    let (run, mut keyboard, streams) = start(home, "login --no-browser");
    events.send(&authorize());
    streams.err.until("paste it here").await;
    let lines = streams.out.text();
    assert_eq!(
        lines,
        format!("{URL}\n"),
        "the address stands on a line of its own"
    );
    keyboard
        .write_all(b"\n  http://127.0.0.1:18484/  \n")
        .await
        .unwrap();
    streams.err.until("Paste the whole address").await;
    events.send(&done());
    let ran = run.await.unwrap();
    assert_eq!(ran.code, 0);
    let (_, body) = daemon.asked(CALLBACK).remove(0);
    assert_eq!(body, r#"{"address":"http://127.0.0.1:18484/"}"#);
    insta::assert_snapshot!(ran.err, @"
    Allow loopdesk to use acme within 2 min (until 18:02).
    Open this address in a browser:


    If that browser runs on another machine, its last page will fail to load. That is expected:
    copy the address of that page, paste it here and press Enter.
    error: that address has no `code`
    You are still logging in. Paste the whole address:
    Warning: Zendesk didn't grant write. Ask an admin to add it to the OAuth client's allowed scopes in Admin Center, then run `loopdesk login acme` again.
    ");
}

#[tokio::test]
async fn the_end_of_the_input_does_not_end_the_login() {
    let home = Home::new();
    let (daemon, events) = serve(&home, |d| d.json(CALLBACK, &Empty {}));
    let (run, mut keyboard, streams) = start(home, "login --no-browser");
    events.send(&authorize());
    streams.err.until("paste it here").await;
    keyboard
        .write_all(b"http://127.0.0.1:18484/callback?code=c&state=s")
        .await
        .unwrap();
    drop(keyboard);
    daemon.until_asked(CALLBACK).await;
    events.send(&done());
    assert_eq!(run.await.unwrap().code, 0);
}

#[tokio::test]
async fn a_browser_that_cannot_be_opened_turns_into_pasting() {
    let home = Home::new();
    let (_daemon, events) = serve(&home, |daemon| daemon);
    let (run, _keyboard, streams) =
        start_with(home, "login", |_| Err(io::ErrorKind::NotFound.into()));
    events.send(&authorize());
    streams.err.until("no browser could be opened").await;
    streams.err.until("paste it here").await;
    events.send(&done());
    assert_eq!(run.await.unwrap().code, 0);
}

#[tokio::test]
async fn a_refusal_and_a_lost_daemon_say_what_to_do() {
    let home = Home::new();
    let (_daemon, events) = serve(&home, |daemon| daemon);
    events.send(&LoginEvent::Failed(
        Problem::new(Kind::Login, "Ada Lovelace denied the access").hint("run `loopdesk login`"),
    ));
    let ran = home.run("login").await;
    assert_eq!(ran.code, 4);
    assert_eq!(
        ran.err,
        "error: Ada Lovelace denied the access\nHint: run `loopdesk login`\n"
    );

    let home = Home::new();
    let (_daemon, events) = serve(&home, |daemon| daemon);
    drop(events);
    let ran = home.run("login").await;
    assert_eq!(ran.code, 6);
    assert!(
        ran.err.contains("Hint: run `loopdesk login` again"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn programs_get_one_event_a_line() {
    let home = Home::new();
    let wrong = Problem::new(Kind::Usage, "that address has no `code`");
    let (_daemon, events) = serve(&home, |daemon| daemon.problem(CALLBACK, &wrong));
    let (run, mut keyboard, streams) = start(home, "login --no-browser --json");
    events.send(&authorize());
    streams.out.until("authorize").await;
    keyboard.write_all(b"nonsense\n").await.unwrap();
    streams.out.until("refused").await;
    events.send(&LoginEvent::Failed(Problem::new(Kind::Login, "denied")));
    let ran = run.await.unwrap();
    assert_eq!((ran.code, ran.err.as_str()), (4, ""));
    insta::assert_snapshot!(ran.out, @r#"
    {"event":"authorize","account":"acme","url":"https://acme.zendesk.com/oauth/authorizations/new?state=s","redirect_uri":"http://127.0.0.1:18484/callback","listens":true,"waits_until":"2026-11-23T17:02:00Z","role":"primary","page":1,"pages":1}
    {"event":"refused","kind":"usage","message":"that address has no `code`"}
    {"event":"failed","kind":"login","message":"denied"}
    "#);
}

#[tokio::test]
async fn without_an_account_the_command_that_adds_one_is_shown_and_nothing_started() {
    let mut report = testing::report();
    report.config.as_mut().unwrap().accounts.clear();
    let home = Home::new().with_report(&report);
    let ran = home.run("login").await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.err
            .contains("`loopdesk account add acme --subdomain acme --client-id ID`"),
        "{}",
        ran.err
    );
    assert!(!home.paths.log_file().exists());

    let mut status = testing::status();
    status.accounts.clear();
    let _daemon = Daemon::new(&home).json(status::CALL, &status).serve();
    assert_eq!(home.run("login").await.err, ran.err);
}

#[tokio::test]
async fn client_credentials_need_a_secret_and_no_browser() {
    let home = Home::new();
    let (daemon, events) = serve(&home, |daemon| daemon);
    let LoginEvent::Done(mut done) = done() else {
        panic!("a login ends with this event");
    };
    done.missing_scopes.clear();
    done.refresh_expires_at = None;
    done.warning = Some("Ada Lovelace is an admin.\nGive the client an agent.".to_owned());
    events.send(&LoginEvent::Done(done));
    let ran = home
        .run_reading("login acme --client-secret-stdin", "s3cret\n")
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @"
    Logged in to acme as Ada Lovelace <ada@example.com>, admin.
      scopes          read
      access token    expires in 48 h (2026-11-25 18:00); loopdesk renews it before
      base URL        http://127.0.0.1:8484
      try it          curl http://127.0.0.1:8484/api/v2/users/me.json
    ");
    insta::assert_snapshot!(ran.err, @"
    Warning: Ada Lovelace is an admin.
    Warning: Give the client an agent.
    ");
    let (_, body) = daemon.asked(login::CALL).remove(0);
    let request: LoginRequest = serde_json::from_str(&body).unwrap();
    assert_eq!(request.client_secret.unwrap().expose(), "s3cret");

    // Nothing is asked of the daemon without the secret that was promised.
    let ran = home.run("login --client-secret-stdin").await;
    assert_eq!(ran.code, 2);
    insta::assert_snapshot!(ran.err, @"
    error: standard input has no client secret
    Hint: pass the client secret on one line
    ");
    assert_eq!(daemon.asked(login::CALL).len(), 1);
}

#[tokio::test]
async fn r8_keys_of_the_person_before_are_named_with_the_command_that_confirms_them() {
    let home = Home::new();
    let mut status = testing::status();
    status.accounts[0].suspended_keys = vec!["nightly-report".to_owned()];
    let (_daemon, events) = serve(&home, |daemon| daemon.json(status::CALL, &status));
    events.send(&done());
    let ran = home.run("login --switch-user").await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let last = ran.err.lines().last().unwrap();
    insta::assert_snapshot!(last, @"Warning: key `nightly-report` of account `acme` was created for a user other than Ada Lovelace, and can't be used. Run `loopdesk key confirm acme` to confirm.");
}

#[tokio::test]
async fn d1_where_a_key_is_needed_the_first_try_has_one() {
    for (access, key_over_tcp) in [(Access::User, true), (Access::Key, false)] {
        let home = Home::new();
        let mut status = testing::status();
        status.accounts[0].access = access;
        status.accounts[0].key_over_tcp = key_over_tcp;
        let (_daemon, events) = serve(&home, |daemon| daemon.json(status::CALL, &status));
        events.send(&done());
        let ran = home.run("login --switch-user").await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        let lines: Vec<_> = ran.out.lines().collect();
        let [.., needed, try_it] = lines.as_slice() else {
            panic!("{}", ran.out);
        };
        assert_eq!(
            needed.trim(),
            "local key       required; `loopdesk key create NAME --account acme --scope read` creates one"
        );
        assert_eq!(
            try_it.trim(),
            "try it          curl -u any/token:ldk_... http://127.0.0.1:8484/api/v2/users/me.json"
        );
    }
}

#[tokio::test]
async fn d1_w8_a_browser_is_started_with_the_entrance_and_the_page_is_shown() {
    static OPENED: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    let home = Home::new();
    let (daemon, events) = serve(&home, |daemon| daemon);
    let (run, _keyboard, streams) = start_with(home, "login", |url| {
        OPENED.lock().unwrap().push(url.to_owned());
        Ok(())
    });
    let LoginEvent::Authorize(page) = authorize() else {
        panic!("it begins with a page");
    };
    let entrance = "http://127.0.0.1:18484/go/nonce";
    events.send(&LoginEvent::Authorize(Authorize {
        entrance: Some(entrance.to_owned()),
        ..page
    }));
    streams.out.until(URL).await;
    while OPENED.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    events.send(&done());
    let ran = run.await.unwrap();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(*OPENED.lock().unwrap(), [entrance]);
    assert!(!ran.out.contains(entrance), "{}", ran.out);
    let (_, body) = daemon.asked(login::CALL).remove(0);
    assert!(body.contains("\"no_browser\":false"), "{body}");
}

#[tokio::test]
async fn d1_w8_where_others_hold_the_ports_the_last_page_is_not_believed() {
    let home = Home::new();
    let (daemon, events) = serve(&home, |daemon| daemon);
    let (run, _keyboard, streams) = start(home, "login --no-browser");
    let LoginEvent::Authorize(page) = authorize() else {
        panic!("it begins with a page");
    };
    events.send(&LoginEvent::Authorize(Authorize {
        listens: false,
        ..page
    }));
    streams.err.until("press Enter").await;
    let LoginEvent::Done(done) = done() else {
        panic!("a login ends with this event");
    };
    events.send(&LoginEvent::Done(Done {
        new_person: true,
        missing_scopes: Vec::new(),
        ..done
    }));
    let ran = run.await.unwrap();
    let (_, body) = daemon.asked(login::CALL).remove(0);
    assert!(body.contains("\"no_browser\":true"), "{body}");
    insta::assert_snapshot!(ran.err, @"
    Allow loopdesk to use acme within 2 min (until 18:02).
    Open this address in a browser:


    The last page will fail to load, or belong to another program, because other programs use loopdesk's ports
    on this machine. Copy the address of that page, paste it here and press Enter.
    You are logged in as Ada Lovelace <ada@example.com>, admin. If that isn't you, run `loopdesk logout acme`.
    ");
}
