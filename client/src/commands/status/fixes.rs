//! Adds what a daemon left out: a problem for every bad state, and a fix for every problem.

use loopdesk_protocol::account::CLIENT_CREDENTIALS;
use loopdesk_protocol::status::{AccountStatus, State, Status, VaultState};
use loopdesk_protocol::version::Version;
use loopdesk_protocol::{Condition, Kind, PROTOCOL, Problem, conditions};

use crate::daemon_client::version_skew;
use crate::labels::{key, state};

/// Makes sure that whatever needs attention is a problem, and that every problem has a hint.
pub(super) fn complete(status: &mut Status) {
    let vault = &mut status.vault;
    if vault.problem.is_none() && is_trouble(vault.state) {
        let (_, words) = state::vault(vault.state);
        let message = format!("the vault ({}): {words}", vault.kind);
        vault.problem = Some(Problem::new(Kind::Vault, message));
    }
    for account in &mut status.accounts {
        let (_, words) = state::session(account.state);
        // A logout may be on purpose.
        let needs = match account.state {
            // A separate condition says why Zendesk can't be reached.
            State::SignedOut | State::Unreachable | State::Active | State::Rotating => false,
            State::Unsaved
            | State::Doubtful
            | State::Blocked
            | State::Ended
            | State::KeyMissing => true,
        };
        if account.problem.is_none() && needs {
            let message = format!("account `{}`: {words}", account.name);
            let kind = match account.state {
                State::Ended => Kind::Login,
                State::KeyMissing => Kind::Vault,
                State::Doubtful | State::Blocked => Kind::Zendesk,
                State::Unsaved
                | State::Unreachable
                | State::SignedOut
                | State::Active
                | State::Rotating => Kind::Trouble,
            };
            account.problem = Some(Problem::new(kind, message));
        }
        if account.problem.is_none() {
            account.problem = suspended_keys(account);
        }
        if let Some(problem) = &mut account.problem {
            fix(problem, Some(&account.name));
        }
        let pairs = account.pairs.iter_mut();
        for problem in pairs.filter_map(|pair| pair.problem.as_mut()) {
            fix(problem, Some(&account.name));
        }
    }
    let listeners = status.listeners.iter_mut();
    let shared = [
        &mut status.config.problem,
        &mut status.vault.problem,
        &mut status.keys.problem,
        &mut status.hooks.problem,
        &mut status.egress.problem,
    ];
    let problems = shared.into_iter().chain(listeners.map(|l| &mut l.problem));
    for problem in problems.flatten() {
        fix(problem, None);
    }
    status.gather();
    let admins = status.accounts.iter().filter_map(acts_as_admin);
    let warnings: Vec<_> = other_release(status).into_iter().chain(admins).collect();
    status.conditions.splice(0..0, warnings);
}

/// The daemon isn't of this command's release. It serves scripts all the same.
fn other_release(status: &Status) -> Option<Condition> {
    let daemon = &status.daemon;
    let problem = version_skew::problem(&Version {
        version: daemon.version.clone(),
        // With another protocol, the status couldn't have been read.
        protocol: PROTOCOL,
        pid: daemon.pid,
        supervised: daemon.supervised,
    })?;
    Some(Condition::new(problem.coded("other-release")))
}

/// Scripts act as an admin without a login in a browser.
fn acts_as_admin(account: &AccountStatus) -> Option<Condition> {
    let person = account.person.as_ref()?;
    (account.grant == CLIENT_CREDENTIALS && person.is_admin()).then(|| {
        let problem = conditions::acts_as_admin(&account.name, &person.name);
        Condition::new(problem).of(&account.name)
    })
}

/// Scripts are refused until their keys are confirmed.
fn suspended_keys(account: &AccountStatus) -> Option<Problem> {
    let names = account.suspended_keys.join(" ");
    let what = key::suspended(account)?;
    Some(conditions::keys_suspended(what, &account.name, names))
}

/// Adds the most likely fix, if the daemon names none.
fn fix(problem: &mut Problem, account: Option<&str>) {
    if !problem.hints.is_empty() {
        return;
    }
    let name = account.map(|name| format!(" {name}")).unwrap_or_default();
    problem.hints.push(match problem.kind {
        Kind::Config => "run `loopdesk config edit` to correct the file".to_owned(),
        Kind::Login => format!("run `loopdesk login{name}`"),
        Kind::Vault => "run `loopdesk unlock`".to_owned(),
        Kind::Zendesk | Kind::Timeout => format!("run `loopdesk refresh{name}` to try again now"),
        Kind::Daemon => {
            "run `loopdesk config edit` to change `listen`, or free the address and run \
             `loopdesk config reload`"
                .to_owned()
        }
        Kind::Trouble | Kind::Usage | Kind::Internal => {
            "free some disk space, check the daemon's log, then run `loopdesk status` again"
                .to_owned()
        }
    });
}

