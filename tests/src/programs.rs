//! The programs that a test or the demo starts, each under its real name.
//!
//! One binary contains all of them and chooses by the name it is called by, like busybox: that
//! needs one link instead of three, and a test runs exactly what was built with it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs the program whose name this process was started under; `None` for any other name.
pub fn act() -> Option<ExitCode> {
    let name = std::env::args_os().next().map(PathBuf::from)?;
    match name.file_name()?.to_str()? {
        DAEMON => Some(loopdeskd::main()),
        CLIENT => Some(loopdesk::main()),
        BROWSER => Some(crate::browser::main()),
        FAKE_BROWSER => Some(crate::fake_browser::main()),
        KEY_WRITER => Some(crate::key_writer::main()),
        _ => None,
    }
}

/// Puts the programs into `dir`.
///
/// `binary` is the binary whose `main` calls [`act`]. If the variable `LOOPDESK_PROGRAMS` names a
/// folder, daemon and command line come from there instead, for example `target/release`.
///
/// # Errors
/// If a link or copy can't be created.
pub fn install(binary: &Path, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let others = std::env::var_os("LOOPDESK_PROGRAMS").map(PathBuf::from);
    for name in [DAEMON, CLIENT, BROWSER, FAKE_BROWSER, KEY_WRITER] {
        let source = match &others {
            Some(folder) if [DAEMON, CLIENT].contains(&name) => folder.join(name),
            _ => binary.to_owned(),
        };
        let target = dir.join(name);
        if std::fs::hard_link(&source, &target).is_err() {
            std::fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

const DAEMON: &str = "loopdeskd";
const CLIENT: &str = "loopdesk";
const BROWSER: &str = "browser";
pub(crate) const FAKE_BROWSER: &str = "fake-browser";
const KEY_WRITER: &str = "key-writer";
