//! The configuration that runs an assistant's tool server (Model Context Protocol) under `loopdesk exec`.

use std::collections::BTreeMap;

use super::client::Recipe;

/// The piece for a server that uses `account`, with the rights of the key of this name.
pub(super) fn recipe(account: &str, key: Option<&str>) -> Recipe {
    let mut words = vec!["exec", "--account", account];
    words.extend(key.iter().flat_map(|key| ["--key", key]));
    words.extend(["--", "uvx", SERVER]);
    let words = serde_json::json!(words)
        .to_string()
        .replace("\",\"", "\", \"");
    let mut notes = vec![
        format!(
            "This runs the tool server `uvx {SERVER}`; put your own command there. Leave the server's \
             other settings as they are: loopdesk ignores the credential in them."
        ),
        "If the assistant doesn't find `loopdesk`, write its whole path (`command -v loopdesk`)."
            .to_owned(),
    ];
    if key.is_none() {
        notes.push(format!(
            "The server may do what you may. To limit what it sends to the account's address, run \
             `loopdesk key create assistant --account {account} --scope tickets:read`, then \
             `loopdesk env --for mcp --key assistant`."
        ));
    }
    notes.push(format!(
        "A key limits only what the server sends to the account's address. It can also call loopdesk's \
         own address with your rights, like any program of yours, until you run `loopdesk account set \
         {account} access key`. Neither protects you from malicious software that runs as you."
    ));
    let entry =
        |kind: &str| format!("\"zendesk\": {{{kind}\"command\": \"loopdesk\", \"args\": {words}}}");
    Recipe {
        variables: BTreeMap::new(),
        notes,
        example: vec![
            "Claude (claude_desktop_config.json, .mcp.json) and Cursor (mcp.json):".to_owned(),
            format!("{{\"mcpServers\": {{{}}}}}", entry("")),
            "VS Code (mcp.json):".to_owned(),
            format!("{{\"servers\": {{{}}}}}", entry("\"type\": \"stdio\", ")),
        ],
    }
}

/// One of those on PyPI.
const SERVER: &str = "zendesk-mcp-server";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_the_pieces_are_json_that_runs_the_server_under_exec() {
        for (key, rest) in [
            (None, vec![]),
            (Some("assistant"), vec!["--key", "assistant"]),
        ] {
            let recipe = recipe("acme", key);
            let [_, claude, _, code] = &recipe.example[..] else {
                panic!("{recipe:?}");
            };
            for (text, top) in [(claude, "mcpServers"), (code, "servers")] {
                let json: serde_json::Value = serde_json::from_str(text).unwrap();
                let server = &json[top]["zendesk"];
                assert_eq!(server["command"], "loopdesk");
                let start = ["exec", "--account", "acme"];
                let words = [&start[..], &rest, &["--", "uvx", SERVER]].concat();
                assert_eq!(server["args"], serde_json::json!(words));
            }
            assert_eq!(recipe.notes.len(), if key.is_some() { 3 } else { 4 });
            let last = recipe.notes.last().unwrap();
            assert!(last.contains("account set acme access key"), "{last}");
            assert!(last.contains("malicious software"), "{last}");
        }
    }
}
