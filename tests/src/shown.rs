//! What the programs of a home have let others see, kept for the end of its test.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::secrets::{self, CANARY, Scanner, Seen};

/// Everything that may hold no secret, apart from the home's files.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// What was said, and by what.
    said: Vec<(String, Vec<u8>)>,
    /// Arguments and environments of processes.
    seen: Seen,
    /// Secrets beyond the simulated Zendesk's tokens.
    secrets: Vec<(String, Vec<u8>)>,
}

impl Shown {
    /// Keeps what a program has printed or an interface has answered.
    pub(crate) fn said(&self, what: impl Into<String>, text: impl Into<Vec<u8>>) {
        self.kept().said.push((what.into(), text.into()));
    }

    /// Keeps what the system shows just now of the programs in `bin`.
    pub(crate) fn glance(&self, bin: &Path) {
        secrets::glance(bin, &mut self.kept().seen);
    }

    /// Looks for this secret, too.
    pub(crate) fn is_secret(&self, name: &str, secret: &[u8]) {
        let secret = (name.to_owned(), secret.to_vec());
        self.kept().secrets.push(secret);
    }

    /// What is given away here and in the files below `dir`, apart from those below `except`: a
    /// token's beginning is enough to be found.
    pub(crate) fn secrets(&self, dir: &Path, except: &[PathBuf]) -> Vec<String> {
        let kept = self.kept();
        let mut scanner = Scanner::default();
        scanner.add("a token", CANARY.as_bytes());
        for (name, secret) in &kept.secrets {
            scanner.add(name, secret);
        }
        let said = kept.said.iter().map(|(what, text)| (what.clone(), text));
        let seen = kept.seen.iter().flat_map(|(program, texts)| {
            let what = format!("arguments or environment of {}", program.display());
            texts.iter().map(move |text| (what.clone(), text))
        });
        let mut found = scanner.find_below(dir, except);
        for (what, text) in said.chain(seen) {
            let names = scanner.find(text).into_iter();
            found.extend(names.map(|name| format!("{name} in {what}")));
        }
        found
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
