//! Short texts on local keys.

use anstyle::Style;
use loopdesk_protocol::key::{KeyState, KeyStatus, PREFIX, RightsText, Use};
use loopdesk_protocol::status::{Access, AccountStatus};

use crate::ui::text::{BAD, GOOD, WARN, count};
use crate::ui::time::Clock;

/// A key's state.
pub(crate) fn state(state: KeyState) -> (Style, &'static str) {
    match state {
        KeyState::Active => (GOOD, "active"),
        KeyState::Limited => (WARN, "active, but limited"),
        KeyState::Suspended => (WARN, "suspended"),
        KeyState::Expired => (BAD, "expired"),
        KeyState::NoAccount => (BAD, "no account"),
        KeyState::Unreadable => (BAD, "unreadable"),
        KeyState::Revoked => (BAD, "revoked"),
    }
}

/// What to do about a key's state.
pub(crate) fn advice(key: &KeyStatus) -> Option<String> {
    let KeyStatus { name, account, .. } = key;
    match key.state {
        KeyState::Active => None,
        KeyState::Limited => Some(
            "The machine's administrator limits what keys allow or how long they last. \
             `loopdesk config show` shows the limits, `max-key-scope` and `max-key-age`."
                .to_owned(),
        ),
        KeyState::Suspended => Some(format!(
            "The key was created for {}, but another user is logged in to `{account}` now. Run \
             `loopdesk key confirm {account} --key {name}` to let it act as that user, or `loopdesk \
             key revoke {name}`.",
            key.person.name
        )),
        KeyState::Expired => Some(format!(
            "The key has expired. To replace it, run `loopdesk key revoke {name}`, then `loopdesk \
             key create {name}` with the scopes of the new one."
        )),
        KeyState::NoAccount => Some(format!(
            "Account `{account}` is no longer configured. Run `loopdesk account add {account}` to \
             add it again, or `loopdesk key revoke {name}`."
        )),
        KeyState::Unreadable => Some(format!(
            "This release can't read what the key allows, so it allows nothing. Install the release \
             that created it, or run `loopdesk key revoke {name}`, then `loopdesk key create {name}` \
             with the scopes of the new one."
        )),
        KeyState::Revoked => Some(format!(
            "The key no longer works, but couldn't be removed from the disk. Free some disk space, \
             then run `loopdesk key revoke {name}` again."
        )),
    }
}

/// `tickets:read, 2 rules`.
pub(crate) fn rights(rights: &RightsText) -> String {
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

/// Names the keys of an account that wait for `loopdesk key confirm`.
pub(crate) fn suspended(account: &AccountStatus) -> Option<String> {
    let names: Vec<_> = account
        .suspended_keys
        .iter()
        .map(|n| format!("`{n}`"))
        .collect();
    let (keys, were) = match names.len() {
        0 => return None,
        1 => ("key", "was"),
        _ => ("keys", "were"),
    };
    let person = account.person.as_ref();
    let now = person.map_or("the one logged in now", |person| person.name.as_str());
    Some(format!(
        "{keys} {} of account `{}` {were} created for a user other than {now}, and can't be used",
        names.join(", "),
        account.name
    ))
}

/// Which programs an account serves, and how many keys it has.
pub(crate) fn access_summary(account: &AccountStatus) -> String {
    let mut text = match account.access {
        Access::User if account.key_over_tcp => {
            "programs with a local key; on `proxy.sock`, all of your programs".to_owned()
        }
        Access::User => "all of your programs".to_owned(),
        Access::Key => "only programs with a local key".to_owned(),
    };
    match (account.keys, account.access) {
        (0, Access::User) => {}
        (0, Access::Key) => text.push_str("; there is no valid key"),
        (keys, _) => text.push_str(&format!("; {}", count(keys, "valid key", "valid keys"))),
    }
    if !account.suspended_keys.is_empty() {
        text.push_str(&format!(
            "; suspended: {}",
            account.suspended_keys.join(", ")
        ));
    }
    text
}

/// A placeholder for a key in code: recognisable, but not the key. ASCII, so that it fits in a
/// header.
pub(crate) fn placeholder(key: Option<&KeyStatus>) -> String {
    format!("{}...", key.map_or(PREFIX, |key| &key.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn rights_are_summed_up_without_empty_parts() {
        let texts = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
        let mut some = RightsText {
            scopes: texts(&["read", "users:write"]),
            ..RightsText::default()
        };
        assert_eq!(rights(&some), "read users:write");
        some.deny = texts(&["DELETE /**"]);
        assert_eq!(rights(&some), "read users:write, 1 denied");
        some.scopes.clear();
        some.allow = texts(&["GET /a", "GET /b"]);
        assert_eq!(rights(&some), "2 rules, 1 denied");
    }

    #[test]
    fn d2_access_is_shown_with_the_number_of_keys() {
        let one = testing::status().accounts.remove(0);
        for (access, keys, suspended, expected) in [
            (Access::User, 0, &[][..], "all of your programs"),
            (Access::User, 2, &[], "all of your programs; 2 valid keys"),
            (
                Access::Key,
                1,
                &[],
                "only programs with a local key; 1 valid key",
            ),
            (
                Access::Key,
                0,
                &["a", "b"],
                "only programs with a local key; there is no valid key; suspended: a, b",
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
            assert!(said.contains("programs with a local key"), "{said}");
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
