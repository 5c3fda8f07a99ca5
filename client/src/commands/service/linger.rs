//! Whether a user's services outlive the user's last login: systemd's linger.

use std::process::Stdio;
use std::time::Duration;

use loopdesk_protocol::{Kind, Problem};
use tokio::process::Command;

use super::os::programs;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::confirm;
use crate::ui::output::Output;
use crate::ui::text::Text;

/// Whether it is on; none where nobody knows.
pub(super) async fn state(context: &Context) -> Option<bool> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let said = loginctl(
        context,
        &["show-user", &uid, "--property=Linger", "--value"],
    )
    .await;
    match said.ok()?.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// Turns it on if that is `wanted`, or if the person at a headless machine agrees. How it is then.
pub(super) async fn offer(
    wanted: bool,
    context: &mut Context,
    output: &mut Output,
) -> Result<Option<bool>, CliError> {
    let state = state(context).await;
    if state == Some(true) {
        return Ok(state);
    }
    let is_asked_for = match wanted {
        true => true,
        false if state == Some(false) && is_headless(context) => {
            confirm::yes_or_no(QUESTION, false, &mut context.keyboard, output).await? == Some(true)
        }
        false => false,
    };
    if is_asked_for {
        loginctl(context, &["enable-linger"])
            .await
            .map_err(|said| {
                let message = format!("the service runs, but linger can't be turned on: {said}");
                Problem::new(Kind::Daemon, message)
                    .hint("have an admin run `loginctl enable-linger` with your name")
            })?;
        return Ok(Some(true));
    }
    if state == Some(false) && is_headless(context) {
        output.note(&Text::from(
            "The service ends when you log out of this machine. `loopdesk service install --linger` \
             keeps it running, and starts it when the machine does.",
        ));
    }
    Ok(state)
}

/// Without a screen the last login ends with the terminal.
fn is_headless(context: &Context) -> bool {
    let is_set = |name: &str| (context.env)(name).is_some_and(|value| !value.is_empty());
    is_set("SSH_CONNECTION") || !(is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"))
}

async fn loginctl(context: &Context, arguments: &[&str]) -> Result<String, String> {
    let program = programs::find("loginctl", &context.env);
    let program = program.ok_or_else(|| "`loginctl` isn't in PATH".to_owned())?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    programs::run(command, PATIENCE).await
}

const QUESTION: &str = "Keep the service running after you log out of this machine, too \
                        (`loginctl enable-linger`)? [y/N] ";

/// logind answers from memory, after a question to polkit.
const PATIENCE: Duration = Duration::from_secs(30);
