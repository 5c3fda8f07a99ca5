//! `loopdesk account add`: adds an account's table to the configuration.

use loopdesk_protocol::account::CLIENT_CREDENTIALS;
use loopdesk_protocol::config::{AccountSettings, Source};
use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;
use toml_edit::Value;

use super::system::in_system;
use crate::args::account::AccountAddArgs;
use crate::config_change::{self, ConfigChange};
use crate::config_file::{ConfigEdit, text_value};
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;
use crate::ui::text::Text;

pub(super) async fn run(
    args: &AccountAddArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    if let Some(at) = in_system(context, &args.name).await? {
        return Err(already_exists(&args.name, &at).into());
    }
    let mut edits = Vec::new();
    if args.default {
        let key = vec!["default-account".to_owned()];
        edits.push(ConfigEdit::Set(key, Value::from(&args.name)));
    }
    edits.push(ConfigEdit::AddAccount {
        name: args.name.clone(),
        settings: settings(args)?,
    });
    let changed = config_change::apply(context, vec![edits]).await?;
    let config = changed.report().and_then(|report| report.config.as_ref());
    let account = config.and_then(|config| config.accounts.iter().find(|a| a.name == args.name));
    let added = AccountAddOutput {
        changed: &changed,
        account,
    };
    output.result(&added, || text(args, &added))?;
    changed.reload_result()
}

#[derive(Serialize)]
struct AccountAddOutput<'a> {
    #[serde(flatten)]
    changed: &'a ConfigChange,
    account: Option<&'a AccountSettings>,
}

/// The user can override its settings, but not add it again.
fn already_exists(name: &str, at: &Source) -> Problem {
    let message = format!(
        "account `{name}` already exists for all users of this machine: line {} of `{}`",
        at.line, at.path
    );
    Problem::new(Kind::Usage, message)
        .hint(format!("run `loopdesk login {name}` to use it"))
        .hint(format!(
            "run `loopdesk account set {name} KEY VALUE` to change it for yourself only"
        ))
}

/// In the order of the documentation. Omitted settings keep their defaults.
fn settings(args: &AccountAddArgs) -> Result<Vec<(&'static str, Value)>, Problem> {
    let text = |text: &Option<String>| text.as_ref().map(Value::from);
    let list = |items: &[String]| {
        let items: Vec<_> = items.iter().map(String::as_str).collect();
        (!items.is_empty()).then(|| text_value(items))
    };
    let ca_file = match &args.extra_ca_file {
        None => None,
        // In the file, a relative path would start at the file's own folder.
        Some(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let text = path.to_str().ok_or_else(|| {
                let message = format!(
                    "the path `{}` isn't UTF-8, so TOML can't hold it",
                    path.display()
                );
                Problem::new(Kind::Usage, message).hint("rename the file")
            })?;
            Some(Value::from(text))
        }
    };
    let settings = [
        ("subdomain", text(&args.subdomain)),
        ("url", text(&args.url)),
        ("client-id", Some(Value::from(&args.client_id))),
        ("scopes", list(&args.scopes)),
        ("grant", text(&args.grant)),
        ("port", args.port.map(|port| Value::from(i64::from(port)))),
        ("rewrite", list(&args.rewrite)),
        ("access-token-ttl", text(&args.access_token_ttl)),
        ("refresh-token-ttl", text(&args.refresh_token_ttl)),
        ("extra-ca-file", ca_file),
        ("token-encoding", text(&args.token_encoding)),
    ];
    let given = settings
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    Ok(given.collect())
}

fn text(args: &AccountAddArgs, added: &AccountAddOutput<'_>) -> Text {
    let origin = added.account.map_or("", |account| &account.api_origin);
    let mut next = format!("loopdesk login {}", args.name);
    if args.grant.as_deref() == Some(CLIENT_CREDENTIALS) {
        next.push_str(" --client-secret-stdin");
    }
    Text::new()
        .plain("Added account ")
        .strong(&args.name)
        .plain(format!(" ({origin}) to `{}`.", added.changed.path()))
        .end()
        .plain("Next: ")
        .strong(next)
}
