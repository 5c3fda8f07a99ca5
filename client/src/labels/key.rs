//! What is said of keys in one or two words.

use anstyle::Style;
use loopdesk_protocol::key::{Key, KeyState, PREFIX, Rights, Use};
use loopdesk_protocol::status::{Access, Account};

use crate::ui::text::{BAD, GOOD, WARN, count};
use crate::ui::time::Clock;

/// Whether a key works, in words.
pub(crate) fn state(state: KeyState) -> (Style, &'static str) {
    match state {
        KeyState::Active => (GOOD, "active"),
        KeyState::Limited => (WARN, "active, but limited"),
        KeyState::Suspended => (WARN, "suspended"),
        KeyState::Expired => (BAD, "expired"),
        KeyState::NoAccount => (BAD, "without account"),
        KeyState::Unreadable => (BAD, "unreadable"),
        KeyState::Revoked => (BAD, "revoked"),
    }
}

/// What to do about a state, or to know of it.
pub(crate) fn advice(key: &Key) -> Option<String> {
    let Key { name, account, .. } = key;
    match key.state {
        KeyState::Active => None,
        KeyState::Limited => Some(
            "The machine's administrator lets keys allow no more, or live no longer: \
             `loopdesk config show` shows `max-key-scope` and `max-key-age`."
                .to_owned(),
        ),
        KeyState::Suspended => Some(format!(
            "Another user than {} is logged in to `{account}` now. Run `loopdesk key confirm \
             {account} --key {name}` to let the key act for that user, or `loopdesk key revoke \
             {name}`.",
            key.person.name
        )),
        KeyState::Expired => Some(format!(
            "Its time is over. Run `loopdesk key revoke {name}`, then `loopdesk key create \
             {name}` with what the new one may do."
        )),
        KeyState::NoAccount => Some(format!(
            "The configuration has no account `{account}`. Run `loopdesk account add {account}` \
             to bring it back, or `loopdesk key revoke {name}`."
        )),
        KeyState::Unreadable => Some(format!(
            "What it allows is written as this release can't read it, so it allows nothing. \
             Install the release that made it, or run `loopdesk key revoke {name}`, then \
             `loopdesk key create {name}` with what the new one may do."
        )),
        KeyState::Revoked => Some(format!(
            "It lets nobody in, but is still in the file of keys. Make room on the disk, then run \
             `loopdesk key revoke {name}` again."
        )),
    }
}

/// `tickets:read, 2 rules`.
pub(crate) fn rights(rights: &Rights) -> String {
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
pub(crate) fn last_use(last: &Use, clock: &Clock) -> String {
    let when = clock.relative(last.at);
    match &last.process {
        Some(process) => format!("{when} by {process}"),
        None => when,
    }
}

/// That keys of an account wait for `loopdesk key confirm`.
pub(crate) fn suspended(account: &Account) -> Option<String> {
    let names: Vec<_> = account
        .suspended_keys
        .iter()
        .map(|n| format!("`{n}`"))
        .collect();
    let (is, was) = match names.len() {
        0 => return None,
        1 => ("key", "was"),
        _ => ("keys", "were"),
    };
    let person = account.person.as_ref();
    let now = person.map_or("the one who is logged in", |person| person.name.as_str());
    Some(format!(
        "{is} {} of account `{}` {was} made for another user than {now} and can't be used",
        names.join(", "),
        account.name
    ))
}

/// Whom an account answers, and by how many keys.
pub(crate) fn access_summary(account: &Account) -> String {
    let mut text = match account.access {
        Access::User if account.key_over_tcp => {
            "programs with a local key; at `proxy.sock` any program of yours".to_owned()
        }
        Access::User => "any program of yours".to_owned(),
        Access::Key => "programs with a local key only".to_owned(),
    };
    match (account.keys, account.access) {
        (0, Access::User) => {}
        (0, Access::Key) => text.push_str("; no key works"),
        (keys, _) => text.push_str(&format!("; {}", count(keys, "key works", "keys work"))),
    }
    if !account.suspended_keys.is_empty() {
        text.push_str(&format!(
            "; suspended: {}",
            account.suspended_keys.join(", ")
        ));
    }
    text
}

/// What stands for a key in code: enough of `key` to know which, and no key at all. In ASCII, as
/// headers are.
pub(crate) fn placeholder(key: Option<&Key>) -> String {
    format!("{}...", key.map_or(PREFIX, |key| &key.id))
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
    fn d2_whom_an_account_answers_is_said_with_its_keys() {
        let one = testing::status().accounts.remove(0);
        for (access, keys, suspended, expected) in [
            (Access::User, 0, &[][..], "any program of yours"),
            (Access::User, 2, &[], "any program of yours; 2 keys work"),
            (
                Access::Key,
                1,
                &[],
                "programs with a local key only; 1 key works",
            ),
            (
                Access::Key,
                0,
                &["a", "b"],
                "programs with a local key only; no key works; suspended: a, b",
            ),
        ] {
            let mut account = one.clone();
            account.access = access;
            account.keys = keys;
            account.suspended_keys = suspended
                .iter()
                .map(|&name: &&str| name.to_owned())
                .collect();
            assert_eq!(access_summary(&account), expected);
            account.key_over_tcp = true;
            let said = access_summary(&account);
            assert!(said.starts_with("programs with a local key"), "{said}");
        }
    }

    #[test]
    fn o3_every_state_but_active_names_a_command() {
        let mut key = testing::keys().keys.remove(0);
        for one in [
            KeyState::Limited,
            KeyState::Suspended,
            KeyState::Expired,
            KeyState::NoAccount,
            KeyState::Unreadable,
            KeyState::Revoked,
        ] {
            key.state = one;
            let said = advice(&key).unwrap();
            assert!(said.contains("`loopdesk "), "{one:?}: {said}");
        }
        key.state = KeyState::Active;
        assert_eq!(advice(&key), None);
    }
}