fn is_trouble(state: VaultState) -> bool {
    match state {
        VaultState::Locked | VaultState::Absent | VaultState::Slow | VaultState::Failed => true,
        // Normal before the first login.
        VaultState::Available
        | VaultState::Untested
        | VaultState::NoEntry
        | VaultState::NeedsPassphrase => false,
    }
}

#[cfg(test)]
mod tests {
    use loopdesk_protocol::status::Role;

    use super::*;
    use crate::testing;

    /// The problems after [`complete`].
    fn problems(change: impl FnOnce(&mut Status)) -> Vec<Problem> {
        let mut status = testing::status();
        change(&mut status);
        complete(&mut status);
        status.problems().cloned().collect()
    }

    #[test]
    fn o3_every_bad_state_is_a_problem_with_a_fix() {
        assert!(problems(|_| {}).is_empty(), "signed out may be meant");
        for (state, command) in [
            (State::Doubtful, "loopdesk refresh acme"),
            (State::Unsaved, "loopdesk status"),
            (State::Blocked, "loopdesk refresh acme"),
            (State::Ended, "loopdesk login acme"),
            (State::KeyMissing, "loopdesk unlock"),
        ] {
            let found = problems(|status| status.accounts[0].state = state);
            assert_eq!(found.len(), 1, "{state:?}");
            assert!(found[0].message.contains("acme"), "{:?}", found[0]);
            assert!(found[0].hints[0].contains(command), "{:?}", found[0]);
        }
        for state in [State::Active, State::Rotating] {
            assert!(problems(|status| status.accounts[0].state = state).is_empty());
        }
    }

    #[test]
    fn r9_every_closed_vault_is_a_problem_with_a_fix() {
        for (state, is_problem) in [
            (VaultState::Available, false),
            (VaultState::Untested, false),
            (VaultState::NoEntry, false),
            (VaultState::NeedsPassphrase, false),
            (VaultState::Locked, true),
            (VaultState::Absent, true),
            (VaultState::Slow, true),
            (VaultState::Failed, true),
        ] {
            let found = problems(|status| status.vault.state = state);
            assert_eq!(!found.is_empty(), is_problem, "{state:?}");
            for problem in found {
                assert_eq!(problem.kind, Kind::Vault);
                assert!(problem.hints[0].contains("loopdesk unlock"), "{problem:?}");
            }
        }
    }

    #[test]
    fn r8_suspended_keys_are_a_problem_with_a_fix() {
        let found = problems(|status| {
            status.accounts[0].suspended_keys = vec!["a".to_owned(), "b".to_owned()];
        });
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(found[0].message, @"keys `a`, `b` of account `acme` were created for a user other than Ada Lovelace, and can't be used");
        assert!(found[0].hints[0].contains("`loopdesk key confirm acme`"));
        assert!(found[0].hints[1].contains("`loopdesk key revoke a b`"));
        let found = problems(|status| {
            status.accounts[0].suspended_keys = vec!["a".to_owned()];
            status.accounts[0].state = State::Ended;
        });
        let hints: Vec<_> = found.iter().map(|problem| &problem.hints[0]).collect();
        assert_eq!(hints, ["run `loopdesk login acme`"], "first things first");
    }

    #[test]
    fn d2_what_is_wrong_with_all_keys_is_said() {
        let found = problems(|status| {
            status.keys.problem = Some(Problem::new(Kind::Vault, "the keys can't be read"));
        });
        assert_eq!(found.len(), 1);
        assert!(!found[0].hints.is_empty());
    }

    #[test]
    fn o3_the_daemons_own_hints_stay_and_missing_ones_are_filled_in() {
        let own = Problem::new(Kind::Login, "over").hint("ask Ada");
        let found = problems(|status| {
            status.accounts[0].problem = Some(own.clone());
            status.config.problem = Some(Problem::new(Kind::Config, "line 3"));
            status.listeners[0].problem = Some(Problem::new(Kind::Daemon, "taken"));
        });
        let last = found.last().unwrap();
        assert_eq!((&last.message, &last.hints), (&own.message, &own.hints));
        assert!(found[0].hints[0].contains("`loopdesk config edit`"));
        assert!(found[1].hints[0].contains("`loopdesk config reload`"));
    }

    #[test]
    fn o3_what_is_wrong_with_a_pair_is_a_problem_with_its_fix() {
        let mut status = testing::status();
        let mut read_only = testing::pair(Role::ReadOnly, State::SignedOut, None);
        read_only.problem = Some(Problem::new(Kind::Login, "no read-only pair"));
        status.accounts[0].pairs = vec![read_only];
        complete(&mut status);
        let problems: Vec<_> = status.problems().collect();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].hints[0].contains("loopdesk login acme"));
    }
}
