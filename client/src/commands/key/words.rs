//! What is said of keys in one or two words.

use anstyle::Style;
use loopdesk_protocol::key::{Key, Rights, State, Use};

use crate::text::{BAD, GOOD, WARN, count};
use crate::time::Clock;

/// Whether a key works, in words.
pub(super) fn state(state: State) -> (Style, &'static str) {
    match state {
        State::Active => (GOOD, "active"),
        State::Limited => (WARN, "active, but limited"),
        State::Suspended => (WARN, "suspended"),
        State::Expired => (BAD, "expired"),
        State::NoAccount => (BAD, "without account"),
    }
}

/// What to do about a state, or to know of it.
pub(super) fn advice(key: &Key) -> Option<String> {
    let Key { name, account, .. } = key;
    match key.state {
        State::Active => None,
        State::Limited => Some(
            "The machine's administrator lets keys allow no more, or live no longer: \
             `loopdesk config show` shows `max-key-scope` and `max-key-age`."
                .to_owned(),
        ),
        State::Suspended => Some(format!(
            "Another user than {} is logged in to `{account}` now. Run `loopdesk key confirm \
             {account} --key {name}` to let the key act for that user, or `loopdesk key revoke \
             {name}`.",
            key.person.name
        )),
        State::Expired => Some(format!(
            "Its time is over. Run `loopdesk key revoke {name}`, then `loopdesk key create \
             {name}` with what the new one may do."
        )),
        State::NoAccount => Some(format!(
            "The configuration has no account `{account}`. Run `loopdesk account add {account}` \
             to bring it back, or `loopdesk key revoke {name}`."
        )),
    }
}

/// `tickets:read, 2 rules`.
pub(super) fn rights(rights: &Rights) -> String {
    let mut parts = Vec::new();
    if !rights.scopes.is_empty() {
        parts.push(rights.scopes.join(" "));
    }
    if !rights.allow.is_empty() {
        parts.push(count(rights.allow.len(), "rule", "rules"));
    }
    if !rights.deny.is_empty() {
        parts.push(format!("{} denied", rights.deny.len()));
    }
    parts.join(", ")
}

/// `3 h ago by python3 (4711)`.
pub(super) fn last_use(last: &Use, clock: &Clock) -> String {
    let when = clock.relative(last.at);
    match &last.process {
        Some(process) => format!("{when} by {process}"),
        None => when,
    }
}

/// The keys of `account`, or of all accounts, that wait for `loopdesk key confirm`.
pub(in crate::commands) fn suspended<'a>(
    keys: &'a [Key],
    account: Option<&'a str>,
) -> impl Iterator<Item = &'a Key> {
    keys.iter().filter(move |key| {
        key.state == State::Suspended && account.is_none_or(|name| key.account == name)
    })
}

/// What stands for a key in code: enough of `key` to know which, and no key at all. In ASCII, as
/// headers are.
pub(in crate::commands) fn placeholder(key: Option<&Key>) -> String {
    format!("{}...", key.map_or(super::named::PREFIX, |key| &key.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn rights_are_summed_up_and_what_is_not_there_is_not_said() {
        let texts = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
        let mut some = Rights {
            scopes: texts(&["read", "users:write"]),
            ..Rights::default()
        };
        assert_eq!(rights(&some), "read users:write");
        some.deny = texts(&["DELETE /**"]);
        assert_eq!(rights(&some), "read users:write, 1 denied");
        some.scopes.clear();
        some.allow = texts(&["GET /a", "GET /b"]);
        assert_eq!(rights(&some), "2 rules, 1 denied");
    }

    #[test]
    fn o3_every_state_but_active_names_a_command() {
        let mut key = testing::keys().keys.remove(0);
        for one in [
            State::Limited,
            State::Suspended,
            State::Expired,
            State::NoAccount,
        ] {
            key.state = one;
            let said = advice(&key).unwrap();
            assert!(said.contains("`loopdesk "), "{one:?}: {said}");
        }
        key.state = State::Active;
        assert_eq!(advice(&key), None);
    }
}
