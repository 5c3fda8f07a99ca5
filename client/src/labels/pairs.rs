//! An account's token pairs, a line each.

use loopdesk_protocol::status::{AccountStatus, PairStatus, Role};

use super::state;
use crate::ui::time::Clock;

/// The pairs, where there is more to say than the account itself does.
pub(super) fn lines(account: &AccountStatus, clock: &Clock) -> Option<String> {
    let further = account.pairs.iter().any(|pair| pair.role != Role::Primary);
    let lines = account.pairs.iter().map(|pair| line(pair, clock));
    further.then(|| lines.collect::<Vec<_>>().join("\n"))
}

fn line(pair: &PairStatus, clock: &Clock) -> String {
    let (_, state) = state::session(pair.state);
    let mut line = format!("{}: {state}", pair.role.name());
    if pair.in_use {
        line.push_str(", in use");
    }
    if let Some(number) = pair.generation {
        line.push_str(&format!(", number {number}"));
    }
    if let Some(then) = pair.next_refresh_at {
        line.push_str(&format!(", next refresh {}", clock.relative(then)));
    }
    match &pair.note {
        Some(note) => line.push_str(&format!(" ({note})")),
        None if pair.problem.is_some() => line.push_str(" (see below)"),
        None => {}
    }
    line
}

#[cfg(test)]
mod tests {
    use loopdesk_protocol::status::State;
    use loopdesk_protocol::{Kind, Problem};

    use super::*;
    use crate::testing::{self, pair};

    #[test]
    fn o3_each_pair_has_a_line_where_there_is_more_than_one() {
        let clock = Clock::fixed("2026-11-23T17:00:00Z");
        let mut account = testing::status().accounts.remove(0);
        assert_eq!(lines(&account, &clock), None);
        account.pairs = vec![pair(Role::Primary, State::Active, Some(7))];
        assert_eq!(lines(&account, &clock), None, "the account says it all");
        account.pairs[0].in_use = true;
        let mut read_only = pair(Role::ReadOnly, State::Active, Some(9));
        read_only.note = Some("being revoked".to_owned());
        account.pairs.push(read_only);
        insta::assert_snapshot!(lines(&account, &clock).unwrap(), @"
        primary: active, in use, number 7, next refresh in 22 h
        read-only: active, number 9, next refresh in 22 h (being revoked)
        ");
        account.pairs[1] = pair(Role::ReadOnly, State::SignedOut, None);
        account.pairs[1].problem = Some(Problem::new(Kind::Login, "no read-only pair"));
        insta::assert_snapshot!(lines(&account, &clock).unwrap(), @"
        primary: active, in use, number 7, next refresh in 22 h
        read-only: signed out (see below)
        ");
    }
}
