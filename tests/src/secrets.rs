//! Looks for leaked secrets. It shares no code with what hides them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use url::form_urlencoded;

/// Every token of the simulated Zendesk contains this, in hexadecimal and in base64 alike.
pub const CANARY: &str = "ca7a51f00d5eedca";

/// Knows secrets, and the texts that reveal them.
#[derive(Debug, Default)]
pub struct Scanner {
    needles: Vec<(String, Vec<u8>)>,
}

impl Scanner {
    /// Also looks for `secret`: as it is, in base64 at any alignment, URL-encoded, in hexadecimal.
    pub fn add(&mut self, name: &str, secret: &[u8]) {
        let mut add = |form: &str, needle: Vec<u8>| {
            self.needles.push((format!("{name}, {form}"), needle));
        };
        add("raw", secret.to_vec());
        let url: String = form_urlencoded::byte_serialize(secret).collect();
        add("URL-encoded", url.into_bytes());
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        add("hexadecimal", hex.into_bytes());
        for (alphabet, base64) in [("base64", STANDARD), ("base64url", URL_SAFE)] {
            for before in 0..3 {
                let text = base64.encode([&vec![0; before], secret].concat());
                // Whole groups of four characters, which their neighbours can't change.
                let whole = &text.as_bytes()[4 * before.div_ceil(3)..text.len() / 4 * 4 - 4];
                add(alphabet, whole.to_vec());
            }
        }
    }

    /// How many forms of secrets it knows.
    pub fn len(&self) -> usize {
        self.needles.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// The names of the secrets that `text` reveals.
    pub fn find(&self, text: &[u8]) -> BTreeSet<&str> {
        let is_in = |needle: &[u8]| memchr::memmem::find(text, needle).is_some();
        let found = self.needles.iter().filter(|(_, needle)| is_in(needle));
        found.map(|(name, _)| name.as_str()).collect()
    }

    /// The same for every file below `dir`; each name comes with the file's.
    ///
    /// # Panics
    /// If a file can't be read.
    pub fn find_below(&self, dir: &Path, except: &[PathBuf]) -> Vec<String> {
        let mut found = Vec::new();
        for file in files(dir) {
            if !except.iter().any(|path| file.starts_with(path)) {
                // Another process may have just removed the file; then no one else can read it
                // either.
                let bytes = match std::fs::read(&file) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    read => read.expect("a file of the home is readable"),
                };
                let names = self.find(&bytes).into_iter();
                found.extend(names.map(|name| format!("{name} in {}", file.display())));
            }
        }
        found
    }
}

/// Watches what the system shows all users of the processes of one home: their arguments and
/// environments.
#[derive(Debug)]
pub struct ProcessWatch {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Seen>,
}

/// What was seen of each program.
pub type Seen = BTreeMap<PathBuf, BTreeSet<Vec<u8>>>;

impl ProcessWatch {
    /// Starts watching the programs in `bin`.
    pub fn start(bin: PathBuf) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::new();
            loop {
                glance(&bin, &mut seen);
                match stopped.recv_timeout(GLANCE) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return seen,
                }
            }
        });
        Self { stop, thread }
    }

    /// Stops watching, and returns what was seen.
    ///
    /// # Panics
    /// If the watch itself has failed.
    pub fn stop(self) -> Seen {
        drop(self.stop);
        self.thread.join().expect("the watch goes on until now")
    }
}

/// Adds what the system currently shows of the programs in `bin`.
pub(crate) fn glance(bin: &Path, seen: &mut Seen) {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return;
    };
    for process in processes.flatten() {
        let path = process.path();
        let Ok(arguments) = std::fs::read(path.join("cmdline")) else {
            continue;
        };
        let program = arguments
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        let program = PathBuf::from(String::from_utf8_lossy(program).into_owned());
        if !program.starts_with(bin) {
            continue;
        }
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        seen.entry(program)
            .or_default()
            .extend([arguments, environment]);
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            Ok(_) | Err(_) => {}
        }
    }
    found
}

/// Even a program that only asks the daemon lives longer.
const GLANCE: Duration = Duration::from_millis(2);
