//! Standard input: a pipe, or a person at a terminal.

use std::fmt;
use std::io::{self, IsTerminal};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};

/// What reads the bytes.
pub(crate) type InputStream = Box<dyn AsyncRead + Send + Sync + Unpin>;

/// Standard input.
pub(crate) struct Keyboard {
    lines: Lines<BufReader<InputStream>>,
    terminal: bool,
}

impl Keyboard {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        Self {
            terminal: io::stdin().is_terminal(),
            ..Self::new(Box::new(tokio::io::stdin()))
        }
    }

    /// One that nobody types at.
    pub(crate) fn new(source: InputStream) -> Self {
        Self {
            lines: BufReader::new(source).lines(),
            terminal: false,
        }
    }

    /// One at which the test types.
    #[cfg(test)]
    pub(crate) fn typed(source: InputStream) -> Self {
        Self {
            terminal: true,
            ..Self::new(source)
        }
    }

    /// Whether a person can be asked.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The next line. Can be cancelled: no line is lost.
    pub(crate) async fn next_line(&mut self) -> io::Result<Option<String>> {
        self.lines.next_line().await
    }

    /// The bytes that no line has taken yet.
    pub(crate) fn input(&mut self) -> &mut BufReader<InputStream> {
        self.lines.get_mut()
    }

    /// Keeps the terminal from showing what is typed until the answer is dropped.
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

/// A terminal that shows nothing and passes every key on: a Ctrl-C that ended this process here
/// would leave the person's shell without an echo.
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
        // What was typed before the question is no answer to it.
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(Some(before)))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that is gone needs no echo.
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

impl fmt::Debug for EchoOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EchoOff")
    }
}
