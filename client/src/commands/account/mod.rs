//! `loopdesk account`: the accounts of the configuration.

pub(super) mod access;
mod add;
mod list;
mod remove;
mod set;
mod show;

use loopdesk_protocol::Problem;
use loopdesk_protocol::config::Source;

use crate::args::account::Account;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;

pub(super) async fn run(
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

/// Where the machine's file has the account of that name, if it does.
async fn in_system(context: &Context, name: &str) -> Result<Option<Source>, Problem> {
    let report = context.link.judge(None).await?;
    // Errors are told by whoever judges the change.
    let config = report.config.as_ref();
    Ok(config.and_then(|config| config.account_of_system(name).cloned()))
}
