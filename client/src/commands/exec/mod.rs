//! `loopdesk exec`: runs a command that has Zendesk's address in its code.
//!
//! The command takes the place of this process. Beside it runs a helper, `loopdeskd exec-proxy`, to
//! which the command's environment leads.

mod environment;
mod no_proxy;
mod program;
mod unsuited;

use std::os::unix::process::CommandExt;
use std::process::Command;

use loopdesk_protocol::exec::{Assignment, ORIGINAL_ENV, OriginalEnv, PLAN, Plan, PlanRequest};

use self::environment::EnvChange;
use self::program::Program;
use crate::args::exec::ExecArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;
use crate::ui::shell;
use crate::ui::text::Text;

pub(crate) async fn run(
    args: &ExecArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let program = match args.command.first() {
        Some(name) if !args.env => Some(Program::find(name, &context.env)?),
        Some(_) | None => None,
    };
    let client = context.daemon(output).await?;
    let asked = PlanRequest {
        account: args.account.clone(),
        key: args.key.clone(),
    };
    let plan: Plan = client.post(PLAN, &asked).await?;
    let Some(program) = program else {
        return show(&plan, context, output);
    };
    if let Some(warning) = unsuited::warning(program.name()) {
        output.warn(warning);
    }
    let assignment = Assignment {
        plan,
        control_socket: client.socket().to_owned(),
        command: std::process::id(),
    };
    let ready = context.link.start_exec_helper(&assignment).await?;
    let changes = environment::changes(&ready, &assignment.plan.origins, &context.env);
    Err(become_command(&program, args, context, changes))
}

/// Runs the command in place of this process. Returns only if that fails.
fn become_command(
    program: &Program,
    args: &ExecArgs,
    context: &Context,
    changes: Vec<EnvChange>,
) -> CliError {
    let set = changes.iter().map(|change| (change.name, &*change.value));
    let original = OriginalEnv::of(set, &context.env);
    let mut command = Command::new(program.path());
    command
        .arg0(program.name())
        .args(args.command.iter().skip(1))
        .env(ORIGINAL_ENV, original.text());
    for change in changes {
        command.env(change.name, change.value);
    }
    program.not_run(&command.exec())
}

/// What would be set, without a helper to lead to.
fn show(plan: &Plan, context: &Context, output: &mut Output) -> Result<(), CliError> {
    let mut changes = environment::changes(&environment::example(), &plan.origins, &context.env);
    changes.push(environment::original());
    let shown = serde_json::json!({
        "account": plan.account,
        "variables": changes
            .iter()
            .map(|change| serde_json::json!({
                "name": change.name,
                "value": change.value.to_string_lossy(),
                "why": change.why,
            }))
            .collect::<Vec<_>>(),
    });
    output.result(&shown, || {
        let mut text = Text::new();
        for change in &changes {
            let value = change.value.to_string_lossy();
            text = text
                .plain(format!("# {}", change.why))
                .end()
                .plain(format!("{}={}", change.name, shell::quote(&value)))
                .end();
        }
        text
    })
}
