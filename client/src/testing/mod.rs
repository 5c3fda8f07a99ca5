//! A home folder, a daemon that answers as it is told, and what a command prints there.

mod daemon;
mod fixtures;
mod outputs;
mod schema;

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clap::Parser;
use loopdesk_protocol::Paths;
use loopdesk_protocol::config::Report;

use crate::args::Cli;
use crate::context::{Browser, Context};
use crate::daemon_client::{DaemonProgram, Link};
use crate::dispatch;
use crate::ui::keyboard::Keyboard;
use crate::ui::output::Output;
use crate::ui::text::Text;
use crate::ui::time::Clock;

pub(crate) use daemon::{Daemon, Lines, Serving};
pub(crate) use fixtures::{ada, created, home_with_checker, keys, pair, report, status};

/// The folders of a person who has just met loopdesk.
pub(crate) struct Home {
    dir: tempfile::TempDir,
    pub(crate) paths: Paths,
    program: DaemonProgram,
    vars: HashMap<&'static str, String>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path(), "run");
        let program = DaemonProgram::find(
            |name| (name == "LOOPDESKD").then(|| "/nowhere/loopdeskd".into()),
            None,
        );
        Self {
            dir,
            paths,
            program,
            vars: HashMap::new(),
        }
    }

    /// The folders of the same person with the sockets in another runtime folder.
    pub(crate) fn elsewhere(&self, runtime: &str) -> Paths {
        paths(self.dir.path(), runtime)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A daemon's program that runs `body` in a shell.
    pub(crate) fn program(&self, body: &str) -> DaemonProgram {
        let path = self.path("loopdeskd");
        script(&path, body);
        DaemonProgram::find(
            |name| (name == "LOOPDESKD").then(|| path.clone().into()),
            None,
        )
    }

    /// From now on, the daemon's program runs `body` in a shell.
    pub(crate) fn with_program(mut self, body: &str) -> Self {
        self.program = self.program(body);
        self
    }

    /// From now on, the environment says so.
    pub(crate) fn with_var(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.vars.insert(name, value.into());
        self
    }

    /// From now on, the daemon's program judges every configuration like this, and can't be
    /// started.
    pub(crate) fn with_report(self, report: &Report) -> Self {
        let json = serde_json::to_string(report).unwrap();
        let json = crate::ui::shell::quote(&json).into_owned();
        self.with_program(&format!(
            "[ \"$1\" = check-config ] && printf '%s\\n' {json}"
        ))
    }

    pub(crate) fn link(&self) -> Link {
        Link::new(self.paths.clone(), self.program.clone())
    }

    /// Runs a command line without input or browser.
    pub(crate) async fn run(&self, line: &str) -> Ran {
        self.run_with(line, closed(), |_| Ok(()), Streams::default())
            .await
    }

    /// Runs a command line at a terminal where `keys` are typed.
    pub(crate) async fn run_typing(&self, line: &str, keys: &'static str) -> Ran {
        let keyboard = Keyboard::typed(Box::new(keys.as_bytes()));
        self.run_with(line, keyboard, |_| Ok(()), Streams::default())
            .await
    }

    /// Runs a command line with `text` on standard input.
    pub(crate) async fn run_reading(&self, line: &str, text: &'static str) -> Ran {
        let pipe = Keyboard::new(Box::new(text.as_bytes()));
        self.run_with(line, pipe, |_| Ok(()), Streams::default())
            .await
    }

    /// Runs a command line whose words may hold spaces.
    pub(crate) async fn run_words(&self, words: &[&str]) -> Ran {
        self.run_words_with(words, closed(), |_| Ok(()), Streams::default())
            .await
    }

    pub(crate) async fn run_with(
        &self,
        line: &str,
        keyboard: Keyboard,
        browser: Browser,
        streams: Streams,
    ) -> Ran {
        let words: Vec<_> = line.split_whitespace().collect();
        self.run_words_with(&words, keyboard, browser, streams)
            .await
    }

    async fn run_words_with(
        &self,
        words: &[&str],
        keyboard: Keyboard,
        browser: Browser,
        streams: Streams,
    ) -> Ran {
        let all = std::iter::once("loopdesk").chain(words.iter().copied());
        let cli = Cli::try_parse_from(all).unwrap();
        let mut output = Output::to(cli.json, streams.out.clone(), streams.err.clone());
        let vars = self.vars.clone();
        let mut context = Context {
            paths: self.paths.clone(),
            link: self.link(),
            clock: Clock::fixed("2026-11-23T17:00:00Z"),
            keyboard,
            env: Box::new(move |name| vars.get(name).map(Into::into)),
            browser,
        };
        let result = dispatch::run(&cli.command, &mut context, &mut output).await;
        let code = match result {
            Ok(()) => 0,
            Err(error) => {
                output.failure(&error);
                error.exit_code()
            }
        };
        let ran = Ran {
            code,
            out: streams.out.text(),
            err: streams.err.text(),
        };
        if cli.json {
            ran.fits(words);
        }
        ran
    }
}

/// A standard input that says nothing.
pub(crate) fn closed() -> Keyboard {
    Keyboard::new(Box::new(tokio::io::empty()))
}

fn paths(home: &Path, runtime: &str) -> Paths {
    let paths = Paths::resolve(
        |name| match name {
            "XDG_RUNTIME_DIR" => Some(home.join(runtime).into()),
            _ => None,
        },
        Some(home.to_owned()),
        None,
    )
    .unwrap();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(paths.runtime_dir())
        .unwrap();
    paths
}

/// What a command line left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Every line that a program reads is as the schema of the command in `words` says.
    fn fits(&self, words: &[&str]) {
        let mut names = words.iter().filter(|word| !word.starts_with("--"));
        let command = match (names.next(), names.next()) {
            (Some(group @ (&"account" | &"config" | &"key" | &"service")), Some(one)) => {
                format!("{group}-{one}")
            }
            (command, _) => (*command.unwrap()).to_owned(),
        };
        for (stream, schema) in [(&self.out, command.as_str()), (&self.err, "error")] {
            for line in stream.lines() {
                schema::check(schema, &serde_json::from_str(line).expect(line));
            }
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Standard output and error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    pub(crate) out: Stream,
    pub(crate) err: Stream,
}

/// A stream that a test can read, now or when something has been written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    written: Arc<tokio::sync::Notify>,
}

impl Stream {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    /// Waits until `text` has been written.
    pub(crate) async fn until(&self, text: &str) {
        loop {
            let written = self.written.notified();
            if self.text().contains(text) {
                return;
            }
            written.await;
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        self.written.notify_one();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes an executable script. Through a shell, because another test may start a program at the
/// same moment, and one that inherits a writable file makes the file "busy".
pub(crate) fn script(path: &Path, body: &str) {
    let mut shell = std::process::Command::new("sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let text = format!("#!/bin/sh\n{body}\n");
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(shell.wait().unwrap().success());
}

/// The text without its escape sequences.
pub(crate) fn plain(text: &Text) -> String {
    anstream::adapter::strip_str(text.as_str()).to_string()
}
