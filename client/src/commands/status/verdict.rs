//! The first line of `loopdesk status`: ready, or the main problem with its fix.

use loopdesk_protocol::Problem;
use loopdesk_protocol::status::{Access, AccountStatus, State, Status};

use crate::base_url::{authority, preferred};
use crate::ui::text::{BAD, GOOD, Text, WARN, count};

/// The line, with its end. Expects that the status is complete.
pub(super) fn line(status: &Status) -> Text {
    let serving = serving(&status.accounts);
    let mut problems = status.problems();
    let text = match (problems.next(), serving) {
        (Some(first), serving) => trouble(first, problems.count(), serving.is_some()),
        (None, Some(account)) => ready(account, &status.accounts),
        (None, None) => match status.accounts.first() {
            Some(account) => Text::new()
                .styled(WARN, "not logged in")
                .plain(format!(": run `loopdesk login {}`", account.name)),
            None => Text::new()
                .styled(WARN, "not set up")
                .plain(": no account is configured; run `loopdesk account add`"),
        },
    };
    text.end()
}

/// The account that most requests go to.
fn serving(accounts: &[AccountStatus]) -> Option<&AccountStatus> {
    let mut serving = accounts.iter().filter(|account| account.state.serves());
    let first = serving.clone().next();
    serving.find(|account| account.default).or(first)
}

fn ready(account: &AccountStatus, accounts: &[AccountStatus]) -> Text {
    let plainest = account.base_urls.iter();
    let plainest = plainest
        .map(String::as_str)
        .find(|url| authority(url).starts_with("localhost"));
    let url = plainest.or_else(|| preferred(&account.base_urls));
    let key = match account.key_over_tcp || account.access == Access::Key {
        true => " with a local key",
        false => "",
    };
    let person = account.person.as_ref();
    let person = person.map_or(account.name.as_str(), |person| person.name.as_str());
    let text = Text::new().styled(GOOD, "ready").plain(format!(
        ": scripts use {}{key} as {person}",
        url.unwrap_or("no address")
    ));
    let signed_out = accounts
        .iter()
        .filter(|account| account.state == State::SignedOut);
    let names: Vec<_> = signed_out.map(|account| account.name.as_str()).collect();
    match names.is_empty() {
        true => text,
        false => text.plain(format!("; not logged in: {}", names.join(", "))),
    }
}

fn trouble(first: &Problem, more: usize, serves: bool) -> Text {
    let (style, verdict) = match serves {
        true => (WARN, "needs attention"),
        false => (BAD, "not ready"),
    };
    let mut text = Text::new()
        .styled(style, verdict)
        .plain(format!(": {}", first.message));
    if let Some(hint) = first.hints.first() {
        text = text.plain(format!("; {hint}"));
    }
    match more {
        0 => text,
        more => text.plain(format!(" (and {} below)", count(more, "more", "more"))),
    }
}

#[cfg(test)]
mod tests {
    use loopdesk_protocol::Kind;

    use super::*;
    use crate::testing::{plain, status};

    fn of(change: impl FnOnce(&mut Status)) -> String {
        let mut status = status();
        change(&mut status);
        status.gather();
        plain(&line(&status))
    }

    #[test]
    fn o3_the_first_line_says_what_scripts_use_and_as_whom() {
        insta::assert_snapshot!(of(|_| {}), @"ready: scripts use http://localhost:8484 as Ada Lovelace; not logged in: sandbox");
        insta::assert_snapshot!(of(|status| status.accounts.truncate(1)), @"ready: scripts use http://localhost:8484 as Ada Lovelace");
        let with_a_key = of(|status| {
            status.accounts.truncate(1);
            status.accounts[0].access = Access::Key;
        });
        insta::assert_snapshot!(with_a_key, @"ready: scripts use http://localhost:8484 with a local key as Ada Lovelace");
        insta::assert_snapshot!(of(|status| drop(status.accounts.remove(0))), @"not logged in: run `loopdesk login sandbox`");
        insta::assert_snapshot!(of(|status| status.accounts.clear()), @"not set up: no account is configured; run `loopdesk account add`");
    }

    #[test]
    fn o3_the_first_line_is_the_main_problem_and_its_fix() {
        let over = Problem::new(Kind::Login, "the session is over").hint("run `loopdesk login`");
        let ended = of(|status| {
            status.accounts[0].state = State::Ended;
            status.accounts[0].problem = Some(over.clone());
        });
        insta::assert_snapshot!(ended, @"not ready: the session is over; run `loopdesk login`");
        let two = of(|status| {
            status.accounts[1].state = State::Ended;
            status.accounts[1].problem = Some(over);
            status.keys.problem = Some(Problem::new(Kind::Vault, "the keys can't be read"));
        });
        insta::assert_snapshot!(two, @"needs attention: the keys can't be read (and 1 more below)");
    }
}
