//! `loopdesk login`: from the consent page in a browser to a session.

use std::io;

use jiff::SignedDuration;
use loopdesk_protocol::login::{self, Authorize, CALLBACK, Done, Event, Pasted, Request};
use loopdesk_protocol::status::{self, Status};
use loopdesk_protocol::{Client, Kind, Problem, client};
use serde::Serialize;

use crate::cli::Login;
use crate::context::{Browser, Context};
use crate::error::{self, CliError};
use crate::keyboard::Keyboard;
use crate::output::Output;
use crate::secret;
use crate::shell;
use crate::text::{GOOD, Text};
use crate::time::{Clock, span};

pub(crate) async fn run(
    args: &Login,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.daemon(output).await?;
    let status: Status = client.get(status::PATH).await?;
    if status.accounts.is_empty() {
        return Err(super::no_account().into());
    }
    let client_secret = match args.client_secret_stdin {
        true => Some(secret::read("client secret", &mut context.keyboard, output).await?),
        false => None,
    };
    let request = Request {
        account: args.account.clone(),
        switch_user: args.switch_user,
        client_secret,
    };
    let mut events = client.stream::<Event>(login::PATH, &request).await?;
    let mut person = AtTheBrowser {
        client,
        browser: (!args.no_browser).then_some(context.browser),
        keyboard: &mut context.keyboard,
        clock: &context.clock,
        reads: false,
        opening: None,
    };
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            () = person.acts(output) => continue,
        };
        let Some(event) = event else {
            return Err(Problem::new(
                Kind::Daemon,
                "the daemon has ended before the login was finished",
            )
            .hint("run `loopdesk login` again")
            .into());
        };
        if output.is_json() {
            output.json_line(&event)?;
        }
        match event {
            Event::Authorize(page) => person.is_asked(&page, output)?,
            Event::Done(done) => {
                if !output.is_json() {
                    tell(&done, &context.clock, output)?;
                }
                return Ok(());
            }
            Event::Failed(problem) if output.is_json() => {
                return Err(CliError::Reported(problem.kind));
            }
            Event::Failed(problem) => return Err(problem.into()),
        }
    }
}

/// The person who has to allow the access, and what comes from them.
struct AtTheBrowser<'a> {
    client: Client,
    /// None if no browser is to be opened.
    browser: Option<Browser>,
    keyboard: &'a mut Keyboard,
    clock: &'a Clock,
    /// Whether an address may be pasted.
    reads: bool,
    /// A browser that is being opened; some stay until they are closed.
    opening: Option<tokio::task::JoinHandle<io::Result<()>>>,
}

impl AtTheBrowser<'_> {
    /// Shows the page, in a browser if there is one.
    fn is_asked(&mut self, page: &Authorize, output: &mut Output) -> Result<(), CliError> {
        let left = page.waits_until.duration_since(self.clock.now());
        let time = format!(
            " within {} (until {}).\n",
            about(left),
            self.clock.time_of_day(page.waits_until)
        );
        let (first, last) = match self.browser {
            Some(_) => (
                "Opening Zendesk's page in your browser: allow loopdesk to use ",
                "If no page opens, open this address yourself:\n",
            ),
            None => (
                "Allow loopdesk to use ",
                "Open this address in a browser:\n",
            ),
        };
        let intro = Text::new().plain(first).strong(&page.account).plain(time);
        output.note(&intro.plain(last).end());
        if !output.is_json() {
            output.say(&Text::from(&page.url))?;
        }
        match self.browser {
            Some(browser) => {
                let url = page.url.clone();
                self.opening = Some(tokio::task::spawn_blocking(move || browser(&url)));
            }
            None => self.may_paste(output),
        }
        Ok(())
    }

    /// What the person, or the browser, does next. Can be cancelled: no line is lost.
    async fn acts(&mut self, output: &mut Output) {
        let opened = async {
            match &mut self.opening {
                Some(opening) => matches!(opening.await, Ok(Ok(()))),
                None => std::future::pending().await,
            }
        };
        let line = async {
            match self.reads {
                true => self.keyboard.next_line().await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            opened = opened => {
                self.opening = None;
                if !opened {
                    output.warn("no browser could be opened on this machine.");
                    self.may_paste(output);
                }
            }
            line = line => match line {
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(Some(line)) => self.pastes(line.trim(), output).await,
                // Nothing more will be pasted; the browser may still come back on this machine.
                Ok(None) | Err(_) => self.reads = false,
            },
        }
    }

    async fn pastes(&self, address: &str, output: &mut Output) {
        let pasted = Pasted {
            address: address.to_owned().into(),
        };
        let answer = self.client.post::<Empty>(CALLBACK, &pasted).await;
        let Err(failed) = answer else { return };
        let problem = match failed {
            // The stream of events says it better.
            client::Error::Unreachable { .. } => return,
            failed @ (client::Error::Problem(_) | client::Error::Broken(_)) => {
                error::from_daemon(failed)
            }
        };
        if output.is_json() {
            // A closed pipe shows at the next event.
            drop(output.json_line(&Refused {
                event: "refused",
                problem: &problem,
            }));
        } else {
            output.problem(&problem);
            output.note(&Text::from("The login goes on; paste the whole address:"));
        }
    }

    fn may_paste(&mut self, output: &mut Output) {
        self.reads = true;
        output.note(&Text::from(
            "\nIf that browser runs on another machine, its last page will fail to load. That is \
             expected:\ncopy the address of that page, paste it here and press Enter.",
        ));
    }
}

