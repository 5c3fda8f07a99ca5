//! States in a few words, coloured by how good they are.

use anstyle::Style;
use loopdesk_protocol::status::{State, VaultState};

use crate::ui::text::{BAD, DIM, GOOD, WARN};

/// The state of a session.
pub(crate) fn session(state: State) -> (Style, &'static str) {
    match state {
        State::SignedOut => (DIM, "signed out"),
        State::Active => (GOOD, "active"),
        State::Rotating => (GOOD, "active, being refreshed"),
        State::Doubtful => (WARN, "uncertain: the answer to a refresh was lost"),
        State::Unsaved => (WARN, "active, but not saved"),
        State::Unreachable => (BAD, "logged in, but Zendesk can't be reached"),
        State::Blocked => (BAD, "blocked"),
        State::Ended => (BAD, "ended"),
        State::KeyMissing => (BAD, "locked: its key isn't available"),
    }
}

/// The state of the vault.
pub(crate) fn vault(state: VaultState) -> (Style, &'static str) {
    match state {
        VaultState::Available => (GOOD, "available"),
        VaultState::Untested => (DIM, "not used yet"),
        VaultState::Locked => (BAD, "locked"),
        VaultState::Absent => (BAD, "missing"),
        VaultState::Slow => (WARN, "slow to answer"),
        VaultState::NoEntry => (WARN, "has no key"),
        VaultState::NeedsPassphrase => (WARN, "waiting for its passphrase"),
        VaultState::Failed => (BAD, "failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_words_and_serving_ones_say_active() {
        for one in [
            State::SignedOut,
            State::Active,
            State::Rotating,
            State::Doubtful,
            State::Unsaved,
            State::Unreachable,
            State::Blocked,
            State::Ended,
            State::KeyMissing,
        ] {
            assert_eq!(
                session(one).1.starts_with("active"),
                one.serves(),
                "{one:?}"
            );
        }
    }

    #[test]
    fn every_state_of_the_vault_has_words_of_its_own() {
        let states = [
            VaultState::Available,
            VaultState::Untested,
            VaultState::Locked,
            VaultState::Absent,
            VaultState::Slow,
            VaultState::NoEntry,
            VaultState::NeedsPassphrase,
            VaultState::Failed,
        ];
        let words: std::collections::HashSet<_> =
            states.into_iter().map(|one| vault(one).1).collect();
        assert_eq!(words.len(), states.len());
    }
}
