//! Standard input: a pipe or a terminal.

use std::fmt;
use std::io::{self, IsTerminal};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};

/// The underlying input.
pub(crate) type InputStream = Box<dyn AsyncRead + Send + Sync + Unpin>;

/// Standard input.
pub(crate) struct Keyboard {
    lines: Lines<BufReader<InputStream>>,
    terminal: bool,
}

impl Keyboard {
    /// This process's standard input.
    pub(crate) fn of_process() -> Self {
        Self {
            terminal: io::stdin().is_terminal(),
            ..Self::new(Box::new(tokio::io::stdin()))
        }
    }

    /// Input that isn't a terminal.
    pub(crate) fn new(source: InputStream) -> Self {
        Self {
            lines: BufReader::new(source).lines(),
            terminal: false,
        }
    }

    /// A terminal at which a test types.
    #[cfg(test)]
    pub(crate) fn typed(source: InputStream) -> Self {
        Self {
            terminal: true,
            ..Self::new(source)
        }
    }

    /// Whether the user can be asked.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The next line. Cancel safe.
    pub(crate) async fn next_line(&mut self) -> io::Result<Option<String>> {
        self.lines.next_line().await
    }

    /// The bytes that aren't read yet.
    pub(crate) fn input(&mut self) -> &mut BufReader<InputStream> {
        self.lines.get_mut()
    }

    /// Turns the terminal's echo off until the returned value is dropped.
    pub(crate) fn echo_off(&self) -> io::Result<EchoOff> {
        match self.terminal && io::stdin().is_terminal() {
            true => EchoOff::new(),
            false => Ok(EchoOff(None)),
        }
    }
}

impl fmt::Debug for Keyboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyboard")
            .field("terminal", &self.terminal)
            .finish_non_exhaustive()
    }
}

/// A terminal without echo, in raw mode: if Ctrl-C ended this process, the user's shell would be
/// left without echo.
pub(crate) struct EchoOff(Option<Termios>);

impl EchoOff {
    fn new() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        let shown = LocalModes::ECHO | LocalModes::ECHONL;
        silent
            .local_modes
            .remove(shown | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before the question isn't the answer.
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(Some(before)))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The terminal may be closed.
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

impl fmt::Debug for EchoOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EchoOff")
    }
}
