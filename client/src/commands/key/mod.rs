//! `loopdesk key`: local keys, which stand for an account in one script with just its rights.

mod confirm;
mod create;
mod list;
mod print_secret;
mod revoke;
mod rotate;
mod show;

use crate::args::key::Key;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;

pub(crate) async fn run(
    command: &Key,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        Key::Create(args) => create::run(args, context, output).await,
        Key::List(args) => list::run(args, context, output).await,
        Key::Show(args) => show::run(args, context, output).await,
        Key::Revoke(args) => revoke::run(args, context, output).await,
        Key::Rotate(args) => rotate::run(args, context, output).await,
        Key::Confirm(args) => confirm::run(args, context, output).await,
    }
}