/// `2 min`: whole minutes, because nobody counts seconds here.
fn about(left: SignedDuration) -> String {
    match (left.as_secs() + 30) / 60 {
        0 => span(left.max(SignedDuration::ZERO)),
        minutes => format!("{minutes} min"),
    }
}

fn tell(done: &Done, clock: &Clock, output: &mut Output) -> Result<(), CliError> {
    let base = super::env::best(&done.base_urls);
    let mut text = Text::new()
        .styled(GOOD, "Logged in")
        .plain(" to ")
        .strong(&done.account)
        .plain(format!(" as {}.\n", super::person(&done.person)))
        .row("scopes", done.scopes.join(" "))
        .row(
            "access token",
            format!(
                "expires {}; renewed before",
                clock.both(done.access_expires_at)
            ),
        );
    if let Some(day) = done.refresh_expires_at {
        text = text.row(
            "may stay off",
            format!("until {} ({})", clock.day(day), clock.relative(day)),
        );
    }
    if let Some(base) = base {
        let url = format!("{base}/api/v2/users/me.json");
        text = text
            .row("base URL", base)
            .row("try it", format!("curl {}", shell::quote(&url)));
    }
    output.say(&text)?;
    for line in done.warning.iter().flat_map(|warning| warning.lines()) {
        output.warn(line);
    }
    if !done.missing_scopes.is_empty() {
        output.warn(format!(
            "Zendesk has not granted {}. An admin can allow it in Admin Center, at the OAuth \
             client's allowed scopes; then run `loopdesk login {}` again.",
            done.missing_scopes.join(" "),
            done.account
        ));
    }
    Ok(())
}

/// A pasted address that was wrong, between the daemon's own events.
#[derive(Serialize)]
struct Refused<'a> {
    event: &'static str,
    #[serde(flatten)]
    problem: &'a Problem,
}

/// An answer that says nothing more than that it worked.
#[derive(serde::Deserialize)]
struct Empty {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home, Lines, Ran, Serving, Streams};
    use tokio::io::{AsyncWriteExt, DuplexStream};

    const URL: &str = "https://acme.zendesk.com/oauth/authorizations/new?state=s";

    fn authorize() -> Event {
        Event::Authorize(Authorize {
            account: "acme".to_owned(),
            url: URL.to_owned(),
            redirect_uri: "http://127.0.0.1:18484/callback".to_owned(),
            waits_until: "2026-11-23T17:02:00Z".parse().unwrap(),
        })
    }

    fn done() -> Event {
        Event::Done(Done {
            account: "acme".to_owned(),
            person: testing::ada(),
            scopes: vec!["read".to_owned()],
            missing_scopes: vec!["write".to_owned()],
            access_expires_at: "2026-11-25T17:00:00Z".parse().unwrap(),
            refresh_expires_at: Some("2027-02-21T17:00:00Z".parse().unwrap()),
            base_urls: vec!["http://127.0.0.1:8484".to_owned()],
            warning: None,
        })
    }

    fn serve(home: &Home, make: impl FnOnce(Daemon) -> Daemon) -> (Serving, Lines) {
        let daemon = make(Daemon::new(home).json(status::PATH, &testing::status()));
        let (daemon, lines) = daemon.lines(login::PATH);
        (daemon.serve(), lines)
    }

    /// A login that runs beside the test.
    fn start(
        home: Home,
        line: &'static str,
    ) -> (tokio::task::JoinHandle<Ran>, DuplexStream, Streams) {
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
          access token    expires in 48 h (2026-11-25 18:00); renewed before
          may stay off    until Sun 2027-02-21 (in 90 days)
          base URL        http://127.0.0.1:8484
          try it          curl http://127.0.0.1:8484/api/v2/users/me.json
        ");
        insta::assert_snapshot!(ran.err, @"
        Opening Zendesk's page in your browser: allow loopdesk to use acme within 2 min (until 18:02).
        If no page opens, open this address yourself:

        Warning: Zendesk has not granted write. An admin can allow it in Admin Center, at the OAuth client's allowed scopes; then run `loopdesk login acme` again.
        ");
        let (_, body) = daemon.asked(login::PATH).remove(0);
        let request: Request = serde_json::from_str(&body).unwrap();
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
        streams.err.until("paste the whole address").await;
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
        The login goes on; paste the whole address:
        Warning: Zendesk has not granted write. An admin can allow it in Admin Center, at the OAuth client's allowed scopes; then run `loopdesk login acme` again.
        ");
    }

    #[tokio::test]
    async fn the_end_of_the_input_does_not_end_the_login() {
        let home = Home::new();
        let (daemon, events) = serve(&home, |d| d.json(CALLBACK, &serde_json::json!({})));
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
        events.send(&Event::Failed(
            Problem::new(Kind::Login, "Ada Lovelace denied the access")
                .hint("run `loopdesk login`"),
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
        events.send(&Event::Failed(Problem::new(Kind::Login, "denied")));
        let ran = run.await.unwrap();
        assert_eq!((ran.code, ran.err.as_str()), (4, ""));
        insta::assert_snapshot!(ran.out, @r#"
        {"event":"authorize","account":"acme","url":"https://acme.zendesk.com/oauth/authorizations/new?state=s","redirect_uri":"http://127.0.0.1:18484/callback","waits_until":"2026-11-23T17:02:00Z"}
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
        let _daemon = Daemon::new(&home).json(status::PATH, &status).serve();
        assert_eq!(home.run("login").await.err, ran.err);
    }
}
