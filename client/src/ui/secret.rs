//! Reads secrets from standard input without echo, and protects the memory that holds them.

use std::io;

use loopdesk_protocol::{Kind, Problem, SecretText};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

use crate::ui::keyboard::Keyboard;
use crate::ui::output::Output;
use crate::ui::text::Text;

/// Reads one line. Asks for `what` on a terminal, without echo.
pub(crate) async fn read(
    what: &str,
    keyboard: &mut Keyboard,
    output: &mut Output,
) -> Result<SecretText, Problem> {
    protect_memory(what)?;
    if !keyboard.is_terminal() {
        return line(what, keyboard, false).await;
    }
    let echo = keyboard.echo_off().map_err(|e| {
        Problem::new(
            Kind::Usage,
            format!("can't turn the terminal's echo off for the {what}: {e}"),
        )
        .hint(format!("pass the {what} through a pipe"))
    })?;
    output.prompt(&format!("{} (hidden while you type): ", capitalized(what)));
    let typed = line(what, keyboard, true).await;
    drop(echo);
    // The user's Enter wasn't echoed either.
    output.note(&Text::new());
    typed
}

/// Protects this process's memory before it holds `what`.
pub(crate) fn protect_memory(what: &str) -> Result<(), Problem> {
    disable_core_dumps().map_err(|e| {
        let message = format!("can't keep the {what} out of core dumps: {e}");
        Problem::new(Kind::Internal, message).hint("run `ulimit -c 0`, then run this command again")
    })
}

/// Turns core dumps off, and on Linux also keeps the user's other processes from reading this
/// process's memory (D4).
fn disable_core_dumps() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    // The limit doesn't apply to core dumps that are piped to a program (core(5)); this does.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// A line without its end. If `typed`, handles backspace, Ctrl-U, Ctrl-C and Ctrl-D.
async fn line(what: &str, keyboard: &mut Keyboard, typed: bool) -> Result<SecretText, Problem> {
    // Allocated at once, since growing would leave copies in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH_MAX));
    loop {
        let byte = match keyboard.input().read_u8().await {
            Ok(b'\n') => break,
            Ok(b'\r') if typed => break,
            Ok(INTERRUPT) if typed => return Err(cancelled(what)),
            Ok(END) if typed => break,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
            Ok(byte) => byte,
            Err(e) => {
                let message = format!("failed to read the {what} from standard input: {e}");
                return Err(Problem::new(Kind::Usage, message)
                    .hint(format!("pass the {what} through a pipe")));
            }
        };
        match byte {
            BACKSPACE | DELETE if typed => {
                // A whole character: continuation bytes are 0b10xx_xxxx.
                while bytes.pop().is_some_and(|b| b & 0xc0 == 0x80) {}
            }
            KILL if typed => bytes.clear(),
            byte if bytes.len() < LENGTH_MAX => bytes.push(byte),
            _ => {
                let message = format!("the {what} is longer than {LENGTH_MAX} bytes");
                return Err(Problem::new(Kind::Usage, message)
                    .hint(format!("pass only the {what}, on one line")));
            }
        }
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Problem::new(Kind::Usage, format!("the {what} isn't UTF-8"))
            .hint(format!("pass only the {what}, on one line"))
    })?;
    if text.is_empty() {
        return Err(
            Problem::new(Kind::Usage, format!("standard input has no {what}"))
                .hint(format!("pass the {what} on one line")),
        );
    }
    Ok(SecretText::new(text.to_owned()))
}

fn cancelled(what: &str) -> Problem {
    Problem::new(Kind::Usage, format!("the {what} was not entered"))
        .hint("run this command again; nothing was changed")
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// Zendesk's secrets have 64 characters; passphrases may be longer.
const LENGTH_MAX: usize = 4096;

/// Ctrl-C, Ctrl-D and Ctrl-U, which a terminal in raw mode passes on.
const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const KILL: u8 = 0x15;
const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_line(bytes: &'static [u8], typed: bool) -> Result<String, Problem> {
        let mut keyboard = Keyboard::new(Box::new(bytes));
        let secret = line("client secret", &mut keyboard, typed).await?;
        Ok(secret.expose().to_owned())
    }

    #[tokio::test]
    async fn one_line_is_the_secret_and_the_rest_stays() {
        let mut keyboard = Keyboard::new(Box::new(&b" s3cret \r\nnext\n"[..]));
        let secret = line("client secret", &mut keyboard, false).await.unwrap();
        assert_eq!(secret.expose(), " s3cret ", "spaces may belong to it");
        assert_eq!(keyboard.next_line().await.unwrap().as_deref(), Some("next"));
        assert_eq!(read_line(b"no end", false).await.unwrap(), "no end");
        assert_eq!(read_line(b"\x03\x7f\n", false).await.unwrap(), "\x03\x7f");
    }

    #[tokio::test]
    async fn typing_can_be_corrected_and_cancelled() {
        let typed = async |keys| read_line(keys, true).await.unwrap();
        assert_eq!(typed(b"wrong\x15a\xc3\xa9\x7fb\x08c\r").await, "ac");
        assert_eq!(typed(b"\x7f\x7fab\x04").await, "ab");
        let problem = read_line(b"half\x03", true).await.unwrap_err();
        assert_eq!(problem.kind, Kind::Usage);
        assert!(!problem.message.contains("half"), "{problem}");
    }

    #[tokio::test]
    async fn bad_input_is_refused_without_showing_it() {
        for wrong in [&b""[..], b"\n", b"\r\n", b"\xff\xfe\n", &[b'x'; 5000]] {
            let problem = read_line(wrong, false).await.unwrap_err();
            assert_eq!(problem.kind, Kind::Usage);
            assert!(!problem.message.contains("xx"), "{problem}");
            assert!(!problem.hints.is_empty());
        }
    }
}
