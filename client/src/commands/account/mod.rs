//! `loopdesk account`: the accounts in the configuration.

mod access;
mod add;
mod list;
mod remove;
mod set;
mod show;
mod system;

use crate::args::account::AccountCommand;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;

pub(crate) async fn run(
    command: &AccountCommand,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        AccountCommand::List => list::run(context, output).await,
        AccountCommand::Add(args) => add::run(args, context, output).await,
        AccountCommand::Set(args) => set::run(args, context, output).await,
        AccountCommand::Remove(args) => remove::run(args, context, output).await,
        AccountCommand::Show(args) => show::run(args, context, output).await,
    }
}
