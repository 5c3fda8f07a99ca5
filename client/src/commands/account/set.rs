//! `loopdesk account set`: changes one setting of an account.

use loopdesk_protocol::key::KeylessCaller;
use serde::Serialize;

use super::access;
use super::system::in_system;
use crate::args::account::AccountSetArgs;
use crate::config_change::{self, ConfigChange, alternatives};
use crate::config_file::ConfigEdit;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;

pub(super) async fn run(
    args: &AccountSetArgs,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let callers = match access::requires_key(args) {
        true => access::confirm_refusals(args, context, output).await?,
        false => None,
    };
    let edits = alternatives(&["accounts", &args.name], &args.setting);
    // The user's file overrides the machine-wide one, and need not define the account itself.
    let is_system = in_system(context, &args.name).await?.is_some();
    let with_check = edits.into_iter().map(|mut edits| {
        if !is_system {
            edits.insert(0, ConfigEdit::NeedAccount(args.name.clone()));
        }
        edits
    });
    let changed = config_change::apply(context, with_check.collect()).await?;
    let key = &args.setting.key;
    let done = match &args.setting.value {
        Some(value) => format!("Set `{key}` of account `{}` to {value}", args.name),
        None => format!("Removed `{key}` of account `{}`", args.name),
    };
    let set = AccountSetOutput {
        changed: &changed,
        callers,
    };
    output.result(&set, || changed.text(&done))?;
    changed.reload_result()
}

#[derive(Serialize)]
struct AccountSetOutput<'a> {
    #[serde(flatten)]
    changed: &'a ConfigChange,
    /// The programs that were served without a key, if one is required from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    callers: Option<Vec<KeylessCaller>>,
}
