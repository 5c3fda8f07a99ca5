//! What the programs of a home have shown to others, kept for the end of its test.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::secrets::{self, CANARY, Scanner, Seen};

/// Everything that must not contain a secret, apart from the home's files.
#[derive(Debug, Default)]
pub(crate) struct Transcript(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// What was printed, and by which program.
    said: Vec<(String, Vec<u8>)>,
    /// Arguments and environments of processes.
    seen: Seen,
    /// Secrets beyond the simulated Zendesk's tokens.
    secrets: Vec<(String, Vec<u8>)>,
}

impl Transcript {
    /// Records what a program has printed or an interface has returned.
    pub(crate) fn said(&self, what: impl Into<String>, text: impl Into<Vec<u8>>) {
        self.kept().said.push((what.into(), text.into()));
    }

    /// Records what the system currently shows of the programs in `bin`.
    pub(crate) fn glance(&self, bin: &Path) {
        secrets::glance(bin, &mut self.kept().seen);
    }

    /// Also looks for this secret.
    pub(crate) fn is_secret(&self, name: &str, secret: &[u8]) {
        let secret = (name.to_owned(), secret.to_vec());
        self.kept().secrets.push(secret);
    }

    /// The secrets that are revealed here and in the files below `dir`, except those below
    /// `except`: the beginning of a token is enough to be found.
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
