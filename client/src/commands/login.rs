//! `loopdesk login`: logs in through Zendesk's page in a browser.

use std::io;

use jiff::SignedDuration;
use loopdesk_protocol::login::{
    self, Authorize, CALLBACK, Done, LoginEvent, LoginRequest, Obtained, Pasted,
};
use loopdesk_protocol::status::{self, Access, AccountStatus, Role, Status};
use loopdesk_protocol::{Client, Kind, Problem, client};
use serde::Serialize;

use crate::args::session::LoginArgs;
use crate::base_url::preferred;
use crate::context::{Browser, Context};
use crate::error::{self, CliError};
use crate::labels::key::{placeholder, suspended};
use crate::labels::person;
use crate::problems::no_account;
use crate::ui::keyboard::Keyboard;
use crate::ui::output::Output;
use crate::ui::secret;
use crate::ui::shell;
use crate::ui::text::{GOOD, Text};
use crate::ui::time::{Clock, span};

pub(crate) async fn run(
    args: &LoginArgs,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.daemon(output).await?;
    let status: Status = client.get(status::CALL).await?;
    if status.accounts.is_empty() {
        return Err(no_account().into());
    }
    let client_secret = match args.client_secret_stdin {
        true => Some(secret::read("client secret", &mut context.keyboard, output).await?),
        false => None,
    };
    let request = LoginRequest {
        account: args.account.clone(),
        switch_user: args.switch_user,
        client_secret,
        no_browser: args.no_browser,
    };
    let mut events = client.stream(login::CALL, &request).await?;
    let mut login = BrowserLogin {
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
            () = login.next_action(output) => continue,
        };
        let Some(event) = event else {
            return Err(Problem::new(
                Kind::Daemon,
                "the daemon stopped before the login was finished",
            )
            .hint("run `loopdesk login` again")
            .into());
        };
        if output.is_json() {
            output.json_line(&event)?;
        }
        match event {
            LoginEvent::Authorize(page) => login.show_page(&page, output)?,
            LoginEvent::Obtained(pair) => login.obtained(&pair, output),
            LoginEvent::Done(done) => {
                if !output.is_json() {
                    let account = account_of(&login.client, &done).await;
                    print_done(&done, account.as_ref(), &context.clock, output)?;
                    warn_of_suspended_keys(&done, account.as_ref(), output);
                }
                return Ok(());
            }
            LoginEvent::Failed(problem) if output.is_json() => {
                return Err(CliError::Reported(problem.kind));
            }
            LoginEvent::Failed(problem) => return Err(problem.into()),
        }
    }
}

/// The part of a login that happens in a browser.
struct BrowserLogin<'a> {
    client: Client,
    /// `None` if no browser shall be opened.
    browser: Option<Browser>,
    keyboard: &'a mut Keyboard,
    clock: &'a Clock,
    /// Whether a pasted address is read from standard input.
    reads: bool,
    /// The browser being opened. Some run until they are closed.
    opening: Option<tokio::task::JoinHandle<io::Result<()>>>,
}

impl BrowserLogin<'_> {
    /// Shows the page, in a browser if possible.
    fn show_page(&mut self, page: &Authorize, output: &mut Output) -> Result<(), CliError> {
        let left = page.waits_until.duration_since(self.clock.now());
        let time = format!(
            " within {} (until {}).\n",
            about(left),
            self.clock.time_of_day(page.waits_until)
        );
        let more = if page.page > 1 {
            format!(
                "Page {} of {}, for {}: allow loopdesk again to use ",
                page.page,
                page.pages,
                purpose(page.role)
            )
        } else {
            String::new()
        };
        let (first, last) = match self.browser {
            Some(_) if page.page > 1 && !self.reads => (
                more.as_str(),
                "Your browser continues by itself. If it doesn't, open this address:\n",
            ),
            Some(_) | None if page.page > 1 => {
                (more.as_str(), "Open this address in the same browser:\n")
            }
            Some(_) => (
                "Opening Zendesk's page in your browser: allow loopdesk to use ",
                "If no page opens, open this address:\n",
            ),
            None => (
                "Allow loopdesk to use ",
                "Open this address in a browser:\n",
            ),
        };
        let intro = Text::new().plain(first).strong(&page.account).plain(time);
        output.note(&intro.plain(last).end());
        if !output.is_json() {
            output.print(&Text::from(&page.url))?;
        }
        match self.browser {
            // The browser is redirected, or the addresses are pasted.
            _ if page.page > 1 => {}
            Some(browser) => {
                // Other users of the machine can read a browser's arguments.
                let url = page.entrance.as_ref().unwrap_or(&page.url).clone();
                self.opening = Some(tokio::task::spawn_blocking(move || browser(&url)));
            }
            None => self.ask_for_paste(page.listens, output),
        }
        Ok(())
    }

    /// Reports that some of the tokens were obtained.
    fn obtained(&self, pair: &Obtained, output: &mut Output) {
        let said = match pair.role {
            Role::Primary => Text::new()
                .styled(GOOD, "Logged in")
                .plain(" to ")
                .strong(&pair.account)
                .plain(format!(
                    " as {}. To skip the remaining pages, press Ctrl-C.",
                    person::label(&pair.person)
                )),
            Role::ReadOnly => Text::from(format!("Got {}.", purpose(pair.role))),
        };
        output.note(&said);
    }

    /// Waits for a pasted line or for the browser. Cancel safe.
    async fn next_action(&mut self, output: &mut Output) {
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
                    self.ask_for_paste(true, output);
                }
            }
            line = line => match line {
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(Some(line)) => self.submit(line.trim(), output).await,
                // Nothing more can be pasted, but a browser on this machine may still finish the
                // login.
                Ok(None) | Err(_) => self.reads = false,
            },
        }
    }

    async fn submit(&self, address: &str, output: &mut Output) {
        let pasted = Pasted {
            address: address.to_owned().into(),
        };
        let answer = self.client.post(CALLBACK, &pasted).await;
        let Err(failed) = answer else { return };
        let problem = match failed {
            // The event stream reports it.
            client::ClientError::Unreachable { .. } => return,
            failed @ (client::ClientError::Problem(_) | client::ClientError::Broken(_)) => {
                error::from_daemon(failed)
            }
        };
        if output.is_json() {
            // A closed pipe is noticed at the next event.
            drop(output.json_line(&PasteRefused {
                event: "refused",
                problem: &problem,
            }));
        } else {
            output.problem(&problem);
            output.note(&Text::from(
                "You are still logging in. Paste the whole address:",
            ));
        }
    }

    /// Asks for the address of the last page. `listens`: whether loopdesk serves that page.
    fn ask_for_paste(&mut self, listens: bool, output: &mut Output) {
        self.reads = true;
        output.note(&Text::from(if listens {
            "\nIf that browser runs on another machine, its last page will fail to load. That is \
             expected:\ncopy the address of that page, paste it here and press Enter."
        } else {
            "\nThe last page will fail to load, or belong to another program, because other programs \
             use loopdesk's ports\non this machine. Copy the address of that page, paste it here \
             and press Enter."
        }));
    }
}

