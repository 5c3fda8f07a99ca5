//! `loopdesk account set`: one setting of an account.

use loopdesk_protocol::key::Caller;
use serde::Serialize;

use super::access;
use super::system::in_system;
use crate::args::account::AccountSetArgs;
use crate::config_change::{Changed, alternatives, change};
use crate::config_file::Step;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;

pub(super) async fn run(
    args: &AccountSetArgs,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let callers = match access::closes(args) {
        true => access::agree(args, context, output).await?,
        false => None,
    };
    let steps = alternatives(&["accounts", &args.name], &args.setting);
    // What the user's file sets is laid over the machine's; it need not have the account itself.
    let is_system = in_system(context, &args.name).await?.is_some();
    let with_check = steps.into_iter().map(|mut steps| {
        if !is_system {
            steps.insert(0, Step::NeedAccount(args.name.clone()));
        }
        steps
    });
    let changed = change(context, with_check.collect()).await?;
    let key = &args.setting.key;
    let done = match &args.setting.value {
        Some(value) => format!("Set `{key}` of account `{}` to {value}", args.name),
        None => format!("Removed `{key}` of account `{}`", args.name),
    };
    let set = Set {
        changed: &changed,
        callers,
    };
    output.result(&set, || changed.text(&done))?;
    changed.told()
}

#[derive(Serialize)]
struct Set<'a> {
    #[serde(flatten)]
    changed: &'a Changed,
    /// Who was served without a key, where one is needed from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    callers: Option<Vec<Caller>>,
}
