//! systemd's linger: whether a user's services keep running after the user logs out.

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

/// Whether it is on; `None` if unknown.
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

/// Turns it on if `wanted`, or if the user of a headless machine agrees. Returns the new state.
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
                let message =
                    format!("the service is running, but linger can't be enabled: {said}");
                Problem::new(Kind::Daemon, message).hint(
                    "ask an administrator to run `loginctl enable-linger` with your user name",
                )
            })?;
        return Ok(Some(true));
    }
    if state == Some(false) && is_headless(context) {
        output.note(&Text::from(
            "The service stops when you log out of this machine. To keep it running and start it at \
             boot, run `loopdesk service install --linger`.",
        ));
    }
    Ok(state)
}

/// Without a display, logging out of the terminal ends the session.
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

const QUESTION: &str = "Keep the service running after you log out of this machine \
                        (`loginctl enable-linger`)? [y/N] ";

/// logind answers at once, but may ask polkit first.
const PATIENCE: Duration = Duration::from_secs(30);