/// The purpose of a page.
fn purpose(role: Role) -> &'static str {
    match role {
        Role::Primary => "the account's full rights",
        Role::ReadOnly => "a pair of tokens that can only read",
    }
}

/// `2 min`: rounded to minutes.
fn about(left: SignedDuration) -> String {
    match (left.as_secs() + 30) / 60 {
        0 => span(left.max(SignedDuration::ZERO)),
        minutes => format!("{minutes} min"),
    }
}

/// The account's status. The login is done even if this fails.
async fn account_of(client: &Client, done: &Done) -> Option<AccountStatus> {
    let status: Status = client.get(status::CALL).await.ok()?;
    let mut accounts = status.accounts.into_iter();
    accounts.find(|account| account.name == done.account)
}

fn print_done(
    done: &Done,
    account: Option<&AccountStatus>,
    clock: &Clock,
    output: &mut Output,
) -> Result<(), CliError> {
    let base = preferred(&done.base_urls);
    let mut text = Text::new()
        .styled(GOOD, "Logged in")
        .plain(" to ")
        .strong(&done.account)
        .plain(format!(" as {}.\n", person::label(&done.person)))
        .row("scopes", done.scopes.join(" "))
        .row(
            "access token",
            format!(
                "expires {}; loopdesk renews it before",
                clock.both(done.access_expires_at)
            ),
        );
    if done.pairs.len() > 1 {
        let names: Vec<_> = done.pairs.iter().map(|role| role.name()).collect();
        text = text.row("pairs", names.join(", "));
    }
    if let Some(day) = done.refresh_expires_at {
        text = text.row(
            "login lasts",
            format!(
                "until {} ({}) if this computer stays off",
                clock.day(day),
                clock.relative(day)
            ),
        );
    }
    if let Some(base) = base {
        let url = format!("{base}/api/v2/users/me.json");
        let url = shell::quote(&url);
        let needs_key =
            |account: &AccountStatus| account.key_over_tcp || account.access == Access::Key;
        text = text.row("base URL", base);
        text = match account.is_some_and(needs_key) {
            false => text.row("try it", format!("curl {url}")),
            true => text
                .row(
                    "local key",
                    format!(
                        "required; `loopdesk key create NAME --account {} --scope read` creates one",
                        done.account
                    ),
                )
                .row(
                    "try it",
                    format!("curl -u any/token:{} {url}", placeholder(None)),
                ),
        };
    }
    output.print(&text)?;
    if done.new_person {
        output.note(&Text::from(format!(
            "You are logged in as {}. If that isn't you, run `loopdesk logout {}`.",
            person::label(&done.person),
            done.account
        )));
    }
    for line in done.warning.iter().flat_map(|warning| warning.lines()) {
        output.warn(line);
    }
    if !done.missing_scopes.is_empty() {
        output.warn(format!(
            "Zendesk didn't grant {}. Ask an admin to add it to the OAuth client's allowed scopes in \
             Admin Center, then run `loopdesk login {}` again.",
            done.missing_scopes.join(" "),
            done.account
        ));
    }
    Ok(())
}

/// Points out keys that don't act as this person yet.
fn warn_of_suspended_keys(done: &Done, account: Option<&AccountStatus>, output: &mut Output) {
    if let Some(suspended) = account.and_then(suspended) {
        output.warn(format!(
            "{suspended}. Run `loopdesk key confirm {}` to confirm.",
            done.account
        ));
    }
}

/// Printed between the daemon's events when a pasted address was wrong.
#[derive(Serialize)]
struct PasteRefused<'a> {
    event: &'static str,
    #[serde(flatten)]
    problem: &'a Problem,
}

#[cfg(test)]
mod tests;
