//! `loopdesk account`: the accounts of the configuration.

mod access;
mod add;
mod list;
mod remove;
mod set;
mod show;
mod system;

use crate::args::account::Account;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;

pub(crate) async fn run(
    command: &Account,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        Account::List => list::run(context, output).await,
        Account::Add(args) => add::run(args, context, output).await,
        Account::Set(args) => set::run(args, context, output).await,
        Account::Remove(args) => remove::run(args, context, output).await,
        Account::Show(args) => show::run(args, context, output).await,
    }
}
