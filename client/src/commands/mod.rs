//! The commands, one file each; a file's name is the command's.

pub(crate) mod account;
mod completions;
pub(crate) mod config;
mod env;
mod explain;
pub(crate) mod key;
mod login;
mod logout;
mod man;
mod refresh;
pub(crate) mod service;
mod status;
mod unlock;
mod version;
mod wait;

use loopdesk_protocol::account::Person;
use loopdesk_protocol::{Kind, Problem};

use crate::args::Command;
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
        Command::Explain(args) => explain::run(args, context, output).await,
        Command::Key(command) => key::run(command, context, output).await,
        Command::Account(command) => account::run(command, context, output).await,
        Command::Config(command) => config::run(command, context, output).await,
        Command::Service(command) => service::run(command, context, output).await,
        Command::Completions(args) => completions::run(args, output),
        Command::Man(args) => man::run(args, output),
        Command::Version => version::run(context, output).await,
    }
}

/// `Ada Lovelace <ada@example.com>, admin`.
fn person(person: &Person) -> String {
    let mut text = person.name.clone();
    if let Some(email) = &person.email {
        text.push_str(&format!(" <{email}>"));
    }
    if let Some(role) = &person.role {
        text.push_str(&format!(", {role}"));
    }
    text
}

/// There is nothing yet that a command could work on.
pub(crate) fn no_account() -> Problem {
    Problem::new(Kind::Usage, "no account is configured").hint(
        "run `loopdesk account add acme --subdomain acme --client-id ID`, where `acme` stands for \
         your part of `acme.zendesk.com` and ID for the identifier of the OAuth client that an \
         admin has made in Admin Center",
    )
}

/// The account that a person named, or that there is none of that name.
fn unknown_account<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
    let known: Vec<_> = known.into_iter().collect();
    if known.is_empty() {
        return no_account();
    }
    Problem::new(Kind::Usage, format!("there is no account `{name}`"))
        .hint(format!("name one of these: {}", known.join(", ")))
}

/// Several accounts, no default and none named.
fn no_default<'a>(known: impl IntoIterator<Item = &'a str>) -> Problem {
    let known: Vec<_> = known.into_iter().collect();
    match known.first() {
        None => no_account(),
        Some(first) => Problem::new(
            Kind::Usage,
            "there are several accounts and none is the default",
        )
        .hint(format!("name one of these: {}", known.join(", ")))
        .hint(format!(
            "run `loopdesk config set default-account {first}` to make one the default"
        )),
    }
}
