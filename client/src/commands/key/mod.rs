//! `loopdesk key`: local keys, which stand for an account in one script with just its rights.

mod confirm;
mod create;
mod list;
mod named;
mod revoke;
mod rotate;
mod show;
mod shown_once;
mod words;

use crate::args::key::Key;

use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;

pub(super) use named::key_named;
pub(super) use words::{answers, placeholder, waiting};

pub(super) async fn run(
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
