//! `loopdesk key`: local keys, API tokens with limited rights for one script each.

mod confirm;
mod create;
mod list;
mod print_secret;
mod revoke;
mod rotate;
mod show;

use crate::args::key::KeyCommand;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;

pub(crate) async fn run(
    command: &KeyCommand,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        KeyCommand::Create(args) => create::run(args, context, output).await,
        KeyCommand::List(args) => list::run(args, context, output).await,
        KeyCommand::Show(args) => show::run(args, context, output).await,
        KeyCommand::Revoke(args) => revoke::run(args, context, output).await,
        KeyCommand::Rotate(args) => rotate::run(args, context, output).await,
        KeyCommand::Confirm(args) => confirm::run(args, context, output).await,
    }
}
