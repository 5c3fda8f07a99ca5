//! Yes-or-no questions.

use loopdesk_protocol::{Kind, Problem};

use crate::error::CliError;
use crate::ui::keyboard::Keyboard;
use crate::ui::output::Output;

/// The user's answer; `default` for an empty line, `None` without a terminal.
pub(crate) async fn yes_or_no(
    question: &str,
    default: bool,
    keyboard: &mut Keyboard,
    output: &mut Output,
) -> Result<Option<bool>, CliError> {
    if !keyboard.is_terminal() || output.is_json() {
        return Ok(None);
    }
    loop {
        output.prompt(question);
        let line = keyboard.next_line().await;
        let line = line.map_err(|e| {
            Problem::new(Kind::Usage, format!("failed to read standard input: {e}"))
        })?;
        let Some(line) = line else {
            return Ok(None);
        };
        match line.trim().to_lowercase().as_str() {
            "" => return Ok(Some(default)),
            "y" | "yes" => return Ok(Some(true)),
            "n" | "no" => return Ok(Some(false)),
            _ => {}
        }
    }
}
