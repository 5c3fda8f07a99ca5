//! Runs the module of each command.

use crate::args::Command;
use crate::commands::{
    account, completions, config, env, exec, explain, guide, key, login, logout, man, refresh,
    service, status, unlock, version, wait,
};
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;

/// Runs a command.
pub(crate) async fn run(
    command: &Command,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        Command::Login(args) => login::run(args, context, output).await,
        Command::Unlock(args) => unlock::run(args, context, output).await,
        Command::Logout(args) => logout::run(args, context, output).await,
        Command::Status(args) => status::run(args, context, output).await,
        Command::Refresh(args) => refresh::run(args, context, output).await,
        Command::Wait(args) => wait::run(args, context, output).await,
        Command::Env(args) => env::run(args, context, output).await,
        Command::Exec(args) => exec::run(args, context, output).await,
        Command::Explain(args) => explain::run(args, context, output).await,
        Command::Key(command) => key::run(command, context, output).await,
        Command::Account(command) => account::run(command, context, output).await,
        Command::Config(command) => config::run(command, context, output).await,
        Command::Service(command) => service::run(command, context, output).await,
        Command::Guide(args) => guide::run(args, output),
        Command::Completions(args) => completions::run(args, output),
        Command::Man(args) => man::run(args, output),
        Command::Version => version::run(context, output).await,
    }
}
