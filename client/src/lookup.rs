//! Finds a key by its name or its first characters.

use loopdesk_protocol::key::{KeyList, KeyStatus, LIST, PREFIX};
use loopdesk_protocol::{Client, Kind, Problem};

use crate::error::CliError;
use crate::ui::output::Output;

/// The key that `text` names. Asks the daemon.
pub(crate) async fn key_named(
    text: &str,
    client: &Client,
    output: &mut Output,
) -> Result<KeyStatus, CliError> {
    let key = asked_for(text, client).await?;
    if text.starts_with(PREFIX) && text.len() > key.id.len() {
        output.warn(format!(
            "the whole key is now in your shell's history; `{}` would have been enough to name it. \
             Run `loopdesk key rotate {}` to replace it.",
            key.id, key.name
        ));
    }
    Ok(key)
}

/// The name of a key that is about to be revoked or replaced. The daemon checks that it exists.
pub(crate) async fn name_of_ending(text: &str, client: &Client) -> Result<String, CliError> {
    match text.starts_with(PREFIX) {
        true => Ok(asked_for(text, client).await?.name),
        false => Ok(text.to_owned()),
    }
}

async fn asked_for(text: &str, client: &Client) -> Result<KeyStatus, CliError> {
    let keys: KeyList = client.get(LIST).await?;
    Ok(find(&keys.keys, text)?.clone())
}

fn find<'a>(keys: &'a [KeyStatus], text: &str) -> Result<&'a KeyStatus, Problem> {
    let by_name = keys.iter().find(|key| key.name == text);
    let by_id = || keys.iter().find(|key| text.starts_with(&key.id));
    if let Some(key) = by_name.or_else(by_id) {
        return Ok(key);
    }
    // A mistyped key must not get into a log.
    let message = match text.starts_with(PREFIX) {
        true => "there is no key that begins with these characters".to_owned(),
        false => format!("there is no key `{text}`"),
    };
    let problem = Problem::new(Kind::Usage, message);
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    Err(if names.is_empty() {
        problem.hint("run `loopdesk key create NAME --scope tickets:read` to create one")
    } else {
        problem.hint(format!("the keys are {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn d4_a_mistyped_key_is_not_repeated() {
        let keys = testing::keys().keys;
        let whole = format!("{}tail", keys[0].id);
        for text in [&keys[0].name, &keys[0].id, &whole] {
            assert_eq!(find(&keys, text).unwrap().name, keys[0].name);
        }
        let problem = find(&keys, "ldk_hunter2").unwrap_err();
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        let problem = find(&keys, "nightly").unwrap_err();
        assert!(problem.message.contains("`nightly`"), "{problem:?}");
        assert!(problem.hints[0].contains(&keys[1].name), "{problem:?}");
        let problem = find(&[], "nightly").unwrap_err();
        assert!(problem.hints[0].contains("key create"), "{problem:?}");
    }
}
