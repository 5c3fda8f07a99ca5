//! Prints a new key: the key alone on standard output, and where to put it on standard error, so
//! that the output can be piped.

use loopdesk_protocol::key::{Created, RightsText};
use loopdesk_protocol::{Kind, Problem};
use zeroize::Zeroizing;

use crate::base_url::preferred;
use crate::error::CliError;
use crate::labels::key::{advice, placeholder};
use crate::ui::output::Output;
use crate::ui::text::Text;

/// Prints `intro`, the key, and where to put it.
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
            .map_err(|e| lost(created, &format!("failed to encode it: {e}")))?,
        false => created.secret.expose().as_bytes().to_vec(),
    });
    output
        .print_once(&line)
        .map_err(|e| lost(created, &format!("failed to write to standard output: {e}")))?;
    if output.is_readable_by_others() {
        output.warn(
            "other users of this machine can read the file that the key was written to. Run `chmod \
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

/// Points out that scopes that write also delete, unless a rule denies deleting.
fn deletes(rights: &RightsText) -> Option<String> {
    let denies = |rule: &String| rule.starts_with("DELETE ") || rule.starts_with("* ");
    if rights.deny.iter().any(denies) {
        return None;
    }
    let writes = |scope: &&String| *scope == "write" || scope.ends_with(":write");
    let scope = rights.scopes.iter().find(writes)?;
    Some(format!(
        "`{scope}` also allows deleting. For a key that must not delete, add `--deny 'DELETE \
         /api/v2/**'`."
    ))
}

/// Routes that may reveal what the key's rules deny.
fn also_shown(created: &Created) -> Text {
    let intro = "Rules match paths only. The key allows these routes, which may reveal what its \
                 rules deny; if that matters, `--deny` them too:";
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

/// Points out that a key limits only programs that send it.
fn keyless(account: &str) -> String {
    format!(
        "`{account}` still serves your programs without a key, with all of your rights. Once every \
         script has a key, run `loopdesk account set {account} access key`."
    )
}

/// The key was created but couldn't be shown.
fn lost(created: &Created, why: &str) -> Problem {
    let name = &created.key.name;
    Problem::new(
        Kind::Internal,
        format!("key `{name}` was created, but couldn't be shown: {why}"),
    )
    .hint(format!("run `loopdesk key rotate {name}` to replace it"))
    .hint(format!("run `loopdesk key revoke {name}` to revoke it"))
}

/// Where scripts take a credential.
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
            "loopdesk keeps only a hash, so this is the only time you see it.\nPut it where the script \
             had its API token or OAuth token; any user name will do:",
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
            "header",
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

/// A terminal user won't read more.
const ALSO_MAX: usize = 12;

/// A path that a key with these rights can read, if that is simple to tell.
fn example_path(rights: &RightsText) -> &'static str {
    let has = |scope: &str| rights.scopes.iter().any(|one| one == scope);
    if has("read") || has("users:read") {
        "/api/v2/users/me.json"
    } else if has("tickets:read") {
        "/api/v2/tickets.json"
    } else {
        "/api/v2/..."
    }
}
