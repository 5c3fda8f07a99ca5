//! `loopdesk account set`: one setting of an account.

use super::args::AccountSet;
use crate::commands::config::{alternatives, change};
use crate::config_file::Step;
use crate::context::Context;
use crate::error::CliError;
use crate::output::Output;

pub(super) async fn run(
    args: &AccountSet,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let steps = alternatives(&["accounts", &args.name], &args.setting);
    // What the user's file sets is laid over the machine's; it need not have the account itself.
    let is_system = super::in_system(context, &args.name).await?.is_some();
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
    output.result(&changed, || changed.text(&done))?;
    changed.told()
}
