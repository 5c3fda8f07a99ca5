//! Which key a person means, by its name or by what a script has of it.

use loopdesk_protocol::key::{Key, KeyList, LIST, PREFIX};
use loopdesk_protocol::{Client, Kind, Problem};

use crate::error::CliError;
use crate::ui::output::Output;

/// The key that `text` names, asked for at the daemon.
pub(crate) async fn key_named(
    text: &str,
    client: &Client,
    output: &mut Output,
) -> Result<Key, CliError> {
    let key = asked_for(text, client).await?;
    if text.starts_with(PREFIX) && text.len() > key.id.len() {
        output.warn(format!(
            "`{}` would have been enough to name that key. A whole key on a command line stays in \
             the shell's history: `loopdesk key rotate {}` replaces it.",
            key.id, key.name
        ));
    }
    Ok(key)
}

/// The name of a key that is about to end. What can only be a name is left to the daemon to find.
pub(crate) async fn name_of_ending(text: &str, client: &Client) -> Result<String, CliError> {
    match text.starts_with(PREFIX) {
        true => Ok(asked_for(text, client).await?.name),
        false => Ok(text.to_owned()),
    }
}

async fn asked_for(text: &str, client: &Client) -> Result<Key, CliError> {
    let keys: KeyList = client.get(LIST).await?;
    Ok(find(&keys.keys, text)?.clone())
}

fn find<'a>(keys: &'a [Key], text: &str) -> Result<&'a Key, Problem> {
    let by_name = keys.iter().find(|key| key.name == text);
    let by_id = || keys.iter().find(|key| text.starts_with(&key.id));
    if let Some(key) = by_name.or_else(by_id) {
        return Ok(key);
    }
    // Whoever has mistyped a key shall not find it in a log.
    let message = match text.starts_with(PREFIX) {
        true => "there is no key that begins like this".to_owned(),
        false => format!("there is no key `{text}`"),
    };
    let problem = Problem::new(Kind::Usage, message);
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    Err(if names.is_empty() {
        problem.hint("run `loopdesk key create NAME --scope tickets:read` to make one")
    } else {
        problem.hint(format!("name one of these: {}", names.join(", ")))
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
