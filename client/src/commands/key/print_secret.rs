//! A new key on standard output, and around it, on standard error, where it goes.
//!
//! Nothing else is on standard output, so that the key can be taken from there without a look at
//! it.

use loopdesk_protocol::key::{Created, Rights};
use loopdesk_protocol::{Kind, Problem};
use zeroize::Zeroizing;

use crate::base_url::preferred;
use crate::error::CliError;
use crate::labels::key::{advice, placeholder};
use crate::ui::output::Output;
use crate::ui::text::Text;

/// Shows the key, after `intro`.
pub(super) fn print(
    created: &Created,
    intro: &Text,
    quiet: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    if !quiet {
        output.note(intro);
    }
    let line = Zeroizing::new(match output.is_json() {
        true => serde_json::to_vec(created)
            .map_err(|e| lost(created, &format!("the answer can't be shown: {e}")))?,
        false => created.secret.expose().as_bytes().to_vec(),
    });
    output
        .print_once(&line)
        .map_err(|e| lost(created, &format!("failed to write to standard output: {e}")))?;
    if output.is_readable_by_others() {
        output.warn(
            "other users of this machine can read the file that the key is in now. Run `chmod \
             600` on it.",
        );
    }
    if !quiet {
        output.note(&places(created));
        if let Some(writes) = deletes(&created.key.rights) {
            output.note(&Text::from(writes));
        }
        if !created.also_shown.is_empty() {
            output.note(&also_shown(created));
        }
        if let Some(advice) = advice(&created.key) {
            output.warn(advice);
        }
        if created.keyless {
            output.warn(keyless(&created.key.account));
        }
    }
    Ok(())
}

/// That what writes also deletes, unless a rule denies that.
fn deletes(rights: &Rights) -> Option<String> {
    let denies = |rule: &String| rule.starts_with("DELETE ") || rule.starts_with("* ");
    if rights.deny.iter().any(denies) {
        return None;
    }
    let writes = |scope: &&String| *scope == "write" || scope.ends_with(":write");
    let scope = rights.scopes.iter().find(writes)?;
    Some(format!(
        "`{scope}` includes deleting: for a key that mustn't, add `--deny 'DELETE /api/v2/**'`."
    ))
}

/// Where else what its rules deny may be seen.
fn also_shown(created: &Created) -> Text {
    let intro = "Rules are about paths. These routes it allows, and they may show what its rules \
                 deny; `--deny` them too where that matters:";
    let mut text = Text::new().plain(intro).end();
    for route in created.also_shown.iter().take(ALSO_MAX) {
        text = text.plain(format!("  {route}")).end();
    }
    match created.also_shown.len().saturating_sub(ALSO_MAX) {
        0 => text,
        more => text
            .plain(format!("  and {more} more, which `--json` lists"))
            .end(),
    }
}

/// That a key limits only who sends it.
fn keyless(account: &str) -> String {
    format!(
        "`{account}` answers any program of yours, also without a key, and then with all of your \
         rights. Run `loopdesk account set {account} access key` once every script has its own."
    )
}

/// The key exists and nobody has it.
fn lost(created: &Created, why: &str) -> Problem {
    let name = &created.key.name;
    Problem::new(
        Kind::Internal,
        format!("key `{name}` works from now on, but it couldn't be shown: {why}"),
    )
    .hint(format!("run `loopdesk key rotate {name}` to get another"))
    .hint(format!("run `loopdesk key revoke {name}` to end it"))
}

/// Where scripts have a slot for it.
fn places(created: &Created) -> Text {
    let key = &created.key;
    let placeholder = placeholder(Some(key));
    let user = key.person.email.as_deref().unwrap_or("any");
    let url = format!(
        "{}{}",
        preferred(&created.base_urls).unwrap_or("$ZENDESK_BASE_URL"),
        example_path(&key.rights)
    );
    Text::new()
        .plain(
            "It is shown this once: loopdesk keeps only a hash of it.\nIt goes where the script had \
             its API token or OAuth token; any user name will do:",
        )
        .end()
        .row(
            "API token",
            format!("curl -u \"{user}/token:{placeholder}\" \"{url}\""),
        )
        .row(
            "OAuth token",
            format!("curl -H \"Authorization: Bearer {placeholder}\" \"{url}\""),
        )
        .row(
            "own header",
            format!("curl -H \"X-Loopdesk-Key: {placeholder}\" \"{url}\""),
        )
        .row(
            "Python",
            format!("requests.get(\"{url}\", auth=(\"{user}/token\", \"{placeholder}\"))"),
        )
        .row(
            "other clients",
            format!("loopdesk env --key {} --for zenpy", key.name),
        )
}

/// More routes than this nobody reads on a terminal.
const ALSO_MAX: usize = 12;

/// A path that a key with these rights can read, where that is easily said.
fn example_path(rights: &Rights) -> &'static str {
    let has = |scope: &str| rights.scopes.iter().any(|one| one == scope);
    if has("read") || has("users:read") {
        "/api/v2/users/me.json"
    } else if has("tickets:read") {
        "/api/v2/tickets.json"
    } else {
        "/api/v2/..."
    }
}
